package store

import (
	"context"
	"errors"
	"time"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// BranchStatus is what is known of a store that shows vectors of its parent's.
type BranchStatus struct {
	Parent      string `json:"parent"`                 // its file, where the branch has it: relative to its own folder, or absolute
	ParentID    string `json:"parent_id"`              // of the store
	ParentEpoch uint32 `json:"parent_epoch,omitempty"` // of the state of which they are; not known of some branches while it is not found
	// Inherited vectors are shown and stand in the parent's file, or its parent's; Own ones
	// stand in the branch's.
	InheritedVectors uint64 `json:"inherited_vectors"`
	OwnVectors       uint64 `json:"own_vectors"`
	// Arranged is when the rows came into their order in the files of all vectors: with the
	// branch's newest commit, or with a later rewrite of a file that it shows vectors of.
	Arranged *time.Time `json:"arranged,omitempty"`
	// Problem is why those that it inherits cannot be read, and then none counts, or that some
	// of them are damaged.
	Problem string `json:"problem,omitempty"`
	// Unlisted is why a compaction of the parent may lose what the branch inherits: the parent,
	// in another folder, does not list it.
	Unlisted string `json:"unlisted,omitempty"`
	// Damaged are the segments of inherited vectors that are known to be damaged; their
	// places are in the files of the stores above.
	Damaged []state.DamagedSegment `json:"damaged_segments,omitempty"`
}

// ListedBranch is one that a store knows of.
type ListedBranch struct {
	File  string `json:"file"` // where it lay when it was listed: relative to the store's folder, or absolute
	ID    string `json:"id"`
	Epoch uint32 `json:"epoch"` // of the store's state that it shows
}

// describeListed tells of the branches that a state of the store lists.
func describeListed(ctx context.Context, snapshot *state.Snapshot) (described []ListedBranch, err error) {
	listed, err := listedBranches(ctx, snapshot)
	for _, branch := range listed {
		described = append(described, ListedBranch{branch.Name, branch.FileID.String(), branch.Epoch})
	}
	return described, err
}

// Branch tells of a snapshot what it shows of its parent's; nil when it is of no branch.
func (s *Store) Branch(ctx context.Context, snapshot *state.Snapshot) (*BranchStatus, error) {
	if !snapshot.IsBranch() {
		return nil, nil
	}
	identity, _ := snapshot.Identity()
	status := &BranchStatus{ParentID: identity.ParentID.String()}
	if branch, err := snapshot.Branch(ctx); err == nil {
		status.Parent, status.ParentEpoch = branch.Map.ParentPath, branch.Pin.Epoch
	}
	of, err := s.Sources(ctx, snapshot)
	var all uint64
	if err == nil {
		if base, some := of.Inherited(); some {
			snapshots := base.Snapshots()
			status.ParentEpoch = snapshots[len(snapshots)-1].Epoch()
			status.Damaged = damagedVectors(snapshots)
		}
		all, status.OwnVectors, err = rows.Counts(ctx, of)
	}
	if err == nil {
		arranged := snapshot.ShownTime().UTC()
		status.Arranged = &arranged
		status.InheritedVectors = all - status.OwnVectors
		if len(status.Damaged) > 0 {
			status.Problem = damagedInherited
		}
		status.Unlisted, err = s.unlisted(ctx, snapshot)
		return status, err
	}
	if isOurs(ctx, err) || errors.Is(err, volume.ErrStale) {
		return nil, err
	}
	status.Problem = err.Error()
	if status.OwnVectors, err = rows.Count(ctx, rows.Of(snapshot)); err != nil && isOurs(ctx, err) {
		return nil, err
	}
	return status, nil
}

// damagedInherited is the problem of a branch some of whose inherited vectors are damaged.
const damagedInherited = "inherited vectors in damaged segments are counted as they are read"

// damagedVectors are the segments of vectors of some states that are known to be damaged, the
// first of them.
func damagedVectors(of []*state.Snapshot) (found []state.DamagedSegment) {
	for _, snapshot := range of {
		if !snapshot.LostVectors() {
			continue
		}
		for _, segment := range snapshot.Checked().Damage {
			if segment.Type == segments.TypeVec.String() && len(found) < state.MaxFindings {
				found = append(found, segment)
			}
		}
	}
	return found
}

// isOurs reports whether a failure says nothing of a file.
func isOurs(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, memory.ErrNone) || errors.Is(err, memory.ErrNever) || errors.Is(err, volume.ErrHeld)
}
