package store

import (
	"cmp"
	"context"
)

// OpenStreams is how many streams of all kinds into the store are open.
func (s *Store) OpenStreams() int { return s.streams.Len() }

// CommitStreams commits the whole records of all open streams, but of what is all or
// nothing.
func (s *Store) CommitStreams(ctx context.Context) error { return s.streams.Commit(ctx) }

// InterruptStreams closes all open streams for their writers; see Stream.Interrupt.
func (s *Store) InterruptStreams(ctx context.Context) error { return s.streams.Interrupt(ctx) }

// AwaitStreams waits until no stream is open, but no longer than for another writer:
// nobody waits for the end of a stream that was just closed.
func (s *Store) AwaitStreams(ctx context.Context) error {
	return s.streams.Await(ctx, cmp.Or(s.options.TurnWait, DefaultTurnWait))
}
