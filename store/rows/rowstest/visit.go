package rowstest

import (
	"context"
	"fmt"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Visit visits all live vectors, source by source, in directory order: of an id that occurs more
// than once the last row, and no deleted id. Each visit brings up to some
// thousand vectors: their ids, and their components as consecutive rows of
// little-endian float32. The slices are valid during the visit only.
func Visit(ctx context.Context, s rows.Sources, visit func(ids []uint64, vectors []byte) error) error {
	return s.With(ctx, state.Giving, func(in rows.Readings) error { return visitIn(ctx, s, in, visit) })
}

// visitIn is Visit while the files are open.
func visitIn(ctx context.Context, s rows.Sources, in rows.Readings, visit func(ids []uint64, vectors []byte) error) error {
	found := in.Segments()
	charge := s.Memory().Charge()
	defer charge.Free()
	dead, err := rows.FindDead(ctx, in, found, nil, &charge, rows.NoDamage)
	if err != nil {
		return err
	}
	width := segments.RowSize(s.Dimension()) - 8
	batch := max(1, min(rows.RowsPerRead, rows.BytesPerRead/max(width, 1)))
	ids, vectors := make([]uint64, batch), make([]byte, batch*width)
	for i, segment := range found {
		reader, err := rows.Open(in.Of(segment), segment.Entry)
		if err != nil {
			return err
		}
		for first := 0; first < reader.Count(); first += batch {
			if err := ctx.Err(); err != nil {
				return err
			}
			count := min(batch, reader.Count()-first)
			if err := reader.ReadRows(first, ids[:count], vectors[:count*width]); err != nil {
				return fmt.Errorf("read the vectors at offset %d: %w", segment.Entry.Offset, volume.AsCorrupt(err))
			}
			kept := squeeze(dead[i], uint64(first), ids[:count], vectors[:count*width], width)
			if kept == 0 {
				continue
			}
			if err := visit(ids[:kept], vectors[:kept*width]); err != nil {
				return err
			}
		}
	}
	return nil
}

// squeeze moves the live ones of the rows that begin at position first to the
// front and returns their number.
func squeeze(dead rows.DeadRows, first uint64, ids []uint64, vectors []byte, width int) int {
	kept := 0
	for i := range ids {
		if dead.Contains(first + uint64(i)) {
			continue
		}
		if kept != i {
			ids[kept] = ids[i]
			copy(vectors[kept*width:(kept+1)*width], vectors[i*width:])
		}
		kept++
	}
	return kept
}
