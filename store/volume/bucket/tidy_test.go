package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
)

// clock is one that the test turns.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) turn(by time.Duration) { c.ahead.Add(int64(by)) }

// inExtents are options with which all but the manifest is in extents, on however slow a machine.
func inExtents(c *clock) Options {
	const patience = 10 * time.Minute
	return Options{Inline: 1, InlineBeside: 1, Untidy: true, CacheSize: 1, Now: c.now, CommitTimeout: patience, Timeout: patience}
}

// tidies tidies up by a process of its own.
func tidies(t *testing.T, objects *memory.Bucket, options Options) *Log {
	t.Helper()
	p := open(t, objects, options, "a.rvf")
	if err := p.log.tidyUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p.log
}

// wants checks what a new process finds.
func wants(t *testing.T, objects *memory.Bucket, options Options, want ...string) {
	t.Helper()
	texts, err := open(t, objects, options, "a.rvf").texts()
	if err != nil || !slices.Equal(texts, want) {
		t.Errorf("%.300q is there, want %.300q, %v", texts, want, err)
	}
}

// TestExtentsAreKeptFew folds small extents and large ones: the bytes are the same, for who
// reads already, too.
func TestExtentsAreKeptFew(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ count, size, most int }{
		"small": {100, 100, 30}, "through the bucket": {17, 1 << 20, 3}, "longer than a part": {16, 6 << 20, 2},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			objects, clock := memory.New(), &clock{}
			options := inExtents(clock)
			create(t, objects, options, "a.rvf")
			p := open(t, objects, options, "a.rvf")
			var want []string
			for i := range c.count {
				want = append(want, strings.Repeat(fmt.Sprintf("%03d ", i), c.size/4))
				if err := p.put(want[i]); err != nil {
					t.Fatal(err)
				}
			}
			version := p.log.newest
			before := assembled(t, objects, "a.rvf")
			log := tidies(t, objects, options)
			if n := len(log.current.line.Extents); n > c.most {
				t.Errorf("%d extents are left of %d", n, c.count)
			}
			if !bytes.Equal(assembled(t, objects, "a.rvf"), before) {
				t.Error("the bytes are others")
			}
			wants(t, objects, options, want...)
			clock.turn(48 * time.Hour)
			log = tidies(t, objects, options)
			if n := len(log.current.line.Retired); n != 0 {
				t.Errorf("%d extents are still retired", n)
			}
			if keys := objects.Keys(".rvffs/x/"); len(keys) != len(log.current.line.Extents) {
				t.Errorf("%d objects are there for %d extents", len(keys), len(log.current.line.Extents))
			}
			wants(t, objects, options, want...)
			// Who reads from before goes by where the bytes lie now.
			if texts, err := textsOf(version); err != nil || !slices.Equal(texts, want) {
				t.Errorf("who reads finds %d texts, %v", len(texts), err)
			}
		})
	}
}

// TestCommitsFoldBesideAllElse: nobody has to ask for it.
func TestCommitsFoldBesideAllElse(t *testing.T) {
	t.Parallel()
	objects := memory.New()
	options := inExtents(&clock{})
	options.Untidy = false
	create(t, objects, options, "a.rvf")
	p := open(t, objects, options, "a.rvf")
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprint(i))
		if err := p.put(want[i]); err != nil {
			t.Fatal(err)
		}
	}
	p.log.keeping.Wait()
	if n := len(p.log.current.line.Extents); n >= 60 {
		t.Errorf("%d extents are named", n)
	}
	wants(t, objects, options, want...)
}

