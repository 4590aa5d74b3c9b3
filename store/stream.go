package store

import (
	"sync"
	"sync/atomic"

	"rvffs/store/volume"
)

// streamState is what streams of every kind have in common. A stream takes bytes
// until it is closed or something fails: then nothing of it since its last commit
// is kept, and whatever is asked of it fails with the same error.
type streamState struct {
	received atomic.Int64

	mu     sync.Mutex
	failed error // what ended the stream
	closed bool
}

// Received is the number of bytes taken so far.
func (s *streamState) Received() int64 { return s.received.Load() }

// usable is what ended the stream, in the words of describe if it was closed. The
// caller holds mu.
func (s *streamState) usable(describe func(error) error) error {
	switch {
	case s.failed != nil:
		return s.failed
	case s.closed:
		return describe(volume.ErrClosed)
	}
	return nil
}

// over says whether the stream has ended: its writer knows, or has nothing to know.
func (s *streamState) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed != nil || s.closed
}
