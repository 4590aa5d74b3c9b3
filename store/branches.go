package store

import (
	"cmp"
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
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Branches finds the files that may be branches of a store: those whose parent it is, and
// of the branches that it lists all files of their ids, and what stands where one was listed.
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

// FoundBranches are what is known of them.
type FoundBranches struct {
	Files []BranchFile
	// Missing are those that were there, and of which it is not known that anybody has
	// removed them.
	Missing []segments.ListedBranch
}

// BranchFile is a file that may be a branch of the store.
type BranchFile struct {
	FileID lineage.FileID
	Name   string // as seen from the store's folder, or absolute
	Flat   bool   // it is known to be no branch
	// Near says that it was found where nobody has said that there is one: a copy of a branch
	// that is known, or was let go, counts for nothing there, and neither does what cannot be read.
	Near bool
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

// branchKey tells what is listed apart: copies of a file have one id, and may show two states.
type branchKey struct {
	id     lineage.FileID
	pinned lineage.Hash
}

func keyOf(branch segments.ListedBranch) branchKey { return branchKey{branch.FileID, branch.Pinned} }

// branchFamily are the branches of a store as far as they are known.
type branchFamily struct {
	listed []segments.ListedBranch     // by the store itself
	known  []segments.ListedBranch     // in order of their ids
	found  map[lineage.FileID][]string // the names that files have which are branches, or may be
	flat   map[lineage.FileID][]string // those of files which are none any more

	letGoBefore []segments.ListedBranch // as the store itself says
	letGo       []segments.ListedBranch // in order of their ids
	missing     []lineage.FileID        // of the known ones those that stand in no list and are not found
}

// isGone reports whether a branch is one no more: the file that was listed is none, and no
// other of its id is there. A copy of it says nothing of the file that was listed.
func (f branchFamily) isGone(branch segments.ListedBranch) bool {
	return len(f.found[branch.FileID]) == 0 && slices.Contains(f.flat[branch.FileID], branch.Name)
}

// moves bounds how often files are looked for again that were moved meanwhile.
const moves = 3

// errMoved means that a file was not there any more when it was to be read.
var errMoved = fmt.Errorf("%w: it was moved or removed just now", volume.ErrStale)

// branchesOf finds the branches of the store as it is in a state: those that it lists, those
// that this process has made, and those whose files are found. Who is thorough may let go
// what none of these shows; so it is an error if there is one of which that is not known.
func (s *Store) branchesOf(ctx context.Context, base *state.Snapshot, thorough bool) (family branchFamily, err error) {
	for range moves {
		if family, err = s.lookForBranches(ctx, base, thorough); !errors.Is(err, errMoved) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("look for branches: %w", err)
	}
	return family, err
}

func (s *Store) lookForBranches(ctx context.Context, base *state.Snapshot, thorough bool) (family branchFamily, err error) {
	if thorough && !s.options.ForgetDamaged {
		if err := checkForBranches(ctx, base); err != nil {
			return family, err
		}
	}
	if family.listed, err = listedBranches(ctx, base); err != nil {
		return family, err
	}
	if family.letGoBefore, err = branchesLetGo(ctx, base); err != nil {
		return family, err
	}
	all := map[branchKey]segments.ListedBranch{}
	for _, branch := range family.listed {
		all[keyOf(branch)] = branch
	}
	s.branchesMu.Lock()
	for key, branch := range s.made {
		if _, some := all[key]; !some {
			all[key] = branch
		}
	}
	maps.Copy(all, s.leaving)
	leaving, released := maps.Clone(s.leaving), maps.Clone(s.released)
	letGo := withLetGo(maps.Clone(s.gone), family.letGoBefore)
	s.branchesMu.Unlock()
	ids := map[lineage.FileID]bool{}
	for key := range all {
		ids[key.id] = true
	}
	family.found, family.flat = map[lineage.FileID][]string{}, map[lineage.FileID][]string{}
	identity, known := base.Identity()
	if known && s.options.Branches != nil && !identity.FileID.IsZero() {
		ctx := state.OfOthers(ctx)
		found, err := s.options.Branches(ctx, BranchesOf{
			Parent: identity.FileID, Listed: slices.Collect(maps.Values(all)), LetGo: slices.Collect(maps.Keys(letGo)), Thorough: thorough,
		})
		if err != nil {
			return family, err
		}
		for _, file := range found.Files {
			if file.Near && (ids[file.FileID] || letGo[file.FileID]) {
				continue
			}
			branch, is, err := s.describeBranch(ctx, base, file, ids[file.FileID], thorough)
			if err != nil {
				return family, err
			}
			names := family.found
			if !is {
				names = family.flat
			}
			names[file.FileID] = append(names[file.FileID], file.Name)
			if key := keyOf(branch); !key.id.IsZero() && all[key].FileID.IsZero() {
				all[key], ids[key.id] = branch, true
			}
		}
		for _, branch := range found.Missing {
			if ids[branch.FileID] || letGo[branch.FileID] {
				continue
			}
			shows, err := s.holds(ctx, base, branch)
			if err != nil {
				return family, err
			}
			if shows {
				all[keyOf(branch)] = branch
				family.missing = append(family.missing, branch.FileID)
			}
		}
	}
	for key, branch := range all {
		at := family.found[key.id]
		switch _, leaves := leaving[key]; {
		case leaves:
		case len(at) > 0 && !slices.Contains(at, branch.Name):
			branch.Name = at[0] // it was moved since
			all[key] = branch
		case len(at) == 0 && released[key], thorough && family.isGone(branch):
			delete(all, key)
		}
	}
	clear(ids)
	for key := range all {
		ids[key.id] = true
	}
	for id := range letGo {
		if !ids[id] {
			family.letGo = append(family.letGo, segments.ListedBranch{FileID: id})
		}
	}
	slices.SortFunc(family.letGo, func(a, b segments.ListedBranch) int { return slices.Compare(a.FileID[:], b.FileID[:]) })
	family.known = slices.SortedFunc(maps.Values(all), func(a, b segments.ListedBranch) int {
		return cmp.Or(slices.Compare(a.FileID[:], b.FileID[:]), slices.Compare(a.Pinned[:], b.Pinned[:]))
	})
	return family, nil
}

// checkForBranches fails if anything is damaged of what a state of the store keeps for its
// branches.
func checkForBranches(ctx context.Context, base *state.Snapshot) error {
	const anyway = "rvffs compact --forget-damaged rewrites the store all the same"
	err := base.With(ctx, state.Judging, (*state.Reading).ListDamage)
	if errors.Is(err, volume.ErrCorrupt) {
		return fmt.Errorf("list of branches: %w: so it is not known for whom vectors are to be kept; bring the file back from a backup, or change each branch once, by which it is listed anew, and then %s", err, anyway)
	}
	if err == nil {
		err = base.With(ctx, state.Judging, (*state.Reading).KeptDamage)
	}
	if errors.Is(err, volume.ErrCorrupt) {
		err = fmt.Errorf("what was kept for branches: %w: a branch would lose that for good; bring the file back from a backup, or %s", err, anyway)
	}
	return err
}

// damagedFor is what checkForBranches says of snapshots; "" is nothing.
var damagedFor state.Attachment[shared.Once[string]]

// branchDamage tells what is damaged of what a state of the store keeps for its branches.
func branchDamage(ctx context.Context, base *state.Snapshot) (string, error) {
	return damagedFor.Of(base).Get(ctx, func(ctx context.Context) (string, error) {
		err := checkForBranches(ctx, base)
		if errors.Is(err, volume.ErrCorrupt) {
			return err.Error(), nil
		}
		return "", err
	})
}

// describeBranch reports whether a file is a branch of the store, or may be, and how it is
// listed if it is not yet and can be read. Who is not thorough believes of what is known that it is.
func (s *Store) describeBranch(ctx context.Context, base *state.Snapshot, file BranchFile, known, thorough bool) (listed segments.ListedBranch, is bool, err error) {
	if file.Flat || known && !thorough {
		return listed, !file.Flat, nil
	}
	listed, is, err = s.readBranch(ctx, base, file)
	switch {
	case err == nil:
		return listed, is, nil
	case isOurs(ctx, err):
		return listed, false, err
	case errors.Is(err, os.ErrNotExist):
		if thorough {
			err = fmt.Errorf("%q: %w", file.Name, errMoved)
		} else {
			err = nil
		}
		return listed, true, err
	case file.Seen.FileID == file.FileID:
		return file.Seen, true, nil
	case errors.Is(err, lineage.ErrNoState), known, !thorough, file.Near, s.options.ForgetDamaged && errors.Is(err, volume.ErrCorrupt):
		return listed, true, nil // there is nothing to keep for it, or it is listed as it was
	}
	return listed, false, fmt.Errorf("%q says that it is a child of this store, and what it shows of it cannot be read: %w", file.Name, err)
}

// readBranch is how a file is listed; false for one that is no branch of the store.
func (s *Store) readBranch(ctx context.Context, base *state.Snapshot, file BranchFile) (listed segments.ListedBranch, some bool, err error) {
	err = file.Use(ctx, func(child *Store) error {
		return child.withNewest(ctx, func(snapshot *state.Snapshot) error {
			identity, _ := snapshot.Identity()
			if own, _ := base.Identity(); identity.ParentID != own.FileID || !snapshot.IsBranch() {
				return nil
			}
			some = true
			pin, err := snapshot.MayShow(ctx)
			if err != nil {
				return err
			}
			pinned, err := base.Pinned(ctx, pin)
			if err != nil {
				return err
			}
			found := segments.ListedBranch{FileID: identity.FileID, Pinned: pin.Hash, Epoch: pinned.Epoch(), Name: file.Name}
			if !pin.Recorded {
				found.Pinned, err = pinned.ParentHash(ctx)
			}
			if err == nil {
				listed = found
			}
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
		case s.options.ForgetDamaged && errors.Is(err, volume.ErrCorrupt):
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
// segments of the type stays, and what is damaged, which would else be hidden.
func unnameBranches(ctx context.Context, d *log.Draft) error {
	return d.Base.With(ctx, state.Deciding, func(base *state.Reading) error {
		for _, entry := range d.Base.OfType(segments.TypeBranches) {
			foreign, err := segments.IsForeign(base, entry)
			if err == nil {
				err = base.CheckOfBranches(entry)
			}
			if errors.Is(err, volume.ErrCorrupt) {
				continue
			}
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
		s.made = map[branchKey]segments.ListedBranch{}
	}
	s.made[keyOf(branch)] = branch
	delete(s.released, keyOf(branch))
}

// lastMade is the branch of an id that was made by this process.
func (s *Store) lastMade(id lineage.FileID) (made segments.ListedBranch) {
	s.branchesMu.Lock()
	defer s.branchesMu.Unlock()
	for key, branch := range s.made {
		if key.id == id && branch.Epoch >= made.Epoch {
			made = branch
		}
	}
	return made
}

// releaseBranch notes that a branch is no more.
func (s *Store) releaseBranch(key branchKey) {
	s.branchesMu.Lock()
	defer s.branchesMu.Unlock()
	delete(s.made, key)
	if s.released == nil {
		s.released = map[branchKey]bool{}
	}
	s.released[key] = true
}

// ReleaseBranch lets what a branch shows go whose file was removed, if the one that the store
// lists had one of these names, and no other file of its id is found. The store is changed only
// if it lists the branch. Kept is the name under which it goes on listing it.
func (s *Store) ReleaseBranch(ctx context.Context, id lineage.FileID, names ...string) (kept string, err error) {
	return s.letBranchGo(ctx, id, names, false)
}

func (s *Store) letBranchGo(ctx context.Context, id lineage.FileID, names []string, tell bool) (kept string, err error) {
	var family branchFamily
	err = s.withNewest(ctx, func(newest *state.Snapshot) (err error) {
		family, err = s.branchesOf(ctx, newest, true)
		return err
	})
	if err != nil {
		return kept, err
	}
	left := map[branchKey]segments.ListedBranch{}
	for _, branch := range family.known {
		switch {
		case branch.FileID != id:
		case len(family.found[id]) == 0 && slices.Contains(names, branch.Name):
			s.releaseBranch(keyOf(branch))
			continue
		default:
			kept = branch.Name
		}
		left[keyOf(branch)] = branch
	}
	same := len(left) == len(family.listed)
	for _, branch := range family.listed {
		now, still := left[keyOf(branch)]
		if !still {
			s.releaseBranch(keyOf(branch))
		}
		same = same && now == branch
	}
	if tell && kept == "" && len(family.found[id]) == 0 {
		s.branchesMu.Lock()
		if s.gone == nil {
			s.gone = map[lineage.FileID]bool{}
		}
		s.gone[id], same = true, false
		s.branchesMu.Unlock()
	}
	if same {
		return kept, nil
	}
	return kept, s.commitAs(ctx, left)
}

// Relist has the store's list name the branches as they are found now.
func (s *Store) Relist(ctx context.Context) error {
	_, err := s.ReleaseBranch(ctx, lineage.FileID{})
	return err
}

// ListBranches has the store list branches that lie in other folders than it, or are about to:
// each under the name that BranchFile gives, of several copies under one of them. Listed are
// the ids of those that the list has when it returns, also if there is an error, which may then
// be about their names alone. What is not listed, without an error, shows nothing of this file.
func (s *Store) ListBranches(ctx context.Context, files []BranchFile) (listed map[lineage.FileID]bool, err error) {
	listed = map[lineage.FileID]bool{}
	leaving, err := s.toList(ctx, files, listed)
	if err == nil && len(leaving) > 0 {
		if err = s.commitAs(ctx, leaving); err == nil {
			for key := range leaving {
				listed[key.id] = true
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("list branches in store %q: %w", s.Path(), err)
	}
	return listed, err
}

// toList finds, of branches that are to be listed, those that are not, or under another name,
// and notes which are listed.
func (s *Store) toList(ctx context.Context, files []BranchFile, listed map[lineage.FileID]bool) (leaving map[branchKey]segments.ListedBranch, err error) {
	leaving = map[branchKey]segments.ListedBranch{}
	done := map[lineage.FileID]bool{}
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
			if done[file.FileID] || inPlace[file.FileID] {
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
			leaving[keyOf(branch)], done[file.FileID] = branch, true
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
func (s *Store) commitAs(ctx context.Context, leaving map[branchKey]segments.ListedBranch) error {
	s.branchesMu.Lock()
	if s.leaving == nil {
		s.leaving = map[branchKey]segments.ListedBranch{}
	}
	maps.Copy(s.leaving, leaving)
	for key := range leaving {
		delete(s.released, key)
	}
	s.branchesMu.Unlock()
	err := s.commitList(ctx)
	s.branchesMu.Lock()
	defer s.branchesMu.Unlock()
	for key, branch := range leaving {
		if s.leaving[key] == branch {
			delete(s.leaving, key)
		}
	}
	return err
}

// listThose makes a commit that lists branches.
func (s *Store) listThose(ctx context.Context, branches []segments.ListedBranch) error {
	leaving := map[branchKey]segments.ListedBranch{}
	for _, branch := range branches {
		leaving[keyOf(branch)] = branch
	}
	return s.commitAs(ctx, leaving)
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

// HasBranches names the branches of a store that must not be removed.
type HasBranches struct {
	Store   string
	Found   []string                // their files
	Missing []segments.ListedBranch // those of its list whose files are not found
}

// Error implements error.
func (e *HasBranches) Error() string { return e.Tell(e.Store) }

// Tell is Error with the store as people name it in commands.
func (e *HasBranches) Tell(store string) string {
	var missing, letGo []string
	for _, branch := range e.Missing {
		missing = append(missing, branch.Name)
		letGo = append(letGo, "--branch "+inShell(branch.Name))
	}
	removed := fmt.Sprintf("if they were moved, they would lose the vectors that they show of it; if they were removed with rm(1), say rvffs rm %s %s, and it can be removed; rvffs rm --force removes it in any case",
		strings.Join(slices.Compact(letGo), " "), inShell(store))
	switch missing := strings.Join(slices.Compact(missing), ", "); {
	case len(e.Missing) == 0:
		return fmt.Sprintf("%v, which would lose the vectors that they show of it: %s; remove these first, or say rvffs rm --force", ErrHasBranches, strings.Join(e.Found, ", "))
	case len(e.Found) == 0:
		return fmt.Sprintf("%v, which are not where they were last seen: %s; %s", ErrHasBranches, missing, removed)
	default:
		return fmt.Sprintf("%v, which would lose the vectors that they show of it: %s; remove these first. Others are not where they were last seen: %s; %s",
			ErrHasBranches, strings.Join(e.Found, ", "), missing, removed)
	}
}

// Unwrap says what is the matter.
func (e *HasBranches) Unwrap() error { return ErrHasBranches }

// plainWord are the letters of which a shell makes nothing.
const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,="

// inShell is a word as it is typed in a shell.
func inShell(word string) string {
	if word != "" && strings.Trim(word, plainWord) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// CheckBranches fails with HasBranches if the store has any. One whose file is not found may
// have been moved to where nobody looks, so it counts.
func (s *Store) CheckBranches(ctx context.Context) error {
	return s.withNewest(ctx, func(newest *state.Snapshot) error {
		family, err := s.branchesOf(ctx, newest, true)
		if err != nil {
			return err
		}
		has := HasBranches{Store: s.Path()}
		for _, branch := range family.known {
			if at := family.found[branch.FileID]; len(at) > 0 {
				has.Found = append(has.Found, at...)
			} else {
				has.Missing = append(has.Missing, branch)
			}
		}
		if len(family.known) == 0 {
			return nil
		}
		slices.Sort(has.Found)
		has.Found = slices.Compact(has.Found)
		slices.SortFunc(has.Missing, func(a, b segments.ListedBranch) int { return cmp.Compare(a.Name, b.Name) })
		return &has
	})
}
