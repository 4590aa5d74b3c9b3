package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// vectors is what is known of a store's vectors as long as a session lasts, and what they
// want of its commits.
type vectors struct {
	ids    *rows.IDTable
	memory *memory.Budget
	kept   func() (highest uint64, some bool, err error) // ids of what may be brought back

	drafted *draftedVectors // of the commit under way; the log's turn to commit guards it

	mu        sync.Mutex // guards what follows
	numbering *numbering // of the newest session
}

// numbering hands out ids in one session.
type numbering struct {
	session   *log.Session
	dimension int    // the store's, or what the first stream fixed; 0 while open
	nextID    uint64 // the id of the next vector that brings none
	noNextID  bool   // the highest id is taken
	idsKnown  bool   // nextID is valid
}

// of is the numbering of a session. The caller holds mu.
func (v *vectors) of(s *log.Session) *numbering {
	if v.numbering == nil || v.numbering.session != s {
		v.numbering = &numbering{session: s, dimension: s.Base().Dimension()}
	}
	return v.numbering
}

// dimension is the number of components of all vectors, 0 as long as none has fixed it.
func (v *vectors) dimension(s *log.Session) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.of(s).dimension
}

// fixDimension sets the dimension of a store that has none yet.
func (v *vectors) fixDimension(s *log.Session, dimension int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.of(s)
	if n.dimension == 0 {
		n.dimension = dimension
	}
	if n.dimension != dimension {
		return fmt.Errorf("%w: vectors of %d components for a store of dimension %d", volume.ErrInput, dimension, n.dimension)
	}
	return nil
}

// knowIDs finds the highest id in use, once a session.
func (v *vectors) knowIDs(ctx context.Context, s *log.Session) error {
	v.mu.Lock()
	known := v.of(s).idsKnown
	v.mu.Unlock()
	if known {
		return nil
	}
	return v.ids.AtNewest(ctx, s.Base, func(base *state.Snapshot, stored *idset.Set) error {
		inherited, branch, err := rows.HighestInherited(ctx, base)
		if err != nil {
			return err
		}
		kept, some, err := v.kept()
		if err != nil {
			return err
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		n := v.of(s)
		if some && kept < math.MaxUint64 {
			n.use(kept) // it may be brought back
		}
		if branch {
			n.use(inherited)
		}
		if highest, any := stored.Highest(); any {
			n.use(highest)
		}
		n.idsKnown = true
		return nil
	})
}

// use notes an id, so that none is given out twice.
func (n *numbering) use(id uint64) {
	switch {
	case id == math.MaxUint64:
		n.noNextID = true
	case id >= n.nextID:
		n.nextID = id + 1
	}
}

// room makes sure that so many ids are free above all that are in use.
func (n *numbering) room(count int) error {
	if count > 0 && (n.noNextID || n.nextID > math.MaxUint64-uint64(count-1)) {
		return fmt.Errorf("%w: the highest id is taken, vectors need ids of their own", volume.ErrInput)
	}
	return nil
}

// takeIDs hands out count consecutive ids above all that are in use.
func (v *vectors) takeIDs(s *log.Session, count int) (uint64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.of(s)
	if err := n.room(count); err != nil || count == 0 {
		return n.nextID, err
	}
	taken := n.nextID
	n.use(taken + uint64(count-1))
	return taken, nil
}

// checkRoom makes sure that so many ids could be handed out.
func (v *vectors) checkRoom(s *log.Session, count int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.of(s).room(count)
}

// useIDs notes ids that came with their vectors.
func (v *vectors) useIDs(s *log.Session, ids []uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.of(s)
	for _, id := range ids {
		n.use(id)
	}
}

// rowExtent is a segment of vectors in the making.
type rowExtent struct {
	*filelog.Extent
	rows  uint32
	ids   *idset.Set // of the rows
	given *idset.Set // of these, the ids that were handed out, not brought
}

// newRowExtent begins one.
func newRowExtent(s *log.Session, dimension int) *rowExtent {
	rowSize := int64(segments.RowSize(dimension))
	return &rowExtent{
		Extent: s.Extent(volume.ExtentSpec{Type: segments.TypeVec, Front: segments.VecPrefixSize, Seal: func(body int64) []byte {
			prefix := segments.EncodeVecPrefix(uint16(dimension), uint32(body/rowSize))
			return prefix[:]
		}}),
		ids: idset.New(), given: idset.New(),
	}
}

// extentsOf are the segments alone.
func extentsOf(written []*rowExtent) []*filelog.Extent {
	extents := make([]*filelog.Extent, len(written))
	for i, e := range written {
		extents[i] = e.Extent
	}
	return extents
}

// vectorChange is what a change does to the vectors.
type vectorChange struct {
	added   []*rowExtent // of which the change adds the segments
	deleted []uint64     // stored ids that are to be hidden
}

// draftedVectors is what a commit does to them.
type draftedVectors struct {
	ids     *idset.Set // of all added vectors
	rows    uint64     // added
	deleted []uint64
	onlyNew bool // every added row has an id that no row had before
}

// errIDsTaken means that another stream brought, and committed, an id that had been
// handed out before.
var errIDsTaken = log.Clash(fmt.Errorf("%w: another stream has meanwhile stored vectors with ids of their own, some of which were handed out to this one; nothing that this one brought since its last commit is stored: write it again", volume.ErrInput))

// Draft implements log.Hook: it says in the manifest which ids are stored and which
// deleted.
func (v *vectors) Draft(ctx context.Context, d *log.Draft) (func(*state.Snapshot), error) {
	drafted := &draftedVectors{ids: idset.New()}
	v.drafted = drafted
	for _, change := range d.Changes {
		c, some := change.Content.(vectorChange)
		if !some {
			continue
		}
		drafted.deleted = append(drafted.deleted, c.deleted...)
		for _, e := range c.added {
			if err := v.checkGiven(ctx, d, drafted, e); err != nil {
				return nil, err
			}
			drafted.ids.Unite(e.ids)
			drafted.rows += uint64(e.rows)
			d.Manifest.Dimension = uint16(v.newestDimension())
		}
	}
	deleted := idset.Of(d.Manifest.Deleted)
	deleted.Add(drafted.deleted)
	deleted.Remove(drafted.ids)
	d.Manifest.Deleted = deleted.Ascending()
	if len(drafted.deleted) > 0 {
		d.Unname(segments.TypeJournal) // they stay in the file and are found by walking
	}
	if err := v.countIDs(ctx, d, drafted); err != nil {
		return nil, err
	}
	return func(after *state.Snapshot) { v.committed(d, drafted, after) }, nil
}

func (v *vectors) newestDimension() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.numbering.dimension
}

