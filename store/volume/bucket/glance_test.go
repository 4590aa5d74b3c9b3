package bucket

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
)

// kindOf is what a test compares of what stands somewhere: the errors that callers tell apart.
func kindOf(err error) string {
	for _, kind := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrPermission} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return fmt.Sprint(err)
}

// What a process has changed itself it knows at once, however old what it knows may be: it says
// the same as who asks each time.
func TestOwnChangesAreKnownAtOnce(t *testing.T) {
	t.Parallel()
	made := content(t, 2)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			ctx, random, objects := t.Context(), rand.New(rand.NewPCG(seed, 1)), memory.New()
			lax := seed%2 == 1
			objects.LaxDelete = lax
			v := Open(objects, Options{Freshness: time.Hour, KeepTombstones: lax})
			asks := Open(objects, looking(Options{KeepTombstones: lax, Untidy: true}))
			names := []string{"a", "b", "f", "f/a", "f/g", "f/g/a"}
			for step := range 300 {
				name, other := names[random.IntN(len(names))], names[random.IntN(len(names))]
				did := ""
				var err error
				switch random.IntN(6) {
				case 0:
					did, err = "create "+name, v.Shelf().Create(ctx, name, made, 0o644)
				case 1:
					did, err = "make folder "+name, v.MakeFolder(ctx, name, 0o755)
				case 2:
					did, err = "move "+name+" to "+other, v.Move(ctx, name, other)
				case 3:
					did, err = "remove folder "+name, v.RemoveFolder(ctx, name)
				case 4:
					did = "change " + name
					var held volume.Held
					if held, err = v.Hold(ctx, name); err == nil {
						mode := fs.FileMode(random.IntN(0o1000))
						err = held.Change(ctx, volume.AttributeChange{Mode: &mode, UID: -1, GID: -1})
					}
				case 5:
					did = "remove " + name
					log := v.Shelf().Log(name, volume.LogOptions{})
					if _, err = log.Open(ctx, volume.Known{}); err == nil {
						err = log.Remove(ctx, v.Shelf())
					}
					_, closed := log.Close()
					err = errors.Join(err, closed)
				}
				for _, name := range names {
					got, gotErr := v.Describe(ctx, name)
					want, wantErr := asks.Describe(ctx, name)
					got.Modified, want.Modified = time.Time{}, time.Time{} // a bucket's own in memory differs
					if got != want || kindOf(gotErr) != kindOf(wantErr) {
						t.Fatalf("step %d, %s (%v): %s is known as %+v, %v; it is %+v, %v", step, did, err, name, got, gotErr, want, wantErr)
					}
				}
			}
		})
	}
}
