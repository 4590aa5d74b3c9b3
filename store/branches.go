package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compact"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Branches finds the files that may be branches of a store.
type Branches func(ctx context.Context, of BranchesOf) (FoundBranches, error)

// BranchesOf says which branches are looked for.
type BranchesOf struct {
	Parent lineage.FileID
	// Listed are those that the store's own list has.
	Listed []segments.ListedBranch
	// LetGo are those of which the store says that they were removed on purpose.
	LetGo []lineage.FileID
	// Thorough is for who rewrites or removes the store. Others are told of what is known
	// without looking for it.
	Thorough bool
}

// FoundBranches are those files.
type FoundBranches struct {
	Files []BranchFile
	// Flat are those of the list of which it is certain that they are no branches any more.
	Flat []lineage.FileID
	// Missing are those that were there, and of which it is not known that anybody has
	// removed them.
	Missing []segments.ListedBranch
}

// BranchFile is a file whose parent is the store.
type BranchFile struct {
	FileID lineage.FileID
	Name   string // as seen from the store's folder, or absolute
	// Seen is how the branch would be listed as it was seen last; zero when it was not.
	Seen segments.ListedBranch
	// Use has the store opened.
	Use func(ctx context.Context, use func(*Store) error) error
}

// listedBranches are the branches that a state of the store lists.
func listedBranches(ctx context.Context, base *state.Snapshot) (listed []segments.ListedBranch, err error) {
	err = base.With(ctx, state.Looking, func(reading *state.Reading) error {
		listed, err = reading.ListedBranches()
		return err
	})
	return listed, err
}

// branchFamily are the branches of a store as far as they are known.
type branchFamily struct {
	listed []segments.ListedBranch   // by the store itself
	known  []segments.ListedBranch   // in order of their ids
	found  map[lineage.FileID]string // the names that files have that are there
	flat   map[lineage.FileID]bool   // which are certainly no branches any more

	letGoBefore []segments.ListedBranch // as the store itself says
	letGo       []segments.ListedBranch // in order of their ids
	missing     []lineage.FileID        // of the known ones those that stand in no list and are not found
}

// branchesOf finds the branches of the store as it is in a state: those that it lists, those
// that this process has made, and those whose files are found.
func (s *Store) branchesOf(ctx context.Context, base *state.Snapshot, thorough bool) (family branchFamily, err error) {
	if family.listed, err = listedBranches(ctx, base); err != nil {
		return family, err
	}
	if family.letGoBefore, err = branchesLetGo(ctx, base); err != nil {
		return family, err
	}
	all := map[lineage.FileID]segments.ListedBranch{}
	for _, branch := range family.listed {
		all[branch.FileID] = branch
	}
	s.branchesMu.Lock()
	for id, branch := range s.made {
		if listed, some := all[id]; some {
			branch.Name = listed.Name
		}
		all[id] = branch
	}
	maps.Copy(all, s.leaving)
	leaving, released := maps.Clone(s.leaving), maps.Clone(s.released)
	letGo := maps.Clone(s.gone)
	s.branchesMu.Unlock()
	letGo = withLetGo(letGo, family.letGoBefore)
	family.found, family.flat = map[lineage.FileID]string{}, map[lineage.FileID]bool{}
	identity, known := base.Identity()
	if known && s.options.Branches != nil && !identity.FileID.IsZero() {
		ctx := state.OfOthers(ctx)
		found, err := s.options.Branches(ctx, BranchesOf{Parent: identity.FileID, Listed: family.listed, LetGo: slices.Collect(maps.Keys(letGo)), Thorough: thorough})
		if err != nil {
			return family, fmt.Errorf("look for branches: %w", err)
		}
		for _, id := range found.Flat {
			family.flat[id] = true
		}
		for _, file := range found.Files {
			_, known := all[file.FileID]
			if known && thorough && !s.isBranchFile(ctx, base, file) {
				delete(all, file.FileID) // it was flattened
				continue
			}
			if !known {
				branch, some, err := s.describeBranch(ctx, base, file)
				if err != nil {
					return family, err
				}
				if !some {
					continue
				}
				all[file.FileID] = branch
			}
			if family.found[file.FileID] == "" || file.Name == all[file.FileID].Name {
				family.found[file.FileID] = file.Name // of several copies the one that is listed
			}
		}
		for _, branch := range found.Missing {
			if _, known := all[branch.FileID]; known || letGo[branch.FileID] {
				continue
			}
			shows, err := s.holds(ctx, base, branch)
			if err != nil {
				return family, err
			}
			if shows {
				all[branch.FileID] = branch
				family.missing = append(family.missing, branch.FileID)
			}
		}
	}
	for id, name := range family.found {
		if branch := all[id]; branch.Name != name && leaving[id].Name == "" {
			branch.Name = name // it was moved since
			all[id] = branch
		}
	}
	for id := range released {
		if _, there := family.found[id]; !there {
			delete(all, id)
		}
	}
	for id := range letGo {
		if _, back := all[id]; !back {
			family.letGo = append(family.letGo, segments.ListedBranch{FileID: id})
		}
	}
	byID := func(a, b segments.ListedBranch) int { return slices.Compare(a.FileID[:], b.FileID[:]) }
	slices.SortFunc(family.letGo, byID)
	family.known = slices.SortedFunc(maps.Values(all), byID)
	return family, nil
}

