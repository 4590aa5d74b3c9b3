package filelog

import (
	"errors"
	"fmt"

	"rvffs/store/volume"
)

// OpenSame opens the file at a name, which must be the one that info describes.
func OpenSame(files FileSystem, name string, info volume.FileInfo) (File, error) {
	file, err := files.Open(name, false)
	if err != nil {
		return nil, err
	}
	found, err := file.Describe()
	if err == nil && !volume.SameFile(found, info) {
		err = fmt.Errorf("%w: the store file was replaced", volume.ErrStale)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
