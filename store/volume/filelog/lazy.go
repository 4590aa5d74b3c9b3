package filelog

import (
	"context"
	"errors"
	"os"

	"rvffs/store/volume"
)

// ShelfOf is the shelf of a folder that is opened when it is needed.
func ShelfOf(holder volume.Holder) Shelf { return Shelf{lentFiles{holder}} }

// lentFiles are the files of a folder that is held for each operation. Who does several
// holds it meanwhile, by heldFor, and so opens it with his own context.
type lentFiles struct{ holder volume.Holder }

var _ FileSystem = lentFiles{}

// heldFor has files at hand until release: where their folder is lent, it is opened for one
// who waits for that as long as ctx lasts, so that nothing he does then has to open it.
func heldFor(ctx context.Context, files FileSystem) (release func() error, err error) {
	lent, is := files.(lentFiles)
	if !is {
		return func() error { return nil }, nil
	}
	if _, err := lent.holder.Hold(ctx); err != nil {
		return nil, err
	}
	return lent.holder.Release, nil
}

// with runs act with the files of the held folder. It waits for the folder only where
// nobody has it at hand.
func (l lentFiles) with(act func(FileSystem) error) error {
	folder, err := l.holder.Hold(context.Background())
	if err != nil {
		return err
	}
	return errors.Join(act(FilesOf(folder.Shelf())), l.holder.Release())
}

// lent gives what act finds among the files of the held folder.
func lent[T any](l lentFiles, act func(FileSystem) (T, error)) (found T, err error) {
	err = l.with(func(files FileSystem) error {
		found, err = act(files)
		return err
	})
	return found, err
}

// Open implements FileSystem.
func (l lentFiles) Open(name string, write bool) (File, error) {
	return lent(l, func(files FileSystem) (File, error) { return files.Open(name, write) })
}

// Create implements FileSystem.
func (l lentFiles) Create(name string, perm os.FileMode) (File, error) {
	return lent(l, func(files FileSystem) (File, error) { return files.Create(name, perm) })
}

// CreateNameless implements namelessFiles, where the folder's files do.
func (l lentFiles) CreateNameless(beside string) (File, error) {
	return lent(l, func(files FileSystem) (File, error) {
		nameless, have := files.(namelessFiles)
		if !have {
			return nil, errors.ErrUnsupported
		}
		return nameless.CreateNameless(beside)
	})
}

// GiveName implements namelessFiles.
func (l lentFiles) GiveName(file File, name string) error {
	return l.with(func(files FileSystem) error {
		nameless, have := files.(namelessFiles)
		if !have {
			return errors.ErrUnsupported
		}
		return nameless.GiveName(file, name)
	})
}

// Stat implements FileSystem.
func (l lentFiles) Stat(name string) (volume.FileInfo, error) {
	return lent(l, func(files FileSystem) (volume.FileInfo, error) { return files.Stat(name) })
}

// Rename implements FileSystem.
func (l lentFiles) Rename(oldName, newName string) error {
	return l.with(func(files FileSystem) error { return files.Rename(oldName, newName) })
}

// Replace implements FileSystem.
func (l lentFiles) Replace(fresh, name string, old volume.FileInfo) error {
	return l.with(func(files FileSystem) error { return files.Replace(fresh, name, old) })
}

// RenameNew implements FileSystem.
func (l lentFiles) RenameNew(oldName, newName string) error {
	return l.with(func(files FileSystem) error { return files.RenameNew(oldName, newName) })
}

// Reserves implements FileSystem.
func (l lentFiles) Reserves(name string) bool {
	reserves, err := lent(l, func(files FileSystem) (bool, error) { return files.Reserves(name), nil })
	return err == nil && reserves
}

// Remove implements FileSystem.
func (l lentFiles) Remove(name string) error {
	return l.with(func(files FileSystem) error { return files.Remove(name) })
}

// SyncDirectory implements FileSystem.
func (l lentFiles) SyncDirectory(name string) error {
	return l.with(func(files FileSystem) error { return files.SyncDirectory(name) })
}

// Siblings implements FileSystem.
func (l lentFiles) Siblings(name string) ([]string, error) {
	return lent(l, func(files FileSystem) ([]string, error) { return files.Siblings(name) })
}
