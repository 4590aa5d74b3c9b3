package ingest

import (
	"context"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// vectorChange is what a change does to the vectors.
type vectorChange struct {
	added   []*rowExtent // of which the change adds the segments
	deleted []uint64     // stored ids that are to be hidden
	hidden  []uint64     // ids that a branch shows no more of its parent's
}

// draft is what a commit does to them.
type draft struct {
	ids     *idset.Set // of all added vectors
	rows    uint64     // added
	deleted []uint64
	hidden  []uint64
}

// errIDsTaken means that another stream brought, and committed, an id that had been
// handed out before.
var errIDsTaken = log.Clash(fmt.Errorf("%w: another stream has meanwhile stored vectors with ids of their own, some of which were handed out to this one; nothing that this one brought since its last commit is stored: write it again", volume.ErrInput))

// Draft implements log.Hook: it says in the manifest which ids are stored and which
// deleted.
func (v *Vectors) Draft(ctx context.Context, d *log.Draft) (log.Committed, error) {
	drafted := &draft{ids: idset.New()}
	v.drafted = drafted
	for _, change := range d.Changes {
		c, some := change.Content.(vectorChange)
		if !some {
			continue
		}
		drafted.deleted = append(drafted.deleted, c.deleted...)
		drafted.hidden = append(drafted.hidden, c.hidden...)
		for _, e := range c.added {
			if err := v.checkGiven(ctx, d, drafted, e); err != nil {
				return nil, err
			}
			drafted.ids.Unite(e.ids)
			drafted.rows += uint64(e.rows)
			d.Manifest.Dimension = uint16(v.newestDimension())
		}
	}
	if len(drafted.deleted) > 0 || !leaves(drafted.ids, d.Manifest.Deleted) {
		deleted := idset.Of(d.Manifest.Deleted)
		deleted.Add(drafted.deleted)
		deleted.Remove(drafted.ids)
		d.Manifest.Deleted = deleted.Ascending()
	}
	if len(drafted.deleted)+len(drafted.hidden) > 0 {
		d.Unname(segments.TypeJournal) // they stay in the file and are found by walking
	}
	if err := v.countIDs(ctx, d, drafted); err != nil {
		return nil, err
	}
	return func(ctx context.Context, after *state.Snapshot) { v.committed(ctx, d, drafted, after) }, nil
}

// leaves reports whether deleted ids, of which there may be very many, ascend as they
// should, and whether none of them is among those added.
func leaves(added *idset.Set, deleted []uint64) bool {
	for i, id := range deleted {
		if i > 0 && id <= deleted[i-1] {
			return false
		}
	}
	highest, some := added.Highest()
	if !some || len(deleted) == 0 {
		return true
	}
	lowest := added.Cursor().Run.First
	from, _ := slices.BinarySearch(deleted, lowest)
	for _, id := range deleted[from:] {
		if id > highest {
			return true
		}
		if added.Contains(id) {
			return false
		}
	}
	return true
}

// Drafted are the ids of the vectors that the commit under way brings, for hooks that
// come later.
func (v *Vectors) Drafted() *idset.Set { return v.drafted.ids }

func (v *Vectors) newestDimension() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.numbering.dimension
}

// checkGiven sees to it that vectors without ids of their own replace none.
func (v *Vectors) checkGiven(ctx context.Context, d *log.Draft, drafted *draft, e *rowExtent) error {
	if e.given.Len() == 0 {
		return nil
	}
	if drafted.ids.Shared(e.given) > 0 {
		return errIDsTaken
	}
	return v.env.IDs.At(ctx, d.Base, func(stored *idset.Set) error {
		if stored.Shared(e.given) > 0 {
			return errIDsTaken
		}
		return nil
	})
}

// countIDs sets the number of distinct ids stored, and lets indexes go that an
// overwritten id makes wrong: the reference runtime trusts an index for every id
// in it.
func (v *Vectors) countIDs(ctx context.Context, d *log.Draft, drafted *draft) error {
	if drafted.ids.Len() == 0 {
		d.Manifest.TotalVectors = min(d.Manifest.TotalVectors, d.Base.Rows())
		if total, counted := d.Base.DistinctIDs(); counted {
			d.Manifest.TotalVectors = total
		}
		return nil
	}
	return v.env.IDs.At(ctx, d.Base, func(stored *idset.Set) error {
		shared := stored.Shared(drafted.ids)
		d.Manifest.TotalVectors = stored.Len() + drafted.ids.Len() - shared
		if d.Base.LostVectors() {
			// A damaged id must not make ids that were replaced look like different ones.
			d.Manifest.TotalVectors = min(d.Manifest.TotalVectors, d.Base.Manifest().TotalVectors+drafted.ids.Len())
		}
		if shared > 0 {
			d.Unname(segments.TypeIndex)
		}
		return nil
	})
}

// committed follows a commit that counts, as long as somebody waits for it: what is not
// known then is found out by who needs it.
func (v *Vectors) committed(ctx context.Context, d *log.Draft, drafted *draft, after *state.Snapshot) {
	v.env.IDs.Extend(ctx, d.Base, after, drafted.ids)
}

// removals says in a commit what it deletes: to a branch, which must not inherit it, and
// in a journal.
type removals struct{ vectors *Vectors }

// Removals are a hook of its own: what it adds to a commit stands behind what others do.
func (v *Vectors) Removals() log.Hook { return removals{v} }

// Draft implements log.Hook.
func (r removals) Draft(ctx context.Context, d *log.Draft) (log.Committed, error) {
	deleted := slices.Concat(r.vectors.drafted.deleted, r.vectors.drafted.hidden)
	if len(deleted) == 0 {
		return nil, nil
	}
	slices.Sort(deleted)
	var members []byte
	err := d.Base.With(ctx, state.Judging, func(base *state.Reading) (err error) {
		members, err = rows.WithoutInherited(base, idset.Of(deleted))
		return err
	})
	if err != nil {
		return nil, err
	}
	if members != nil {
		d.Unname(segments.TypeMembership)
		d.Add(volume.NewSegment{Type: segments.TypeMembership, Payload: members})
	}
	d.Add(volume.NewSegment{Type: segments.TypeJournal, Payload: segments.EncodeJournal(d.Manifest.Epoch, deleted)})
	return nil, nil
}
