package filelog

import (
	"context"
	"errors"
	"io"
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

// Adopt implements volume.Shelf.
func (s Shelf) Adopt(ctx context.Context, name string, from io.ReaderAt, size int64, perm os.FileMode, check func(lying string) error) (err error) {
	release, err := heldFor(ctx, s.Files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if kept, is := from.(spool); is {
		begun := false
		begin := func(temporary string) (File, error) {
			file, err := kept.become(s.Files, temporary, perm)
			begun = err == nil
			return file, err
		}
		err := createWhole(ctx, s.Files, name, begin, func(_ context.Context, _ File, lying string) error { return check(lying) })
		if begun {
			return err
		}
		// It has no way to a name. A copy has, or says what is wrong.
	}
	return CreateWhole(ctx, s.Files, name, perm, func(ctx context.Context, file File, lying string) error {
		bytes := volume.WatchWriter(ctx, volume.NewOffsetWriter(file, 0))
		if err := volume.CopyRange(bytes, from, 0, size); err != nil {
			return err
		}
		return check(lying)
	})
}

// Fill implements volume.Shelf.
func (s Shelf) Fill(ctx context.Context, name string, content []byte, perm os.FileMode, fill func(lying string) error) (err error) {
	release, err := heldFor(ctx, s.Files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	temporary := TemporaryName(name)
	if err := Create(ctx, s.Files, temporary, content, perm); err != nil {
		return err
	}
	if err = fill(temporary); err != nil {
		return errors.Join(err, s.Files.Remove(temporary))
	}
	return giveName(ctx, s.Files, temporary, name)
}

// Spool implements volume.Shelf.
func (s Shelf) Spool(ctx context.Context) (volume.Spool, error) {
	return newSpool(ctx, s.Files, "spool")
}
