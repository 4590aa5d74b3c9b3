package store

import (
	"context"
	"errors"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compact"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// branchHook is what branches want of commits: of those to a branch, that it knows its parent
// by the bytes that this has now; of those to a parent, that it lists its branches.
type branchHook struct{ *Store }

// branchMaking is what a commit does that makes a branch of an empty store.
type branchMaking struct {
	segments []volume.NewSegment
	hash     lineage.Hash       // of the parent, as other programs know it
	parent   *segments.Manifest // for what branch and parent have in common
}

// Draft implements log.Hook.
func (h branchHook) Draft(ctx context.Context, d *log.Draft) (log.Committed, error) {
	for _, change := range d.Changes {
		made, some := change.Content.(branchMaking)
		if !some {
			continue
		}
		for _, segment := range made.segments {
			d.Unname(segment.Type)
			d.Add(segment)
		}
		d.Manifest.Identity.ParentHash = made.hash
		d.Manifest.Dimension, d.Manifest.Metric = made.parent.Dimension, made.parent.Metric
		return nil, h.listBranches(ctx, d)
	}
	if d.Base.IsBranch() {
		if err := h.refresh(ctx, d); err != nil {
			return nil, err
		}
	}
	return nil, h.listBranches(ctx, d)
}

// refresh lets a commit to a branch say by which bytes others know the parent now. A branch
// that another program made is given the record by which we know it, before the bytes by
// which that one did are gone.
func (h branchHook) refresh(ctx context.Context, d *log.Draft) error {
	fresh, err := h.freshMap(ctx, d.Base)
	if err != nil || fresh == nil {
		return err
	}
	if fresh.record != nil {
		d.Act(log.Lineage(fresh.record))
	}
	d.Unname(segments.TypeCowMap)
	d.Add(volume.NewSegment{Type: segments.TypeCowMap, Payload: fresh.Encode()})
	d.Manifest.Identity.ParentHash = fresh.BaseHash
	return nil
}

// comparison is how far the parent of a branch was compared with the state that the branch
// shows.
type comparison struct {
	pin    state.Pin
	parent *state.Snapshot // nil: not yet
	same   bool            // of all that the branch shows of it
}

// freshMap is the map of a branch that names its parent by the bytes that this has now.
type freshMap struct {
	*segments.CowMap
	record []byte // of the derivation, where there is none yet
}

// freshMap is nil where the map is as it has to be: it names the parent's present bytes, or
// others of which alone it is true that the parent shows what the branch does. A program
// that opens the branch by the parent's present bytes shows what the parent has now.
func (s *Store) freshMap(ctx context.Context, branch *state.Snapshot) (*freshMap, error) {
	told, err := branch.Branch(ctx)
	if errors.Is(err, volume.ErrCorrupt) || err == nil && s.options.Parents == nil {
		return nil, nil // it stays what it is
	}
	if err != nil {
		return nil, err
	}
	identity, _ := branch.Identity()
	ctx = state.OfOthers(ctx)
	for candidate, err := range s.options.Parents(ctx, identity, told.Map.ParentPath) {
		if err != nil {
			return nil, err
		}
		s.listAgain(ctx, candidate, identity.FileID, told.Pin) // before it is asked for its last bytes
		var fresh *freshMap
		err = candidate.Use(ctx, func(parent *Store) error {
			return parent.withNewest(ctx, func(newest *state.Snapshot) (err error) {
				fresh, err = s.freshMapOf(ctx, branch, told, parent, newest)
				return err
			})
		})
		if err == nil {
			return fresh, nil
		}
		if isOurs(ctx, err) {
			return nil, err
		}
	}
	return nil, nil // who reads the branch hears why
}

// freshForRewrite implements compact.Environment.
func (s *Store) freshForRewrite(ctx context.Context, branch *state.Snapshot) (found compact.FreshMap, err error) {
	fresh, err := s.freshMap(ctx, branch)
	if err != nil || fresh == nil {
		return found, err
	}
	return compact.FreshMap{Map: fresh.Encode(), Hash: fresh.BaseHash, Record: fresh.record}, nil
}

func (s *Store) freshMapOf(ctx context.Context, branch *state.Snapshot, told state.Branch, parent *Store, newest *state.Snapshot) (*freshMap, error) {
	identity, _ := branch.Identity()
	above, _ := newest.Identity()
	if err := lineage.CheckLink(identity, above); err != nil {
		return nil, err
	}
	pinned, err := newest.Pinned(ctx, told.Pin)
	if err != nil {
		return nil, err
	}
	same, err := s.showsTheSame(ctx, branch, told.Pin, parent, pinned, newest)
	if err != nil {
		return nil, err
	}
	fresh := &freshMap{CowMap: new(*told.Map)}
	fresh.Map = segments.NewCowMap(0).Map
	if same {
		if fresh.BaseHash, err = newest.Fold(ctx); err != nil {
			return nil, err
		}
	}
	if !told.Pin.Recorded {
		fresh.SnapshotEpoch = pinned.Epoch() // as the record has it
		if fresh.record, err = recordOf(ctx, identity, pinned, lineage.Clone, lineage.StartBranch); err != nil {
			return nil, err
		}
	}
	if fresh.BaseHash == told.Map.BaseHash && fresh.record == nil {
		return nil, nil
	}
	return fresh, nil
}

// showsTheSame reports whether the parent has, of each id that the branch shows of it and does
// not store itself, the vector that it had in the state that the branch shows. Once it has another, it may take
// it back again, but nobody waits for that.
func (s *Store) showsTheSame(ctx context.Context, branch *state.Snapshot, pin state.Pin, parent *Store, pinned, newest *state.Snapshot) (bool, error) {
	last := s.compared.Load()
	if last == nil || last.pin != pin || last.parent.Backing() != newest.Backing() {
		last = &comparison{pin: pin, parent: pinned, same: true}
	}
	if !last.same || last.parent.SameState(newest) {
		return last.same, nil
	}
	next := &comparison{pin: pin, parent: newest}
	var members *rows.Members
	err := branch.With(ctx, state.Judging, func(own *state.Reading) (err error) {
		members, err = rows.MembersOf(own)
		return err
	})
	if err != nil {
		return false, err
	}
	if count, counted := members.Count(); counted && count == 0 {
		return true, nil // it shows nothing of it
	}
	before, err := parent.Sources(ctx, last.parent)
	if err != nil {
		return false, err
	}
	after, err := parent.Sources(ctx, newest)
	if err != nil {
		return false, err
	}
	changed, err := rows.Changed(ctx, before, after)
	if err != nil {
		return false, err
	}
	changed = members.Among(changed)
	own, err := liveAmong(ctx, rows.Of(branch), changed)
	if err != nil {
		return false, err
	}
	next.same = changed.Without(own).Len() == 0
	s.compared.Store(next)
	return next.same, nil
}

// liveAmong are those of some ids that have a live row.
func liveAmong(ctx context.Context, of rows.Sources, ids *idset.Set) (live *idset.Set, err error) {
	if ids.Len() == 0 {
		return idset.New(), nil
	}
	err = rows.With(ctx, of, func(found *rows.Live) error {
		return of.With(ctx, state.Deciding, func(in rows.Readings) error {
			live, err = found.Among(ctx, in, ids)
			return err
		})
	})
	return live, err
}

// inheritedOf are those of some ids that a branch shows of its parent's and does not store.
// A filter that names what is shown knows them, wherever the parent is; none speaks of ids
// above all that the parent had.
func (s *Store) inheritedOf(ctx context.Context, branch *state.Snapshot, ids *idset.Set) (shown *idset.Set, err error) {
	highest, some, err := rows.HighestInherited(ctx, branch)
	if err != nil || !some {
		return idset.New(), err
	}
	known, counted := idset.New(), false
	known.AddRun(0, highest+1)
	if shown = ids.Common(known); shown.Len() == 0 {
		return shown, nil
	}
	err = branch.With(ctx, state.Judging, func(own *state.Reading) error {
		members, err := rows.MembersOf(own)
		if err == nil {
			shown = members.Among(shown)
			_, counted = members.Count()
		}
		return err
	})
	if err != nil || counted || shown.Len() == 0 {
		return shown, err
	}
	sources, err := s.Sources(ctx, branch)
	if errors.Is(err, volume.ErrCorrupt) {
		return shown, nil // what the filter names besides is deleted, too
	}
	if err != nil {
		return nil, err
	}
	base, _ := sources.Inherited()
	return liveAmong(ctx, base, shown)
}
