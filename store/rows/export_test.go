package rows

import (
	"fmt"
	"strings"

	"rvffs/segments"
)

// NewMembers are those of a filter.
func NewMembers(filter *segments.Membership) *Members { return &Members{filter: filter} }

// CountIn is how many of the ids from first to last are shown.
func (m *Members) CountIn(first, last uint64) uint64 { return m.countIn(first, last) }

// SortedRows is how many rows may be kept in order of id.
const SortedRows = sortedRows

// LeaveRoom lets so many more rows be kept in order of id.
func (l *Live) LeaveRoom(rows int64) { l.room.Store(rows) }

// Trusted reports whether no ids were read to find the live rows.
func (l *Live) Trusted() bool { return l.trusted }

// Describe says which rows live, and where it is unsure of that.
func (l *Live) Describe() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d rows, %d behind %v\n", l.count, l.placed, l.unplaced)
	for i := range l.Segments {
		g := &l.Segments[i]
		fmt.Fprintf(&text, "%+v: %d of %d behind %d, but %v, counted %v, damage %v\n", g.Entry, g.Live, g.Rows, g.before, g.dead.set().Ascending(), g.blocks, g.Damage)
	}
	return text.String()
}

// FollowsFrom reports whether something was carried on from other live rows.
func (l *Live) FollowsFrom(other *Live) bool {
	return len(l.Segments) > 0 && len(other.Segments) > 0 && l != other && l.Segments[0].facts == other.Segments[0].facts
}
