package rows

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"

	"rvffs/segments"
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// segmentIDs is what is known of a segment's ids without keeping them.
type segmentIDs struct {
	first, last uint64 // of the first and the last row
	plausible   bool   // all rows that were looked at can be those of ascending ids

	order shared.Once[idOrder]
}

// sampledRows is the number of rows between the first and the last one that are
// looked at.
const sampledRows = 3

// sampleIDs reads the ids of some rows, in the runtime dialect.
func sampleIDs(reading *state.Reading, segment *LiveSegment) error {
	if segment.Rows == 0 {
		return nil
	}
	f, width := segment.facts, segment.Rows-1
	var err error
	if f.first, err = idAt(reading, segment, 0); err == nil {
		f.last, err = idAt(reading, segment, width)
	}
	if err != nil {
		return fmt.Errorf("read the first and the last id: %w", err)
	}
	f.plausible = true
	row, id := uint64(0), f.first
	for i := uint64(1); i <= sampledRows+1 && f.plausible; i++ {
		next := width * i / (sampledRows + 1)
		there, err := idAt(reading, segment, next)
		if err != nil {
			return fmt.Errorf("read the id of row %d: %w", next, err)
		}
		f.plausible = there >= id && there-id >= next-row
		row, id = next, there
	}
	return nil
}

// guessRow looks for an id where it stands in a segment of ascending ids without
// gaps. That it is not there proves nothing.
func guessRow(in Readings, segment *LiveSegment, id uint64) (row uint64, found bool, err error) {
	if segment.Damage != nil || id < segment.facts.first || id-segment.facts.first >= segment.Rows || in.Dialect(segment.Segment) != segments.DialectRuntime {
		return 0, false, nil
	}
	row = id - segment.facts.first
	there, err := idAt(in.Of(segment.Segment), segment, row)
	return row, err == nil && there == id, err
}

// idAt reads the id of one row, in the runtime dialect.
func idAt(reading *state.Reading, segment *LiveSegment, row uint64) (uint64, error) {
	var encoded [8]byte
	err := volume.ReadFull(reading, encoded[:], segment.RowOffset(row, reading.Snapshot().Dimension()))
	return binary.LittleEndian.Uint64(encoded[:]), err
}

// Find gives the number of the live vector with an id, or ErrNotFound. A damaged
// segment may hold it: then, if no other does, the error is ErrCorrupt.
//
// In each segment the id is expected as many rows from the first as it is larger than the
// first id, which holds for ids that were counted up: one read proves it, and no other row
// with the id is live then. Else the segments' ids are read once, and it is remembered
// whether they ascend: then bisection finds the row with some reads, as it does with a list
// of the rows in order of id, which is kept for the first sortedRows rows that need it.
// Beyond that a segment is read anew.
func (l *Live) Find(ctx context.Context, in Readings, id uint64) (uint64, error) {
	missing := fmt.Errorf("vector %d: %w", id, volume.ErrNotFound)
	hidden := in.hides(id)
	if hidden == len(in)-1 {
		return 0, missing
	}
	for _, look := range []func(*LiveSegment) (uint64, bool, error){
		func(segment *LiveSegment) (uint64, bool, error) { return guessRow(in, segment, id) },
		func(segment *LiveSegment) (uint64, bool, error) {
			return l.search(ctx, in.Of(segment.Segment), segment, id)
		},
	} {
		for i := len(l.Segments) - 1; i >= 0 && l.Segments[i].Source > hidden; i-- {
			segment := &l.Segments[i]
			if segment.Damage != nil {
				missing = fmt.Errorf("look for vector %d: %w", id, segment.Damage)
				continue
			}
			row, found, err := look(segment)
			switch {
			case errors.Is(err, volume.ErrCorrupt):
				missing = fmt.Errorf("look for vector %d: %w", id, err)
			case err != nil:
				return 0, err
			case found && segment.IsLive(row):
				return segment.before + segment.rank(row), nil
			}
		}
	}
	return 0, missing
}

// sortedRows bounds, for one snapshot, the rows of which is kept how their ids
// follow each other: 16 MiB.
const sortedRows = 4 << 20

// idOrder is how the ids of one segment follow each other.
type idOrder struct {
	lowest, highest uint64
	ascending       bool     // strictly
	sorted          []uint32 // rows in order of id, equal ids in order of row; nil if not kept
}

// orderOf is how the ids of a segment follow each other, which is read once.
func (l *Live) orderOf(ctx context.Context, reading *state.Reading, segment *LiveSegment) (idOrder, error) {
	return segment.facts.order.Get(ctx, func(ctx context.Context) (idOrder, error) { return l.readOrder(ctx, reading.During(ctx), segment) })
}

// isKept reports whether some reads find a row.
func (o idOrder) isKept() bool { return o.ascending || o.sorted != nil }

