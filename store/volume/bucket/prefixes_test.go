package bucket

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/objects"
)

// TestVolumesOfTwoPrefixes: a store belongs to a volume, and to that of a folder in it. Whoever
// begins its extents, both find them, add to them, and tidy them up.
func TestVolumesOfTwoPrefixes(t *testing.T) {
	t.Parallel()
	for what, first := range map[string]int{"the outer one begins": 0, "the inner one begins": 1} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			bucket, clock := memory.New(), &clock{}
			outer, inner := inExtents(clock), inExtents(clock)
			outer.Prefix, inner.Prefix = "team/", "team/sub/"
			create(t, bucket, inner, "a.rvf")
			writers := []*process{open(t, bucket, outer, "sub/a.rvf"), open(t, bucket, inner, "a.rvf")}
			slices.Reverse(writers[:2*first])
			var want []string
			for round := range 20 {
				text := fmt.Sprintf("%d of %s", round, strings.Repeat("x", round))
				if err := writers[round%2].put(text); err != nil {
					t.Fatalf("%d: %v", round, err)
				}
				want = append(want, text)
				for _, w := range writers {
					if got, err := w.texts(); err != nil || !slices.Equal(got, want) {
						t.Fatalf("%d: %q, want %q, %v", round, got, want, err)
					}
				}
				if round%5 == 4 {
					if err := writers[round/5%2].log.tidyUp(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := writers[1].compact(); err != nil {
				t.Fatal(err)
			}
			clock.turn(100 * time.Hour)
			for _, w := range writers {
				if _, err := w.texts(); err != nil {
					t.Fatal(err)
				}
				if err := w.log.tidyUp(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for i, name := range []string{"sub/a.rvf", "a.rvf"} {
				if got, err := open(t, bucket, []Options{outer, inner}[i], name).texts(); err != nil || !slices.Equal(got, want) {
					t.Errorf("in the end %q, want %q, %v", got, want, err)
				}
			}
		})
	}
}

// TestTwoPrefixesBeginAtOnce: both volumes have a long segment on its way before the store names
// any extent. The second commits before it hears of the first, or after.
func TestTwoPrefixesBeginAtOnce(t *testing.T) {
	t.Parallel()
	for _, hears := range []bool{false, true} {
		t.Run(fmt.Sprintf("hears of it %t", hears), func(t *testing.T) { beginAtOnce(t, hears) })
	}
}

func beginAtOnce(t *testing.T, hears bool) {
	t.Parallel()
	bucket, clock := memory.New(), &clock{}
	outer, inner := Options{Part: objects.SmallestPart, Untidy: true, Now: clock.now}, Options{Part: objects.SmallestPart, Untidy: true, Now: clock.now}
	outer.Prefix, inner.Prefix = "team/", "team/sub/"
	create(t, bucket, inner, "a.rvf")
	first, second := open(t, bucket, outer, "sub/a.rvf"), open(t, bucket, inner, "a.rvf")
	long := []string{strings.Repeat("first", 2<<20), strings.Repeat("second", 2<<20)}
	first.begin()
	second.begin()
	one, two := first.extent(long[0]), second.extent(long[1])
	if _, err := first.commit(one); err != nil {
		t.Fatal(err)
	}
	if hears {
		if _, err := second.texts(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := second.commit(two); err != nil {
		t.Fatal(err)
	}
	first.end()
	second.end()
	for i, name := range []string{"sub/a.rvf", "a.rvf"} {
		if got, err := open(t, bucket, []Options{outer, inner}[i], name).texts(); err != nil || !slices.Equal(got, long) {
			t.Errorf("%.40q, want %.40q, %v", got, long, err)
		}
	}
}

// TestATreeThatWasCopied has another program copy all of a volume to another prefix. The copies read
// what was copied, for the volume itself may go.
func TestATreeThatWasCopied(t *testing.T) {
	t.Parallel()
	bucket, clock := memory.New(), &clock{}
	from, to := inExtents(clock), inExtents(clock)
	from.Prefix, to.Prefix = "team/", "saved/"
	create(t, bucket, from, "a.rvf")
	p := open(t, bucket, from, "a.rvf")
	if err := errors.Join(p.put("one"), p.put("two")); err != nil {
		t.Fatal(err)
	}
	for _, entry := range bucket.Keys("team/") {
		if rest, ours := strings.CutPrefix(entry, "team/"); ours {
			bucket.Copied(entry, "saved/"+rest)
			if err := bucket.Delete(t.Context(), entry, objects.Condition{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	copied := open(t, bucket, to, "a.rvf")
	if err := copied.put("three"); err != nil {
		t.Fatal(err)
	}
	wants(t, bucket, to, "one", "two", "three")
}
