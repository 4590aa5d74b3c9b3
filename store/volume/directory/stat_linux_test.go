package directory

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"rvffs/store/volume"
)

// TestFilesThatFollowEachOther makes files one after the other, of which the file
// system gives some the inode number of the one before.
func TestFilesThatFollowEachOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	var former volume.FileInfo
	again := 0
	for i := range 200 {
		file, err := files.Create("a.rvf", 0o644)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := file.Describe()
		if err != nil {
			t.Fatal(err)
		}
		held, err := files.Access(volume.Caller{}, "a.rvf", volume.Read)
		if err != nil || !held.Is(opened) || !opened.Is(held) {
			t.Errorf("file %d is %+v and %+v (%v)", i, opened, held, err)
		}
		named, err := files.Stat("a.rvf") // which takes no handle
		if err != nil || !named.Is(opened) {
			t.Errorf("file %d is %+v and %+v (%v)", i, opened, named, err)
		}
		if opened.Identity == former.Identity {
			again++
			if opened.Incarnation != named.Incarnation && opened.Is(former) {
				t.Fatalf("file %d passes for the one before: %+v", i, opened)
			}
		}
		former = opened
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "a.rvf")); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(fmt.Sprint(again, " of 200 files had the inode number of the one before"))
}
