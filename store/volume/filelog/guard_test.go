package filelog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// disturbances are what others can do to a store under a session, and what that comes to.
var disturbances = []struct {
	name  string
	do    func(*volumes.Files) error
	want  error
	says  bool // only who is about to let something count looks so closely
	quiet bool // the end of the session leaves it to the next
}{
	{"the lock is removed", func(f *volumes.Files) error { return f.Remove("a.rvf.lock") }, volume.ErrHeld, false, false},
	{"another has the lock", func(f *volumes.Files) error {
		if err := f.Remove("a.rvf.lock"); err != nil {
			return err
		}
		file, err := f.Create("a.rvf.lock", 0o644)
		if err != nil {
			return err
		}
		return file.Close()
	}, volume.ErrHeld, false, false},
	{"the file is removed", func(f *volumes.Files) error { return f.Remove("a.rvf") }, volume.ErrNotFound, false, false},
	{"another file is there", func(f *volumes.Files) error {
		file, err := f.Create("b.rvf", 0o644)
		if err != nil {
			return err
		}
		return errors.Join(file.Close(), f.Rename("b.rvf", "a.rvf"))
	}, volume.ErrStale, false, false},
	{"it has a second name", func(f *volumes.Files) error { return f.Link("a.rvf", "b.rvf") }, volume.ErrManyNames, false, false},
	{"it is longer", func(f *volumes.Files) error {
		f.Names["a.rvf"].Write([]byte("x"), 10_000)
		return nil
	}, volume.ErrForeign, false, true},
	{"it is a byte longer", func(f *volumes.Files) error {
		f.Names["a.rvf"].Write([]byte("x"), int64(len(f.Content("a.rvf"))))
		return nil
	}, volume.ErrForeign, false, true},
	{"it is a byte shorter", func(f *volumes.Files) error { return truncated(f, int64(len(f.Content("a.rvf")))-1) }, volume.ErrForeign, false, true},
	{"it is shorter", func(f *volumes.Files) error { return truncated(f, 40) }, volume.ErrForeign, false, true},
	{"the manifest is another", func(f *volumes.Files) error {
		f.Names["a.rvf"].Write(make([]byte, 8), int64(bytes.LastIndex(f.Content("a.rvf"), []byte("SFVR"))))
		return nil
	}, volume.ErrForeign, true, false},
}

func truncated(f *volumes.Files, size int64) error {
	file, err := f.Open("a.rvf", true)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(size), file.Close())
}

// TestWhoLostItsPlaceWritesNothing: whatever somebody else did to lock, name or file, the
// next that is to be written is not, and it is said why.
func TestWhoLostItsPlaceWritesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range disturbances {
		for name, write := range map[string]func(*desk, *segment) error{
			"a segment begins": func(d *desk, _ *segment) error {
				return d.Extent(volume.ExtentSpec{Type: of}).Write(context.Background(), []byte("new"))
			},
			"one of known length begins": func(d *desk, _ *segment) error {
				e := d.Extent(volume.ExtentSpec{Type: of, Length: 10})
				defer d.Drop(e)
				return e.Write(context.Background(), []byte("new"))
			},
			"a segment goes on": func(_ *desk, s *segment) error { return s.Write(context.Background(), []byte("more")) },
			"a long write":      func(_ *desk, s *segment) error { return s.Write(context.Background(), make([]byte, 1000)) },
			"a commit": func(d *desk, s *segment) error {
				_, err := d.Publish(t.Context(), d.commit(s))
				if !errors.Is(d.Failed(), err) {
					return fmt.Errorf("the session is not over: %w", d.Failed())
				}
				return err
			},
			"a look":    func(d *desk, _ *segment) error { return d.Guard(t.Context()) },
			"a rewrite": func(d *desk, _ *segment) error { return d.rewrite(new(turns), func(*filelog.Rewrite) {}) },
		} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t)
				d.publish(d.begin("committed"))
				open := d.begin("begun")
				node := d.files.Names["a.rvf"]
				if err := c.do(d.files); err != nil {
					t.Fatal(err)
				}
				before := bytes.Clone(node.Content)
				err := write(d, open)
				if unseen := c.says && name != "a commit" && name != "a look"; unseen {
					return
				}
				want := c.want
				if name == "a rewrite" && strings.Contains(c.name, "shorter") {
					want = volume.ErrCorrupt // what it is to copy is not there
				}
				if !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				if changed := c.says && name == "a commit"; !changed && !bytes.Equal(node.Content, before) {
					t.Errorf("the file changed from %d to %d bytes", len(before), len(node.Content))
				}
				before = bytes.Clone(node.Content)
				if err := d.End(); err != nil && c.quiet {
					t.Errorf("the end says %v", err)
				}
				if !c.says && !bytes.Equal(node.Content, before) {
					t.Errorf("the end changed the file from %d to %d bytes", len(before), len(node.Content))
				}
				if _, locked := d.files.Names["a.rvf.lock"]; locked != (c.name == "another has the lock") {
					t.Errorf("the lock is there: %t", locked)
				}
			})
		}
	}
}

