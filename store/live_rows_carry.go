package store

import (
	"context"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// carryLive hands the live rows of the draft's base on to the snapshot of its
// commit, if somebody has asked for them and only new ids came: so a stream of
// appends does not make every state's ids be read.
func (d *draft) carryLive(file volume.File, snapshot *state.Snapshot) {
	before, done, known := foundRows.Of(d.base).live.Peek()
	if !known {
		return
	}
	defer done()
	if !d.base.AsBelieved(snapshot) || !d.onlyNew || len(d.deleted) > 0 || snapshot.Dimension() == 0 || snapshot.Dimension() != d.base.Dimension() {
		return
	}
	carried := make(map[int64]*liveSegment, len(before.segments))
	for i := range before.segments {
		carried[before.segments[i].entry.Offset] = &before.segments[i]
	}
	if d.merged != nil {
		for _, entry := range d.merged.run {
			if segment := carried[entry.Offset]; segment != nil && segment.live < segment.rows {
				return // the dead rows have new places
			}
		}
	}
	after := &liveRows{room: before.room, trusted: before.trusted}
	for _, entry := range snapshot.Vectors() {
		if segment := carried[entry.Offset]; segment != nil {
			after.segments = append(after.segments, *segment)
			continue
		}
		if !d.isWritten(entry) {
			continue // it has no rows
		}
		segment, err := outlineSegment(context.Background(), snapshot, file, entry)
		if err != nil || segment.damage != nil {
			return
		}
		after.segments = append(after.segments, segment)
	}
	charge := snapshot.Backing().Memory().Charge()
	if after.number() != nil || charge.Set(after.bytes()) != nil {
		return
	}
	foundRows.Of(snapshot).distinct.Store(&after.trusted)
	foundRows.Of(snapshot).live.Set(&charge, after)
}

// isWritten says whether the commit itself brought the segment.
func (d *draft) isWritten(entry segments.DirectoryEntry) bool {
	for _, e := range d.written() {
		if e.offset == entry.Offset {
			return true
		}
	}
	return false
}
