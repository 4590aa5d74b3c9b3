package catalog

import (
	"context"
	"errors"
	"os"

	"rvffs/store/shared"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
)

// folderFiles are the files in one folder, reached by their bare names. The folder's
// descriptor is open while somebody needs it: its name may change at any time, and
// that of a folder above it, without anybody here having to know.
type folderFiles struct {
	folder *Folder
	open   shared.Value[heldFolder]
}

// filesOf are the files in a folder as somebody reaches them.
type filesOf struct {
	*folderFiles
	caller directory.Caller
}

var (
	_ volume.FileSystem = (*folderFiles)(nil)
	_ volume.FileSystem = filesOf{}
)

// as are the files with the rights of the one for whom an operation is done.
func (f *folderFiles) as(ctx context.Context) filesOf {
	return filesOf{f, f.folder.catalog.caller(ctx)}
}

// with runs act with the open folder.
func (f filesOf) with(act func(heldFolder) error) error {
	return f.folderFiles.with(func(folder heldFolder) error { return act(folder.As(f.caller)) })
}

// Create implements store.FileSystem.
func (f filesOf) Create(name string, perm os.FileMode) (file volume.File, err error) {
	err = f.with(func(folder heldFolder) error {
		file, err = folder.Create(name, perm)
		return err
	})
	return file, err
}

// RenameNew implements store.FileSystem.
func (f filesOf) RenameNew(oldName, newName string) error {
	return f.with(func(folder heldFolder) error { return folder.RenameNew(oldName, newName) })
}

// Remove implements store.FileSystem.
func (f filesOf) Remove(name string) error {
	return f.with(func(folder heldFolder) error { return folder.Remove(name) })
}

// errReplaced says that a folder's path leads to another one.
var errReplaced = errors.New("another folder took its place")

// with runs act with the open folder.
func (f *folderFiles) with(act func(heldFolder) error) error {
	folder, err := f.hold()
	if err != nil {
		return err
	}
	return errors.Join(act(folder), f.release())
}

// hold keeps the folder open until release.
func (f *folderFiles) hold() (heldFolder, error) {
	opened := false
	folder, err := f.open.Acquire(func() (found heldFolder, err error) {
		found, err = f.find()
		opened = err == nil
		return found, err
	})
	if opened {
		if err := f.folder.catalog.recent.add(f); err != nil {
			return nil, errors.Join(err, f.release())
		}
	}
	return folder, err
}

func (f *folderFiles) release() error { return f.open.Release() }

// find opens the folder at its path of this moment.
func (f *folderFiles) find() (folder heldFolder, err error) {
	c := f.folder.catalog
	err = c.follow(&f.folder.place, func(path string) error {
		found, err := c.files.Folder(path)
		if err != nil {
			return err
		}
		if err := f.folder.recognize(found); err != nil {
			return errors.Join(err, found.Close())
		}
		folder = found
		return nil
	})
	return folder, err
}

// fileIn gives what act finds in the open folder.
func fileIn[T any](f *folderFiles, act func(heldFolder) (T, error)) (found T, err error) {
	err = f.with(func(folder heldFolder) error {
		found, err = act(folder)
		return err
	})
	return found, err
}

// Open implements store.FileSystem.
func (f *folderFiles) Open(name string, write bool) (volume.File, error) {
	return fileIn(f, func(folder heldFolder) (volume.File, error) { return folder.Open(name, write) })
}

// Create implements store.FileSystem.
func (f *folderFiles) Create(name string, perm os.FileMode) (volume.File, error) {
	return fileIn(f, func(folder heldFolder) (volume.File, error) { return folder.Create(name, perm) })
}

// Stat implements store.FileSystem.
func (f *folderFiles) Stat(name string) (volume.FileInfo, error) {
	return fileIn(f, func(folder heldFolder) (volume.FileInfo, error) { return folder.Stat(name) })
}

// Link implements store.FileSystem.
func (f *folderFiles) Link(oldName, newName string) error {
	return f.with(func(folder heldFolder) error { return folder.Link(oldName, newName) })
}

// Rename implements store.FileSystem.
func (f *folderFiles) Rename(oldName, newName string) error {
	return f.with(func(folder heldFolder) error { return folder.Rename(oldName, newName) })
}

// Replace implements store.FileSystem.
func (f *folderFiles) Replace(fresh, name string, old volume.FileInfo) error {
	return f.with(func(folder heldFolder) error { return folder.Replace(fresh, name, old) })
}

// RenameNew implements store.FileSystem.
func (f *folderFiles) RenameNew(oldName, newName string) error {
	return f.with(func(folder heldFolder) error { return folder.RenameNew(oldName, newName) })
}

// Remove implements store.FileSystem.
func (f *folderFiles) Remove(name string) error {
	return f.with(func(folder heldFolder) error { return folder.Remove(name) })
}

// SyncDirectory implements store.FileSystem.
func (f *folderFiles) SyncDirectory(name string) error {
	return f.with(func(folder heldFolder) error { return folder.SyncDirectory(name) })
}

// Siblings implements store.FileSystem.
func (f *folderFiles) Siblings(name string) ([]string, error) {
	return fileIn(f, func(folder heldFolder) ([]string, error) { return folder.Siblings(name) })
}
