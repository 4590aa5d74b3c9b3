package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"rvffs/store/state"
	"rvffs/store/volume"
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

// stands fails where the file of an origin was removed, or another has its name. Where that
// cannot be told, it is no failure of a stream that has nothing to commit.
func (s *Store) stands(ctx context.Context, of state.Origin) error {
	newest, err := s.head.Look(ctx)
	switch {
	case errors.Is(err, volume.ErrNotFound):
		return fmt.Errorf("%w: the store's file was removed, with all that was written to it", volume.ErrStale)
	case errors.Is(err, volume.ErrStale), err == nil && of != (state.Origin{}) && !of.Is(newest.Origin()):
		return state.ErrReplaced
	}
	return nil
}
