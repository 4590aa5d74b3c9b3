package store

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"rvffs/store/volume"
)

// The causes by which callers tell failures apart. Every error that leaves
// this package wraps one of them, or the error of the operating system.
var (
	// ErrInput marks data that was refused as it stands: a wrong dimension, an
	// unfinished record, a value that is no number.
	ErrInput = errors.New("bad input")
	// ErrName marks a file name that cannot be one of a store.
	ErrName = errors.New("bad name")
	// ErrLocked means that another writer holds the store.
	ErrLocked = volume.ErrLocked
	// ErrManyNames means that the store's file has other names, whose writers would
	// not see each other.
	ErrManyNames = volume.ErrManyNames
	// ErrReadOnly means that the store, or the way it was opened, allows no writing.
	ErrReadOnly = volume.ErrReadOnly
	// ErrCorrupt marks bytes on disk that contradict themselves, and a file that
	// became shorter than its manifest says.
	ErrCorrupt = errors.New("corrupt")
	// ErrTooLarge marks data over a limit of the format.
	ErrTooLarge = volume.ErrTooLarge
	// ErrExists means that the name is taken.
	ErrExists = volume.ErrExists
	// ErrNotEmpty means that a store to be removed still holds something.
	ErrNotEmpty = errors.New("not empty")
	// ErrNotFound means that there is nothing of that name.
	ErrNotFound = volume.ErrNotFound
	// ErrStale means that the file of a snapshot is no longer to be had.
	ErrStale = volume.ErrStale
	// ErrNotPermitted marks an operation that the tree does not offer.
	ErrNotPermitted = volume.ErrNotPermitted
	// ErrCrossParent marks a rename from one parent to another.
	ErrCrossParent = errors.New("different parents")
	// ErrClosed means that the store was closed.
	ErrClosed = volume.ErrClosed
	// ErrNotStore marks a file that cannot be read as a store at all.
	ErrNotStore = errors.New("not a readable store")
)

// asCorrupt marks what the parsers of the format found wrong, but leaves errors
// of the disk as they are, and the end of a caller's patience.
func asCorrupt(err error) error {
	if err == nil || errors.Is(err, ErrCorrupt) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}
