package filelog

import (
	"context"
	"errors"
	"os"

	"rvffs/store/volume"
)

// Shelf implements volume.Shelf with files.
type Shelf struct{ Files FileSystem }

var _ volume.Shelf = Shelf{}

// backedByFiles is a shelf of files, whatever else it is.
type backedByFiles interface{ files() FileSystem }

func (s Shelf) files() FileSystem { return s.Files }

// FilesOf are the files of a shelf that has some.
func FilesOf(shelf volume.Shelf) FileSystem { return shelf.(backedByFiles).files() }

// Log implements volume.Shelf.
func (s Shelf) Log(name string, options volume.LogOptions) volume.Log {
	return New(Place{s.Files, name}, options)
}

// Create implements volume.Shelf.
func (s Shelf) Create(ctx context.Context, name string, content []byte, perm os.FileMode) (err error) {
	release, err := heldFor(ctx, s.Files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	return Create(ctx, s.Files, name, content, perm)
}
