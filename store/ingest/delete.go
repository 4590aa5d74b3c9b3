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
	var base *state.Snapshot
	var live *idset.Set
	hidden := idset.New() // of the parent's
	err = v.env.IDs.AtNewest(ctx, session.Base, func(newest *state.Snapshot, stored *idset.Set) (err error) {
		base = newest
		live = ids.Common(stored)
		if newest.IsBranch() {
			hidden, err = v.env.Inherited(ctx, newest, ids.Without(live))
		}
		return err
	})
	if err != nil {
		return Deletion{}, errors.Join(err, session.End())
	}
	if err := doubt(live.Len()+hidden.Len(), ids.Len()); err != nil {
		return Deletion{}, errors.Join(err, session.End())
	}
	live.Remove(base.Deleted())
	result := Deletion{Deleted: live.Len() + hidden.Len(), Epoch: base.Epoch()}
	result.Missing = ids.Len() - result.Deleted
	if result.Deleted == 0 {
		return result, session.End()
	}
	charge := v.env.Memory.Charge()
	defer charge.Free()
	if err := charge.Set(deleteMemory(result.Deleted + base.Deleted().Len())); err != nil {
		return Deletion{}, errors.Join(err, session.End())
	}
	result.Epoch, err = v.Commit(ctx, session, log.Change{
		Content: vectorChange{deleted: live.Ascending(), hidden: hidden.Ascending()}, Actions: []log.Action{log.Delete(int(result.Deleted))},
	})
	return result, errors.Join(err, session.End())
}

// deleteMemory is what a commit takes in memory that leaves so many ids deleted: as
// lists, as sets, and encoded.
func deleteMemory(ids uint64) int64 {
	const perID = 5 * 8
	return int64(ids * perID)
}
