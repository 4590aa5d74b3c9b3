package catalog

import (
	"context"
	"errors"
	"os"

	"rvffs/store/shared"
	"rvffs/store/volume"
)

// folderFiles are the files in one folder, reached by their bare names. The folder's
// descriptor is open while somebody needs it: its name may change at any time, and
// that of a folder above it, without anybody here having to know.
type folderFiles struct {
	folder *Folder
	open   shared.Value[volume.Folder]
}

// filesOf are the files in a folder as somebody reaches them.
type filesOf struct {
	*folderFiles
	caller volume.Caller
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
func (f filesOf) with(ctx context.Context, act func(volume.Folder) error) error {
	return f.folderFiles.with(ctx, func(folder volume.Folder) error { return act(folder.As(f.caller)) })
}

// inFiles runs act with the files of the stores in the open folder.
func (f filesOf) inFiles(act func(volume.FileSystem) error) error {
	return f.with(context.Background(), func(folder volume.Folder) error { return act(folder.Files()) })
}

// Create implements volume.FileSystem.
func (f filesOf) Create(name string, perm os.FileMode) (file volume.File, err error) {
	err = f.inFiles(func(files volume.FileSystem) error {
		file, err = files.Create(name, perm)
		return err
	})
	return file, err
}

// RenameNew implements volume.FileSystem.
func (f filesOf) RenameNew(oldName, newName string) error {
	return f.inFiles(func(files volume.FileSystem) error { return files.RenameNew(oldName, newName) })
}

// Remove implements volume.FileSystem.
func (f filesOf) Remove(name string) error {
	return f.inFiles(func(files volume.FileSystem) error { return files.Remove(name) })
}

// errReplaced says that a folder's path leads to another one.
var errReplaced = errors.New("another folder took its place")

// with runs act with the open folder.
func (f *folderFiles) with(ctx context.Context, act func(volume.Folder) error) error {
	folder, err := f.hold(ctx)
	if err != nil {
		return err
	}
	return errors.Join(act(folder), f.release())
}

// hold keeps the folder open until release.
func (f *folderFiles) hold(ctx context.Context) (volume.Folder, error) {
	opened := false
	folder, err := f.open.Acquire(func() (found volume.Folder, err error) {
		found, err = f.find(ctx)
		opened = err == nil
		return found, err
	})
	if opened {
		if err := f.folder.catalog.recent.add(ctx, f); err != nil {
			return nil, errors.Join(err, f.release())
		}
	}
	return folder, err
}

func (f *folderFiles) release() error { return f.open.Release() }

// find opens the folder at its path of this moment.
func (f *folderFiles) find(ctx context.Context) (folder volume.Folder, err error) {
	c := f.folder.catalog
	err = c.follow(&f.folder.place, func(path string) error {
		found, err := c.volume.Open(ctx, path)
		if err != nil {
			return err
		}
		if err := f.folder.recognize(ctx, found); err != nil {
			return errors.Join(err, found.Close())
		}
		folder = found
		return nil
	})
	return folder, err
}

// inFiles runs act with the files of the stores in the open folder.
func (f *folderFiles) inFiles(act func(volume.FileSystem) error) error {
	return f.with(context.Background(), func(folder volume.Folder) error { return act(folder.Files()) })
}

// fileIn gives what act finds in the open folder.
func fileIn[T any](f *folderFiles, act func(volume.FileSystem) (T, error)) (found T, err error) {
	err = f.inFiles(func(files volume.FileSystem) error {
		found, err = act(files)
		return err
	})
	return found, err
}

// Open implements volume.FileSystem.
func (f *folderFiles) Open(name string, write bool) (volume.File, error) {
	return fileIn(f, func(files volume.FileSystem) (volume.File, error) { return files.Open(name, write) })
}

// Create implements volume.FileSystem.
func (f *folderFiles) Create(name string, perm os.FileMode) (volume.File, error) {
	return fileIn(f, func(files volume.FileSystem) (volume.File, error) { return files.Create(name, perm) })
}

// Stat implements volume.FileSystem.
func (f *folderFiles) Stat(name string) (volume.FileInfo, error) {
	return fileIn(f, func(files volume.FileSystem) (volume.FileInfo, error) { return files.Stat(name) })
}

// Link implements volume.FileSystem.
func (f *folderFiles) Link(oldName, newName string) error {
	return f.inFiles(func(files volume.FileSystem) error { return files.Link(oldName, newName) })
}

// Rename implements volume.FileSystem.
func (f *folderFiles) Rename(oldName, newName string) error {
	return f.inFiles(func(files volume.FileSystem) error { return files.Rename(oldName, newName) })
}

// Replace implements volume.FileSystem.
func (f *folderFiles) Replace(fresh, name string, old volume.FileInfo) error {
	return f.inFiles(func(files volume.FileSystem) error { return files.Replace(fresh, name, old) })
}

// RenameNew implements volume.FileSystem.
func (f *folderFiles) RenameNew(oldName, newName string) error {
	return f.inFiles(func(files volume.FileSystem) error { return files.RenameNew(oldName, newName) })
}

// Remove implements volume.FileSystem.
func (f *folderFiles) Remove(name string) error {
	return f.inFiles(func(files volume.FileSystem) error { return files.Remove(name) })
}

// SyncDirectory implements volume.FileSystem.
func (f *folderFiles) SyncDirectory(name string) error {
	return f.inFiles(func(files volume.FileSystem) error { return files.SyncDirectory(name) })
}

// Siblings implements volume.FileSystem.
func (f *folderFiles) Siblings(name string) ([]string, error) {
	return fileIn(f, func(files volume.FileSystem) ([]string, error) { return files.Siblings(name) })
}
