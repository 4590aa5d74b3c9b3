package store

import (
	"context"
	"errors"
	"fmt"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Freeze lets nothing change the store any more, here or wherever it is opened by this
// engine, and returns the epoch from which on that is so. What open streams have brought is
// committed first, as far as it is whole. Nothing lets it change again.
func (s *Store) Freeze(ctx context.Context) (epoch uint32, err error) {
	if err := s.freeze(ctx); err != nil {
		return 0, fmt.Errorf("freeze store %q: %w", s.Path(), err)
	}
	return s.Current().Epoch(), nil
}

func (s *Store) freeze(ctx context.Context) error {
	newest, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	if frozen, err := newest.Frozen(ctx); frozen || err != nil {
		return err
	}
	if _, err := s.streams.CommitAtRest(ctx); err != nil {
		return err
	}
	session, err := s.log.Begin(ctx)
	if err == nil {
		_, err = s.vectors.Commit(ctx, session, log.Change{Content: freezing{}, Actions: []log.Action{log.Freeze()}})
		err = errors.Join(err, session.End())
	}
	if errors.Is(err, volume.ErrReadOnly) {
		if frozen, late := s.Current().Frozen(ctx); frozen && late == nil {
			return nil // somebody else was faster
		}
	}
	return err
}

// freezing is what a commit does that freezes the store.
type freezing struct{}

// freezeHook writes the mark.
type freezeHook struct{}

// Draft implements log.Hook.
func (freezeHook) Draft(_ context.Context, d *log.Draft) (log.Committed, error) {
	for _, change := range d.Changes {
		if _, freezes := change.Content.(freezing); freezes {
			d.Add(volume.NewSegment{Type: segments.TypeFreeze, Payload: segments.EncodeFreeze(d.Stamp)})
			break
		}
	}
	return nil, nil
}

// isFrozen reports whether a state is frozen, for who tells of it: what cannot be read is
// told elsewhere.
func isFrozen(ctx context.Context, s *state.Snapshot) bool {
	frozen, err := s.Frozen(ctx)
	return err == nil && frozen
}
