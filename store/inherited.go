package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"rvffs/lineage"
	"rvffs/store/rows"
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// maxBranches bounds how many stores a branch may show vectors of.
const maxBranches = 64

// isDeepest reports whether no branch can be made of what shows these vectors.
func isDeepest(of rows.Sources) bool { return len(of.Snapshots()) > maxBranches }

// Parents finds the files that may be the one that a branch shows vectors of, in the order
// in which they are to be asked. Path is where that lay as the branch has it: relative to
// the branch's folder, or absolute.
type Parents func(ctx context.Context, branch lineage.Identity, path string) iter.Seq2[BranchParent, error]

// BranchParent is a file that may be it.
type BranchParent struct {
	Name string
	// Use has the store opened. What is found in it stays readable for as long as the one
	// who asks for it uses the branch.
	Use func(ctx context.Context, use func(*Store) error) error
	// ListedAs is the branch's file as seen from this one's folder.
	ListedAs string
	// Change has the store opened for a commit that lists the branch again, if it does not;
	// nil: somebody else sees to that.
	Change func(ctx context.Context, use func(*Store) error) error
}

// inheritance is what was found of what the branches in a file show.
type inheritance struct {
	pin  state.Pin
	base rows.Sources
	// use has the parent opened.
	use func(ctx context.Context, use func(*Store) error) error
}

var (
	// shownBy is what snapshots show, for it does not change.
	shownBy state.Attachment[shared.Once[rows.Sources]]
	// lastInherited is what was found last of what snapshots of a file show.
	lastInherited state.Attachment[atomic.Pointer[inheritance]]
)

// Sources are the vectors that a snapshot of the store shows: its own, and of a branch also
// those of the state of its parent that it was made from, whatever became of the parent
// since. The error is ErrCorrupt, with the reason, when these cannot be read any more, and
// ErrStale when they stand in another place than before: the newest snapshot is another
// one then.
func (s *Store) Sources(ctx context.Context, snapshot *state.Snapshot) (rows.Sources, error) {
	of, err := s.sources(ctx, snapshot, 0)
	var not *notInherited
	if errors.As(err, &not) {
		err = &notInherited{s.Path(), not.reasons}
	}
	return of, err
}

func (s *Store) sources(ctx context.Context, snapshot *state.Snapshot, depth int) (rows.Sources, error) {
	if !snapshot.IsBranch() {
		return rows.Of(snapshot), nil
	}
	if depth == maxBranches {
		return rows.Sources{}, tooDeep
	}
	known := shownBy.Of(snapshot)
	_, before := known.Known()
	sources, err := known.Get(ctx, func(ctx context.Context) (rows.Sources, error) { return s.inherit(ctx, snapshot, depth) })
	if err != nil || !before {
		return sources, err
	}
	base, _ := sources.Inherited()
	s.lookAbove(ctx, snapshot, depth)
	if err := stillThere(ctx, base); err != nil {
		if errors.Is(err, volume.ErrStale) {
			snapshot.Displace()
		}
		return rows.Sources{}, err
	}
	return sources, nil
}

// lookAbove has the parents of a branch look at their files: somebody may have written another
// content into one, such as an older copy of it, where what was found stands no more.
func (s *Store) lookAbove(ctx context.Context, snapshot *state.Snapshot, depth int) {
	known := lastInherited.Of(snapshot.Backing()).Load()
	if known == nil || depth == maxBranches {
		return
	}
	_ = known.use(state.OfOthers(ctx), func(parent *Store) error {
		if _, err := parent.Snapshot(ctx); err != nil {
			return err // who reads what it shows hears of it
		}
		if all := known.base.Snapshots(); len(all) > 1 {
			parent.lookAbove(ctx, all[len(all)-1], depth+1)
		}
		return nil
	})
}

// stillThere fails with ErrStale when files of some vectors are gone.
func stillThere(ctx context.Context, of rows.Sources) error {
	return of.With(ctx, state.Looking, func(rows.Readings) error { return nil })
}

// inherit finds what a branch shows.
func (s *Store) inherit(ctx context.Context, snapshot *state.Snapshot, depth int) (sources rows.Sources, err error) {
	branch, err := snapshot.Branch(ctx)
	if err != nil {
		return sources, err
	}
	var members *rows.Members
	err = snapshot.With(ctx, state.Looking, func(own *state.Reading) error {
		members, err = rows.MembersOf(own)
		return err
	})
	if err != nil {
		return sources, err
	}
	if count, counted := members.Count(); counted && count == 0 {
		return rows.Of(snapshot), nil // whatever became of the parent
	}
	base, err := s.inherited(ctx, snapshot, branch, depth)
	if err != nil {
		return sources, err
	}
	if isDeepest(base) {
		return sources, tooDeep // as it would be if nothing were known of those above
	}
	if sources, err = base.Branch(snapshot, members); err != nil {
		return sources, fmt.Errorf("%w: %w", volume.ErrCorrupt, err)
	}
	snapshot.Shows(base.Snapshots())
	return sources, nil
}

