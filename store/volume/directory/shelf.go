package directory

import (
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Shelf is a directory as the engine reaches the stores in it.
type Shelf struct {
	filelog.Shelf
	files *Files
}

var _ volume.Shelf = Shelf{}

// OpenShelf opens a directory until Close. Symlinks in its own name are followed, and none
// below it.
func OpenShelf(dir string) (Shelf, error) {
	files, err := Open(dir)
	if err != nil {
		return Shelf{}, err
	}
	return Shelf{filelog.Shelf{Files: files}, files}, nil
}

// Close gives the directory back. Logs of stores in it must be closed before.
func (s Shelf) Close() error { return s.files.Close() }
