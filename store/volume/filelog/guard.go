package filelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"rvffs/store/volume"
)

// Claim takes the advisory lock of the store's file itself, which is held until the
// session is over: the lock beside the file goes by name, and one file can have
// several. The caller has opened the file by the store's name.
func Claim(ctx context.Context, files FileSystem, name string, file File, wait time.Duration) error {
	err := patiently(ctx, wait, func() (bool, string, error) {
		free, err := file.TryLock()
		if errors.Is(err, errors.ErrUnsupported) {
			return true, "", nil
		}
		if err != nil {
			err = fmt.Errorf("lock the store's file: %w", err)
		}
		return free, "a writer that knows the file by another name", err
	})
	if err != nil {
		return err
	}
	own, err := standsAt(files, name, file)
	if err != nil || own.Names <= 1 {
		return err
	}
	if err := dropLeftNames(files, name, own); err != nil {
		return fmt.Errorf("look for other names of the store's file: %w", err)
	}
	own, err = standsAt(files, name, file)
	if err != nil {
		return err
	}
	return own.OneName()
}

// standsAt makes sure that the store's name leads to file, and tells about it.
func standsAt(files FileSystem, name string, file File) (volume.FileInfo, error) {
	there, err := files.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return volume.FileInfo{}, fmt.Errorf("%w: the store's file was removed", volume.ErrNotFound)
	}
	if err != nil {
		return volume.FileInfo{}, fmt.Errorf("look at the store's file: %w", err)
	}
	own, err := file.Describe()
	if err != nil {
		return volume.FileInfo{}, fmt.Errorf("look at the store's file: %w", err)
	}
	if !volume.SameFile(there, own) {
		return volume.FileInfo{}, errReplaced
	}
	return own, nil
}

// dropLeftNames removes the temporary names of the store's own file. Stores once
// got their names by a link, and an interruption left both.
func dropLeftNames(files FileSystem, store string, own volume.FileInfo) error {
	names, err := files.Siblings(store)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !volume.IsTemporary(name) {
			continue
		}
		name = Beside(store, name)
		other, err := files.Stat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !volume.SameFile(other, own) {
			continue
		}
		if err == nil {
			err = files.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// guard makes sure that file may be written to: that the writer lock is still
// ours, that the store's name, and no other, leads to this file, and that nobody
// else wrote to it. It must be asked before the first byte of anything that is
// written: a writer that lost its lock may find another's commits where it left off.
func (s *Session) guard(file File) error {
	if err := s.lock.owned(); err != nil {
		return err
	}
	own, err := standsAt(s.files, s.name, file)
	if err != nil {
		return err
	}
	if err := own.OneName(); err != nil {
		return err
	}
	return s.untouched(file)
}

// guardCommit is guard for the moment before a manifest is made to count: what it
// follows must still be there.
func (s *Session) guardCommit() error {
	if err := s.guard(s.file); err != nil {
		return err
	}
	stands, err := s.base.State.Stands(s.file)
	if err == nil && !stands {
		err = fmt.Errorf("%w: the manifest of epoch %d is not at offset %d any more", volume.ErrForeign, s.base.State.Manifest.Epoch, s.base.State.Segment.Offset)
	}
	return err
}

// guardSaid looks once more when a manifest counts: one that another program put
// behind it may leave out what this one names.
func (s *Session) guardSaid() error {
	if err := s.untouched(s.file); err != nil {
		return fmt.Errorf("%w; what was committed may be hidden by it", err)
	}
	return nil
}

// Confirm implements volume.Session. Nobody else publishes while the lock is held.
func (s *Session) Confirm(ctx context.Context) error { return ctx.Err() }

// Guard makes sure that the store may be changed besides its segments: that the session
// still is the only one to change it, and that what was committed last is there.
func (s *Session) Guard(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.guardCommit()
}
