package incoming

import (
	"context"
	"fmt"
	"slices"

	"rvffs/store/volume"
)

// Upload is a file that is open for writing. All that are of one file write to the same
// bytes, and it is complete when each of them was closed by its writer.
type Upload struct {
	file *File
	as   func(context.Context) context.Context // for whom the file is taken in

	// What follows is for who has the file's turn.
	wrote bool // since the last close
	done  bool // its writer has closed it
	spent bool // what it wrote was taken in
}

// do runs work on the file, which nobody else uses meanwhile, unless it has failed.
func (u *Upload) do(ctx context.Context, work func() error) error {
	if err := u.file.turn.Take(ctx); err != nil {
		return err
	}
	defer u.file.turn.Give()
	if u.file.failed != nil {
		return u.file.failed
	}
	return work()
}

// errSpent refuses what comes behind a file that was closed.
var errSpent = fmt.Errorf("%w: the file was closed, and is taken in already", volume.ErrInput)

// ready fails if nothing can be written any more.
func (u *Upload) ready() error {
	if u.spent {
		return errSpent
	}
	u.done = false
	return nil
}

// Afford waits for the memory to take so many bytes.
func (u *Upload) Afford(ctx context.Context, bytes int) error {
	return u.do(ctx, func() error {
		if err := u.ready(); err != nil {
			return err
		}
		u.file.begin()
		return u.file.bytes.Afford(ctx, bytes)
	})
}

// Received is how many bytes the file has.
func (u *Upload) Received() int64 { return u.file.Facts().Size }

// Write appends.
func (u *Upload) Write(ctx context.Context, p []byte) (int, error) {
	err := u.do(ctx, func() error {
		if err := u.ready(); err != nil {
			return err
		}
		u.file.begin()
		return u.writeAt(ctx, p, u.file.bytes.Size())
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteAt takes all of p to the given place.
func (u *Upload) WriteAt(ctx context.Context, p []byte, offset int64) (int, error) {
	err := u.do(ctx, func() error {
		if err := u.ready(); err != nil {
			return err
		}
		return u.writeAt(ctx, p, offset)
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (u *Upload) writeAt(ctx context.Context, p []byte, offset int64) error {
	f := u.file
	f.begin()
	switch {
	case offset < 0:
		return fmt.Errorf("%w: offset %d", volume.ErrInput, offset)
	case offset > f.bytes.Size() && f.uncut:
		return errUncut
	}
	if _, err := f.bytes.WriteAt(ctx, p, offset); err != nil {
		return err
	}
	u.wrote = true
	f.covered += int64(len(p))
	f.filled = f.filled || slices.ContainsFunc(p, func(b byte) bool { return b != 0 })
	f.written()
	return nil
}

// ReadAt reads what was written so far.
func (u *Upload) ReadAt(p []byte, offset int64) (int, error) { return u.file.ReadAt(p, offset) }

// Truncate sets the length.
func (u *Upload) Truncate(ctx context.Context, size int64) error {
	return u.do(ctx, func() error { return u.truncate(ctx, size) })
}

func (u *Upload) truncate(ctx context.Context, size int64) error {
	if u.spent && size == u.file.Facts().Size {
		return nil
	}
	if err := u.ready(); err != nil {
		return err
	}
	u.wrote = true
	return u.file.resize(ctx, size)
}

// Refuse ends the file, unless it was taken in before.
func (u *Upload) Refuse(cause error) error {
	u.file.turn.Wait()
	defer u.file.turn.Give()
	if u.spent {
		return u.file.describe(cause)
	}
	return u.file.fail(cause)
}

// Flush says that the writer has closed the file, which is taken in now if it has its final
// name.
func (u *Upload) Flush(ctx context.Context) error {
	return u.do(ctx, func() error {
		u.done, u.wrote = true, false
		return u.file.settle(u.as(ctx))
	})
}

// Handover does nothing: others may go on.
func (u *Upload) Handover(context.Context) error { return nil }

// Pause does nothing.
func (u *Upload) Pause(context.Context) error { return nil }

// Commit does nothing: a file is taken in as a whole.
func (u *Upload) Commit(context.Context) error { return nil }

// errUnclosed ends the file of a writer that was killed.
var errUnclosed = fmt.Errorf("%w: the writer ended without closing the file; nothing of it is taken in", volume.ErrInput)

// Abandon is what happens when the writer was killed.
func (u *Upload) Abandon(ctx context.Context) error {
	return u.do(ctx, func() error {
		if u.spent {
			return nil
		}
		return u.file.fail(errUnclosed)
	})
}

// Close ends the use of the file. One that its writer has not closed is dropped.
func (u *Upload) Close(ctx context.Context) error {
	f := u.file
	f.turn.Wait()
	defer f.turn.Give()
	f.uploads = slices.DeleteFunc(f.uploads, func(other *Upload) bool { return other == u })
	var err error
	switch {
	case f.failed != nil:
	case u.wrote && !u.done && !u.spent:
		err = f.fail(errUnclosed)
	default:
		err = f.settle(u.as(ctx))
	}
	if left := f.letGo(); err == nil {
		err = left
	}
	return err
}
