package rows

import (
	"context"
	"fmt"

	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// BytesPerRead bounds, in bytes, the vectors that one pass holds at a time.
const BytesPerRead = 1 << 20

// DeadRows are the positions in one segment of rows that are not live.
type DeadRows struct{ positions *idset.Set }

// Contains reports whether a row is not live.
func (d DeadRows) Contains(row uint64) bool { return d.positions != nil && d.positions.Contains(row) }

// set is that of the positions, which must not be changed.
func (d DeadRows) set() *idset.Set {
	if d.positions == nil {
		return idset.New()
	}
	return d.positions
}

// add notes that a row is dead.
func (d *DeadRows) add(row uint64) {
	if d.positions == nil {
		d.positions = idset.New()
	}
	d.positions.Insert(row)
}

// FindDead tells for each of some segments, in the order of Segments, which rows are
// replaced by later ones, deleted, not inherited, or in also. It reads ids only, last
// segment first.
// What damaged makes of an error of a segment is its own; ids that it lets pass unread
// replace nothing.
func FindDead(ctx context.Context, in Readings, found []Segment, also *idset.Set, charge *memory.Charge, damaged func(Segment, error) error) ([]DeadRows, error) {
	return findDead(ctx, in, found, also, charge, damaged, func(int, []uint64) error { return nil })
}

// findDead is FindDead that lets see look at all ids that it reads of the segment with an
// index.
func findDead(ctx context.Context, in Readings, found []Segment, also *idset.Set, charge *memory.Charge, damaged func(Segment, error) error, see func(segment int, ids []uint64) error) ([]DeadRows, error) {
	near := in.nearby()
	dead := make([]DeadRows, len(found))
	seen, from := idset.New(), len(in) // the first source whose deleted ids are in seen
	if also != nil {
		seen.Unite(also)
	}
	var inherited []*Members // of the sources behind that of the segment
	ids := make([]uint64, RowsPerRead)
	grows := GrowingSets{charge: charge, other: charge.Held()}
	for i := len(found) - 1; i >= 0; i-- {
		segment := found[i]
		for ; from > segment.Source; from-- {
			if from < len(in) && in[from].members != nil {
				inherited = append(inherited, in[from].members)
			}
			seen.Unite(in[from-1].Snapshot().Deleted())
		}
		reader, err := Open(near.of(segment), segment.Entry)
		if err != nil {
			if err = damaged(segment, err); err != nil {
				return nil, err
			}
			continue
		}
		for end := reader.Count(); end > 0; end -= min(len(ids), end) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			first := max(0, end-len(ids))
			part := ids[:end-first]
			if err := reader.ReadIDs(first, part); err != nil {
				err = fmt.Errorf("read ids of the segment at offset %d: %w", segment.Entry.Offset, volume.AsCorrupt(err))
				if err = damaged(segment, err); err != nil {
					return nil, err
				}
				continue
			}
			if err := see(i, part); err != nil {
				return nil, err
			}
			for row := len(part) - 1; row >= 0; row-- {
				if contain(inherited, part[row]) && seen.Insert(part[row]) {
					continue
				}
				dead[i].add(uint64(first + row))
			}
			if err := grows.Follow(seen, dead[i].set()); err != nil {
				return nil, err
			}
		}
		grows.other += dead[i].set().Bytes()
	}
	return dead, nil
}

// contain reports whether an id is a member of all.
func contain(all []*Members, id uint64) bool {
	for _, members := range all {
		if !members.Contains(id) {
			return false
		}
	}
	return true
}

// NoDamage lets FindDead fail at the first damage.
func NoDamage(_ Segment, err error) error { return err }
