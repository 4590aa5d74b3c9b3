package ingest

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// errLateRows means that a store was committed in its midst, and that what did not
// count then does now.
var errLateRows = fmt.Errorf("%w: the stream is a store, of which a part was committed before its end; write it again, to the end", volume.ErrInput)

// passOver notes which of the rows since the last commit do not count. They are given
// up, so that they must not count later.
func (a *AppendStream) passOver(runs []vecio.Run, handed int64) error {
	counting := slices.SortedFunc(slices.Values(runs), func(a, b vecio.Run) int { return cmp.Compare(a.First, b.First) })
	for _, run := range counting {
		for _, passed := range a.passed {
			if run.First < passed.First+passed.Count && passed.First < run.First+run.Count {
				return errLateRows
			}
		}
	}
	next := a.handed
	for _, run := range append(counting, vecio.Run{First: handed}) {
		if run.First > next {
			a.passed = append(a.passed, vecio.Run{First: next, Count: run.First - next})
		}
		next = max(next, run.First+run.Count)
	}
	return nil
}

// reorder brings the vectors since the last commit into the order in which they
// count, and leaves out those that do not. Rows are numbered from the start of the
// stream; before of them were committed. What stands in its place already stays; the
// rest is read back and appended anew. An error leaves all vectors as they were.
func (a *Appender) reorder(ctx context.Context, runs []vecio.Run, before int64) error {
	if err := a.Flush(); err != nil || a.session == nil {
		return err
	}
	a.block = nil
	if a.current != nil {
		a.ids.Settle(a.current.ids, a.current.given)
	}
	written, total := a.extents, int64(a.rows)
	a.extents, a.current, a.rows = nil, nil, 0
	keep := int64(0)
	if len(runs) > 0 && runs[0].First <= before {
		keep = runs[0].First + runs[0].Count - before
	}
	for len(written) > len(a.extents) && int64(a.rows)+int64(written[len(a.extents)].rows) <= keep {
		e := written[len(a.extents)]
		a.rows += uint64(e.rows)
		a.extents = append(a.extents, e)
	}
	kept := int64(a.rows)
	rest := written[len(a.extents):]
	for _, run := range runs { // no row is in two of them
		from, to := max(run.First-before, kept), min(run.First+run.Count-before, total)
		if err := a.appendAgain(ctx, rest, from-kept, to-from); err != nil {
			a.drain()
			a.session.Drop(extentsOf(a.extents[len(written)-len(rest):])...)
			a.extents, a.current, a.block, a.rows = written, nil, nil, uint64(total) // as it was
			return err
		}
	}
	a.session.Drop(extentsOf(rest)...)
	return nil
}

// appendAgain appends a run of the rows of extents that were written before.
func (a *Appender) appendAgain(ctx context.Context, extents []*rowExtent, first, count int64) error {
	dimension := a.Dimension()
	rowSize := segments.RowSize(dimension)
	buffer := make([]byte, max(1, rows.BytesPerRead/rowSize)*rowSize)
	var ids []uint64
	var rows []byte
	for _, e := range extents {
		for first < int64(e.rows) && count > 0 {
			part := min(count, int64(e.rows)-first, int64(len(buffer)/rowSize))
			read := buffer[:part*int64(rowSize)]
			err := a.session.ReadBack(ctx, e.Extent, read, segments.VecPrefixSize+first*int64(rowSize))
			if err != nil {
				return err
			}
			ids, rows = ids[:0], rows[:0]
			for row := read; len(row) > 0; row = row[rowSize:] {
				ids = append(ids, binary.LittleEndian.Uint64(row))
				rows = append(rows, row[8:rowSize]...)
			}
			if err := a.Append(ctx, ids, rows); err != nil {
				return err
			}
			first, count = first+part, count-part
		}
		first = max(0, first-int64(e.rows))
	}
	return nil
}
