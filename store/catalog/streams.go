package catalog

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"rvffs/store"
)

// openStream is a stream of any kind that is not closed yet.
type openStream interface {
	// CommitOpen commits the whole records, but of what is all or nothing.
	CommitOpen(ctx context.Context) error
	// Interrupt ends the stream of a writer that lives, because its store is closed.
	Interrupt(ctx context.Context) error
}

// began notes a stream that is open until end is called, the first time; the store is
// let go then.
func (s *Store) began(stream openStream) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil {
		s.streams = map[openStream]struct{}{}
	}
	s.streams[stream] = struct{}{}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		delete(s.streams, stream)
		if s.fewer != nil {
			close(s.fewer)
			s.fewer = nil
		}
		s.mu.Unlock()
		s.release()
	})
}

// awaitStreams waits until no stream is open, but no longer than for another writer:
// nobody waits for the end of a stream that was just closed.
func (s *Store) awaitStreams(ctx context.Context) error {
	patience := time.NewTimer(cmp.Or(s.catalog.options.LockWait, store.DefaultLockWait))
	defer patience.Stop()
	for {
		s.mu.Lock()
		if len(s.streams) == 0 {
			s.mu.Unlock()
			return nil
		}
		if s.fewer == nil {
			s.fewer = make(chan struct{})
		}
		fewer := s.fewer
		s.mu.Unlock()
		select {
		case <-fewer:
		case <-patience.C:
			return fmt.Errorf("%w: a stream into it is open", store.ErrLocked)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
