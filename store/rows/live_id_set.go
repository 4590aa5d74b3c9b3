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
// that its ids are counted up, none of them is read; else all are. A damaged segment is
// ErrCorrupt.
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
	if first, counted, err := l.countedUp(ctx, in, segment); err != nil {
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

// countedUp reports whether each row of a segment has the id after that of the row before,
// and the first. Samples tell at once of most segments that it is not so; that it is, only
// all ids do, which are read once.
func (l *Live) countedUp(ctx context.Context, in Readings, segment *LiveSegment) (first uint64, counted bool, err error) {
	if in.Dialect(segment.Segment) != segments.DialectRuntime || segment.Rows == 0 {
		return 0, false, nil
	}
	order, known := segment.facts.order.Known()
	if f := segment.facts; !known {
		if !f.plausible || f.last-f.first != segment.Rows-1 {
			return 0, false, nil
		}
		if order, err = l.orderOf(ctx, in.Of(segment.Segment), segment); err != nil {
			return 0, false, err
		}
	}
	return order.lowest, order.ascending && order.highest-order.lowest == segment.Rows-1, nil
}
