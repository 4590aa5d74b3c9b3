package store

import (
	"runtime"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// Snapshot is the state that one manifest describes. It never changes, holds no
// descriptor, and may be kept for as long as it is of use; what it shows can be
// read until the file itself is gone.
type Snapshot struct {
	source     *backing
	generation uint64
	state      *segments.State
	time       time.Time
	cache      *snapshotCache
	verdicts   uint64 // of source, when the snapshot was made
}

// newSnapshot describes state as generation of the file.
func newSnapshot(source *backing, generation uint64, state *segments.State, modified time.Time) *Snapshot {
	if stamp := state.Segment.Timestamp; stamp != 0 {
		modified = time.Unix(0, int64(stamp))
	}
	s := &Snapshot{
		source: source, generation: generation, state: state, time: modified, cache: &snapshotCache{}, verdicts: source.verdicts.Load(),
	}
	if bytes := s.bytes(); bytes > worthCharging {
		// Whoever shows it keeps it in memory, for as long as he likes.
		charge := source.memory.Charge()
		charge.Force(bytes)
		runtime.AddCleanup(s, func(charge *memory.Charge) { charge.Free() }, &charge)
	}
	return s
}

// worthCharging is the size in bytes from which on a snapshot is charged for.
const worthCharging = 16 << 10

// bytes is about how much memory the snapshot takes: its manifest, the indices of its
// folder of segments and of their checks, and the set of deleted ids.
func (s *Snapshot) bytes() int64 {
	const entry, id = 2*32 + 4 + 48, 2 * 8
	return entry*int64(len(s.state.Manifest.Directory)) + id*int64(len(s.state.Manifest.Deleted))
}

// Generation tells snapshots of one store apart: it rises with every state that
// this process has seen, whereas epochs may repeat or skip.
func (s *Snapshot) Generation() uint64 { return s.generation }

// Epoch is the commit number that the manifest states.
func (s *Snapshot) Epoch() uint32 { return s.state.Manifest.Epoch }

// Time is when the snapshot was committed.
func (s *Snapshot) Time() time.Time { return s.time }

// File describes the file that holds the snapshot, as it was when it was opened.
func (s *Snapshot) File() volume.FileInfo { return s.source.info }

// Dimension is the number of components of each vector, 0 while no vector has
// fixed it.
func (s *Snapshot) Dimension() int { return int(s.state.Manifest.Dimension) }

// Metric is the store's distance measure.
func (s *Snapshot) Metric() segments.Metric { return s.state.Manifest.Metric }

// Dialect says in which of the two forms the file is written.
func (s *Snapshot) Dialect() segments.Dialect { return s.state.Dialect }

// Identity is the store's place in its lineage; false for files from before
// identities were kept.
func (s *Snapshot) Identity() (lineage.Identity, bool) {
	return s.state.Manifest.Identity, s.state.Manifest.HasIdentity
}

// Manifest is the newest manifest. It is shared and must not be changed.
func (s *Snapshot) Manifest() *segments.Manifest { return s.state.Manifest }

// Size is the number of committed bytes, from the start of the file.
func (s *Snapshot) Size() int64 { return s.state.End }

// live lists the segments of the snapshot: those that the directory names (but
// for older manifests, which nobody needs), those behind the manifest that have
// to be kept, and the manifest itself.
func (s *Snapshot) named() []segments.DirectoryEntry {
	entries := make([]segments.DirectoryEntry, 0, len(s.state.Manifest.Directory))
	for _, entry := range s.state.Manifest.Directory {
		if entry.Type != segments.TypeManifest {
			entries = append(entries, entry)
		}
	}
	for _, behind := range s.state.Behind {
		entries = append(entries, segments.DirectoryEntry{
			SegmentID: behind.ID, Offset: behind.Offset, PayloadLength: behind.PayloadLength, Type: behind.Type,
		})
	}
	return entries
}

// vectors lists the entries that hold vectors, in directory order.
func (s *Snapshot) vectors() []segments.DirectoryEntry {
	var entries []segments.DirectoryEntry
	for _, entry := range s.state.Manifest.Directory {
		if entry.Type == segments.TypeVec {
			entries = append(entries, entry)
		}
	}
	return entries
}

// nextSegmentID is one more than any id that the snapshot names.
func (s *Snapshot) nextSegmentID() uint64 {
	highest := s.state.Segment.ID
	for _, entry := range s.named() {
		highest = max(highest, entry.SegmentID)
	}
	return highest + 1
}
