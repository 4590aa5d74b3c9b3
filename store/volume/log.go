package volume

import (
	"context"
	"time"

	"rvffs/segments"
)

// Log is one store: bytes that only grow, in versions. Where other bytes take their place,
// as a compaction makes them or another program, a new generation begins.
type Log interface {
	// Name is what the store is called among those beside it, and Path how users name it.
	Name() string
	Path() string
	// Newest is the newest version that was published, known itself when there is none
	// newer, or when this process is at work in a session, so that nobody else can
	// publish. What another process has published is found by one cheap question.
	Newest(ctx context.Context, known *Version) (*Version, error)
}

// Version is a published state of a log. It does not change, and is one with another
// only if it is the same pointer.
type Version struct {
	Generation Generation
	State      *segments.State
	Modified   time.Time // when it was published, as far as the volume knows
	// Number rises with the versions of one Log.
	Number uint64
}

// Generation is a run of bytes that only grows: what was published in it stays as it is,
// unless another program changes it.
type Generation interface {
	// Pin keeps the bytes readable until Unpin, whatever becomes of the store. ErrStale
	// means that they are gone.
	Pin() (File, error)
	Unpin() error
	// Info tells about the file as it was found.
	Info() FileInfo
	// Disturbed counts how often somebody else than this process has written to the
	// bytes, and how often within what was published.
	Disturbed() (times, within uint64)
}
