package ingest

import (
	"context"
	"fmt"
	"math"

	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// numbering hands out ids in one session.
type numbering struct {
	session   *log.Session
	dimension int    // the store's, or what the first stream fixed; 0 while open
	nextID    uint64 // the id of the next vector that brings none
	noNextID  bool   // the highest id is taken
	idsKnown  bool   // nextID is valid
	moved     uint64 // how often somebody else had published when that was found
}

// of is the numbering of a session. The caller holds mu.
func (v *Vectors) of(s *log.Session) *numbering {
	if v.numbering == nil || v.numbering.session != s {
		v.numbering = &numbering{session: s, dimension: s.Base().Dimension()}
	}
	return v.numbering
}

// dimension is the number of components of all vectors, 0 as long as none has fixed it.
func (v *Vectors) dimension(s *log.Session) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.of(s).dimension
}

// fixDimension sets the dimension of a store that has none yet.
func (v *Vectors) fixDimension(s *log.Session, dimension int) error {
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

// knowIDs finds the highest id in use, once a session and again when somebody else has
// published.
func (v *Vectors) knowIDs(ctx context.Context, s *log.Session) error {
	moved := s.Moved()
	v.mu.Lock()
	known := v.of(s).idsKnown && v.of(s).moved == moved
	v.mu.Unlock()
	if known {
		return nil
	}
	return v.env.IDs.AtNewest(ctx, s.Base, func(base *state.Snapshot, stored *idset.Set) error {
		inherited, branch, err := rows.HighestInherited(ctx, base)
		if err != nil {
			return err
		}
		kept, some, err := v.env.Kept(ctx)
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
		n.idsKnown, n.moved = true, moved
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
func (v *Vectors) takeIDs(s *log.Session, count int) (uint64, error) {
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
func (v *Vectors) checkRoom(s *log.Session, count int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.of(s).room(count)
}

// useIDs notes ids that came with their vectors.
func (v *Vectors) useIDs(s *log.Session, ids []uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.of(s)
	for _, id := range ids {
		n.use(id)
	}
}
