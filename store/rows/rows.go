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

// Visit visits all live vectors in directory order: of an id that occurs more
// than once the last row, and no deleted id. Each visit brings up to some
// thousand vectors: their ids, and their components as consecutive rows of
// little-endian float32. The slices are valid during the visit only.
func Visit(ctx context.Context, s *state.Snapshot, visit func(ids []uint64, rows []byte) error) error {
	return s.With(ctx, func(file volume.File) error { return visitIn(ctx, s, file, visit) })
}

// visitIn is Visit on an open file.
func visitIn(ctx context.Context, s *state.Snapshot, file volume.File, visit func(ids []uint64, rows []byte) error) error {
	entries := s.Vectors()
	charge := s.Backing().Memory().Charge()
	defer charge.Free()
	superseded, err := FindSuperseded(ctx, s, file, entries, nil, &charge, NoDamage)
	if err != nil {
		return err
	}
	width := segments.RowSize(s.Dimension()) - 8
	batch := max(1, min(RowsPerRead, BytesPerRead/max(width, 1)))
	ids, rows := make([]uint64, batch), make([]byte, batch*width)
	for i, entry := range entries {
		reader, err := Open(file, s, entry)
		if err != nil {
			return err
		}
		for first := 0; first < reader.Count(); first += batch {
			if err := ctx.Err(); err != nil {
				return err
			}
			count := min(batch, reader.Count()-first)
			if err := reader.ReadRows(first, ids[:count], rows[:count*width]); err != nil {
				return fmt.Errorf("read the vectors at offset %d: %w", entry.Offset, volume.AsCorrupt(err))
			}
			kept := superseded[i].squeeze(uint64(first), ids[:count], rows[:count*width], width)
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

// deadRows are the positions in one segment of rows that are not live.
type deadRows struct{ positions *idset.Set }

func (d deadRows) Contains(row uint64) bool { return d.positions != nil && d.positions.Contains(row) }

// set is that of the positions, which must not be changed.
func (d deadRows) set() *idset.Set {
	if d.positions == nil {
		return idset.New()
	}
	return d.positions
}

// add notes that a row is dead.
func (d *deadRows) add(row uint64) {
	if d.positions == nil {
		d.positions = idset.New()
	}
	d.positions.Insert(row)
}

// squeeze moves the live ones of the rows that begin at position first to the
// front and returns their number.
func (d deadRows) squeeze(first uint64, ids []uint64, rows []byte, width int) int {
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

// FindSuperseded tells for each segment which rows are replaced by later ones,
// deleted, or in also. It reads ids only, last segment first. What damaged makes of
// an error is its own; ids that it lets pass unread replace nothing.
func FindSuperseded(ctx context.Context, s *state.Snapshot, file volume.File, entries []segments.DirectoryEntry, also *idset.Set, charge *memory.Charge, damaged func(error) error) ([]deadRows, error) {
	near := state.Nearby(file)
	dead := make([]deadRows, len(entries))
	seen := idset.Of(s.Manifest().Deleted)
	if also != nil {
		seen.Unite(also)
	}
	ids := make([]uint64, RowsPerRead)
	grows := GrowingSets{charge: charge, other: charge.Held()}
	for i := len(entries) - 1; i >= 0; i-- {
		reader, err := Open(near.Of(entries[i]), s, entries[i])
		if err != nil {
			if err = damaged(err); err != nil {
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
				err = fmt.Errorf("read ids of the segment at offset %d: %w", entries[i].Offset, volume.AsCorrupt(err))
				if err = damaged(err); err != nil {
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

// NoDamage lets findSuperseded fail at the first damage.
func NoDamage(err error) error { return err }
