package store

import (
	"context"
	"errors"
	"io/fs"

	"rvffs/lineage"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Relatives are the files that a store's lineage is judged by.
type Relatives struct {
	Parents []ParentFile // those of the parent's id, in the order in which they count
	Unasked int          // more of them, which are not to be looked at
	Cycle   bool         // whether all ways up from the store lead back to it
	Copies  []string     // other files of the store's own id
}

// ParentFile is a file that may be a store's parent.
type ParentFile struct {
	Name string
	// Use has the newest state of the file compared.
	Use func(ctx context.Context, compare func(parent *state.Snapshot) error) error
}

// MostParents is how many files that may be a store's parent are looked at where many
// stores are judged: each may be a copy of all others.
const MostParents = 16

// JudgeLineage finds out what is true of a store's lineage: for the mount, the command
// line and whoever else tells of it. A parent that cannot be read is part of the verdict;
// an error means that ctx is over.
func JudgeLineage(ctx context.Context, s *state.Snapshot, relatives Relatives) (lineage.Verdict, error) {
	facts, err := LineageFacts(ctx, s, relatives)
	return facts.Judge(), err
}

// AccountLineage is JudgeLineage for those who tell of many stores: what there is to say
// of the one in a file, in short.
func AccountLineage(ctx context.Context, file string, s *state.Snapshot, relatives Relatives) (lineage.Account, error) {
	facts, err := LineageFacts(ctx, s, relatives)
	if err != nil {
		return lineage.Account{}, err
	}
	return AccountOf(ctx, file, s, facts)
}

// AccountOf is AccountLineage for who has the facts already.
func AccountOf(ctx context.Context, file string, s *state.Snapshot, facts lineage.Facts) (lineage.Account, error) {
	profile, named := lineage.ProfileOfName(file)
	if !named {
		// What cannot be read of it is for Verify to tell.
		var err error
		profile, err = s.Profile(ctx)
		if ctx.Err() != nil {
			return lineage.Account{}, err
		}
	}
	return facts.Account(file, profile), nil
}

// Lacks reports whether a state of the store is one of a branch whose inherited vectors cannot be
// read.
func (s *Store) Lacks(ctx context.Context, snapshot *state.Snapshot) (bool, error) {
	of, err := s.Sources(ctx, snapshot)
	switch {
	case errors.Is(err, volume.ErrStale), err != nil && isOurs(ctx, err):
		return false, err
	case err != nil:
		return true, nil
	}
	base, some := of.Inherited()
	return some && len(damagedVectors(base.Snapshots())) > 0, nil
}

// LineageFacts finds what a lineage is judged by. It looks at the possible parents one
// after the other until one of them has certainly held the state that the store was derived
// from: so the verdict names the one in whose folder the store stands, if that is true of it.
func LineageFacts(ctx context.Context, s *state.Snapshot, relatives Relatives) (lineage.Facts, error) {
	facts, err := s.LineageFacts(ctx)
	facts.Unasked, facts.Cycle, facts.Copies = relatives.Unasked, relatives.Cycle, relatives.Copies
	if err != nil || !facts.Known || facts.Identity.IsRoot() {
		return facts, err
	}
	for _, file := range relatives.Parents {
		facts.Carriers = append(facts.Carriers, file.Name)
	}
	for _, file := range relatives.Parents {
		candidate := lineage.Candidate{Name: file.Name}
		candidate.Err = file.Use(ctx, func(parent *state.Snapshot) (err error) {
			candidate.Identity, _ = parent.Identity()
			if lineage.CheckLink(facts.Identity, candidate.Identity) == nil {
				candidate.History, err = parent.History(ctx, facts.Descent())
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return lineage.Facts{}, ctx.Err()
		case errors.Is(candidate.Err, volume.ErrNotFound), errors.Is(candidate.Err, fs.ErrNotExist):
			continue // gone since it was found
		}
		facts.Parents = append(facts.Parents, candidate)
		if facts.Settles(candidate) {
			break
		}
	}
	return facts, ctx.Err()
}
