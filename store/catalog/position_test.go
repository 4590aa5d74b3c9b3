package catalog

import (
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
		begin(team)
		var err error
		var moved bool
		var done atomic.Int32
		go func() {
			err = c.follow(&sub.place, act)
			done.Add(1)
		}()
		go func() {
			moved = c.moved(0)
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
		if err := c.follow(&sub.place, act); !errors.Is(err, fs.ErrNotExist) || asked != 1 {
			t.Errorf("%v after %d looks", err, asked)
		}
		settle(aside, "aside")
		if c.moved(2) || !c.moved(1) {
			t.Error("renames are miscounted")
		}
		// A rename that came and went back while somebody looked is one, too.
		asked = 0
		err = c.follow(&sub.place, func(string) error {
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
		if err := c.follow(&sub.place, func(string) error { return errReplaced }); !errors.Is(err, errReplaced) {
			t.Errorf("another failure became %v", err)
		}
	})
}