// isBranchFile reports whether a file is a branch of the store, as far as it can be read.
func (s *Store) isBranchFile(ctx context.Context, base *state.Snapshot, file BranchFile) bool {
	own, _ := base.Identity()
	is := true
	_ = file.Use(ctx, func(child *Store) error {
		snapshot, err := child.Snapshot(ctx)
		if err == nil {
			identity, _ := snapshot.Identity()
			is = identity.ParentID == own.FileID && snapshot.IsBranch()
		}
		return err
	})
	return is
}

// describeBranch is how a file is listed; false for one that is no branch of the store, or
// whose state of it is gone already.
func (s *Store) describeBranch(ctx context.Context, base *state.Snapshot, file BranchFile) (listed segments.ListedBranch, some bool, err error) {
	listed, some, err = s.readBranch(ctx, base, file)
	if err == nil || isOurs(ctx, err) {
		return listed, some, err
	}
	if file.Seen.FileID == file.FileID {
		return file.Seen, true, nil
	}
	return listed, some, nil // who reads it hears of it
}

// readBranch is describeBranch for who has to know why a file could not be read.
func (s *Store) readBranch(ctx context.Context, base *state.Snapshot, file BranchFile) (listed segments.ListedBranch, some bool, err error) {
	err = file.Use(ctx, func(child *Store) error {
		return child.withNewest(ctx, func(snapshot *state.Snapshot) error {
			identity, _ := snapshot.Identity()
			if own, _ := base.Identity(); identity.ParentID != own.FileID || !snapshot.IsBranch() {
				return nil
			}
			branch, err := snapshot.Branch(ctx)
			if err != nil {
				return err
			}
			pinned, err := base.Pinned(ctx, branch.Pin)
			if err != nil {
				return err
			}
			listed = segments.ListedBranch{FileID: identity.FileID, Pinned: branch.Pin.Hash, Epoch: pinned.Epoch(), Name: file.Name}
			if !branch.Pin.Recorded {
				listed.Pinned, err = pinned.ParentHash(ctx)
			}
			some = err == nil
			return err
		})
	})
	return listed, some, err
}

// branches implements compact.Environment: what a rewrite has to keep, and list.
func (s *Store) branches(ctx context.Context, base *state.Snapshot) (found compact.Branches, err error) {
	family, err := s.branchesOf(ctx, base, true)
	if err != nil {
		return found, err
	}
	found.Listed = family.known
	known := map[lineage.Hash]bool{}
	for _, branch := range found.Listed {
		if known[branch.Pinned] {
			continue
		}
		known[branch.Pinned] = true
		kept := compact.Pinned{Hash: branch.Pinned}
		pin := state.Pin{Branch: branch.FileID, Hash: branch.Pinned, Recorded: true, Epoch: branch.Epoch}
		kept.Sources, err = s.pinnedSources(ctx, base, pin, 0)
		var not *notInherited
		if errors.As(err, &not) {
			kept.Alone, err = base.Pinned(ctx, pin) // its parent may be somewhere else
		}
		switch {
		case err == nil:
			found.Pinned = append(found.Pinned, kept)
		case !errors.Is(err, lineage.ErrNoState): // there is nothing to keep
			return found, err
		}
	}
	return found, nil
}

