package volume

import (
	"errors"
	"fmt"
)

// The causes by which callers tell failures apart. An error of a volume wraps one of
// them, or the error of the operating system.
var (
	// ErrLocked means that another writer holds the store.
	ErrLocked = errors.New("another writer holds the store")
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
	// ErrOtherFile keeps a file from being replaced that is not the one to be replaced.
	ErrOtherFile = fmt.Errorf("%w: another file took its place", ErrStale)
)
