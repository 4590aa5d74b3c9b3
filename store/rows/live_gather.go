package rows

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Rows visits the live rows of some ids, in no order that means anything: in which segment
// each stands, and its id and vector as the runtime dialect stores them. Ids without a live
// row are passed over. A damaged segment that may have one is ErrCorrupt.
func (l *Live) Rows(ctx context.Context, in Readings, ids *idset.Set, visit func(segment Segment, id uint64, row []byte) error) error {
	found := make([][]uint64, len(l.Segments)) // rows
	err := l.locate(ctx, in, ids, func(i int, _, row uint64) { found[i] = append(found[i], row) })
	if err != nil {
		return err
	}
	for i, rows := range found {
		if err := l.Segments[i].visit(ctx, in, rows, visit); err != nil {
			return err
		}
	}
	return nil
}

// Among are those of some ids that have a live row.
func (l *Live) Among(ctx context.Context, in Readings, ids *idset.Set) (*idset.Set, error) {
	live := idset.New()
	return live, l.locate(ctx, in, ids, func(_ int, id, _ uint64) { live.Insert(id) })
}

// locate tells the live rows of some ids, and the index of the segment of each.
func (l *Live) locate(ctx context.Context, in Readings, ids *idset.Set, tell func(segment int, id, row uint64)) error {
	left := ids.Ascending()
	for _, look := range []func(i int, tell func(id, row uint64)) error{
		func(i int, tell func(id, row uint64)) error { return l.guessAll(ctx, in, &l.Segments[i], left, tell) },
		func(i int, tell func(id, row uint64)) error {
			return l.searchAll(ctx, in, &l.Segments[i], left, tell)
		},
	} {
		for i := len(l.Segments) - 1; i >= 0 && len(left) > 0; i-- {
			segment := &l.Segments[i]
			if segment.Damage != nil {
				return segment.Damage
			}
			there := idset.New()
			err := look(i, func(id, row uint64) {
				if segment.IsLive(row) && there.Insert(id) {
					tell(i, id, row)
				}
			})
			if err != nil {
				return err
			}
			if there.Len() > 0 {
				left = slices.DeleteFunc(left, there.Contains)
			}
		}
	}
	return ctx.Err()
}

// guessAll tells the rows of ids that stand where they do in a segment without gaps.
func (l *Live) guessAll(ctx context.Context, in Readings, segment *LiveSegment, ids []uint64, tell func(id, row uint64)) error {
	f := segment.facts
	from := sort.Search(len(ids), func(i int) bool { return ids[i] >= f.first })
	to := sort.Search(len(ids), func(i int) bool { return ids[i] >= f.first && ids[i]-f.first >= segment.Rows })
	order, known := f.order.Known()
	known = known && order.ascending && order.highest-order.lowest == segment.Rows-1
	if !f.plausible || from == to {
		return nil
	}
	for _, id := range ids[from:to] {
		if known {
			tell(id, id-f.first)
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		row, there, err := guessRow(in, segment, id)
		if err != nil {
			return err
		}
		if there {
			tell(id, row)
		}
	}
	return nil
}

// visit visits rows of one segment.
func (g *LiveSegment) visit(ctx context.Context, in Readings, rows []uint64, visit func(Segment, uint64, []byte) error) error {
	if len(rows) == 0 {
		return nil
	}
	slices.Sort(rows)
	reading := in.Of(g.Segment).For(state.Judging).During(ctx)
	reader, err := Open(reading, g.Entry)
	if err != nil {
		return err
	}
	size := segments.RowSize(in.Dimension())
	most := max(1, BytesPerRead/size)
	block := make([]byte, 0, min(most, len(rows))*size)
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && to-from < most && rows[to] == rows[to-1]+1 {
			to++
		}
		block = block[:(to-from)*size]
		if err := reader.ReadStored(int(rows[from]), block); err != nil {
			return fmt.Errorf("read vectors of the segment at offset %d: %w", g.Entry.Offset, volume.AsCorrupt(err))
		}
		for row := range slices.Chunk(block, size) {
			if err := visit(g.Segment, binary.LittleEndian.Uint64(row), row); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}
