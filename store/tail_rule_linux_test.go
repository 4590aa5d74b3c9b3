package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rvffs/lineage"
	"rvffs/store/recovery"
	"rvffs/store/storetest"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// stranger is a user who is neither root nor the owner of the stores in the tests, nor
// runs them.
const stranger = 4_000_000_001

// forge makes a tail of a copy of the store: vectors with one id, as its finder would
// like to have them in the store.
func forge(t *testing.T, files *volumes.Files, id uint64) []byte {
	t.Helper()
	copied := volumes.New()
	putFile(t, copied, "a.rvf", files.Content("a.rvf"))
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: copied}})
	if err != nil {
		t.Fatal(err)
	}
	behind(t, copied, vecSegment(50, 666, id))
	if _, err := s.Delete(context.Background(), []uint64{1_000_000}); err != nil {
		t.Fatal(err)
	}
	return copied.Content("a.rvf.tail-1")
}

// TestOnlyTheStoresTailsCount: a file that has the name of a tail, and all that is in
// one, but is another's, is as if it were not there.
func TestOnlyTheStoresTailsCount(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const name = "a.rvf.tail-1"
	for what, c := range map[string]struct {
		change func(*testing.T, *volumes.Files)
		counts bool
		reason string
	}{
		"the owner's own": {func(*testing.T, *volumes.Files) {}, true, ""},
		"a stranger's":    {func(_ *testing.T, files *volumes.Files) { files.Names[name].Attributes.UID = stranger }, false, "belongs to user 4000000001"},
		"root's of a stranger's store": {func(_ *testing.T, files *volumes.Files) {
			files.Names["a.rvf"].Attributes.UID = stranger
		}, true, ""},
		"a stranger's of his own store": {func(_ *testing.T, files *volumes.Files) {
			files.Names["a.rvf"].Attributes.UID, files.Names[name].Attributes.UID = stranger, stranger
		}, true, ""},
		"another stranger's": {func(_ *testing.T, files *volumes.Files) {
			files.Names["a.rvf"].Attributes.UID, files.Names[name].Attributes.UID = stranger, stranger+1
		}, false, "and the store to user 4000000001"},
		"a hard link": {func(t *testing.T, files *volumes.Files) {
			if err := files.Link(name, "elsewhere"); err != nil {
				t.Fatal(err)
			}
		}, false, "2 names"},
		"another store's": {func(t *testing.T, files *volumes.Files) {
			editTail(t, files, name, "file_id", lineage.FileID{7}.String())
		}, false, "it is of the store"},
		"of a store without an identity": {func(t *testing.T, files *volumes.Files) {
			editTail(t, files, name, "file_id", "")
		}, true, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			files, _ := tailStore(t)
			putFile(t, files, name, forge(t, files, math.MaxUint64-1))
			c.change(t, files)
			s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
			if err != nil {
				t.Fatal(err)
			}
			tails, err := s.KeptTails(context.Background())
			if err != nil || (len(tails) == 1) != c.counts {
				t.Errorf("%+v, %v", tails, err)
			}
			if status, err := s.Status(ctx); err != nil || (len(status.Tails) == 1) != c.counts {
				t.Errorf("status: %+v, %v", status.Tails, err)
			}
			if found, err := s.Verify(ctx); err != nil || (found.Damages > 0) != c.counts {
				t.Errorf("verify: %+v, %v", found, err)
			}
			// Nobody can make ids run out.
			if _, err := s.Ingest(ctx, nil, []float32{9, 9, 9, 9, 9, 9, 9, 9, 9, 9}); (err == nil) == c.counts {
				t.Errorf("append: %v", err)
			}
			if named, err := s.Recover(ctx, recovery.Options{Only: []string{name}, List: true}); (err == nil) != c.counts ||
				!c.counts && (!errors.Is(err, volume.ErrInput) || !strings.Contains(err.Error(), c.reason) || len(named) > 0) {
				t.Errorf("recover by name: %+v, %v", named, err)
			}
			results, err := s.Recover(ctx, recovery.Options{})
			if err != nil || (len(results) == 1) != c.counts {
				t.Errorf("recover: %+v, %v", results, err)
			}
			if forged := contents(t, s)[math.MaxUint64-1] != nil; forged != c.counts {
				t.Errorf("the store has the vector: %t", forged)
			}
			if there := files.Names[name] != nil; there == c.counts {
				t.Errorf("the file is there: %t", there)
			}
		})
	}
}

// TestStrangersKeepNoStore from being removed.
func TestStrangersKeepNoStore(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	putFile(t, files, "a.rvf.tail-0", []byte("mine"))
	files.Names["a.rvf.tail-0"].Attributes.UID = stranger
	if err := s.Remove(t.Context(), s.shelf); err != nil || files.Content("a.rvf.tail-0") == nil {
		t.Errorf("remove: %v, left %v", err, files.Names)
	}
}

