package compact

import (
	"context"
	"errors"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/throttle"
	"rvffs/store/volume"
)

// Flat is how a rewrite makes a store that shows no other's vectors of a branch.
type Flat struct {
	// Sources are what the branch shows in a state.
	Sources func(ctx context.Context, base *state.Snapshot) (rows.Sources, error)
	// Record is that of its derivation from then on, and ParentHash what its identity says
	// of its parent.
	Record     []byte
	ParentHash lineage.Hash
}

// Flatten is Compact that copies into the file what a branch inherits, and leaves out what
// makes it a branch.
func (c *Compactor) Flatten(ctx context.Context, flat Flat) (Result, error) {
	return c.run(ctx, nil, &flat, throttle.FullSpeed)
}

// withShown runs use with the rows that the new file gets.
func (r *rewrite) withShown(ctx context.Context, base *state.Reading, use func(rows.Readings) error) error {
	if r.flat == nil {
		return use(rows.Alone(base))
	}
	of, err := r.flat.Sources(ctx, base.Snapshot())
	if err != nil {
		return err
	}
	if inherited, some := of.Inherited(); some {
		for _, snapshot := range inherited.Snapshots() {
			for _, entry := range snapshot.Vectors() {
				r.progress.Expect(int64(min(entry.PayloadLength, segments.MaxPayload)))
			}
		}
	}
	return of.With(ctx, state.Judging, func(in rows.Readings) error { return use(in.Through(r.pacer.Bytes)) })
}

// copies reports whether the rewrite copies a segment that is named.
func (r *rewrite) copies(old *state.Reading, entry segments.DirectoryEntry) (bool, error) {
	if !isCopied(entry.Type) {
		foreign, err := segments.IsForeign(old, entry)
		if err == nil && foreign && r.env.ForgetDamaged && entry.Type.CountsByName() {
			// It may be another's by that alone of it which is damaged.
			if err = old.CheckOfBranches(entry); errors.Is(err, volume.ErrCorrupt) {
				return false, nil
			}
		}
		return foreign, err
	}
	return r.flat == nil || entry.Type != segments.TypeCowMap && entry.Type != segments.TypeMembership, nil
}

// hiddenSince are the inherited ids that were copied and that the branch shows no more at
// base: they are deleted, unless it has stored them anew.
func (r *rewrite) hiddenSince(ctx context.Context, base *state.Reading) (*idset.Set, error) {
	before, err := rows.MembersOf(base.Of(r.start))
	if err != nil {
		return nil, err
	}
	after, err := rows.MembersOf(base)
	if err != nil {
		return nil, err
	}
	hidden := before.Hidden(after, r.ids)
	if hidden.Len() == 0 {
		return hidden, nil
	}
	own := idset.New()
	if err := rows.CollectIDs(ctx, base, base.Snapshot().Vectors(), own, &r.grows); err != nil {
		return nil, err
	}
	hidden.Remove(own)
	return hidden, nil
}

// keepFlat finds of a kept state the rows that are not those of the new file. What the
// branch inherits is the file's own by then, and so it is to be in the kept state.
func (r *rewrite) keepFlat(ctx context.Context, k *keptState, newest *state.Reading) error {
	charge := newest.Snapshot().Backing().Memory().Charge()
	defer charge.Free()
	shown, err := rows.LiveIDs(ctx, k.Sources, &charge)
	if err != nil {
		return err
	}
	shown.Remove(k.ids)
	if err := charge.Set(charge.Held() + rows.HashedRow*int64(shown.Len())); err != nil {
		return err
	}
	of, err := r.flat.Sources(ctx, newest.Snapshot())
	if err != nil {
		return err
	}
	now, err := rows.HashRows(ctx, of, shown)
	if err != nil {
		return err
	}
	payload := rowPayload{rewrite: r, state: k, dimension: k.Sources.Dimension()}
	err = rows.EachRow(ctx, k.Sources, shown, func(in rows.Readings, segment rows.Segment, id uint64, row []byte) error {
		if now.Is(id, row) {
			return nil
		}
		k.ids.Insert(id)
		return payload.add(ctx, row)
	})
	k.seen = newest.Snapshot()
	return errors.Join(err, payload.flush())
}
