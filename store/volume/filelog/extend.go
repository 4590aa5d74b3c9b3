package filelog

import (
	"context"
	"errors"
	"fmt"

	"rvffs/store/volume"
)

// Extend implements volume.Remnants. An interruption leaves a part of what was missing there,
// and a file that lacks the rest.
func (l *Log) Extend(ctx context.Context, length int64, missing []byte) (err error) {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	lock, err := Acquire(ctx, at.Files, at.Name, max(l.options.Wait, 0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	file, err := at.Files.Open(at.Name, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := Claim(ctx, at.Files, at.Name, file, max(l.options.Wait, 0)); err != nil {
		return err
	}
	stat, err := file.Describe()
	if err != nil {
		return err
	}
	if stat.Size != length {
		return fmt.Errorf("%w: it had %d bytes, and has %d", volume.ErrStale, length, stat.Size)
	}
	if _, err := file.WriteAt(missing, length); err != nil {
		return errors.Join(err, file.Truncate(length))
	}
	return file.SyncData()
}
