package store

import (
	"context"
	"fmt"
	"os"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// newFileContent is what a new store file begins with.
type newFileContent struct {
	manifest *segments.Manifest
	before   []volume.NewSegment // segments in front of the manifest, named by it
	perm     os.FileMode         // the process and the folder may take some of it
}

// permOf is the mode of a new file for which one may have been asked.
func permOf(asked *os.FileMode) os.FileMode {
	if asked == nil {
		return 0o644
	}
	return *asked
}

// CheckName fails with ErrName if a file of that name, without a folder, is shown as
// no store, whatever it holds.
func CheckName(name string) error {
	if _, named := lineage.ProfileOfName(name); !named {
		return fmt.Errorf("%w: %q does not end in .rvf, .rvdna, .rvtext, .rvgraph or .rvvis", volume.ErrName, name)
	}
	return nil
}

// encode makes the bytes of the file.
func (c newFileContent) encode() ([]byte, error) {
	image, _, err := volume.Lay(0, 1, uint64(time.Now().UnixNano()), c.before, c.manifest)
	return image, err
}

// writeNew makes a whole store file at name: complete and durable, or not at
// all. It fails with ErrExists when the name is taken.
func writeNew(ctx context.Context, shelf volume.Shelf, name string, content newFileContent) error {
	image, err := content.encode()
	if err != nil {
		return err
	}
	return shelf.Create(ctx, name, image, content.perm)
}
