package store

import (
	"context"
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// branchOf is what makes a branch of a child of parent, which lies at path as seen from the
// child: a copy-on-write map, and a filter that lets each vector be seen that is live in
// parent now. Others know the parent by the fold of the last bytes that it has now, which
// becomes the child's parent hash; the record of the derivation keeps the SHAKE-256.
func (s *Store) branchOf(ctx context.Context, parent *state.Snapshot, child *lineage.Identity, path string) ([]volume.NewSegment, error) {
	charge := s.options.Memory.Charge()
	defer charge.Free()
	ids, err := s.liveIDs(ctx, parent)
	if err != nil {
		return nil, fmt.Errorf("find the live vectors: %w", err)
	}
	highest, some := ids.Highest()
	if highest > segments.HighestMember {
		return nil, fmt.Errorf("%w: it has a vector %d, and a branch can show those up to %d alone: derive a copy instead", volume.ErrInput, highest, segments.HighestMember)
	}
	if err := charge.Set(2 * int64(highest/8)); err != nil {
		return nil, err
	}
	members := segments.NewMembership(highest, some)
	for cursor := ids.Cursor(); cursor.Any; cursor.Next() {
		members.AddRun(cursor.Run.First, cursor.Run.Last)
	}
	if child.ParentHash, err = parent.Fold(ctx); err != nil {
		return nil, err
	}
	m := segments.NewCowMap(parent.Dimension())
	m.BaseID, m.BaseHash, m.SnapshotEpoch, m.ParentPath = child.ParentID, child.ParentHash, parent.Epoch(), path
	return []volume.NewSegment{
		{Type: segments.TypeCowMap, Payload: m.Encode()},
		{Type: segments.TypeMembership, Payload: members.Encode()},
	}, nil
}

// liveIDs are the ids of all vectors that a state of the store shows. Those that the
// engine has counted are known without looking at the rows.
func (s *Store) liveIDs(ctx context.Context, snapshot *state.Snapshot) (ids *idset.Set, err error) {
	charge := s.options.Memory.Charge()
	defer charge.Free()
	if !snapshot.IsBranch() {
		known, err := s.ids.Peek(ctx, snapshot, func(stored *idset.Set) { ids = stored.Without(snapshot.Deleted()) })
		if err != nil || known {
			return ids, err
		}
	}
	sources, err := s.Sources(ctx, snapshot)
	if err != nil {
		return nil, err
	}
	return rows.LiveIDs(ctx, sources, &charge)
}
