package log

import (
	"context"
	"errors"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Replacement is the content that takes the place of all that was committed.
type Replacement struct {
	State   *segments.State
	Witness lineage.Hash // of the newest entry of its audit chain
	// Known is told of the new state before anybody else.
	Known func(next *state.Snapshot)
}

// Rewrite begins other content.
func (s *Session) Rewrite(ctx context.Context, options volume.RewriteOptions) (volume.Rewrite, error) {
	return s.turn.Rewrite(ctx, options)
}

// TakeIDs sets so many ids of segments apart and gives the first.
func (s *Session) TakeIDs(count uint64) uint64 { return s.turn.TakeIDs(count) }

// Replace lets writers wait while build completes a rewrite, and puts that in the place
// of the store's content. Build is told what is committed, and how many bytes of what is
// not the rewrite lacks; with its error nothing is replaced, and neither when ctx ends
// before that. The states before and after
// are given when the content was replaced, also with an error. With ErrMoved the base is
// another one, for a rewrite that is begun anew.
func (s *Session) Replace(ctx context.Context, rewrite volume.Rewrite, build func(base *state.Snapshot, lacking int64) (Replacement, error)) (before, next *state.Snapshot, err error) {
	l := s.log
	if err := l.lead.Take(ctx); err != nil {
		return nil, nil, err
	}
	defer l.lead.Give()
	lacking, err := rewrite.Freeze(ctx)
	defer rewrite.Thaw()
	if err != nil {
		return nil, nil, err
	}
	base := s.Base()
	if err := l.env.Writable(ctx, base); err != nil {
		return nil, nil, err
	}
	made, err := build(base, lacking)
	if err != nil {
		return nil, nil, err
	}
	version, late := rewrite.Publish(ctx, made.State)
	if errors.Is(late, volume.ErrMoved) {
		late = errors.Join(late, s.follow(ctx))
	}
	if !rewrite.Published() {
		return nil, nil, late
	}
	next = l.env.Head.Next(version)
	next.SetLastWitness(made.Witness)
	made.Known(next)
	s.advance(next, version)
	return base, next, late
}