// TestWhatIsReadIsKept after a compaction for as long as is said, and longer while somebody
// reads it.
func TestWhatIsReadIsKept(t *testing.T) {
	t.Parallel()
	objects, clock := memory.New(), &clock{}
	options := inExtents(clock)
	create(t, objects, options, "a.rvf")
	p, reader, late := open(t, objects, options, "a.rvf"), open(t, objects, options, "a.rvf"), open(t, objects, options, "a.rvf")
	want := []string{"one", "two"}
	for _, text := range want {
		if err := p.put(text); err != nil {
			t.Fatal(err)
		}
	}
	reads := func(what string, version *volume.Version) {
		t.Helper()
		if texts, err := textsOf(version); err != nil || !slices.Equal(texts, want) {
			t.Errorf("%s: %q, %v", what, texts, err)
		}
	}
	look := func(p *process) *volume.Version {
		t.Helper()
		version, err := p.log.refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	old, lateVersion := look(reader), look(late)
	if _, err := old.Generation.Pin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.compact(); err != nil {
		t.Fatal(err)
	}
	if now := look(reader); now.Generation == old.Generation {
		t.Fatal("a compaction makes no generation")
	}
	clock.turn(20 * time.Hour)
	tidies(t, objects, options)
	reads("before the time is over", old)
	reads("who knows of nothing, before the time is over", lateVersion)
	for range 3 {
		clock.turn(10 * time.Hour)
		tidies(t, objects, options)
		reads("while it is pinned", old)
	}
	if err := old.Generation.Unpin(); err != nil {
		t.Fatal(err)
	}
	clock.turn(60 * time.Hour)
	tidies(t, objects, options)
	if _, err := textsOf(old); !errors.Is(err, volume.ErrStale) {
		t.Errorf("when nobody reads it: %v", err)
	}
	wants(t, objects, options, want...)
}

// TestOrphansAreSweptAway, and nothing that somebody may still name.
func TestOrphansAreSweptAway(t *testing.T) {
	t.Parallel()
	objects, clock := memory.New(), &clock{}
	options := inExtents(clock)
	create(t, objects, options, "a.rvf")
	p := open(t, objects, options, "a.rvf")
	if err := p.put("one"); err != nil {
		t.Fatal(err)
	}
	// A commit that is late: its extents are there, and named nowhere.
	slow := open(t, objects, options, "a.rvf")
	slow.begin()
	long := slow.extent(strings.Repeat("long", 5_000_000))
	if err := p.put("two"); err != nil {
		t.Fatal(err)
	}
	if _, err := slow.publish(long, slow.extent("small")); !errors.Is(err, volume.ErrMoved) {
		t.Fatalf("who is late: %v", err)
	}
	orphans := len(objects.Keys(".rvffs/x/")) - len(p.log.current.line.Extents)
	if orphans < 2 {
		t.Fatalf("%d orphans", orphans)
	}
	tidies(t, objects, options)
	if n := len(objects.Keys(".rvffs/x/")) - len(p.log.current.line.Extents); n != orphans {
		t.Errorf("of %d orphans %d are left at once", orphans, n)
	}
	clock.turn(72 * time.Hour)
	log := tidies(t, objects, options)
	if n := len(objects.Keys(".rvffs/x/")) - len(log.current.line.Extents); n != 0 || log.current.line.Horizon == "" {
		t.Errorf("%d orphans are left of %d, the horizon is %q", n, orphans, log.current.line.Horizon)
	}
	if _, err := slow.commit(long, slow.extent("late")); err != nil {
		t.Fatal(err)
	}
	slow.end()
	wants(t, objects, options, "one", "two", strings.Repeat("long", 5_000_000), "late")
}

// TestRetiringAndMendingExtents writes over bytes of extents, short and long, by making
// others.
func TestRetiringAndMendingExtents(t *testing.T) {
	t.Parallel()
	for what, size := range map[string]int{"short": 100, "long": 30_000_000} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			objects, clock := memory.New(), &clock{}
			options := inExtents(clock)
			create(t, objects, options, "a.rvf")
			p := open(t, objects, options, "a.rvf")
			want := strings.Repeat("x", size)
			if err := errors.Join(p.put("NKVR, gone"), p.put(want)); err != nil {
				t.Fatal(err)
			}
			p.begin()
			named := p.session.Base().State.Named()
			manifest := *p.session.Base().State.Manifest
			manifest.Epoch++
			manifest.Directory = named[1:]
			version, err := p.session.Publish(context.Background(), volume.Commit{Stamp: 7, Manifest: &manifest, Retired: named[:1]})
			if err != nil {
				t.Fatal(err)
			}
			whole := assembled(t, objects, "a.rvf")
			if got := segments.Type(whole[named[0].Offset+segments.TypeOffset]); got != segments.RetiredType {
				t.Errorf("what was retired is of type %v", got)
			}
			at := named[1].Offset + segments.HeaderSize + int64(size)/2
			if err := p.session.Mend(context.Background(), []byte("mended"), at); err != nil {
				t.Fatal(err)
			}
			p.end()
			copy(whole[at:], "mended")
			if !bytes.Equal(assembled(t, objects, "a.rvf"), whole) {
				t.Error("what was written over is not what is there")
			}
			pinned, _ := version.Generation.Pin(t.Context())
			if got := read(pinned, 0, version.State.End); !bytes.Equal(got, whole) {
				t.Error("a reader finds something else")
			}
		})
	}
}