// checkGiven sees to it that vectors without ids of their own replace none.
func (v *vectors) checkGiven(ctx context.Context, d *log.Draft, drafted *draftedVectors, e *rowExtent) error {
	if e.given.Len() == 0 {
		return nil
	}
	if drafted.ids.Shared(e.given) > 0 {
		return errIDsTaken
	}
	return v.ids.At(ctx, d.Base, func(stored *idset.Set) error {
		if stored.Shared(e.given) > 0 {
			return errIDsTaken
		}
		return nil
	})
}

// countIDs sets the number of distinct ids stored, and lets indexes go that an
// overwritten id makes wrong: the reference runtime trusts an index for every id
// in it.
func (v *vectors) countIDs(ctx context.Context, d *log.Draft, drafted *draftedVectors) error {
	if drafted.ids.Len() == 0 {
		d.Manifest.TotalVectors = min(d.Manifest.TotalVectors, d.Base.Rows())
		if total, counted := d.Base.DistinctIDs(); counted {
			d.Manifest.TotalVectors = total
		}
		return nil
	}
	return v.ids.At(ctx, d.Base, func(stored *idset.Set) error {
		shared := stored.Shared(drafted.ids)
		drafted.onlyNew = shared == 0 && drafted.ids.Len() == drafted.rows
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

// committed follows a commit that counts.
func (v *vectors) committed(d *log.Draft, drafted *draftedVectors, after *state.Snapshot) {
	if drafted.onlyNew && len(drafted.deleted) == 0 {
		_ = after.With(context.Background(), state.Judging, func(after *state.Reading) error { // what is not known is found out again
			rows.Carry(d.Base, after, d.Merged(), d.Brings)
			return nil
		})
	}
	v.ids.Extend(d.Base, after, drafted.ids)
}

// removals says in a commit what it deletes: to a branch, which must not inherit it, and
// in a journal.
type removals struct{ vectors *vectors }

// Draft implements log.Hook.
func (r removals) Draft(_ context.Context, d *log.Draft) (func(*state.Snapshot), error) {
	deleted := r.vectors.drafted.deleted
	if len(deleted) == 0 {
		return nil, nil
	}
	var members []byte
	err := d.Base.With(context.Background(), state.Judging, func(base *state.Reading) (err error) {
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

// commit is Session.Commit for a change that may delete. A deleted id that no manifest
// may name is let go by a compaction first.
func (s *Store) commit(ctx context.Context, session *log.Session, c log.Change) (uint32, error) {
	epoch, err := session.Commit(ctx, c)
	if !errors.Is(err, volume.ErrUnsafeManifest) {
		return epoch, err
	}
	content, _ := c.Content.(vectorChange)
	if _, err := s.compactWithout(ctx, idset.Of(content.deleted)); err != nil {
		return 0, err
	}
	c.Content = vectorChange{added: content.added}
	return session.Commit(ctx, c)
}
