package ingest

import (
	"context"
	"errors"

	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/state"
)

// Deletion tells what became of the ids to be deleted.
type Deletion struct {
	Deleted uint64 // vectors that were live
	Missing uint64 // ids without a live vector
	Epoch   uint32
}

// Delete hides the vectors of the given ids and commits. Ids without a live
// vector are counted and are no error; when all are such, nothing is written.
func (v *Vectors) Delete(ctx context.Context, ids *idset.Set) (Deletion, error) {
	return v.deleteUnless(ctx, ids, func(uint64, uint64) error { return nil })
}

// deleteUnless is Delete unless doubt says why not, which is told how many of the ids are
// known.
func (v *Vectors) deleteUnless(ctx context.Context, ids *idset.Set, doubt func(known, all uint64) error) (Deletion, error) {
	session, err := v.env.Begin(ctx)
	if err != nil {
		return Deletion{}, err
	}
	found, err := v.find(ctx, session, ids)
	if err == nil && found.live.Len()+found.hidden.Len() < ids.Len() {
		// Others may have stored the rest since.
		if err = session.Confirm(ctx); err == nil {
			found, err = v.find(ctx, session, ids)
		}
	}
	if err == nil {
		err = doubt(found.known, ids.Len())
	}
	if err != nil {
		return Deletion{}, errors.Join(err, session.End())
	}
	result := Deletion{Deleted: found.live.Len() + found.hidden.Len(), Epoch: found.base.Epoch()}
	result.Missing = ids.Len() - result.Deleted
	if result.Deleted == 0 {
		return result, session.End()
	}
	charge := v.env.Memory.Charge()
	defer charge.Free()
	if err := charge.Set(deleteMemory(result.Deleted + found.base.Deleted().Len())); err != nil {
		return Deletion{}, errors.Join(err, session.End())
	}
	result.Epoch, err = v.Commit(ctx, session, log.Change{
		Content: vectorChange{deleted: found.live.Ascending(), hidden: found.hidden.Ascending()}, Actions: []log.Action{log.Delete(int(result.Deleted))},
	})
	return result, errors.Join(err, session.End())
}

// found is what of some ids there is in a snapshot.
type found struct {
	base   *state.Snapshot
	known  uint64     // of which there are vectors, live or deleted
	live   *idset.Set // of the file's own
	hidden *idset.Set // of the parent's, which a branch is to hide
}

// find finds what there is of ids in the session's base.
func (v *Vectors) find(ctx context.Context, session *log.Session, ids *idset.Set) (f found, err error) {
	err = v.env.IDs.AtNewest(ctx, session.Base, func(newest *state.Snapshot, stored *idset.Set) (err error) {
		f = found{base: newest, live: ids.Common(stored), hidden: idset.New()}
		if newest.IsBranch() {
			f.hidden, err = v.env.Inherited(ctx, newest, ids.Without(f.live))
		}
		f.known = f.live.Len() + f.hidden.Len()
		f.live.Remove(newest.Deleted())
		return err
	})
	return f, err
}

// deleteMemory is what a commit takes in memory that leaves so many ids deleted: as
// lists, as sets, and encoded.
func deleteMemory(ids uint64) int64 {
	const perID = 5 * 8
	return int64(ids * perID)
}
