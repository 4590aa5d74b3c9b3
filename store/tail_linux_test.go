package store

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"rvffs/segments"
	"rvffs/store/recovery"
	"rvffs/store/storetest"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// TestKeptTailHasTheStoresAttributes: owner, mode, lists and all.
func TestKeptTailHasTheStoresAttributes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, rebuilt := range []bool{false, true} {
		name, want := dressed(t)
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		end := len(content)
		content = append(content, vecSegment(50, 9, 7)...)
		if rebuilt {
			content, end = content[end:], 0
		}
		if err := os.WriteFile(name, content, 0); err != nil {
			t.Fatal(err)
		}
		// What is written may take a setgid bit away, as the kernel pleases.
		if err := os.Chmod(name, want.Mode); err != nil {
			t.Fatal(err)
		}
		kept := name + ".tail-2"
		if rebuilt {
			kept = name + ".tail-0"
			if err := Rebuild(ctx, filepath.Base(name), new(segments.L2), Options{Shelf: storetest.Shelf(t, name)}); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(context.Background(), filepath.Base(name), Options{Shelf: storetest.Shelf(t, name)})
		if err != nil {
			t.Fatal(err)
		}
		bring(t, s, []uint64{9}, 9, 9)
		sameAttributes(t, kept, want)
		sameAttributes(t, name, want)
		if _, err := s.Recover(ctx, recovery.Options{}); err != nil || contents(t, s)[7] == nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if entries, err := os.ReadDir(filepath.Dir(name)); err != nil || len(entries) != 1 {
			t.Errorf("left: %v, %v", entries, err)
		}
	}
}

// ownersFiles belong to somebody else, who lets this process write and no more.
type ownersFiles struct{ *volumes.Files }

type ownersFile struct{ filelog.File }

func (o ownersFiles) Open(name string, write bool) (filelog.File, error) {
	file, err := o.Files.Open(name, write)
	return ownersFile{file}, err
}

func (o ownersFiles) Create(name string, perm os.FileMode) (filelog.File, error) {
	file, err := o.Files.Create(name, perm)
	return ownersFile{file}, err
}

func (ownersFile) SetAttributes(filelog.FileAttributes) error { return syscall.EPERM }

// TestTailOfSomebodyElsesStoreIsKept, if not in the owner's name.
func TestTailOfSomebodyElsesStoreIsKept(t *testing.T) {
	t.Parallel()
	files, s := tailStore(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	behind(t, files, vecSegment(50, 9, 7))
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: ownersFiles{files}}})
	if err != nil {
		t.Fatal(err)
	}
	bring(t, s, []uint64{9}, 9, 9)
	if tails, err := s.KeptTails(context.Background()); err != nil || len(tails) != 1 || tails[0].Vectors != 1 {
		t.Errorf("%+v, %v", tails, err)
	}
}
