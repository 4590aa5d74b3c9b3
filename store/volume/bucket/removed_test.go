package bucket

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/objects"
)

// TestRemovedStoresAreSweptAway: the extents of a store that was removed, by whatever name, go a day
// later, and nothing that any object names: that of the store itself, of another, or of a copy that
// another program has made of its object.
func TestRemovedStoresAreSweptAway(t *testing.T) {
	t.Parallel()
	const day = 25 * time.Hour
	for what, c := range map[string]struct {
		before func(t *testing.T, p *process, bucket *memory.Bucket) // the store is removed
		after  time.Duration
		stays  string // why
	}{
		"removed": {func(*testing.T, *process, *memory.Bucket) {}, day, ""},
		"moved before": {func(t *testing.T, p *process, _ *memory.Bucket) {
			if err := p.volume.moveObject(t.Context(), "a.rvf", "folder/c.rvf"); err != nil {
				t.Fatal(err)
			}
		}, day, ""},
		"just now": {func(*testing.T, *process, *memory.Bucket) {}, time.Minute, "less than a day ago"},
		"copied":   {func(_ *testing.T, _ *process, bucket *memory.Bucket) { bucket.Copied("a.rvf", "z.rvf") }, day, "z.rvf is a copy"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			bucket, clock := memory.New(), &clock{}
			options := inExtents(clock)
			create(t, bucket, options, "a.rvf")
			create(t, bucket, options, "b.rvf")
			p, other := open(t, bucket, options, "a.rvf"), open(t, bucket, options, "b.rvf")
			if err := errors.Join(p.put("one"), p.put("two"), other.put("three")); err != nil {
				t.Fatal(err)
			}
			log := p.log.current.line.Log
			c.before(t, p, bucket)
			for _, key := range []string{"a.rvf", "folder/c.rvf"} {
				found, err := p.volume.read(t.Context(), key, "")
				if err == nil && found.moved == nil {
					_, err = p.volume.bury(t.Context(), found, moved{}, false)
				}
				if err != nil && !errors.Is(err, objects.ErrNotFound) {
					t.Fatal(err)
				}
			}
			clock.turn(c.after)
			sweeper := Open(bucket, options)
			listed, err := sweeper.SweepRemoved(t.Context(), true)
			left := func() (names []string) {
				names, err := sweeper.names(t.Context(), log)
				if err != nil {
					t.Fatal(err)
				}
				return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, pinPrefix) })
			}
			extents := len(left())
			if err != nil || len(listed) != 1 || listed[0].Log != log || listed[0].Extents != extents || extents == 0 || listed[0].Bytes == 0 {
				t.Fatalf("%+v is listed of %d extents of %s, %v", listed, extents, log, err)
			}
			swept, err := sweeper.SweepRemoved(t.Context(), false)
			if err != nil || len(swept) != 1 || !strings.Contains(swept[0].Stays, c.stays) || (swept[0].Stays == "") != (c.stays == "") {
				t.Fatalf("%+v, %v; want that it stays for %q", swept, err, c.stays)
			}
			if now := len(left()); c.stays == "" && now > 0 || c.stays != "" && now != extents {
				t.Errorf("%d of %d extents are left", now, extents)
			}
			if again, err := sweeper.SweepRemoved(t.Context(), false); err != nil || (len(again) == 0) != (c.stays == "") {
				t.Errorf("again: %+v, %v", again, err)
			}
			if what == "copied" {
				texts, err := open(t, bucket, options, "z.rvf").texts()
				if err != nil || !slices.Equal(texts, []string{"one", "two"}) {
					t.Errorf("the copy holds %q, %v", texts, err)
				}
			}
			if texts, err := other.texts(); err != nil || !slices.Equal(texts, []string{"three"}) {
				t.Errorf("the other store holds %q, %v", texts, err)
			}
			if err := sweeper.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
