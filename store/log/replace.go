package log

import (
	"errors"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Replacement is the content that takes the place of all that was committed.
type Replacement struct {
	State   *segments.State
	Witness lineage.Hash // of the newest entry of its audit chain
	// Known is told of the new state before anybody else.
	Known func(next *state.Snapshot)
}

// Replace lets writers wait while build completes a rewrite, and puts that in the place
// of the store's content. Build is told what is committed, and how many bytes of what is
// not the rewrite lacks; with its error nothing is replaced. The states before and after
// are given when the content was replaced, also with an error.
func (s *Session) Replace(rewrite *filelog.Rewrite, build func(base *state.Snapshot, lacking int64) (Replacement, error)) (before, next *state.Snapshot, err error) {
	l := s.log
	l.lead.Wait()
	defer l.lead.Give()
	lacking, err := rewrite.Freeze()
	defer rewrite.Thaw()
	if err != nil {
		return nil, nil, err
	}
	base := s.Base()
	made, err := build(base, lacking)
	if err != nil {
		return nil, nil, err
	}
	published, late := rewrite.Publish(made.State, base.Backing().Info())
	if !rewrite.Published() {
		return nil, nil, late
	}
	head := l.env.Head
	backing := head.Adopt(published.Reading, published.Info)
	backing.Replaces(base.Backing())
	next = state.NewSnapshot(backing, made.State, published.Info.Modified)
	next.SetLastWitness(made.Witness)
	made.Known(next)
	l.mu.Lock()
	s.base = next
	l.mu.Unlock()
	head.Owe()
	if err := head.PayName(); err != nil {
		// The name may still lead to the old file after a power loss: nothing that
		// is committed to the new one would be safe.
		return base, next, errors.Join(s.Fail(err), published.Old.Close())
	}
	l.discard(published.Old)
	return base, next, errors.Join(late, s.advance(next, published.Info))
}

// discard closes a file that no name leads to any more. The system then frees its
// blocks, 0.2 s for each GiB, for which neither writers nor the rewrite wait; Wait does.
func (l *Log) discard(file volume.File) {
	l.discarding.Go(func() {
		_ = file.Close() // what it held stands in the new file
	})
}
