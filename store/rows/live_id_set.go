package rows

import (
	"context"
	"errors"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/state"
)

// LiveIDs are the ids of all live vectors of the sources. Where it is known of a segment
// that its ids are counted up, none of them is read. A damaged segment is ErrCorrupt.
func LiveIDs(ctx context.Context, s Sources, charge *memory.Charge) (*idset.Set, error) {
	ids := idset.New()
	grows := NewGrowingSets(charge, 0)
	return ids, With(ctx, s, func(live *Live) error {
		return s.With(ctx, state.Deciding, func(in Readings) error {
			for i := range live.Segments {
				segment := &live.Segments[i]
				if segment.Damage != nil {
					return segment.Damage
				}
				if err := live.addIDs(ctx, in, segment, ids, &grows); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// addIDs adds the ids of the live rows of one segment.
func (l *Live) addIDs(ctx context.Context, in Readings, segment *LiveSegment, ids *idset.Set, grows *GrowingSets) error {
	if first, counted, err := l.countedUp(in, segment); err != nil {
		return err
	} else if counted {
		add := func(from, to uint64) {
			if from < to {
				ids.AddRun(first+from, to-from)
			}
		}
		row := uint64(0)
		for dead := segment.dead.set().Cursor(); dead.Any; dead.Next() {
			add(row, dead.Run.First)
			row = dead.Run.Last + 1
		}
		add(row, segment.Rows)
		return grows.Follow(ids)
	}
	var late error
	err := eachID(ctx, in.Of(segment.Segment), segment, func(first uint64, part []uint64) {
		live := part[:0]
		for i, id := range part {
			if segment.IsLive(first + uint64(i)) {
				live = append(live, id)
			}
		}
		ids.Add(live)
		late = errors.Join(late, grows.Follow(ids))
	})
	return errors.Join(err, late)
}

// wideSample is the number of rows that are looked at before the ids of a segment, of which
// none occurs twice, are believed to be counted up.
const wideSample = 1024

// countedUp reports whether each row of a segment has the id after that of the row before,
// and the first. All ids were read once, or the manifest says that no id occurs twice,
// first and last are as far apart as they have to be, and so are many between them.
func (l *Live) countedUp(in Readings, segment *LiveSegment) (first uint64, counted bool, err error) {
	if in.Dialect(segment.Segment) != segments.DialectRuntime || segment.Rows == 0 {
		return 0, false, nil
	}
	if order, known := segment.facts.order.Known(); known {
		return order.lowest, order.ascending && order.highest-order.lowest == segment.Rows-1, nil
	}
	f := segment.facts
	if !l.trusted || !f.plausible || f.last-f.first != segment.Rows-1 {
		return 0, false, nil
	}
	reading := in.Of(segment.Segment)
	for i := range uint64(wideSample) {
		row := (segment.Rows - 1) / wideSample * i
		id, err := idAt(reading, segment, row)
		if err != nil || id != f.first+row {
			return 0, false, err
		}
	}
	return f.first, true, nil
}