// listBranches has a commit name the list of branches, if there are others than it has.
func (h branchHook) listBranches(ctx context.Context, d *log.Draft) error {
	family, err := h.branchesOf(ctx, d.Base, false)
	if err != nil || slices.Equal(family.listed, family.known) && slices.Equal(family.letGoBefore, family.letGo) {
		return err
	}
	if err := unnameBranches(ctx, d); err != nil {
		return err
	}
	if list := slices.Concat(family.known, family.letGo); len(list) > 0 {
		d.Add(volume.NewSegment{Type: segments.TypeBranches, Payload: segments.EncodeBranches(list)})
	}
	return nil
}

// unnameBranches has a commit name no list of branches any more; what another vendor keeps in
// segments of the type stays.
func unnameBranches(ctx context.Context, d *log.Draft) error {
	return d.Base.With(ctx, state.Deciding, func(base *state.Reading) error {
		for _, entry := range d.Base.OfType(segments.TypeBranches) {
			foreign, err := segments.IsForeign(base, entry)
			if err != nil {
				return err
			}
			if !foreign {
				d.Manifest.Directory = slices.DeleteFunc(d.Manifest.Directory, func(e segments.DirectoryEntry) bool { return e.Offset == entry.Offset })
			}
		}
		return nil
	})
}

// madeBranch notes a branch that is made just now.
func (s *Store) madeBranch(branch segments.ListedBranch) {
	s.branchesMu.Lock()
	defer s.branchesMu.Unlock()
	if s.made == nil {
		s.made = map[lineage.FileID]segments.ListedBranch{}
	}
	s.made[branch.FileID] = branch
	delete(s.released, branch.FileID)
}

// releaseBranch notes that a branch is no more.
func (s *Store) releaseBranch(id lineage.FileID) {
	s.branchesMu.Lock()
	defer s.branchesMu.Unlock()
	delete(s.made, id)
	if s.released == nil {
		s.released = map[lineage.FileID]bool{}
	}
	s.released[id] = true
}

// ReleaseBranch lets what a branch shows go, which was removed. The store is changed only if
// it lists the branch.
func (s *Store) ReleaseBranch(ctx context.Context, id lineage.FileID) error {
	s.releaseBranch(id)
	var listed []segments.ListedBranch
	err := s.withNewest(ctx, func(newest *state.Snapshot) (err error) {
		listed, err = listedBranches(ctx, newest)
		return err
	})
	if err != nil || !slices.ContainsFunc(listed, func(branch segments.ListedBranch) bool { return branch.FileID == id }) {
		return err
	}
	return s.commitList(ctx)
}

