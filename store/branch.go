package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// branchOf is what makes a branch of a child of parent: a copy-on-write map, and a filter
// that lets each vector be seen that is live in parent now. Others know the parent by the
// fold of the last bytes that it has now, which becomes the child's parent hash; the record
// of the derivation keeps the SHAKE-256.
func (s *Store) branchOf(ctx context.Context, parent *state.Snapshot, child lineage.Identity, options DeriveOptions) (made []volume.NewSegment, fold lineage.Hash, err error) {
	if err := s.checkGenerations(ctx, parent); err != nil {
		return nil, fold, err
	}
	charge := s.options.Memory.Charge()
	defer charge.Free()
	ids, err := s.liveIDs(ctx, parent)
	if err == nil {
		err = s.checkShown(ctx, parent)
	}
	if err != nil {
		return nil, fold, fmt.Errorf("find the live vectors: %w", err)
	}
	highest, some := ids.Highest()
	if highest > segments.HighestMember {
		return nil, fold, fmt.Errorf("%w: it has a vector %d, and a branch can show those up to %d alone: derive a copy instead", volume.ErrInput, highest, segments.HighestMember)
	}
	if err := charge.Set(2 * int64(highest/8)); err != nil {
		return nil, fold, err
	}
	members := segments.NewMembership(highest, some)
	for cursor := ids.Cursor(); cursor.Any; cursor.Next() {
		members.AddRun(cursor.Run.First, cursor.Run.Last)
	}
	if fold, err = s.foldFor(ctx, parent, child, options); err != nil {
		return nil, fold, err
	}
	m := segments.NewCowMap(parent.Dimension())
	m.BaseID, m.BaseHash, m.SnapshotEpoch, m.ParentPath = child.ParentID, fold, parent.Epoch(), cmp.Or(options.ParentPath, path.Base(s.Path()))
	return []volume.NewSegment{
		{Type: segments.TypeCowMap, Payload: m.Encode()},
		{Type: segments.TypeMembership, Payload: members.Encode()},
	}, fold, nil
}

// checkGenerations refuses to make a branch that nobody could read.
func (s *Store) checkGenerations(ctx context.Context, parent *state.Snapshot) error {
	if !parent.IsBranch() {
		return nil
	}
	of, err := s.Sources(ctx, parent)
	if err == nil && isDeepest(of) {
		err = fmt.Errorf("%w: the parent is a branch of a branch, and so on, %d times, and no more can be read: rvffs flatten the parent first, or derive a copy instead", volume.ErrInput, maxBranches)
	}
	return err
}

// checkShown refuses to make a branch of vectors that are known to be damaged: which of them it
// shows is laid down for good. It reads none of them to find out.
func (s *Store) checkShown(ctx context.Context, parent *state.Snapshot) error {
	of, err := s.Sources(ctx, parent)
	if err != nil {
		return err
	}
	for _, snapshot := range of.Snapshots() {
		if damage := snapshot.FindDamage(segments.TypeVec, func(int64) bool { return false }); damage != nil {
			return fmt.Errorf("%w: a branch would show for good what is left of them: rvffs verify tells more", damage)
		}
	}
	return nil
}

// foldFor notes that a branch is made of a state, which must stay from now on, and gives the
// fold by which others know it. The branch is listed first, for then the parent has other
// bytes: from then on it does not matter where somebody moves the files. Where the parent
// cannot be written it is made unlisted, if it lies beside the parent, where it is found.
func (s *Store) foldFor(ctx context.Context, parent *state.Snapshot, child lineage.Identity, options DeriveOptions) (fold lineage.Hash, err error) {
	hash, err := parent.ParentHash(ctx)
	if err != nil {
		return fold, err
	}
	made := segments.ListedBranch{FileID: child.FileID, Pinned: hash, Epoch: parent.Epoch(), Name: cmp.Or(options.ListedAs, options.name)}
	s.madeBranch(made)
	if options.ListedAs == "" && !parent.Clean() {
		return parent.Fold(ctx) // a commit would cut off what stands behind it
	}
	if err := s.commitList(ctx); err != nil {
		if options.ListedAs == "" && ctx.Err() == nil {
			return parent.Fold(ctx)
		}
		s.releaseBranch(keyOf(made))
		if errors.Is(err, volume.ErrReadOnly) {
			return fold, fmt.Errorf("%w; a branch of it is made in its own folder alone, for it cannot list one that lies elsewhere", err)
		}
		return fold, fmt.Errorf("list the branch, which lies in another folder: %w", err)
	}
	if after := s.Current(); after.Epoch() == parent.Epoch()+1 && after.Backing() == parent.Backing() {
		return after.Fold(ctx)
	}
	return parent.Fold(ctx)
}

