package rows

import (
	"context"

	"rvffs/segments"
	"rvffs/store/state"
)

// Carry hands the live rows of one state on to the next, if somebody has asked
// for them: so a stream of appends does not make every state's ids be read. Only new
// ids may have come between the two. Segments that were merged are told, and which
// of the next state's the commit itself has brought. What it looks for ends with ctx, and
// is found out then by who needs it.
func Carry(ctx context.Context, base *state.Snapshot, next *state.Reading, merged []segments.DirectoryEntry, brought func(segments.DirectoryEntry) bool) {
	snapshot := next.Snapshot()
	before, done, known := foundRows.Of(base).live.Peek()
	if !known {
		return
	}
	defer done()
	if !base.AsBelieved(snapshot) || snapshot.Dimension() == 0 || snapshot.Dimension() != base.Dimension() {
		return
	}
	carried := make(map[int64]*LiveSegment, len(before.Segments))
	for i := range before.Segments {
		carried[before.Segments[i].Entry.Offset] = &before.Segments[i]
	}
	for _, entry := range merged {
		if segment := carried[entry.Offset]; segment != nil && segment.Live < segment.Rows {
			return // the dead rows have new places
		}
	}
	after := &Live{room: before.room, trusted: before.trusted}
	for _, entry := range snapshot.Vectors() {
		if segment := carried[entry.Offset]; segment != nil {
			after.Segments = append(after.Segments, *segment)
			continue
		}
		if !brought(entry) {
			continue // it has no rows
		}
		segment, err := outlineSegment(ctx, next, Segment{Entry: entry})
		if err != nil || segment.Damage != nil {
			return
		}
		after.Segments = append(after.Segments, segment)
	}
	charge := snapshot.Backing().Memory().Charge()
	if after.countBefore() != nil || charge.Set(after.bytes()) != nil {
		return
	}
	foundRows.Of(snapshot).distinct.Store(&after.trusted)
	foundRows.Of(snapshot).live.Set(&charge, after)
}
