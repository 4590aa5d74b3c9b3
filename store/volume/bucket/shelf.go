package bucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"rvffs/store/shared"
	"rvffs/store/volume"
)

// shelf is a folder as the engine reaches the stores in it.
type shelf struct {
	volume *Volume
	folder func(context.Context) (*folder, func() error, error)
}

var _ volume.Shelf = (*shelf)(nil)

// Log implements volume.Shelf.
func (s *shelf) Log(name string, options volume.LogOptions) volume.Log {
	l := &Log{volume: s.volume, options: options, writer: newWriter(), keeper: newWriter(), swaps: shared.NewTurn(), folder: s.folder, name: name}
	l.ctx, l.stop = context.WithCancel(s.volume.ctx)
	return l
}

// Spool implements volume.Shelf.
func (s *shelf) Spool(ctx context.Context) (volume.Spool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.volume.options.Spool()
}

// Create implements volume.Shelf.
func (s *shelf) Create(ctx context.Context, name string, content []byte, perm os.FileMode) error {
	return s.make(ctx, name, content, perm)
}

// make makes a store whose content is at hand.
func (s *shelf) make(ctx context.Context, name string, content []byte, perm os.FileMode) (err error) {
	in, release, err := s.folder(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	full, about, err := s.prepare(ctx, in, name, perm)
	if err != nil {
		return err
	}
	about.Size = int64(len(content))
	_, err = s.volume.create(ctx, &stored{key: s.volume.prefix + full, about: about, inline: content})
	return existing("create", name, err)
}

// existing says of a name that is taken that it is.
func existing(operation, name string, err error) error {
	if errors.Is(err, fs.ErrExist) && !errors.Is(err, volume.ErrExists) {
		err = errors.Join(volume.ErrExists, err)
	}
	return failure(operation, name, err)
}

// prepare looks whether a store can be made at a name, and whose it will be.
func (s *shelf) prepare(ctx context.Context, in *folder, name string, perm os.FileMode) (string, about, error) {
	full, err := in.full(name)
	if err == nil {
		err = in.mayChange(ctx, full, nil)
	}
	var born about
	if err == nil {
		born, err = in.born(ctx, full, perm)
	}
	if err == nil {
		err = s.volume.checkNoFolder(ctx, s.volume.prefix+full)
	}
	return full, born, failure("create", name, err)
}

// Adopt implements volume.Shelf.
func (s *shelf) Adopt(ctx context.Context, name string, from io.ReaderAt, size int64, perm os.FileMode, check func(lying string) error) error {
	v := s.volume
	lying := volume.TemporaryName()
	if size <= v.options.Inline {
		content := make([]byte, size)
		if err := volume.ReadFull(from, content, 0); err != nil {
			return err
		}
		if err := s.make(ctx, lying, content, perm); err != nil {
			return err
		}
		return s.checked(ctx, lying, name, check)
	}
	// As a file that another program has put there: the bytes may be none of a store. What
	// is one becomes one of extents at its first commit.
	in, release, err := s.folder(ctx)
	if err != nil {
		return err
	}
	full, _, err := s.prepare(ctx, in, lying, perm)
	if err == nil {
		err = v.upload(ctx, v.prefix+full, from, size, nil)
	}
	if err == nil {
		held, changed := in.Hold(ctx, lying)
		if err = changed; err == nil {
			err = held.Change(ctx, volume.AttributeChange{Mode: &perm, UID: int(in.caller.UID), GID: int(in.caller.GID)})
		}
	}
	if err = errors.Join(err, release()); err != nil {
		return err
	}
	return s.checked(ctx, lying, name, check)
}

// checked gives a store that lies somewhere its name, when it is to be kept.
func (s *shelf) checked(ctx context.Context, lying, name string, check func(string) error) (err error) {
	in, release, err := s.folder(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := check(lying); err != nil {
		return errors.Join(err, s.drop(ctx, in, lying))
	}
	from, err := in.full(lying)
	if err != nil {
		return err
	}
	to, err := in.full(name)
	if err == nil {
		err = s.volume.checkNoFolder(ctx, s.volume.prefix+to)
	}
	if err == nil {
		err = s.volume.moveObject(ctx, s.volume.prefix+from, s.volume.prefix+to)
	}
	if err != nil {
		err = errors.Join(err, s.drop(ctx, in, lying))
	}
	return existing("create", name, err)
}

// drop removes what has a temporary name.
func (s *shelf) drop(ctx context.Context, in *folder, lying string) error {
	key, err := in.key(lying)
	if err != nil || s.volume.silence.lasts() {
		return err
	}
	found, err := s.volume.read(ctx, key, "")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = s.volume.bury(ctx, found, moved{}, false)
	}
	return err
}

// Fill implements volume.Shelf.
func (s *shelf) Fill(ctx context.Context, name string, content []byte, perm os.FileMode, fill func(lying string) error) error {
	lying := volume.TemporaryName()
	if err := s.Create(ctx, lying, content, perm); err != nil {
		return err
	}
	return s.checked(ctx, lying, name, fill)
}
