package rows

import (
	"context"
	"fmt"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Visit visits all live vectors, source by source, in directory order: of an id that occurs more
// than once the last row, and no deleted id. Each visit brings up to some
// thousand vectors: their ids, and their components as consecutive rows of
// little-endian float32. The slices are valid during the visit only.
func Visit(ctx context.Context, s Sources, visit func(ids []uint64, rows []byte) error) error {
	return s.With(ctx, state.Giving, func(in Readings) error { return visitIn(ctx, s, in, visit) })
}

// visitIn is Visit while the files are open.
func visitIn(ctx context.Context, s Sources, in Readings, visit func(ids []uint64, rows []byte) error) error {
	found := in.Segments()
	charge := s.Memory().Charge()
	defer charge.Free()
	dead, err := FindDead(ctx, in, found, nil, &charge, NoDamage)
	if err != nil {
		return err
	}
	width := segments.RowSize(s.Dimension()) - 8
	batch := max(1, min(RowsPerRead, BytesPerRead/max(width, 1)))
	ids, rows := make([]uint64, batch), make([]byte, batch*width)
	for i, segment := range found {
		reader, err := Open(in.Of(segment), segment.Entry)
		if err != nil {
			return err
		}
		for first := 0; first < reader.Count(); first += batch {
			if err := ctx.Err(); err != nil {
				return err
			}
			count := min(batch, reader.Count()-first)
			if err := reader.ReadRows(first, ids[:count], rows[:count*width]); err != nil {
				return fmt.Errorf("read the vectors at offset %d: %w", segment.Entry.Offset, volume.AsCorrupt(err))
			}
			kept := dead[i].squeeze(uint64(first), ids[:count], rows[:count*width], width)
			if kept == 0 {
				continue
			}
			if err := visit(ids[:kept], rows[:kept*width]); err != nil {
				return err
			}
		}
	}
	return nil
}

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

// squeeze moves the live ones of the rows that begin at position first to the
// front and returns their number.
func (d DeadRows) squeeze(first uint64, ids []uint64, rows []byte, width int) int {
	if d.positions == nil {
		return len(ids)
	}
	kept := 0
	for i := range ids {
		if d.Contains(first + uint64(i)) {
			continue
		}
		if kept != i {
			ids[kept] = ids[i]
			copy(rows[kept*width:(kept+1)*width], rows[i*width:])
		}
		kept++
	}
	return kept
}

// FindDead tells for each of some segments, in the order of Segments, which rows are
// replaced by later ones, deleted, or in also. It reads ids only, last segment first.
// What damaged makes of an error of a segment is its own; ids that it lets pass unread
// replace nothing.
func FindDead(ctx context.Context, in Readings, found []Segment, also *idset.Set, charge *memory.Charge, damaged func(Segment, error) error) ([]DeadRows, error) {
	near := in.nearby()
	dead := make([]DeadRows, len(found))
	seen, from := idset.New(), len(in) // the first source whose deleted ids are in seen
	if also != nil {
		seen.Unite(also)
	}
	ids := make([]uint64, RowsPerRead)
	grows := GrowingSets{charge: charge, other: charge.Held()}
	for i := len(found) - 1; i >= 0; i-- {
		segment := found[i]
		for ; from > segment.Source; from-- {
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
			for row := len(part) - 1; row >= 0; row-- {
				if seen.Insert(part[row]) {
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

// NoDamage lets FindDead fail at the first damage.
func NoDamage(_ Segment, err error) error { return err }
