package volume

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// The causes by which callers tell failures apart. An error of a volume wraps one of
// them, or the error of the operating system.
var (
	// ErrInput marks data that was refused as it stands: a wrong dimension, an
	// unfinished record, a value that is no number.
	ErrInput = errors.New("bad input")
	// ErrName marks a file name that cannot be one of a store.
	ErrName = errors.New("bad name")
	// ErrCorrupt marks stored bytes that contradict themselves, and a file that
	// became shorter than its manifest says.
	ErrCorrupt = errors.New("corrupt")
	// ErrNotStore marks a file that cannot be read as a store at all.
	ErrNotStore = errors.New("not a readable store")
	// ErrNotWhole marks bytes that are to be a store and are none, or a damaged one.
	ErrNotWhole = errors.New("not a whole store")
	// ErrNotEmpty means that a store to be removed still holds something.
	ErrNotEmpty = errors.New("not empty")
	// ErrCrossParent marks a rename from one parent to another.
	ErrCrossParent = errors.New("different parents")
	// ErrHeld means that another writer holds the store.
	ErrHeld = errors.New("another writer holds the store")
	// ErrMoved means that somebody else has published since the session's base: what was
	// to be published has to be made again, on the new one.
	ErrMoved = errors.New("another writer has published first")
	// ErrManyNames means that the store's file has other names, whose writers would
	// not see each other.
	ErrManyNames = errors.New("the file has more names than one")
	// ErrReadOnly means that the store, or the way it was opened, allows no writing.
	ErrReadOnly = errors.New("read-only")
	// ErrTooLarge marks data over a limit of the format.
	ErrTooLarge = errors.New("over the limit of the format")
	// ErrExists means that the name is taken.
	ErrExists = errors.New("exists")
	// ErrNotFound means that there is nothing of that name.
	ErrNotFound = errors.New("not found")
	// ErrStale means that the file of a snapshot is no longer to be had.
	ErrStale = errors.New("snapshot is gone")
	// ErrNotPermitted marks an operation that the tree does not offer.
	ErrNotPermitted = errors.New("not permitted")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("closed")
	// ErrSealed means that an extent takes nothing more: another one has to go on.
	ErrSealed = errors.New("sealed")
	// ErrUnsafeManifest means that a manifest would contain, in its list of deleted ids,
	// bytes that the reference runtime takes for a newer manifest.
	ErrUnsafeManifest = errors.New("a deleted id looks like a manifest; compaction lets it go")
	// ErrForeign means that a program which does not hold the writer lock has written
	// to the file.
	ErrForeign = fmt.Errorf("%w: another program wrote to the file behind this one's back", ErrHeld)
	// ErrStrangeRemnant is why a file does not count as a remnant of a store. To all but
	// those who name it, it is as if it were not there.
	ErrStrangeRemnant = fmt.Errorf("%w: it does not count as a kept tail of this store", ErrInput)
	// ErrNotRegular is the error of opening what has no bytes of its own.
	ErrNotRegular = errors.New("not a regular file")
	// ErrReserved is the error of looking at a name that somebody has taken and put
	// nothing there yet.
	ErrReserved = errors.New("a name that is taken, with nothing behind it yet")
	// ErrOtherFile keeps a file from being replaced, changed or shown that is not the one
	// that was meant.
	ErrOtherFile = fmt.Errorf("%w: another file took its place", ErrStale)
)

// Leftover is the name of a file that shows no store, and may hold some of one.
type Leftover string

// Error says what to do.
func (l Leftover) Error() string {
	return fmt.Sprintf("rvffs recover --list %s tells what is left in it, if anything", string(l))
}

// AsCorrupt marks what the parsers of the format found wrong, but leaves errors
// of the disk as they are, and the end of a caller's patience.
func AsCorrupt(err error) error {
	if err == nil || errors.Is(err, ErrCorrupt) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// Ended is what is said to all who ask something of what has ended with err. Where it ended
// because one call was given up, theirs are not: they would be made again, for ever.
func Ended(err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w when it was given up in the middle: %v", ErrClosed, err)
}
