package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"rvffs/store/volume"
)

// errForeign means that a program which does not hold the writer lock has written
// to the file.
var errForeign = fmt.Errorf("%w: another program wrote to the file behind this one's back", volume.ErrLocked)

// claim takes the advisory lock of the store's file itself, which is held until the
// session is over: the lock beside the file goes by name, and one file can have
// several. The caller has opened the file by the store's name.
func (w *writer) claim(ctx context.Context, file volume.File, wait time.Duration) error {
	err := patiently(ctx, wait, func() (bool, string, error) {
		free, err := file.TryLock()
		if err != nil {
			err = fmt.Errorf("lock the store's file: %w", err)
		}
		return free, "a writer that knows the file by another name", err
	})
	if err != nil {
		return err
	}
	own, err := w.isOurs(file)
	if err != nil || own.Links <= 1 {
		return err
	}
	if err := w.dropLeftNames(own); err != nil {
		return fmt.Errorf("look for other names of the store's file: %w", err)
	}
	own, err = w.isOurs(file)
	if err != nil {
		return err
	}
	return oneName(own)
}

// isOurs makes sure that the store's name leads to file, and tells about it.
func (w *writer) isOurs(file volume.File) (volume.FileInfo, error) {
	at := w.store.location()
	there, err := at.Files.Stat(at.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return volume.FileInfo{}, fmt.Errorf("%w: the store's file was removed", volume.ErrNotFound)
	}
	if err != nil {
		return volume.FileInfo{}, fmt.Errorf("look at the store's file: %w", err)
	}
	own, err := file.Stat()
	if err != nil {
		return volume.FileInfo{}, fmt.Errorf("look at the store's file: %w", err)
	}
	if !volume.SameFile(there, own) {
		return volume.FileInfo{}, fmt.Errorf("%w: the store's file was replaced", volume.ErrStale)
	}
	return own, nil
}

// oneName refuses a file with hard links: programs that lock by name would not
// see each other, and a compaction would silently part the names.
func oneName(info volume.FileInfo) error {
	if info.Links <= 1 {
		return nil
	}
	return fmt.Errorf("%w: %d hard links lead to it, whose writers cannot see each other; remove the others, or give the store a file of its own: cp FILE COPY && mv COPY FILE",
		volume.ErrManyNames, info.Links)
}

// dropLeftNames removes the temporary names of the store's own file. Stores once
// got their names by a link, and an interruption left both.
func (w *writer) dropLeftNames(own volume.FileInfo) error {
	at := w.store.location()
	names, err := at.Files.Siblings(at.Name)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !IsTemporary(name) {
			continue
		}
		name = beside(at.Name, name)
		other, err := at.Files.Stat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !volume.SameFile(other, own) {
			continue
		}
		if err == nil {
			err = at.Files.Remove(name)
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
func (w *writer) guard(s *session, file volume.File) error {
	if err := s.lock.owned(); err != nil {
		return err
	}
	own, err := w.isOurs(file)
	if err != nil {
		return err
	}
	if err := oneName(own); err != nil {
		return err
	}
	return w.untouched(s, own)
}

// untouched compares the file's length, as it just was, with what this process has
// written to it.
func (w *writer) untouched(s *session, own volume.FileInfo) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if own.Size > s.reach || own.Size < s.base.Size() {
		return fmt.Errorf("%w: it is %d bytes long, where %d to %d were expected", errForeign, own.Size, s.base.Size(), s.reach)
	}
	return nil
}

// guardCommit is guard for the moment before a manifest is made to count: what it
// follows must still be there.
func (w *writer) guardCommit(s *session) error {
	if err := w.guard(s, s.file); err != nil {
		return err
	}
	base := w.baseOf(s)
	stands, err := base.Stands(s.file)
	if err == nil && !stands {
		err = fmt.Errorf("%w: the manifest of epoch %d is not at offset %d any more", errForeign, base.Epoch(), base.State().Segment.Offset)
	}
	return err
}

// guardSaid looks once more when a manifest counts: one that another program put
// behind it may leave out what this one names.
func (w *writer) guardSaid(s *session) error {
	own, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("look at the store's file: %w", err)
	}
	if err := w.untouched(s, own); err != nil {
		return fmt.Errorf("%w; what was committed may be hidden by it", err)
	}
	return nil
}
