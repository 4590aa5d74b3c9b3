package filelog

import (
	"context"

	"rvffs/segments"
	"rvffs/store/volume"
)

// carriage is what stands in the new file of segments that are not committed: while
// a load is under way a rewrite takes along what of it is written, so that writers
// need not wait for gigabytes. The segments stand where they will stay, behind a gap
// that leaves room for what is committed meanwhile, and for the manifest.
type carriage struct {
	start int64 // of the first segment
	items []*carried
}

// carried is one segment in the new file.
type carried struct {
	extent *Extent
	offset int64 // of the header
	length int64 // of the payload, as far as it is known to be reserved
	done   int64 // bytes of the payload, from its start, that are there
	gone   bool  // committed or given up, or it has outgrown its place: the bytes are of no use
}

func (c *carried) end() int64 { return c.offset + segments.HeaderSize + c.length }

// openExtent is a segment that is not committed, at one moment.
type openExtent struct {
	*Extent
	length int64 // of the payload, as far as it is reserved
	stable int64 // bytes of it, from its start, that are written and will not change
}

// openExtents lists what is not committed, in file order.
func (s *Session) openExtents() []openExtent {
	s.mu.Lock()
	defer s.mu.Unlock()
	var open []openExtent
	for _, e := range s.extents {
		if !e.dropped.Load() {
			open = append(open, openExtent{e, e.length, e.stable()})
		}
	}
	return open
}

// frozenExtents describes extents that nobody writes to.
func frozenExtents(extents []*Extent) []openExtent {
	open := make([]openExtent, 0, len(extents))
	for _, e := range extents {
		open = append(open, openExtent{e, e.length, e.length})
	}
	return open
}

func (c *carriage) find(e *Extent) *carried {
	if c == nil {
		return nil
	}
	for _, item := range c.items {
		if item.extent == e && !item.gone {
			return item
		}
	}
	return nil
}

// lacks is how many bytes of open segments are not there yet.
func (c *carriage) lacks(open []openExtent) (lacking int64) {
	for _, e := range open {
		done := int64(e.spec.Front)
		if item := c.find(e.Extent); item != nil {
			done = item.done
		}
		lacking += max(0, e.stable-done)
	}
	return lacking
}

// end is where the carried segments end.
func (c *carriage) end() int64 {
	if len(c.items) == 0 {
		return c.start
	}
	return c.items[len(c.items)-1].end()
}

// retire notes which segments are gone, and reports whether the end moved back. A
// segment can have grown although others were placed behind it, for these may have
// been given up.
func (c *carriage) retire(open []openExtent) (shorter bool) {
	lengths := map[*Extent]int64{}
	for _, e := range open {
		lengths[e.Extent] = e.length
	}
	last := len(c.items) - 1
	for i, item := range c.items {
		length, there := lengths[item.extent]
		if !there || i < last && length > item.length {
			item.gone = true
		} else if !item.gone {
			item.length = length
		}
	}
	for len(c.items) > 0 && c.items[len(c.items)-1].gone {
		c.items, shorter = c.items[:len(c.items)-1], true
	}
	return shorter
}

// wasted reports whether most of what was carried has come to nothing.
func (c *carriage) wasted() bool {
	var useless, useful int64
	for _, item := range c.items {
		if item.gone {
			useless += item.done
		} else {
			useful += item.done
		}
	}
	return useless > useful
}

// place gives those segments a place that have none.
func (c *carriage) place(open []openExtent) {
	for _, e := range open {
		if c.find(e.Extent) == nil {
			c.items = append(c.items, &carried{extent: e.Extent, offset: c.end(), length: e.length, done: int64(e.spec.Front)})
		}
	}
}

// firstGapShift says how much smaller than the load the gap in front of it is, as a
// power of two.
const firstGapShift = 4