// ListBranches has the store list branches that lie in other folders than it, or are about to:
// each under the name that BranchFile gives, of several copies under one of them. Listed are
// the ids of those that the list has when it returns, also if there is an error, which may then
// be about their names alone. What is not listed, without an error, shows nothing of this file.
func (s *Store) ListBranches(ctx context.Context, files []BranchFile) (listed map[lineage.FileID]bool, err error) {
	listed = map[lineage.FileID]bool{}
	leaving, err := s.unlisted(ctx, files, listed)
	if err == nil && len(leaving) > 0 {
		if err = s.commitAs(ctx, leaving); err == nil {
			for id := range leaving {
				listed[id] = true
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("list branches in store %q: %w", s.Path(), err)
	}
	return listed, err
}

// unlisted finds, of branches that are to be listed, those that are not, or under another name,
// and notes which are listed.
func (s *Store) unlisted(ctx context.Context, files []BranchFile, listed map[lineage.FileID]bool) (leaving map[lineage.FileID]segments.ListedBranch, err error) {
	leaving = map[lineage.FileID]segments.ListedBranch{}
	err = s.withNewest(ctx, func(newest *state.Snapshot) error {
		own, err := listedBranches(ctx, newest)
		if err != nil {
			return err
		}
		known := make(map[lineage.FileID]segments.ListedBranch, len(own))
		for _, branch := range own {
			known[branch.FileID] = branch
		}
		inPlace := map[lineage.FileID]bool{}
		for _, file := range files {
			if branch, some := known[file.FileID]; some {
				listed[file.FileID] = true
				inPlace[file.FileID] = inPlace[file.FileID] || branch.Name == file.Name
			}
		}
		for _, file := range files {
			branch, some := known[file.FileID]
			if _, done := leaving[file.FileID]; done || inPlace[file.FileID] {
				continue
			}
			if !some {
				branch, some, err = s.readBranch(ctx, newest, file)
				if showsNothing(err) || err == nil && !some {
					continue
				}
				if err != nil {
					return fmt.Errorf("branch %q: %w", file.Name, err)
				}
			}
			branch.Name = file.Name
			leaving[file.FileID] = branch
		}
		return nil
	})
	return leaving, err
}

// showsNothing reports whether a failure to read a branch says that it shows nothing of a
// parent's file.
func showsNothing(err error) bool {
	return errors.Is(err, lineage.ErrNoState) || errors.Is(err, volume.ErrCorrupt) || errors.Is(err, volume.ErrNotStore) || errors.Is(err, os.ErrNotExist)
}

// commitAs makes a commit that lists branches as they are about to be.
func (s *Store) commitAs(ctx context.Context, leaving map[lineage.FileID]segments.ListedBranch) error {
	s.branchesMu.Lock()
	if s.leaving == nil {
		s.leaving = map[lineage.FileID]segments.ListedBranch{}
	}
	maps.Copy(s.leaving, leaving)
	for id := range leaving {
		delete(s.released, id)
	}
	s.branchesMu.Unlock()
	err := s.commitList(ctx)
	s.branchesMu.Lock()
	defer s.branchesMu.Unlock()
	for id, branch := range leaving {
		if s.leaving[id] == branch {
			delete(s.leaving, id)
		}
	}
	return err
}

// Shows reports whether a file is a branch that shows a state which this one holds.
func (s *Store) Shows(ctx context.Context, file BranchFile) (shown bool, err error) {
	err = s.withNewest(ctx, func(newest *state.Snapshot) error {
		_, shown, err = s.readBranch(ctx, newest, file)
		if showsNothing(err) {
			err = nil
		}
		return err
	})
	return shown, err
}

// commitList makes a commit that lists the branches as they are known, and nothing else.
func (s *Store) commitList(ctx context.Context) error {
	session, err := s.log.Begin(ctx)
	if err != nil {
		return err
	}
	_, err = session.Commit(ctx, log.Change{})
	return errors.Join(err, session.End())
}

// ErrHasBranches means that others show vectors of the store.
var ErrHasBranches = fmt.Errorf("%w: it has branches", volume.ErrNotEmpty)

// CheckBranches fails with ErrHasBranches if the store has any, and names them. One whose
// file is not found may have been moved to where nobody looks, so it counts.
func (s *Store) CheckBranches(ctx context.Context) error {
	return s.withNewest(ctx, func(newest *state.Snapshot) error {
		family, err := s.branchesOf(ctx, newest, true)
		if err != nil {
			return err
		}
		var found, missing []string
		for _, branch := range family.known {
			switch {
			case family.found[branch.FileID] != "":
				found = append(found, family.found[branch.FileID])
			case !family.flat[branch.FileID]:
				missing = append(missing, branch.Name)
			}
		}
		slices.Sort(found)
		slices.Sort(missing)
		switch {
		case len(found) > 0:
			return fmt.Errorf("%w, which would lose the vectors that they show of it: %s; remove these first, or say rvffs rm --force", ErrHasBranches, strings.Join(slices.Concat(found, missing), ", "))
		case len(missing) > 0:
			return fmt.Errorf("%w, which are not where they were last seen: %s; if they were moved, they would lose the vectors that they show of it; if they were removed with rm(1), say rvffs rm --force", ErrHasBranches, strings.Join(missing, ", "))
		}
		return nil
	})
}
