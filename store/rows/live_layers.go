package rows

import (
	"context"
	"errors"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// layOver works the live rows of a branch out from those of what it inherits, which are
// found once for all branches of a state: its own ones come behind them, and they die
// whose id the branch does not show, has stored anew or deleted. It is nil where nothing
// is inherited, or where it is no less work to look at all ids.
func layOver(ctx context.Context, s Sources, in Readings, charge *memory.Charge) (*Live, error) {
	base, some := s.Inherited()
	if !some || s.newest().Dialect() != segments.DialectRuntime {
		return nil, nil
	}
	before, done, err := Hold(ctx, base)
	if errors.Is(err, volume.ErrCorrupt) {
		return nil, nil // who begins anew will say what is damaged
	}
	if err != nil {
		return nil, err
	}
	defer done()
	c := newCarrying(before, s, in, charge)
	return c.attempt(ctx, c.layOver)
}

func (c *carrying) layOver(ctx context.Context) error {
	if err := c.compare(ctx); err != nil {
		return err
	}
	if c.kept < len(c.before.Segments) {
		return errNotCarried
	}
	if c.members != nil {
		for i := range c.kept {
			if err := c.leaveOut(ctx, i); err != nil {
				return err
			}
		}
	}
	if err := c.findOwn(ctx); err != nil {
		return err
	}
	sought := c.next.Deleted().Without(idset.New())
	sought.Unite(c.ids)
	sought = c.inherited(sought, c.members)
	if err := c.pays(sought.Len()); err != nil {
		return err
	}
	return c.bury(ctx, idset.New(), sought, 0)
}

// findOwn finds the dead ones of the branch's own rows, and their ids, unless it is certain
// that none of these is shown of what is inherited.
func (c *carrying) findOwn(ctx context.Context) error {
	dead, sure, err := deadWithoutScan(Of(c.next), c.in, c.added)
	if err != nil {
		return err
	}
	if sure && c.areApart() {
		copy(c.dead[c.kept:], dead)
		return nil
	}
	return c.readIDs(ctx)
}

// areApart reports whether no id of the branch's own rows can be one that it inherits.
func (c *carrying) areApart() bool {
	for i := range c.added {
		f := c.added[i].facts
		if c.members == nil || !f.plausible || c.members.countIn(f.first, f.last) > 0 {
			return false
		}
	}
	return true
}

// leaveOut finds the rows of an inherited segment that the branch does not show.
//
// Where ids ascend without gaps, the members between the first and the last are counted
// whose rows live here: if there are as many as live rows, all of these are members. If not,
// those that are missing tell where their rows are. Else all ids are read.
func (c *carrying) leaveOut(ctx context.Context, i int) error {
	segment := &c.before.Segments[i]
	if segment.Live == 0 {
		return nil
	}
	if first, last, ascending := segment.bounds(); ascending && last-first == segment.Rows-1 {
		shown := c.members.countIn(first, last)
		for dead := segment.dead.set().Cursor(); dead.Any; dead.Next() {
			shown -= c.members.countIn(first+dead.Run.First, first+dead.Run.Last) // which may live elsewhere
		}
		if shown == segment.Live && c.showsEnds(segment, first, last) {
			return nil
		}
		if shown < segment.Live {
			left, err := c.leaveOutAbsent(i, first, last)
			if err != nil {
				return err
			}
			if left && segment.Live-c.dead[i].set().Len() == shown {
				return nil
			}
			c.dead[i] = DeadRows{}
		}
	}
	return c.leaveOutRead(ctx, i)
}

// showsEnds reports whether the first and the last row of a segment are shown as far as they live.
func (c *carrying) showsEnds(segment *LiveSegment, first, last uint64) bool {
	return (!segment.IsLive(0) || c.members.Contains(first)) && (!segment.IsLive(segment.Rows-1) || c.members.Contains(last))
}

// bounds are the lowest and the highest id, if the ids ascend as far as that is known.
func (g *LiveSegment) bounds() (first, last uint64, ascending bool) {
	if order, known := g.facts.order.Known(); known {
		return order.lowest, order.highest, order.ascending
	}
	return g.facts.first, g.facts.last, g.facts.plausible
}

// leaveOutAbsent looks for the rows of ids that are not shown where they stand in a segment
// without gaps; false when there are many, or when one is not there.
func (c *carrying) leaveOutAbsent(i int, first, last uint64) (bool, error) {
	segment := &c.before.Segments[i]
	absent, err := c.members.absent(first, last, max(guessedIDs, segment.Rows/searchReads))
	if err != nil {
		return false, nil
	}
	order, known := segment.facts.order.Known()
	for _, id := range absent {
		row := id - first
		if !segment.IsLive(row) {
			continue
		}
		if !known || !order.ascending {
			_, there, err := guessRow(c.in, segment, id)
			if err != nil || !there {
				return false, err
			}
		}
		c.dead[i].add(row)
	}
	return true, nil
}

// leaveOutRead reads all ids of a segment.
func (c *carrying) leaveOutRead(ctx context.Context, i int) error {
	segment := &c.before.Segments[i]
	reading := c.in.Of(segment.Segment)
	c.replaced = true // what is shown depends on ids that were read
	order := idOrder{ascending: c.in.Dialect(segment.Segment) == segments.DialectRuntime}
	grows := GrowingSets{charge: c.charge, other: c.charge.Held()}
	var full error
	err := eachID(ctx, reading, segment, func(from uint64, ids []uint64) {
		for at, id := range ids {
			row := from + uint64(at)
			switch {
			case row == 0:
				order.lowest = id
			case id <= order.highest:
				order.ascending = false
			}
			order.highest = id
			if segment.IsLive(row) && !c.members.Contains(id) {
				c.dead[i].add(row)
			}
		}
		if full == nil {
			full = grows.Follow(c.dead[i].set())
		}
	})
	if err := errors.Join(err, full); err != nil {
		return err
	}
	if order.ascending {
		_, err = segment.facts.order.Get(ctx, func(context.Context) (idOrder, error) { return order, nil })
	}
	return err
}
