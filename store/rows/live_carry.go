package rows

import (
	"context"
	"errors"
	"slices"
	"sort"
	"sync/atomic"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// lastFound is the newest state of a file of which the live rows were found.
var lastFound state.Attachment[atomic.Pointer[foundState]]

// foundState is a state, with what it inherits, and what was found out about its rows.
type foundState struct {
	sources Sources
	found   *rowsFound
}

// noteFound lets later states of the file go on from what was found.
func (s Sources) noteFound() {
	last := lastFound.Of(s.newest().Backing())
	for {
		known := last.Load()
		if known != nil && known.sources.newest().Generation() > s.newest().Generation() {
			return
		}
		if last.CompareAndSwap(known, &foundState{s, s.known()}) {
			return
		}
	}
}

// What is looked for one by one is bounded: many ids are found sooner when all are read.
const (
	guessedIDs   = 4096 // that may be looked for in any case
	guessedShare = 32   // of the rows, one for each id that may be looked for
	searchReads  = 128  // rows whose ids are read in the time that it takes to search for one
)

// carryOn works the live rows out from those of another state of the file, and from
// nothing but what has changed since, whoever changed it; nil where that cannot be done,
// or is no less work than to begin anew.
//
// The segments that both states name first are the old ones. Of the new ones behind them
// all ids are read, unless it is certain that no row had them before. Old rows are dead as
// they were, and those die whose id is new behind them, or deleted by now. None of the
// others comes back to life: the ids in segments that are not named any more, as those
// that were merged, and the ids that are not deleted any more, must be among the new ones.
func carryOn(ctx context.Context, s Sources, in Readings, charge *memory.Charge) (*Live, error) {
	snapshot := s.newest()
	last := lastFound.Of(snapshot.Backing()).Load()
	if last == nil || snapshot.Dialect() != segments.DialectRuntime || snapshot.Dimension() != last.sources.newest().Dimension() ||
		!s.inheritsAs(last.sources) || !last.sources.newest().AsBelieved(snapshot) {
		return nil, nil
	}
	before, done, known := last.found.live.Peek()
	if !known {
		return nil, nil
	}
	defer done()
	c := newCarrying(before, s, in, charge)
	c.last, c.lastMembers = last.sources.newest(), last.sources.Members()
	return c.attempt(ctx, c.carry)
}

// inheritsAs reports whether both inherit from the same, if from any.
func (s Sources) inheritsAs(other Sources) bool {
	if s.base == nil || other.base == nil {
		return s.base == other.base
	}
	return s.base.known() == other.base.known()
}

// errNotCarried means that all ids have to be read.
var errNotCarried = errors.New("the live rows cannot be carried on")

// carrying is how live rows are carried on from one state to the next, or from what is
// inherited to the branch.
type carrying struct {
	before     *Live
	sources    Sources // of next
	last, next *state.Snapshot
	in         Readings // of next
	charge     *memory.Charge

	members, lastMembers *Members // of the branch, if it is one
	hidden               []uint64 // ids of lastMembers that are none of members

	kept  int // of the first segments of before, which next names, too
	added []LiveSegment
	dead  []DeadRows // that were not before, of those kept and of those added

	ids      *idset.Set // in the segments added, as far as they must be known
	left     *idset.Set // in those not named any more
	replaced bool       // some id may occur twice now
}

func newCarrying(before *Live, s Sources, in Readings, charge *memory.Charge) *carrying {
	return &carrying{
		before: before, sources: s, next: s.newest(), members: s.Members(), in: in.For(state.Deciding), charge: charge, ids: idset.New(), left: idset.New(),
	}
}

// attempt runs a way to carry on, if there is nothing from which none leads; nil where it
// does not work out.
func (c *carrying) attempt(ctx context.Context, way func(context.Context) error) (*Live, error) {
	if c.before.unread || slices.ContainsFunc(c.before.Segments, func(g LiveSegment) bool { return g.Damage != nil }) {
		return nil, nil
	}
	err := way(ctx)
	if ctx.Err() == nil && (errors.Is(err, errNotCarried) || errors.Is(err, volume.ErrCorrupt)) {
		return nil, nil // who begins anew will say what is damaged
	}
	if err != nil {
		return nil, err
	}
	return c.live()
}

func (c *carrying) carry(ctx context.Context) error {
	if err := c.compare(ctx); err != nil {
		return err
	}
	gone := c.next.Deleted().Without(c.last.Deleted())
	risen := c.last.Deleted().Without(c.next.Deleted())
	if err := c.compareMembers(); err != nil {
		return err
	}
	if gone.Len() == 0 && risen.Len() == 0 && len(c.hidden) == 0 && c.fresh() {
		return nil
	}
	appended, counted := c.appended()
	if !counted {
		appended = min(rowsOf(c.before.Segments[c.kept:]), rowsOf(c.added))
	}
	if err := c.pays(max(gone.Len(), rowsOf(c.added)-min(appended, rowsOf(c.added)))); err != nil {
		return err
	}
	if err := c.readIDs(ctx); err != nil {
		return err
	}
	if c.ids.Shared(risen) < risen.Len() || c.ids.Shared(c.left) < c.left.Len() {
		return errNotCarried
	}
	return c.buryOld(ctx, gone)
}

// compareMembers finds out what the branch showed before of what it inherits and does not
// show now. What it shows now and did not before might be anything.
func (c *carrying) compareMembers() (err error) {
	if c.members == nil || c.lastMembers == nil {
		if c.members != c.lastMembers {
			return errNotCarried
		}
		return nil
	}
	fewer := false
	if c.hidden, fewer = c.lastMembers.without(c.members, c.most()); !fewer {
		return errNotCarried
	}
	return nil
}

// compare finds out which segments stay and outlines the others.
func (c *carrying) compare(ctx context.Context) error {
	in := c.in.For(state.Looking)
	near := in.nearby()
	all := c.before.Segments
	for _, one := range in.Segments() {
		if len(c.added) == 0 && c.kept < len(all) && one == all[c.kept].Segment {
			c.kept++
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		segment, err := outlineSegment(ctx, near.of(one), one)
		if err == nil && segment.Damage != nil {
			err = segment.Damage
		}
		if err != nil {
			return err
		}
		if segment.Rows > 0 {
			c.added = append(c.added, segment)
		}
	}
	c.dead = make([]DeadRows, c.kept+len(c.added))
	return nil
}

// rowsOf is the number of rows of some segments.
func rowsOf(some []LiveSegment) (rows uint64) {
	for i := range some {
		rows += some[i].Rows
	}
	return rows
}

// appended is how many ids are in the segments added that were in none before, if
// somebody has counted the ids of both states. Of what is inherited nobody counts them.
func (c *carrying) appended() (uint64, bool) {
	if len(c.in) > 1 {
		return 0, false
	}
	before, counted := c.last.DistinctIDs()
	after, countedAfter := c.next.DistinctIDs()
	return after - before, counted && countedAfter && after >= before && c.kept == len(c.before.Segments)
}

// fresh reports whether it is certain that each row added has an id of its own that no row
// had before, and that was not deleted before either.
func (c *carrying) fresh() bool {
	appended, counted := c.appended()
	return counted && appended == rowsOf(c.added) && (c.last.Deleted().Len() == 0 || c.hadDeleted())
}

// hadDeleted reports whether all ids that were deleted are known to be of one row each.
func (c *carrying) hadDeleted() bool {
	var buried uint64
	for i := range c.before.Segments {
		buried += c.before.Segments[i].dead.set().Len()
	}
	return c.before.trusted && buried == c.last.Deleted().Len()
}

// pays fails where so many ids are to be looked for that it is quicker to begin anew.
func (c *carrying) pays(ids uint64) error {
	if ids > c.most() {
		return errNotCarried
	}
	return nil
}

// most is how many ids may be looked for.
func (c *carrying) most() uint64 {
	return max(guessedIDs, rowsOf(c.before.Segments[:c.kept])/guessedShare)
}

// readIDs reads the ids of the segments added, and of those not named any more, and finds
// the dead rows of the former.
func (c *carrying) readIDs(ctx context.Context) error {
	var left []segments.DirectoryEntry
	for _, segment := range c.before.Segments[c.kept:] {
		left = append(left, segment.Entry)
	}
	charge := c.next.Backing().Memory().Charge()
	defer charge.Free()
	grows := NewGrowingSets(&charge, 0)
	if len(left) > 0 {
		own := c.in[len(c.in)-1]
		if err := CollectIDs(ctx, own.Of(c.last), left, c.left, &grows); err != nil {
			return err
		}
	}
	grows.Settle(c.left)
	added := make([]Segment, len(c.added))
	for i := range added {
		added[i] = c.added[i].Segment
	}
	dead, err := findDead(ctx, c.in, added, nil, c.charge, NoDamage, func(_ int, ids []uint64) error {
		c.ids.Add(ids)
		return grows.Follow(c.ids)
	})
	copy(c.dead[c.kept:], dead)
	return err
}

// buryOld finds the old rows that die.
func (c *carrying) buryOld(ctx context.Context, gone *idset.Set) error {
	deleted := c.last.Deleted()
	arrived := c.ids.Without(c.left)
	again := arrived.Shared(deleted)
	c.replaced = c.ids.Len() < rowsOf(c.added) || again > 0

	sought := arrived
	sought.Unite(gone.Without(c.left))
	sought.Remove(deleted)
	if err := c.pays(sought.Len()); err != nil {
		return err
	}
	most := sought.Len() // rows that there can be
	if appended, counted := c.appended(); counted && c.ids.Len() == rowsOf(c.added) && appended <= c.ids.Len() {
		known := c.ids.Len() - appended
		if c.hadDeleted() {
			known -= min(known, again)
		}
		most = min(most, known+gone.Without(c.ids).Len())
	}
	return c.bury(ctx, sought, c.inherited(sought, c.lastMembers), most)
}

// inherited are those ids of which an inherited row may have to be buried: members that
// are sought, and those hidden.
func (c *carrying) inherited(sought *idset.Set, members *Members) *idset.Set {
	if len(c.in) == 1 {
		return idset.New()
	}
	ids := sought
	if members != nil {
		ids = members.Among(sought)
		ids.Add(c.hidden)
	}
	return ids
}

// bury finds the old rows that live and have one of the ids: most of them at most, and of
// those that are inherited as many as there are ids of such. Of an id one row lives.
func (c *carrying) bury(ctx context.Context, own, inherited *idset.Set, most uint64) error {
	at := 0
	for at < c.kept && !c.in.isOwn(c.before.Segments[at].Segment) {
		at++
	}
	found := idset.New()
	if err := c.buryIn(ctx, at, c.kept, own.Ascending(), most, found); err != nil {
		return err
	}
	return c.buryIn(ctx, 0, at, slices.DeleteFunc(inherited.Ascending(), found.Contains), found.Len()+inherited.Len(), found)
}

// buryIn is bury for the segments from one to before another, with the ids that ascend,
// until as many as most are found.
func (c *carrying) buryIn(ctx context.Context, begin, end int, ids []uint64, most uint64, found *idset.Set) error {
	tell := func(segment int, id, row uint64) {
		if c.before.Segments[segment].IsLive(row) && found.Insert(id) {
			c.dead[segment].add(row)
			c.replaced = c.replaced || c.ids.Contains(id)
		}
	}
	for i := end - 1; i >= begin && len(ids) > 0 && found.Len() < most; i-- {
		segment := &c.before.Segments[i]
		f := segment.facts
		from := sort.Search(len(ids), func(i int) bool { return ids[i] >= f.first })
		to := sort.Search(len(ids), func(i int) bool { return ids[i] >= f.first && ids[i]-f.first >= segment.Rows })
		if !f.plausible || from == to {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		known := found.Len()
		for _, id := range ids[from:to] {
			row, there, err := guessRow(c.in, segment, id)
			if err != nil {
				return err
			}
			if there {
				tell(i, id, row)
			}
		}
		if found.Len() > known {
			ids = slices.DeleteFunc(ids, found.Contains)
		}
	}
	for i := end - 1; i >= begin && len(ids) > 0 && found.Len() < most; i-- {
		known := found.Len()
		err := c.before.searchAll(ctx, c.in, &c.before.Segments[i], ids, func(id, row uint64) { tell(i, id, row) })
		if err != nil {
			return err
		}
		if found.Len() > known {
			ids = slices.DeleteFunc(ids, found.Contains)
		}
	}
	return nil
}

// searchAll tells the last row of a segment with an id, for each of some ids, which ascend.
func (l *Live) searchAll(ctx context.Context, in Readings, segment *LiveSegment, ids []uint64, tell func(id, row uint64)) (err error) {
	reading := in.Of(segment.Segment)
	var order idOrder
	if many := segment.Rows/searchReads < uint64(len(ids)); !many {
		if order, err = l.orderOf(ctx, reading, segment); err != nil {
			return err
		}
	}
	if order.isKept() {
		for _, id := range ids {
			row, found, err := l.search(ctx, reading, segment, id)
			if err = errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			if found {
				tell(id, row)
			}
		}
		return nil
	}
	last := map[uint64]uint64{}
	err = eachID(ctx, reading, segment, func(first uint64, part []uint64) {
		for i, id := range part {
			if _, wanted := slices.BinarySearch(ids, id); wanted {
				last[id] = first + uint64(i)
			}
		}
	})
	if err != nil {
		return err
	}
	for id, row := range last {
		tell(id, row)
	}
	return nil
}

// live is what is known of the next state.
func (c *carrying) live() (*Live, error) {
	after := &Live{room: new(atomic.Int64), trusted: c.before.trusted && !c.replaced}
	after.room.Store(sortedRows)
	after.Segments = append(slices.Clone(c.before.Segments[:c.kept]), c.added...)
	for i := range after.Segments {
		segment := &after.Segments[i]
		if order, known := segment.facts.order.Known(); known && order.sorted != nil {
			after.room.Add(-int64(segment.Rows))
		}
		if dead := c.dead[i]; dead.positions != nil {
			dead.positions.Unite(segment.dead.set())
			segment.bury(dead)
		}
	}
	if err := c.charge.Set(after.bytes()); err != nil {
		return nil, err
	}
	if len(c.in) == 1 {
		distinct := after.trusted
		c.sources.known().distinct.Store(&distinct)
	}
	return after, after.countBefore()
}
