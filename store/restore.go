package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"rvffs/store/volume"
)

// Restore makes a store at name of bytes that were a whole one elsewhere, so many of them:
// Verify must find no damage in the file. A branch may come before the parent of which it
// shows vectors. What is none is ErrNotWhole, and leaves nothing. The shelf that makes it may
// be reached with somebody else's rights than that of the options, by which it is read. It fails with ErrExists when the name is taken.
func Restore(ctx context.Context, name string, from io.ReaderAt, size int64, perm os.FileMode, shelf volume.Shelf, options Options) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("restore store %q: %w", name, err)
	}
	err := shelf.Adopt(ctx, name, from, size, perm, func(lying string) error { return checkWhole(ctx, lying, name, size, options) })
	if err != nil {
		return describeMaking("restore store", name, err)
	}
	return nil
}

// checkWhole fails if the file that lies at a name, and is to get another one, is no store of
// so many bytes without damage. Bytes behind the newest state are what a copy that was cut
// off ends with.
func checkWhole(ctx context.Context, lying, name string, size int64, options Options) error {
	s, err := OpenReadOnly(ctx, lying, options)
	if errors.Is(err, volume.ErrNotStore) || errors.Is(err, volume.ErrCorrupt) {
		return fmt.Errorf("%w: %v", volume.ErrNotWhole, errors.Unwrap(err)) // without the name that it has for now
	}
	if err != nil {
		return err
	}
	path := s.file.Path()
	found, err := s.verifyFile(ctx)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	for _, finding := range found.Findings {
		if finding.Severity == Damage {
			text := strings.ReplaceAll(finding.Text, path, name)
			if found.Damages > 1 {
				text += fmt.Sprintf("; %d more damages", found.Damages-1)
			}
			return fmt.Errorf("%w: it is damaged: %s", volume.ErrNotWhole, text)
		}
	}
	if behind := size - found.Bytes; behind > 0 {
		return fmt.Errorf("%w: %d bytes stand behind its newest state: it was cut off, or copied while it was written (a copy of raw never is)", volume.ErrNotWhole, behind)
	}
	return nil
}

// MakeFilled makes a new root store that is empty to nobody: fill fills it under a name
// that is not shown, before rename gives it its own. What fails leaves nothing. The shelf
// of create may be reached with somebody else's rights than that of options.
func MakeFilled(ctx context.Context, create CreateOptions, options Options, fill func(*Store) error, rename func(from string) error) error {
	name := volume.TemporaryName()
	if err := createRoot(ctx, create.Shelf, name, create); err != nil {
		return err
	}
	s, err := Open(ctx, name, options)
	if err == nil {
		err = errors.Join(fill(s), s.Close())
	}
	if err == nil {
		err = rename(name)
	}
	if err != nil {
		left := context.WithoutCancel(ctx)
		return errors.Join(err, create.Shelf.Log(name, volume.LogOptions{}).Remove(left, create.Shelf))
	}
	return nil
}