// TestTailsTakeFreeNumbers: whoever has the name of a tail, and whatever it is, the next
// number is as good, when one is kept and when its store is renamed.
func TestTailsTakeFreeNumbers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "a.rvf")
	s, err := Create(context.Background(), filepath.Base(name), CreateOptions{Dimension: 2}, Options{Shelf: storetest.Shelf(t, name), OnTailLeft: func(tail, moved string, err error) { t.Error(tail, moved, err) }})
	if err != nil {
		t.Fatal(err)
	}
	plant := func(store string) {
		t.Helper()
		tail := func(n int) string { return filepath.Join(dir, tailNamed(store, 0, n)) }
		if err := errors.Join(
			os.Symlink("nothing", tail(1)), os.Mkdir(tail(2), 0o700), syscall.Mkfifo(tail(3), 0o600),
			os.WriteFile(tail(4), nil, 0o600), os.Link(tail(4), filepath.Join(dir, "link to "+store))); err != nil {
			t.Fatal(err)
		}
	}
	plant("a.rvf")
	plant("b.rvf")
	content, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, append(content, vecSegment(50, 9, 7)...), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ingest(context.Background(), []uint64{1}, []float32{1, 1}); err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		tails, err := s.KeptTails(context.Background())
		if err != nil || len(tails) != 1 || tails[0].File != want || tails[0].Vectors != 1 {
			t.Errorf("%+v, %v, want %s", tails, err, want)
		}
	}
	check("a.rvf.tail-0-5")
	if err := moveTo(t.Context(), s, "b.rvf"); err != nil {
		t.Fatal(err)
	}
	check("b.rvf.tail-0-5")
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestRenameIsDoneWhateverBecomesOfTails: what cannot go along is told.
func TestRenameIsDoneWhateverBecomesOfTails(t *testing.T) {
	t.Parallel()
	files, s := tailStore(t)
	var left []string
	s.options.OnTailLeft = func(tail, moved string, err error) {
		left = append(left, fmt.Sprint(tail, " ", moved, " ", errors.Is(err, syscall.EPERM)))
	}
	for i := range 2 {
		behind(t, files, vecSegment(50, float32(i), 70))
		if _, err := s.Delete(context.Background(), []uint64{1000}); err != nil {
			t.Fatal(err)
		}
	}
	err := s.MoveInto(t.Context(), s.shelf, "b.rvf", func() error { return files.RenameNew("a.rvf", "b.rvf") }, func(tail, moved string) error {
		if tail == "a.rvf.tail-1" {
			return syscall.EPERM
		}
		return files.RenameNew(tail, moved)
	})
	if names := fmt.Sprint(slices.Sorted(maps.Keys(files.Names))); err != nil || names != "[a.rvf.tail-1 b.rvf b.rvf.tail-1]" {
		t.Errorf("%v: %s", err, names)
	}
	if got := fmt.Sprint(left); got != "[a.rvf.tail-1 b.rvf.tail-1 true]" {
		t.Errorf("told: %s", got)
	}
	if s.Path() != "b.rvf" {
		t.Error(s.Path())
	}
}

// stickyFiles are in a folder in which tails are not this user's to remove.
type stickyFiles struct{ *volumes.Files }

func (f stickyFiles) Remove(name string) error {
	if _, is := volume.RemnantOf(name); is {
		return &os.PathError{Op: "remove", Path: name, Err: syscall.EPERM}
	}
	return f.Files.Remove(name)
}

// TestRecoverSaysWhatStays: a commit is told of, though the tail could not be removed
// behind it.
func TestRecoverSaysWhatStays(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, drop := range []bool{false, true} {
		files, s := tailStore(t)
		for i := range uint64(2) {
			behind(t, files, vecSegment(50, 9, 70+i))
			if _, err := s.Delete(ctx, []uint64{1000}); err != nil {
				t.Fatal(err)
			}
		}
		s.file.(*filelog.Log).MovedTo(filelog.Place{Files: stickyFiles{files}, Name: s.Path()})
		results, err := s.Recover(ctx, recovery.Options{Drop: drop})
		s.file.(*filelog.Log).MovedTo(filelog.Place{Files: files, Name: s.Path()})
		if !errors.Is(err, syscall.EPERM) || len(results) != 2 {
			t.Fatalf("drop %t: %+v, %v", drop, results, err)
		}
		for i, r := range results {
			if r.Gone || r.Stays == "" || r.RecoveredAt == 0 || r.Dropped != drop || !drop && r.Recovered != 1 {
				t.Errorf("drop %t: tail %d: %+v", drop, i, r)
			}
		}
		if found := contents(t, s); (found[70] != nil) == drop || (found[71] != nil) == drop {
			t.Errorf("drop %t: %v", drop, found)
		}
		if results, err = s.Recover(ctx, recovery.Options{Drop: drop}); err != nil || len(results) != 2 || !results[0].Gone || !results[1].Gone {
			t.Errorf("drop %t: again: %+v, %v", drop, results, err)
		}
	}
}
