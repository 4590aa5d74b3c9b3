package catalog

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"rvffs/store/volume"
)

// TestFollow: who comes to a path that leads nowhere waits for the rename that is under
// way, of the place or of a folder above it, and tries again; without one it leads
// nowhere.
func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := Open(nil, Options{})
		team := c.newFolder(position{folder: c.root, name: "team"}, volume.Identity{})
		sub := c.newFolder(position{folder: team, name: "sub"}, volume.Identity{})
		aside := c.newFolder(position{folder: c.root, name: "aside"}, volume.Identity{})
		there := "crew/sub" // on the disk
		asked := 0
		act := func(path string) error {
			asked++
			if path != there {
				return fs.ErrNotExist
			}
			return nil
		}
		begin := func(f *Folder) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.begin(&f.place)
		}
		settle := func(f *Folder, name string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			f.place.name = name
			c.settle(&f.place)
		}
		// Who waits for a rename can give up.
		begin(team)
		gone, leave := context.WithCancel(t.Context())
		var given atomic.Int32
		for _, wait := range []func() error{
			func() error { return c.follow(gone, &sub.place, act) },
			func() error { _, err := c.moved(gone, 0); return err },
		} {
			go func() {
				if err := wait(); !errors.Is(err, context.Canceled) {
					t.Errorf("who gave up was told: %v", err)
				}
				given.Add(1)
			}()
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		if given.Load() != 2 {
			t.Fatalf("%d of 2 gave up waiting for the rename", given.Load())
		}
		asked = 0
		var err error
		var moved bool
		var done atomic.Int32
		go func() {
			err = c.follow(t.Context(), &sub.place, act)
			done.Add(1)
		}()
		go func() {
			moved, _ = c.moved(t.Context(), 0)
			done.Add(1)
		}()
		synctest.Wait()
		if done.Load() != 0 {
			t.Fatalf("%d did not wait for the rename: %v", done.Load(), err)
		}
		settle(team, "crew")
		synctest.Wait()
		if done.Load() != 2 || err != nil || asked != 2 || !moved {
			t.Errorf("after the rename: %d went on, %v after %d looks", done.Load(), err, asked)
		}
		// What stands nowhere stands nowhere, whatever else is renamed.
		there, asked = "", 0
		begin(aside)
		if err := c.follow(t.Context(), &sub.place, act); !errors.Is(err, fs.ErrNotExist) || asked != 1 {
			t.Errorf("%v after %d looks", err, asked)
		}
		settle(aside, "aside")
		for since, want := range map[uint64]bool{1: true, 2: false} {
			if moved, err := c.moved(t.Context(), since); moved != want || err != nil {
				t.Errorf("since %d renames: %v, %v", since, moved, err)
			}
		}
		// A rename that came and went back while somebody looked is one, too.
		asked = 0
		err = c.follow(t.Context(), &sub.place, func(string) error {
			if asked++; asked > 1 {
				return nil
			}
			begin(team)
			settle(team, "crew")
			return fs.ErrNotExist
		})
		if err != nil || asked != 2 {
			t.Errorf("%v after %d looks", err, asked)
		}
		if err := c.follow(t.Context(), &sub.place, func(string) error { return errReplaced }); !errors.Is(err, errReplaced) {
			t.Errorf("another failure became %v", err)
		}
	})
}