// search finds the last row of a segment with an id.
func (l *Live) search(ctx context.Context, reading *state.Reading, segment *LiveSegment, id uint64) (row uint64, found bool, err error) {
	order, err := l.orderOf(ctx, reading, segment)
	if err != nil || id < order.lowest || id > order.highest {
		return 0, false, err
	}
	place := func(i int) uint64 { return uint64(i) }
	switch {
	case order.sorted != nil:
		place = func(i int) uint64 { return uint64(order.sorted[i]) }
	case !order.isKept():
		err = eachID(ctx, reading, segment, func(first uint64, ids []uint64) {
			for i, other := range ids {
				if other == id {
					row, found = first+uint64(i), true
				}
			}
		})
		return row, found, err
	}
	read := func(i int) uint64 {
		var there uint64
		if err == nil {
			there, err = idAt(reading, segment, place(i))
		}
		return there
	}
	behind := sort.Search(int(segment.Rows), func(i int) bool { return read(i) > id })
	if behind == 0 || err != nil {
		return 0, false, err
	}
	return place(behind - 1), read(behind-1) == id, err
}

// readOrder reads all ids of a segment.
func (l *Live) readOrder(ctx context.Context, reading *state.Reading, segment *LiveSegment) (idOrder, error) {
	runtime := reading.Snapshot().Dialect() == segments.DialectRuntime
	order := idOrder{lowest: ^uint64(0), ascending: runtime}
	var kept []uint64
	keep := order.ascending && l.room.Add(-int64(segment.Rows)) >= 0
	if keep {
		kept = make([]uint64, 0, segment.Rows)
	}
	err := eachID(ctx, reading, segment, func(first uint64, ids []uint64) {
		for i, id := range ids {
			if id <= order.highest && (first > 0 || i > 0) {
				order.ascending = false
			}
			order.lowest, order.highest = min(order.lowest, id), max(order.highest, id)
		}
		if keep {
			kept = append(kept, ids...)
		}
	})
	if keep && err == nil && !order.ascending {
		order.sorted = sortRows(kept)
		return order, nil
	}
	if order.sorted == nil && runtime {
		l.room.Add(int64(segment.Rows))
	}
	return order, err
}

// sortRows lists rows in order of id, those of one id in order of row.
func sortRows(ids []uint64) []uint32 {
	type place struct {
		id  uint64
		row uint32
	}
	places := make([]place, len(ids))
	for row, id := range ids {
		places[row] = place{id, uint32(row)}
	}
	slices.SortFunc(places, func(a, b place) int {
		switch {
		case a.id < b.id:
			return -1
		case a.id > b.id:
			return 1
		default:
			return int(a.row) - int(b.row)
		}
	})
	sorted := make([]uint32, len(ids))
	for i, p := range places {
		sorted[i] = p.row
	}
	return sorted
}

// orders finds out which segments' ids ascend while all are read, the last first. Then
// nobody has to read them again for that.
type orders []seenOrder

type seenOrder struct {
	idOrder
	begun bool
}

func newOrders(all []LiveSegment) orders {
	found := make(orders, len(all))
	for i := range found {
		found[i].ascending = true
	}
	return found
}

// see looks at ids of a segment when it has seen those behind.
func (o orders) see(segment int, ids []uint64) error {
	order := &o[segment]
	if !order.ascending {
		return nil
	}
	if last := ids[len(ids)-1]; !order.begun {
		order.highest, order.begun = last, true
	} else if last >= order.lowest {
		order.ascending = false
	}
	order.lowest = ids[0]
	for i := 1; i < len(ids); i++ {
		if ids[i-1] >= ids[i] {
			order.ascending = false
		}
	}
	return nil
}

// keep makes known what was found.
func (o orders) keep(ctx context.Context, in Readings, all []LiveSegment) error {
	for i := range all {
		segment, order := &all[i], o[i]
		if !order.begun || !order.ascending || in.Dialect(segment.Segment) != segments.DialectRuntime {
			continue
		}
		if _, err := segment.facts.order.Get(ctx, func(context.Context) (idOrder, error) { return order.idOrder, nil }); err != nil {
			return err
		}
	}
	return nil
}

// eachID visits the ids of a segment in order.
func eachID(ctx context.Context, reading *state.Reading, segment *LiveSegment, visit func(first uint64, ids []uint64)) error {
	reader, err := Open(reading, segment.Entry)
	if err != nil {
		return err
	}
	ids := make([]uint64, RowsPerRead)
	for first := 0; first < reader.Count(); first += len(ids) {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := ids[:min(len(ids), reader.Count()-first)]
		if err := reader.ReadIDs(first, part); err != nil {
			return fmt.Errorf("read ids of the segment at offset %d: %w", segment.Entry.Offset, volume.AsCorrupt(err))
		}
		visit(uint64(first), part)
	}
	return nil
}
