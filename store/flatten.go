package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rvffs/lineage"
	"rvffs/store/compact"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Flatten makes a store that has all its vectors itself of a branch: a compaction that
// copies what the branch inherits, too. It stays a child of its parent, of which it needs
// nothing any more. Readers and writers go on meanwhile, as beside Compact.
func (s *Store) Flatten(ctx context.Context) (CompactResult, error) {
	result, err := s.flatten(ctx)
	if err != nil {
		return CompactResult{}, fmt.Errorf("flatten store %q: %w", s.Path(), err)
	}
	return result, nil
}

func (s *Store) flatten(ctx context.Context) (result CompactResult, err error) {
	var flat compact.Flat
	var told state.Branch
	err = s.withNewest(ctx, func(newest *state.Snapshot) (err error) {
		if !newest.IsBranch() {
			return fmt.Errorf("%w: it is no branch: it has all its vectors itself", volume.ErrInput)
		}
		if err := s.checkWritable(ctx, newest); err != nil {
			return err
		}
		of, err := s.Sources(ctx, newest)
		if err != nil {
			return err
		}
		if told, err = newest.Branch(ctx); err != nil {
			return err
		}
		flat, err = flatOf(ctx, newest, of)
		return err
	})
	if err != nil {
		return result, err
	}
	// Where it was moved, the parent's list has a former name, and learns the present one only as
	// long as it is a branch.
	s.relistedByParent(ctx, told)
	flat.Sources = func(ctx context.Context, base *state.Snapshot) (rows.Sources, error) {
		of, err := s.Sources(ctx, base)
		if errors.Is(err, volume.ErrStale) {
			of, err = s.Sources(ctx, base.Renewed()) // the parent was rewritten
		}
		return of, err
	}
	if result, err = s.compactor.Flatten(ctx, flat); err != nil {
		return result, err
	}
	s.relistedByParent(ctx, told)
	return result, nil
}

// flatOf is what a flattened branch says of its derivation: what the branch has said, and
// that it has copies now.
func flatOf(ctx context.Context, branch *state.Snapshot, of rows.Sources) (flat compact.Flat, err error) {
	identity, _ := branch.Identity()
	flat.ParentHash = identity.ParentHash
	record, known, err := branch.Derivation(ctx)
	if err != nil {
		return flat, err
	}
	base, some := of.Inherited()
	switch {
	case known:
		origin, _ := record.Origin()
		origin.Start = lineage.StartCopy
		record.Text, record.Timestamp = origin.String(), uint64(time.Now().UnixNano())
		flat.Record, err = record.AppendBinary(nil)
		flat.ParentHash = record.ParentHash
	case some:
		snapshots := base.Snapshots()
		pinned := snapshots[len(snapshots)-1]
		if flat.ParentHash, err = pinned.ParentHash(ctx); err != nil {
			return flat, err
		}
		flat.Record, err = recordOf(ctx, identity, pinned, lineage.Snapshot, lineage.StartCopy)
	default:
		flat.Record, err = lineage.Record{FileID: identity.FileID, ParentID: identity.ParentID, ParentHash: identity.ParentHash, Type: lineage.Snapshot}.AppendBinary(nil)
	}
	return flat, err
}

// relistedByParent has the parent list the branch as it is now: not at all when it is none any
// more. What the parent keeps in vain costs room alone, and it finds out by itself when it looks
// for its branches.
func (s *Store) relistedByParent(ctx context.Context, told state.Branch) {
	if s.options.Parents == nil {
		return
	}
	identity, _ := s.Identity()
	ctx = state.OfOthers(ctx)
	for candidate, err := range s.options.Parents(ctx, identity, told.Map.ParentPath) {
		if err != nil {
			return
		}
		_ = candidate.Use(ctx, func(parent *Store) error { return parent.Relist(ctx) })
	}
}
