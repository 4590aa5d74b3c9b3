package rows

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Live numbers the live vectors of some sources in the order of Readings.Segments
// and tells where each of them stands. It takes some bytes for each segment; where
// rows are dead, also their positions and a count for each liveBlock rows.
type Live struct {
	Segments []LiveSegment // those that hold rows
	count    uint64
	// trusted says that no id occurs twice, and that this was not found out by reading all:
	// what the manifest and some rows of each segment say was enough.
	trusted bool
	// unread says that ids of some rows could not be read, and replace nothing.
	unread bool
	// unplaced is why nobody can tell the numbers of rows of segments from the one with
	// the index placed on; nil when they are right.
	unplaced error
	placed   int
	// shown is done when a row was given out for the first time.
	shown sync.Once
	// room is how many more rows the sorted lists of the segments may hold.
	room *atomic.Int64
}

// LiveSegment is one vector segment and its live rows.
type LiveSegment struct {
	Segment
	Rows   uint64
	Live   uint64
	before uint64   // live rows of the segments before
	dead   DeadRows // positions of the others
	blocks []uint32 // live rows before each liveBlock rows; nil when all live
	Damage error    // why no row of it can be read; nil for a sound segment
	facts  *segmentIDs
}

// foundRows keeps what was found out about the rows of a snapshot.
var foundRows state.Attachment[rowsFound]

// rowsFound is what was found out about the rows of sources.
type rowsFound struct {
	distinct atomic.Pointer[bool] // whether no id occurs twice, once that was decided
	live     memory.Cached[*Live]
}

// liveBlock is the number of rows for which a segment keeps one count.
const liveBlock = 4096

// errRowNumber says that a row was asked for that no view can ask for.
var errRowNumber = errors.New("no such row")

// Hold finds the live rows, once for the sources.
//
// Where those of an earlier state of the file are known, only what has changed since is
// looked at (carryOn). Of a branch those of what it inherits are found first, by whoever
// asks for the first of its branches, and what the branch hides of them is left out
// (layOver). Else nothing is read but the ends of the segments when all rows
// are certain to be live (deadWithoutScan), or the ids are read, and nothing else.
//
// Of a segment that is damaged, as many rows count as live as the directory's length
// has room for: the others keep their places, and reading those of the damaged one
// fails. Which older rows it replaces, and which of its own are replaced or deleted,
// cannot be told: where the numbers of ids and of deleted ones leave that open,
// reading older rows, and those behind by their number, fails, too. In the wire
// dialect, where the length does not tell the number of rows,
// and when the directory points outside of the file, the whole answer is
// ErrCorrupt.
//
// The caller is done with them when it calls done.
func Hold(ctx context.Context, s Sources) (live *Live, done func(), err error) {
	s = s.renewed() // what was found before may be wrong
	return s.known().live.Get(ctx, s.Memory(), func(ctx context.Context, charge *memory.Charge) (found *Live, err error) {
		err = s.With(ctx, state.Looking, func(in Readings) error {
			found, err = findLiveRows(ctx, s, in, charge)
			return err
		})
		if err == nil {
			s.noteFound()
		}
		return found, err
	}, nil)
}

// With runs use while the live rows are held.
func With(ctx context.Context, s Sources, use func(*Live) error) error {
	live, done, err := Hold(ctx, s)
	if err != nil {
		return fmt.Errorf("find the live vectors: %w", err)
	}
	defer done()
	return use(live)
}

// liveSegmentBytes is about how much memory a segment takes, and what is known of its
// ids.
const liveSegmentBytes = 256