// writeBranch makes the file of a branch. Another program may have rewritten the parent
// meanwhile, and know nothing of the branch: then there is none.
func (s *Store) writeBranch(ctx context.Context, name string, shelf volume.Shelf, content newFileContent) error {
	made := s.lastMade(content.manifest.Identity.FileID)
	err := writeNew(ctx, shelf, name, content)
	if err == nil {
		err = s.withNewest(ctx, func(newest *state.Snapshot) error {
			_, err := newest.Pinned(ctx, state.Pin{Branch: made.FileID, Hash: made.Pinned, Recorded: true, Epoch: made.Epoch})
			return err
		})
		if errors.Is(err, lineage.ErrNoState) {
			err = fmt.Errorf("%w: the parent was rewritten by another program meanwhile: do it again", volume.ErrStale)
		}
		if err != nil {
			left := context.WithoutCancel(ctx)
			err = errors.Join(err, shelf.Log(name, volume.LogOptions{}).Remove(left, shelf))
		}
	}
	if err != nil {
		err = errors.Join(err, s.unmake(context.WithoutCancel(ctx), made))
	}
	return err
}

// unmake forgets a branch that was about to be made.
func (s *Store) unmake(ctx context.Context, made segments.ListedBranch) error {
	s.releaseBranch(keyOf(made))
	var listed []segments.ListedBranch
	err := s.withNewest(ctx, func(newest *state.Snapshot) (err error) {
		listed, err = listedBranches(ctx, newest)
		return err
	})
	if err != nil || !slices.Contains(listed, made) {
		return err
	}
	return s.commitList(ctx)
}

// BecomeBranch makes a branch of a store that was derived from parent and holds nothing yet:
// from then on it shows what parent shows now. It stays of the type that it was derived as.
// parent lies at path as seen from the store's folder, and name is the store as seen from the
// parent's.
func (s *Store) BecomeBranch(ctx context.Context, parent *Store, path, name string) error {
	if err := s.becomeBranch(ctx, parent, path, name); err != nil {
		return fmt.Errorf("make a branch of store %q: %w", s.Path(), err)
	}
	return nil
}

func (s *Store) becomeBranch(ctx context.Context, parent *Store, path, name string) error {
	session, err := s.log.Begin(ctx)
	if err != nil {
		return err
	}
	base := session.Base()
	child, _ := base.Identity()
	if base.IsBranch() {
		return session.End()
	}
	if err := HoldsNothing(ctx, base); err != nil {
		return errors.Join(err, session.End())
	}
	var change log.Change
	err = parent.withNewest(ctx, func(newest *state.Snapshot) error {
		above, _ := newest.Identity()
		if err := lineage.CheckLink(child, above); err != nil {
			return fmt.Errorf("%w: %w", volume.ErrInput, err)
		}
		made, fold, err := parent.branchOf(ctx, newest, child, DeriveOptions{ParentPath: path, name: name})
		if err != nil {
			return err
		}
		before, _, err := base.Derivation(ctx) // of no record, a clone
		if err != nil {
			return err
		}
		record, err := recordOf(ctx, child, newest, before.Type, lineage.StartBranch)
		if err != nil {
			return err
		}
		change = log.Change{Content: branchMaking{made, fold, newest.Manifest()}, Actions: []log.Action{log.Lineage(record)}}
		return nil
	})
	if err == nil {
		_, err = session.Commit(ctx, change)
	}
	if err != nil {
		err = errors.Join(err, parent.unmake(context.WithoutCancel(ctx), parent.lastMade(child.FileID)))
	}
	return errors.Join(err, session.End())
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