// TestBodyOfKnownLengthGoesOverNothing: its room is reserved as a whole and not in the file
// yet, so that others can append there.
func TestBodyOfKnownLengthGoesOverNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e := d.Extent(volume.ExtentSpec{Type: of, Length: 1000})
	if err := e.Write(t.Context(), make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	behind := d.begin("behind it")
	if err := e.Write(t.Context(), make([]byte, 100)); err != nil {
		t.Fatalf("with another behind it: %v", err)
	}
	d.Drop(behind.Extent)
	d.files.Names["a.rvf"].Write([]byte("foreign"), int64(len(d.files.Content("a.rvf"))))
	if err := e.Write(t.Context(), make([]byte, 100)); !errors.Is(err, volume.ErrForeign) {
		t.Errorf("%v", err)
	}
	d.Drop(e)
	if err := d.End(); err != nil {
		t.Error(err)
	}
	if !bytes.HasSuffix(d.files.Content("a.rvf"), []byte("foreign")) {
		t.Error("what the other program wrote is gone")
	}
}

// TestTailIsCutAsItWasLookedAt: what comes while a beginning session looks at what stands
// behind the last manifest is not cut off with it.
func TestTailIsCutAsItWasLookedAt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.End(); err != nil {
		t.Fatal(err)
	}
	d.files.Names["a.rvf"].Write([]byte("torn"), int64(len(d.files.Content("a.rvf"))))
	others := func(*volume.Version, volume.Bytes) error {
		d.files.Names["a.rvf"].Write([]byte("foreign"), int64(len(d.files.Content("a.rvf"))))
		return nil
	}
	begin := volume.Beginning{Admit: func(volume.FileInfo) error { return nil }, Settle: others}
	if _, err := d.log.Session(t.Context(), begin); !errors.Is(err, volume.ErrForeign) {
		t.Errorf("%v", err)
	}
	if !bytes.HasSuffix(d.files.Content("a.rvf"), []byte("tornforeign")) {
		t.Error("what the other program wrote is gone")
	}
}

// TestCommitOverAnotherManifestDoesNotCount: its magic number is never written.
func TestCommitOverAnotherManifestDoesNotCount(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.publish(d.begin("committed"))
	c := d.commit(d.begin("text"))
	d.files.Names["a.rvf"].Write(make([]byte, 8), d.Base().State.Segment.Offset)
	if _, err := d.Publish(t.Context(), c); !errors.Is(err, volume.ErrForeign) {
		t.Errorf("%v", err)
	}
	found, err := segments.FindState(d.OpenFile(), int64(len(d.files.Content("a.rvf"))), segments.FindOptions{})
	if err != nil || found.Manifest.Epoch != 1 {
		t.Errorf("found is epoch %d: %v", found.Manifest.Epoch, err)
	}
}

// TestLeftNamesAreDropped when a session begins: temporary ones of the store's own file,
// and no others.
func TestLeftNamesAreDropped(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.End(); err != nil {
		t.Fatal(err)
	}
	left, foreign := filelog.TemporaryName("a.rvf"), filelog.TemporaryName("a.rvf")
	if err := errors.Join(d.files.Link("a.rvf", left), putFile(t, d.files, foreign, []byte("other")).Close()); err != nil {
		t.Fatal(err)
	}
	begin := volume.Beginning{Admit: func(volume.FileInfo) error { return nil }, Settle: func(*volume.Version, volume.Bytes) error { return nil }}
	s, err := d.log.Session(t.Context(), begin)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	if _, there := d.files.Names[left]; there {
		t.Error("the store's second name is left")
	}
	if _, there := d.files.Names[foreign]; !there {
		t.Error("another file was removed")
	}
	if err := d.files.Link("a.rvf", "b.rvf"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.log.Session(t.Context(), begin); !errors.Is(err, volume.ErrManyNames) {
		t.Errorf("%v", err)
	}
	if _, there := d.files.Names["b.rvf"]; !there {
		t.Error("a name that somebody gave was removed")
	}
}