func findLiveRows(ctx context.Context, s Sources, in Readings, charge *memory.Charge) (*Live, error) {
	l := &Live{room: new(atomic.Int64)}
	l.room.Store(sortedRows)
	if s.Dimension() == 0 {
		return l, nil
	}
	if carried, err := carryOn(ctx, s, in, charge); carried != nil || err != nil {
		return carried, err
	}
	if layered, err := layOver(ctx, s, in, charge); layered != nil || err != nil {
		return layered, err
	}
	near := in.nearby()
	all := in.Segments()
	if err := charge.Set(int64(len(all)) * liveSegmentBytes); err != nil {
		return nil, err
	}
	l.Segments = make([]LiveSegment, 0, len(all))
	some := all[:0] // those that hold rows
	for _, one := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		segment, err := outlineSegment(ctx, near.of(one), one)
		if err != nil {
			return nil, err
		}
		if segment.Rows > 0 {
			l.Segments, some = append(l.Segments, segment), append(some, one)
		}
	}
	dead, sure, err := deadWithoutScan(s, in, l.Segments)
	if err != nil {
		return nil, err
	}
	if l.trusted = sure; !sure {
		orders := newOrders(l.Segments)
		dead, err = findDead(ctx, in.For(state.Deciding), some, nil, charge, func(segment Segment, err error) error {
			if errors.Is(err, volume.ErrCorrupt) && in.Dialect(segment) == segments.DialectRuntime {
				l.unread = true
				return nil // its rows stay live; reading them tells
			}
			return err
		}, orders.see)
		if err == nil && !l.unread {
			err = orders.keep(ctx, in, l.Segments)
		}
		if err != nil {
			return nil, err
		}
	}
	l.doubt(s, dead)
	for i := range l.Segments {
		l.Segments[i].bury(dead[i])
	}
	if err := charge.Set(l.bytes()); err != nil {
		return nil, err
	}
	return l, l.countBefore()
}

// bytes is about how much memory the live rows take; what grows with searches for
// ids is counted in full.
func (l *Live) bytes() int64 {
	total := int64(len(l.Segments)) * liveSegmentBytes
	var sortable uint64
	for i := range l.Segments {
		g := &l.Segments[i]
		total += 4 * int64(len(g.blocks))
		if g.dead.positions != nil {
			total += g.dead.positions.Bytes()
		}
		sortable += g.Rows
	}
	return total + 4*int64(min(sortable, sortedRows))
}

// doubt finds out what cannot be known for the sake of damaged segments. Where the number of
// different ids in a file is that of its rows, none of these was replaced by another of the
// file. Where so many rows of the sound ones are dead then as ids are deleted, all rows of the
// damaged ones are live: unless there are several sources, as nobody has counted how many rows
// of one those behind it hide.
func (l *Live) doubt(s Sources, dead []DeadRows) {
	rows := make([]uint64, len(s.snapshots)) // of each source
	var buried uint64
	for i := range l.Segments {
		segment := &l.Segments[i]
		rows[segment.Source] += segment.Rows
		if dead[i].positions != nil {
			buried += dead[i].positions.Len()
		}
		if segment.Damage != nil && l.unplaced == nil {
			l.unplaced, l.placed = segment.Damage, i+1
		}
	}
	apart := func(source int) bool { return rows[source] == s.snapshots[source].Manifest().TotalVectors }
	if len(rows) == 1 && apart(0) && buried == s.newest().Deleted().Len() {
		l.unplaced = nil
	}
	var newest *LiveSegment // of the damaged ones
	for i := len(l.Segments) - 1; i >= 0; i-- {
		segment := &l.Segments[i]
		switch {
		case segment.Damage != nil && newest == nil:
			newest = segment
		case segment.Damage == nil && newest != nil && (segment.Source < newest.Source || !apart(segment.Source)):
			segment.Damage = fmt.Errorf("%w: which of the vectors at offset %d were replaced cannot be told: %w",
				volume.ErrCorrupt, segment.Entry.Offset, newest.Damage)
		}
	}
}

