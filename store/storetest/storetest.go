package storetest

import (
	"path/filepath"
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/directory"
)

// Shelf is the folder of a file, open until the end of the test.
func Shelf(t testing.TB, file string) volume.Shelf {
	t.Helper()
	shelf, err := directory.OpenShelf(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shelf.Close(); err != nil {
			t.Error(err)
		}
	})
	return shelf
}
