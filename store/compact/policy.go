package compact

import (
	"time"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/throttle"
)

// The published policy of background compaction.
const (
	deadShare      = 0.20             // of the file, from which on a compaction is due
	emergencyDead  = 0.70             // of the file, from which on it goes at once
	manySegments   = 32               // vector segments, above which a compaction is due
	compactionGap  = 60 * time.Second // between the end of one and the start of the next
	pressingGap    = 20 * time.Second // the same where commits are slow until then
	worthReclaim   = 4 << 20          // dead bytes below which no compaction pays
	worthForgets   = 64 << 10         // of them, bytes of deleted and replaced vectors that suffice
	worthGathering = 32 << 20         // bytes of vectors below which merges keep segments few enough
	// Every commit writes down all deleted ids, which only a compaction ends: from so many
	// bytes of them on, and where it has to copy no more than so many times as much. A
	// byte in a manifest takes about thirty times as long as one that is copied, so that
	// pays after some hundred commits at the latest.
	longManifest  = 48 << 10
	manifestWorth = 4096
)

// urgency is how much a store needs a compaction.
type urgency uint8

const (
	notDue urgency = iota
	due
	pressing
	emergency
)

// share is the part of the disk's time that a compaction of such urgency may use.
func (u urgency) share() throttle.Share {
	if u >= pressing {
		return throttle.Emergency
	}
	return throttle.Background
}

// gap is how long it waits after the last one.
func (u urgency) gap() time.Duration {
	switch u {
	case emergency:
		return 0
	case pressing:
		return pressingGap
	}
	return compactionGap
}

// urgencyOf applies the policy to what the manifest tells, without any reading.
func urgencyOf(s *state.Snapshot) urgency {
	dead, forgotten := DeadBytes(s)
	worth := dead >= worthReclaim || forgotten >= worthForgets
	entries := s.Vectors()
	var payload uint64
	for _, entry := range entries {
		payload += min(entry.PayloadLength, uint64(s.Size()))
	}
	stated := 8 * int64(len(s.Manifest().Deleted)) // bytes of each manifest
	full := int(payload/segments.MaxPayload) + 1   // segments that no compaction can make fewer
	switch share := float64(dead) / float64(max(s.Size(), 1)); {
	case worth && share > emergencyDead:
		return emergency
	case stated > longManifest && s.Size()-dead < manifestWorth*stated:
		return pressing
	case worth && share > deadShare:
		return due
	case len(entries) > max(manySegments, 2*full) && payload > worthGathering:
		return due
	}
	return notDue
}

// DeadBytes is how much shorter the file could be: what no manifest needs, and
// rows that are replaced or deleted, which are also told apart (forgotten). Where
// the number of distinct ids has not been counted, the manifest's word is taken
// for it.
func DeadBytes(s *state.Snapshot) (dead, forgotten int64) {
	var live int64
	for _, entry := range s.Live() {
		live += segments.HeaderSize + int64(min(entry.PayloadLength, uint64(s.Size())))
	}
	total := s.Manifest().TotalVectors
	if counted, known := s.DistinctIDs(); known {
		total = counted
	}
	rows := s.Rows()
	total = min(total, rows)
	wanted := total - min(total, s.Deleted().Len())
	forgotten = int64(rows-wanted) * int64(segments.RowSize(s.Dimension()))
	return s.Size() - min(max(live-forgotten, 0), s.Size()), forgotten
}