// outlineSegment reads the beginning of a vector segment, and some of its ids. A number of
// rows that is not the one for which there is room may have been another once: then
// the segment is checked before it is believed.
func outlineSegment(ctx context.Context, reading *state.Reading, one Segment) (LiveSegment, error) {
	s, entry := reading.Snapshot(), one.Entry
	segment := LiveSegment{Segment: one, facts: &segmentIDs{}}
	end := s.Size() - segments.HeaderSize
	if entry.Offset < 0 || entry.Offset > end || entry.PayloadLength > uint64(end-entry.Offset) {
		return segment, fmt.Errorf("%w: the directory names vectors at offset %d, %d bytes, in a store of %d",
			volume.ErrCorrupt, entry.Offset, entry.PayloadLength, s.Size())
	}
	reader, err := Open(reading, entry)
	if err == nil {
		segment.Rows = uint64(reader.Count())
		if s.Dialect() == segments.DialectRuntime {
			if segment.Rows != rowsIn(entry.PayloadLength, s.Dimension()) {
				err = s.Demand(ctx, entry)
			}
			if err == nil {
				err = sampleIDs(reading, &segment)
			}
		}
	}
	if errors.Is(err, volume.ErrCorrupt) && s.Dialect() == segments.DialectRuntime {
		segment.Damage, err = err, nil
		segment.Rows = rowsIn(entry.PayloadLength, s.Dimension())
	}
	segment.Live = segment.Rows
	return segment, err
}

// rowsIn is the number of rows for which a payload has room, in the runtime
// dialect.
func rowsIn(payload uint64, dimension int) uint64 {
	if payload < segments.VecPrefixSize {
		return 0
	}
	return min((payload-segments.VecPrefixSize)/uint64(segments.RowSize(dimension)), math.MaxUint32)
}

// deadWithoutScan finds the dead rows of the segments of one source if that is possible
// without reading all ids; else it returns false.
func deadWithoutScan(s Sources, in Readings, found []LiveSegment) (dead []DeadRows, sure bool, err error) {
	if len(s.snapshots) > 1 || !allDistinct(s, found) {
		return nil, false, nil
	}
	dead = make([]DeadRows, len(found))
	deleted := s.Deleted()
	if len(deleted) > guessedDeletions {
		return nil, false, nil
	}
	for _, id := range deleted {
		buried := false
		for i := range found {
			row, known, err := guessRow(in, &found[i], id)
			if errors.Is(err, volume.ErrCorrupt) {
				return nil, false, nil
			}
			if err != nil {
				return nil, false, err
			}
			if known {
				dead[i].add(row)
				buried = true
				break
			}
		}
		if !buried {
			return nil, false, nil
		}
	}
	return dead, true, nil
}

// readBytes is how many bytes of vectors a store may have for its ids to be read
// rather than believed.
const readBytes = 4 << 20

// guessedDeletions bounds how many deleted ids are looked up one by one rather
// than by reading all ids.
const guessedDeletions = 4096

// allDistinct reports whether no id occurs twice. Two witnesses are believed:
//
// The engine has counted the different ids of this very state, and there are as
// many as rows.
//
// Or the manifest's number of distinct ids equals that of the rows, which a writer
// that replaced a row cannot have written down; and because that number is known
// to be wrong in some files, the rows that were sampled must look like ascending
// ids, and no two segments' ranges may overlap. What remains is a file whose
// manifest and samples agree by accident or malice although an id occurs twice
// within one segment: its views then show both rows. Nothing else depends on it.
// Where reading all ids is a matter of milliseconds that is done instead.
func allDistinct(s Sources, found []LiveSegment) bool {
	if slices.ContainsFunc(found, func(g LiveSegment) bool { return g.Damage != nil }) {
		return false
	}
	if known := s.known().distinct.Load(); known != nil {
		return *known // a view that was shown has its size from that
	}
	distinct := believeDistinct(s.newest(), found)
	s.known().distinct.Store(&distinct)
	return distinct
}

