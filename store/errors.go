package store

import "rvffs/store/volume"

// The causes by which callers tell failures apart: those of package volume. Every
// error that leaves this package wraps one of them, or the error of the operating
// system.
var (
	ErrInput        = volume.ErrInput
	ErrName         = volume.ErrName
	ErrLocked       = volume.ErrLocked
	ErrManyNames    = volume.ErrManyNames
	ErrReadOnly     = volume.ErrReadOnly
	ErrCorrupt      = volume.ErrCorrupt
	ErrTooLarge     = volume.ErrTooLarge
	ErrExists       = volume.ErrExists
	ErrNotEmpty     = volume.ErrNotEmpty
	ErrNotFound     = volume.ErrNotFound
	ErrStale        = volume.ErrStale
	ErrNotPermitted = volume.ErrNotPermitted
	ErrCrossParent  = volume.ErrCrossParent
	ErrClosed       = volume.ErrClosed
	ErrNotStore     = volume.ErrNotStore
)
