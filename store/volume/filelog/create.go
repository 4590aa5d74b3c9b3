package filelog

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"rvffs/store/volume"
)

// Create makes a whole file of these bytes: complete and durable, or not at all. It fails
// with ErrExists when the name is taken.
func Create(ctx context.Context, files FileSystem, name string, content []byte, perm os.FileMode) error {
	return CreateWhole(ctx, files, name, perm, func(_ context.Context, file File, _ string) error {
		_, err := file.WriteAt(content, 0)
		return err
	})
}

// CreateWhole writes a file under a temporary name, which fill is told, and renames it to
// its own when all of it is on the disk.
func CreateWhole(ctx context.Context, files FileSystem, name string, perm os.FileMode, fill func(ctx context.Context, file File, temporary string) error) error {
	begin := func(temporary string) (File, error) { return files.Create(temporary, perm) }
	return createWhole(ctx, files, name, begin, fill)
}

// createWhole is CreateWhole for a file that begin makes at the temporary name.
func createWhole(ctx context.Context, files FileSystem, name string, begin func(temporary string) (File, error), fill func(ctx context.Context, file File, temporary string) error) error {
	temporary := TemporaryName(name)
	file, err := begin(temporary)
	if err != nil {
		return err
	}
	if _, err = lockIfCan(file); err == nil {
		err = fill(ctx, file, temporary)
	}
	if err == nil {
		err = file.SyncData()
	}
	err = errors.Join(err, file.Close())
	if err != nil {
		return errors.Join(err, files.Remove(temporary))
	}
	return giveName(ctx, files, temporary, name)
}

// giveName renames what is whole, and on the disk, to a name that nothing has.
func giveName(ctx context.Context, files FileSystem, temporary, name string) error {
	err := files.RenameNew(temporary, name)
	if errors.Is(err, fs.ErrExist) && FreeName(ctx, files, name) {
		err = files.RenameNew(temporary, name)
	}
	if errors.Is(err, fs.ErrExist) {
		err = volume.ErrExists // under the name that was asked for, not the temporary one
	}
	if err != nil {
		return errors.Join(err, files.Remove(temporary))
	}
	if err = files.SyncDirectory(name); err != nil {
		// Nobody may build on a name that a power loss could take away.
		return errors.Join(err, files.Remove(name))
	}
	return nil
}