func believeDistinct(s *state.Snapshot, found []LiveSegment) bool {
	total, counted := s.DistinctIDs()
	if !counted {
		total = s.Manifest().TotalVectors
	}
	rows := rowsOf(found)
	switch {
	case total != rows:
		return false
	case counted:
		return true
	case s.Dialect() != segments.DialectRuntime, rows*uint64(segments.RowSize(s.Dimension())) <= readBytes:
		return false
	}
	ranges := make([]*segmentIDs, len(found))
	for i := range found {
		ranges[i] = found[i].facts
		if !ranges[i].plausible {
			return false
		}
	}
	slices.SortFunc(ranges, func(a, b *segmentIDs) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	for i := 1; i < len(ranges); i++ {
		if ranges[i].first <= ranges[i-1].last {
			return false
		}
	}
	return true
}

// Knows reports whether the segment at an offset of a source was known to be damaged when
// the live rows were found.
func (l *Live) Knows(source int, offset int64) bool {
	return slices.ContainsFunc(l.Segments, func(g LiveSegment) bool {
		return g.Source == source && g.Entry.Offset == offset && g.Damage != nil
	})
}

// bury takes dead rows out of the segment's live ones and counts.
func (g *LiveSegment) bury(dead DeadRows) {
	if dead.positions == nil || dead.positions.Len() == 0 {
		return
	}
	g.dead, g.Live = dead, g.Rows-dead.positions.Len()
	g.blocks = make([]uint32, 0, g.Rows/liveBlock+1)
	cursor := dead.positions.Cursor()
	live := uint64(0)
	for first := uint64(0); first < g.Rows; first += liveBlock {
		g.blocks = append(g.blocks, uint32(live))
		end := min(first+liveBlock, g.Rows)
		live += end - first
		for cursor.Any && cursor.Run.First < end {
			live -= min(cursor.Run.Last+1, end) - max(cursor.Run.First, first)
			if cursor.Run.Last >= end {
				break
			}
			cursor.Next()
		}
	}
}

// countBefore counts the live rows before each segment.
func (l *Live) countBefore() error {
	l.count = 0
	for i := range l.Segments {
		segment := &l.Segments[i]
		segment.before = l.count
		if segment.Live > math.MaxInt64-l.count {
			return fmt.Errorf("%w: more vectors than can be counted", volume.ErrCorrupt)
		}
		l.count += segment.Live
	}
	return nil
}

// Locate finds the segment and the row in it of the live vector with the number n.
func (l *Live) Locate(n uint64) (segment int, row uint64, err error) {
	if n >= l.count {
		return 0, 0, fmt.Errorf("%w: %d of %d", errRowNumber, n, l.count)
	}
	segment = sort.Search(len(l.Segments), func(i int) bool { return l.Segments[i].before > n }) - 1
	for l.Segments[segment].Live == 0 {
		segment--
	}
	g := &l.Segments[segment]
	return segment, g.locate(n - g.before), nil
}

// locate finds the row of the segment's live vector with the number n.
func (g *LiveSegment) locate(n uint64) uint64 {
	if g.blocks == nil {
		return n
	}
	block := sort.Search(len(g.blocks), func(i int) bool { return uint64(g.blocks[i]) > n }) - 1
	n -= uint64(g.blocks[block])
	row := uint64(block) * liveBlock
	cursor := g.dead.positions.Cursor()
	for cursor.Seek(row); cursor.Any; cursor.Next() {
		if cursor.Run.First > row {
			if gap := cursor.Run.First - row; n < gap {
				break
			} else {
				n -= gap
			}
		}
		row = cursor.Run.Last + 1
	}
	return row + n
}

// rank is the number of live rows before the given row: the reverse of locate.
func (g *LiveSegment) rank(row uint64) uint64 {
	if g.blocks == nil {
		return row
	}
	block := row / liveBlock
	count, at := uint64(g.blocks[block]), block*liveBlock
	cursor := g.dead.positions.Cursor()
	for cursor.Seek(at); cursor.Any && cursor.Run.First < row; cursor.Next() {
		if cursor.Run.First > at {
			count += cursor.Run.First - at
		}
		at = min(cursor.Run.Last+1, row)
	}
	return count + row - at
}

// IsLive reports whether a row is live.
func (g *LiveSegment) IsLive(row uint64) bool {
	return !g.dead.Contains(row)
}
