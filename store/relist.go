package store

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// A parent of which an older copy was put back lists no branch that was made since. Whoever
// changes such a branch has the parent list it again; who only reads it is told.

// apart reports whether the branch for which a parent was found lies in another folder.
func (p BranchParent) apart() bool { return path.Base(p.ListedAs) != p.ListedAs }

// omits reports whether the file holds the state that a branch shows, and does not list the branch.
func (p BranchParent) omits(ctx context.Context, branch lineage.FileID, pin state.Pin) (omits, clean bool, err error) {
	err = p.Use(ctx, func(parent *Store) error {
		return parent.withNewest(ctx, func(newest *state.Snapshot) error {
			if _, err := newest.Pinned(ctx, pin); err != nil {
				return err
			}
			listed, err := listedBranches(ctx, newest)
			omits = !slices.ContainsFunc(listed, func(known segments.ListedBranch) bool { return known.FileID == branch })
			clean = newest.Clean()
			return err
		})
	})
	return omits, clean, err
}

// listAgain has a file that may be the parent of the store, a branch, list it if it does not.
// Nothing is said of one in which that cannot be done: who is told of the branch hears of it. One
// that another program made beside its parent is found there, and a parent that grows would be
// closed to others that show it.
func (s *Store) listAgain(ctx context.Context, parent BranchParent, branch lineage.FileID, pin state.Pin) {
	if parent.Change == nil || !pin.Recorded && !parent.apart() {
		return
	}
	omits, clean, err := parent.omits(ctx, branch, pin)
	if err != nil || !omits || !clean { // what stands behind the newest state would be cut off
		return
	}
	own := BranchFile{FileID: branch, Name: parent.ListedAs, Use: func(_ context.Context, use func(*Store) error) error { return use(s) }}
	_ = parent.Change(ctx, func(parent *Store) error {
		_, err := parent.ListBranches(ctx, []BranchFile{own})
		return err
	})
}

// inheritedFrom is the file from which a state of a branch has what it inherits: of those that may
// be its parent the first that holds what it shows, and whether that omits the branch. False
// where there is none.
func (s *Store) inheritedFrom(ctx context.Context, snapshot *state.Snapshot) (parent BranchParent, omits, some bool, err error) {
	if !snapshot.IsBranch() || s.options.Parents == nil {
		return parent, false, false, nil
	}
	told, err := snapshot.Branch(ctx)
	if errors.Is(err, volume.ErrCorrupt) {
		return parent, false, false, nil // there are other words for that
	}
	if err != nil {
		return parent, false, false, err
	}
	identity, _ := snapshot.Identity()
	ctx = state.OfOthers(ctx)
	for candidate, err := range s.options.Parents(ctx, identity, told.Map.ParentPath) {
		if err != nil {
			return parent, false, false, err
		}
		omits, _, err := candidate.omits(ctx, identity.FileID, told.Pin)
		switch {
		case err == nil:
			return candidate, omits, true, nil
		case isOurs(ctx, err):
			return parent, false, false, err
		}
	}
	return parent, false, false, nil
}

// InheritsFrom is the file from which the store, a branch, has what it inherits; empty where
// there is none. Kept says that a rewrite of that file finds the branch: it lists it, or both
// lie in one folder.
func (s *Store) InheritsFrom(ctx context.Context) (parent string, kept bool, err error) {
	err = s.withNewest(ctx, func(newest *state.Snapshot) error {
		found, omits, some, err := s.inheritedFrom(ctx, newest)
		parent, kept = found.Name, some && !(omits && found.apart())
		return err
	})
	return parent, kept, err
}

// omittedBy is the parent of a state of a branch that lies in another folder and does not list
// it; empty where all is well, or no parent is found.
func (s *Store) omittedBy(ctx context.Context, snapshot *state.Snapshot) (parent string, err error) {
	found, omits, some, err := s.inheritedFrom(ctx, snapshot)
	if !some || !omits || !found.apart() {
		return "", err
	}
	return found.Name, err
}

// Unlisted reports whether the parent of a state of a branch lies in another folder and does
// not list it.
func (s *Store) Unlisted(ctx context.Context, snapshot *state.Snapshot) (bool, error) {
	parent, err := s.omittedBy(ctx, snapshot)
	return parent != "", err
}

// unlisted tells of a state of a branch what it means that its parent does not list it; empty
// when that is not so.
func (s *Store) unlisted(ctx context.Context, snapshot *state.Snapshot) (text string, err error) {
	parent, err := s.omittedBy(ctx, snapshot)
	if err != nil || parent == "" {
		return "", err
	}
	return fmt.Sprintf("its parent, %s, lies in another folder and does not list it, as when an older copy of that was put back: a compaction of that "+
		"which does not find the branch would lose what it shows. Any change of the branch has it listed again, and so has rvffs branch --relist PARENT CHILD", parent), nil
}
