//go:build !linux

package catalog

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"rvffs/store"
)

// folderFiles are the files of one folder, reached by their whole paths.
type folderFiles struct {
	files  store.FileSystem
	folder string
}

func (c *Catalog) inFolder(_ *os.File, full string, f func(folderFiles)) error {
	f(folderFiles{c.files, full})
	return nil
}

func readNames(folder *os.File) ([]fs.DirEntry, error) { return folder.ReadDir(-1) }

func (f folderFiles) stat(name string) (store.FileInfo, error) {
	return f.files.Stat(path.Join(f.folder, name))
}

func (f folderFiles) open(name string) (store.File, store.FileInfo, error) {
	file, err := f.files.Open(path.Join(f.folder, name), false)
	if err != nil {
		return nil, store.FileInfo{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, store.FileInfo{}, errors.Join(err, file.Close())
	}
	return file, info, nil
}
