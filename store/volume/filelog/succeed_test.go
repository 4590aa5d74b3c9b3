package filelog_test

import (
	"errors"
	"io/fs"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// TestWhatIsRemovedStaysRemoved: a file that was about to take a store's place does not
// come back when the store is gone.
func TestWhatIsRemovedStaysRemoved(t *testing.T) {
	t.Parallel()
	image, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{Epoch: 1, Dimension: 2})
	if err != nil {
		t.Fatal(err)
	}
	files := plainFiles()
	shelf := filelog.Shelf{Files: files}
	putFile(t, files, ".a.rvf.next.rvffs-tmp", image)
	open := func() (volume.Log, error) {
		log := shelf.Log("a.rvf", volume.LogOptions{})
		_, err := log.Open(t.Context(), volume.Known{})
		return log, err
	}
	log, err := open()
	if err != nil {
		t.Fatalf("the new file is the store: %v", err)
	}
	putFile(t, files, ".a.rvf.next.rvffs-tmp", image)
	if err := log.Remove(t.Context(), shelf); err != nil {
		t.Fatal(err)
	}
	if _, err := open(); !errors.Is(err, fs.ErrNotExist) || len(files.Names) != 0 {
		t.Errorf("after its removal: %v, and there are %v", err, files.Names)
	}
}
