package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// A branch whose file is gone may have been moved to where nobody looks. So its parent lists
// it and keeps what it shows, until somebody says that it was removed: the list tells that to
// those who have known the branch, and a rewrite, which keeps nothing for it any more, forgets it.

// branchesLetGo are those of which a state of the store says that they were removed.
func branchesLetGo(ctx context.Context, base *state.Snapshot) (letGo []segments.ListedBranch, err error) {
	err = base.With(ctx, state.Looking, func(reading *state.Reading) error {
		letGo, err = reading.BranchesLetGo()
		return err
	})
	return letGo, err
}

// withLetGo adds the ids of entries to a set, which may be nil.
func withLetGo(ids map[lineage.FileID]bool, entries []segments.ListedBranch) map[lineage.FileID]bool {
	if ids == nil {
		ids = make(map[lineage.FileID]bool, len(entries))
	}
	for _, entry := range entries {
		ids[entry.FileID] = true
	}
	return ids
}

// LetBranchGo is ReleaseBranch for others than the one who has removed the branch: whoever has
// known it hears of it from the store.
func (s *Store) LetBranchGo(ctx context.Context, id lineage.FileID, names ...string) (kept string, err error) {
	kept, err = s.letBranchGo(ctx, id, names, true)
	if errors.Is(err, volume.ErrReadOnly) && len(s.ListedAs(ctx, id)) == 0 {
		err = nil // there is nothing to strike off, and nothing rewrites it
	}
	return kept, err
}

// ListedAs are the names under which the store lists a branch, which may be former ones.
func (s *Store) ListedAs(ctx context.Context, id lineage.FileID) (names []string) {
	_ = s.withNewest(ctx, func(newest *state.Snapshot) error {
		all, err := listedBranches(ctx, newest)
		for _, branch := range all {
			if branch.FileID == id {
				names = append(names, branch.Name)
			}
		}
		return err
	})
	return names
}

// HasLetGo reports whether the store says that a branch of it was removed.
func (s *Store) HasLetGo(ctx context.Context, id lineage.FileID) (letGo bool, err error) {
	err = s.withNewest(ctx, func(newest *state.Snapshot) error {
		all, err := branchesLetGo(ctx, newest)
		letGo = withLetGo(nil, all)[id]
		return err
	})
	return letGo, err
}

// LetGoListed is LetBranchGo for a branch that is gone already, by its id or the name that the
// list has. One that is there is not let go.
func (s *Store) LetGoListed(ctx context.Context, branch string) error {
	var id lineage.FileID
	var names []string
	err := s.withNewest(ctx, func(newest *state.Snapshot) error {
		family, err := s.branchesOf(ctx, newest, true)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(family.listed, func(listed segments.ListedBranch) bool {
			return branch == listed.Name || branch == listed.FileID.String()
		})
		if at < 0 {
			return fmt.Errorf("%w: store %q lists no branch %q", volume.ErrNotFound, s.Path(), branch)
		}
		id = family.listed[at].FileID
		if at := family.found[id]; len(at) > 0 {
			return fmt.Errorf("%w: the branch %q of store %q is there: %s", volume.ErrInput, branch, s.Path(), strings.Join(at, ", "))
		}
		for _, listed := range family.listed {
			if listed.FileID == id {
				names = append(names, listed.Name)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.LetBranchGo(ctx, id, names...)
	return err
}

// holds reports whether a state of the store holds what a branch shows of it.
func (s *Store) holds(ctx context.Context, base *state.Snapshot, branch segments.ListedBranch) (bool, error) {
	_, err := base.Pinned(ctx, state.Pin{Branch: branch.FileID, Hash: branch.Pinned, Recorded: true, Epoch: branch.Epoch})
	if err != nil && !errors.Is(err, lineage.ErrNoState) && isOurs(ctx, err) {
		return false, err
	}
	return err == nil, nil
}

// ListMissing has the store list the branches that are gone, as far as it does not.
func (s *Store) ListMissing(ctx context.Context) error {
	some := false
	err := s.withNewest(ctx, func(newest *state.Snapshot) error {
		family, err := s.branchesOf(ctx, newest, false)
		some = len(family.missing) > 0
		return err
	})
	if err == nil && some {
		err = s.commitList(ctx)
	}
	if err != nil {
		err = fmt.Errorf("list branches that are gone in store %q: %w", s.Path(), err)
	}
	return err
}

// Listing is how the store would list a branch; false for what shows nothing of it.
func (s *Store) Listing(ctx context.Context, file BranchFile) (listed segments.ListedBranch, some bool, err error) {
	err = s.withNewest(ctx, func(newest *state.Snapshot) error {
		listed, some, err = s.readBranch(ctx, newest, file)
		if showsNothing(err) {
			err = nil
		}
		return err
	})
	return listed, some, err
}