// carry copies what is written of open segments and will not change. Their headers
// stay zero.
func (r *Rewrite) carry(ctx context.Context, open []openExtent, room int64) error {
	if r.carriage != nil && r.carriage.retire(open) {
		// What is placed there next needs zeros for its header.
		if err := r.target.Truncate(r.carriage.end()); err != nil {
			return err
		}
	}
	if r.carriage != nil && r.carriage.wasted() {
		if err := r.forgetCarried(); err != nil {
			return err
		}
	}
	if r.carriage == nil {
		// The longer the load takes, the more may be committed meanwhile.
		gap := r.limits.Little + r.carriage.lacks(open)>>r.gapShift
		r.carriage = &carriage{start: r.tail + gap + room + smallestFiller}
	}
	r.carriage.place(open)
	for _, e := range open {
		item := r.carriage.find(e.Extent)
		length := e.stable - item.done
		if length <= 0 {
			continue
		}
		r.progress.Expect(length)
		from := segments.HeaderSize + item.done
		if err := volume.CopyRange(volume.WatchWriter(ctx, volume.NewOffsetWriter(r.out, item.offset+from)), r.old, e.offset+from, length); err != nil {
			return err
		}
		r.progress.Done(length)
		item.done = e.stable
	}
	return nil
}

// forgetCarried gives up what was carried.
func (r *Rewrite) forgetCarried() error {
	if r.carriage == nil {
		return nil
	}
	r.carriage = nil
	return r.target.Truncate(r.tail)
}

// smallestFiller is the shortest run of bytes that can be made a segment without
// rows.
const smallestFiller = segments.HeaderSize + segments.VecPrefixSize

// MakeRoom gives up what was carried if so many more bytes of segments, with room for
// what the next commit writes besides, would reach it.
func (r *Rewrite) MakeRoom(ctx context.Context, more, room int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.carriage == nil || r.tail+more+room+smallestFiller <= r.carriage.start {
		return nil
	}
	r.gapShift = max(0, r.gapShift-2)
	return r.forgetCarried()
}

// move is an extent's new place.
type move struct {
	extent *Extent
	offset int64
}

// apply lets the extent's writer go on in the new file.
func (m move) apply() {
	shift := m.offset - m.extent.offset
	for i := range m.extent.masked {
		m.extent.masked[i] += shift
	}
	m.extent.offset = m.offset
	m.extent.headed.Store(false)
}

// carryRest completes the carriage while nobody writes. It returns what the session
// has open in the new file, in file order, and the moves that lead there.
func (r *Rewrite) carryRest(ctx context.Context, extents []*Extent) (placed []*Extent, moves []move, err error) {
	if len(extents) == 0 {
		return nil, nil, r.forgetCarried()
	}
	if r.carriage != nil && r.tail+smallestFiller > r.carriage.start {
		// More was written than there was room for.
		if err := r.forgetCarried(); err != nil {
			return nil, nil, err
		}
	}
	if r.carriage == nil {
		r.carriage = &carriage{start: r.tail}
	}
	if err := r.carry(ctx, frozenExtents(extents), 0); err != nil {
		return nil, nil, err
	}
	for _, item := range r.carriage.items {
		if item.gone {
			continue
		}
		fillers, err := r.bury(item.offset)
		if err != nil {
			return nil, nil, err
		}
		placed = append(append(placed, fillers...), item.extent)
		moves = append(moves, move{item.extent, item.offset})
		r.tail = item.end()
	}
	return placed, moves, r.target.Truncate(r.tail)
}

// bury gives up the bytes up to offset: the next commit makes dead segments of
// them, so that the file can be walked.
func (r *Rewrite) bury(offset int64) (fillers []*Extent, err error) {
	for r.tail < offset {
		length := offset - r.tail
		if most := int64(segments.HeaderSize + segments.MaxPayload); length > most {
			length = min(most, length-smallestFiller)
		}
		if _, err := r.target.WriteAt(make([]byte, segments.HeaderSize), r.tail); err != nil {
			return nil, volume.WriteError(err, segments.HeaderSize, r.tail)
		}
		filler := &Extent{
			session: r.session, spec: volume.ExtentSpec{Type: segments.TypeVec, Front: segments.VecPrefixSize},
			offset: r.tail, length: length - segments.HeaderSize, sealed: true,
		}
		filler.dropped.Store(true)
		fillers = append(fillers, filler)
		r.tail += length
	}
	return fillers, nil
}