// inherited finds what a branch shows something of: as it was found before, if it is still
// there, or in one of the files that may be the parent.
func (s *Store) inherited(ctx context.Context, snapshot *state.Snapshot, branch state.Branch, depth int) (rows.Sources, error) {
	known := lastInherited.Of(snapshot.Backing())
	if before := known.Load(); before != nil && before.pin == branch.Pin && !before.base.Outdated() {
		s.lookAbove(ctx, snapshot, depth)
		err := stillThere(ctx, before.base)
		if err == nil || !errors.Is(err, volume.ErrStale) {
			return before.base, err
		}
	}
	if s.options.Parents == nil {
		return rows.Sources{}, &notInherited{reasons: []notShown{{why: fmt.Sprintf("its parent is the store %s, and nobody says where that is", branch.Pin.Parent)}}}
	}
	identity, _ := snapshot.Identity()
	ctx = state.OfOthers(ctx)
	var reasons notInherited
	for candidate, err := range s.options.Parents(ctx, identity, branch.Map.ParentPath) {
		if err != nil {
			return rows.Sources{}, fmt.Errorf("look for the parent of the branch: %w", err)
		}
		found := inheritance{pin: branch.Pin, use: candidate.Use}
		err = candidate.Use(ctx, func(parent *Store) (err error) {
			found.base, err = parent.shownTo(ctx, identity, branch.Pin, depth)
			return err
		})
		if err == nil {
			known.Store(&found)
			return found.base, nil
		}
		if isOurs(ctx, err) || errors.Is(err, volume.ErrStale) {
			var above *parentError
			if !errors.As(err, &above) {
				err = &parentError{candidate.Name, err}
			}
			return rows.Sources{}, err
		}
		reasons.add(candidate.Name, err)
	}
	if len(reasons.reasons) == 0 {
		where := "and no store of that id is there: they can be read when it is back, or beside the branch"
		if s.options.Searched != nil {
			where = s.options.Searched(ctx, branch.Map.ParentPath)
		}
		reasons.reasons = []notShown{{why: fmt.Sprintf("its parent, the store %s, was at %q, %s", branch.Pin.Parent, branch.Map.ParentPath, where)}}
	}
	return rows.Sources{}, &reasons
}

// shownTo are the vectors of the store as they were in the state that a branch of it shows.
func (s *Store) shownTo(ctx context.Context, child lineage.Identity, pin state.Pin, depth int) (base rows.Sources, err error) {
	err = s.withNewest(ctx, func(newest *state.Snapshot) error {
		identity, _ := newest.Identity()
		if err := lineage.CheckLink(child, identity); err != nil {
			return err // so nothing is a branch of itself by any way
		}
		var err error
		if base, err = s.pinnedSources(ctx, newest, pin, depth+1); errors.Is(err, lineage.ErrNoState) {
			return stateGone(ctx, pin, newest, err)
		}
		return err
	})
	return base, err
}

// pinnedSources are the vectors of a state that a branch shows.
func (s *Store) pinnedSources(ctx context.Context, newest *state.Snapshot, pin state.Pin, depth int) (of rows.Sources, err error) {
	// What it shows itself may stand in another place than when it was asked for last.
	for range 2 {
		pinned, err := newest.Pinned(ctx, pin)
		if err != nil {
			return of, err
		}
		if of, err = s.sources(ctx, pinned, depth); !errors.Is(err, volume.ErrStale) {
			return of, err
		}
	}
	return of, fmt.Errorf("%w: it is being rewritten again and again", volume.ErrStale)
}

// stateGone tells why a file does not hold a state that a branch shows.
func stateGone(ctx context.Context, pin state.Pin, newest *state.Snapshot, err error) error {
	switch {
	case errors.Is(err, lineage.ErrOtherWay):
		return err
	case !pin.Recorded:
		return fmt.Errorf("%w: it never ended with the bytes by which the branch knows it, or was rewritten since by a program that keeps nothing for branches", lineage.ErrNoState)
	case newest.Epoch() < pin.Epoch:
		return fmt.Errorf("%w: the branch shows epoch %d of it, and its newest is %d: it lost its end, of which rvffs recover --list tells what can be brought back, or it is an older copy", lineage.ErrNoState, pin.Epoch, newest.Epoch())
	}
	why, err := whyGone(ctx, pin, newest)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: the branch shows epoch %d of it, %s", lineage.ErrNoState, pin.Epoch, why)
}

// goneWords are what was found out of states that snapshots do not hold, by their pins.
var goneWords state.Attachment[sync.Map]

// whyGone tells what a file itself says of a state that it does not hold: who blames somebody
// has to know that.
func whyGone(ctx context.Context, pin state.Pin, newest *state.Snapshot) (why string, err error) {
	known := goneWords.Of(newest)
	if why, told := known.Load(pin); told {
		return why.(string), nil
	}
	history, err := newest.History(ctx, lineage.Descent{Hash: pin.Hash, Recorded: true, Epoch: pin.Epoch, Audit: pin.Audit})
	switch {
	case err != nil:
		return "", err
	case history.Attested != nil:
		why = "which a compaction has dropped, as its record says: either the branch was not known then, or what was kept for it is gone since, for a program has rewritten it that keeps nothing for branches"
	case history.Torn != "":
		why = "which may be what is damaged or cut off (" + history.Torn + "): rvffs recover --list tells what can be brought back"
	case history.Lost:
		why = "which may be one that was damaged and that a recovery has left out: rvffs export --own gives the branch's own vectors, for a new branch of it"
	case history.Unrecorded && history.Continues:
		why = "which it holds no more and has no record of: a program has rewritten it that keeps nothing for branches"
	default:
		why = "which it does not hold"
	}
	known.Store(pin, why)
	return why, nil
}
