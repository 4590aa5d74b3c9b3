package filelog

import (
	"errors"
	"fmt"

	"rvffs/store/volume"
)

// errReplaced says that another file stands where a store's was.
var errReplaced = fmt.Errorf("%w: the store's file was replaced", volume.ErrStale)

// OpenSame opens the file at a name, which must be the one that info describes.
func OpenSame(files FileSystem, name string, info volume.FileInfo) (File, error) {
	file, err := files.Open(name, false)
	if err != nil {
		return nil, err
	}
	found, err := file.Describe()
	if err == nil && !volume.SameFile(found, info) {
		err = errReplaced
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
