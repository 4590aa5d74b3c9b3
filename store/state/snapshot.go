package state

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// Snapshot is the state that one manifest describes. It never changes, holds no
// descriptor, and may be kept for as long as it is of use; what it shows can be
// read until the file itself is gone.
type Snapshot struct {
	source     *Backing
	generation uint64
	state      *segments.State
	time       time.Time
	cache      *snapshotCache
	verdicts   uint64 // of source, when the snapshot was made
}

// generations numbers the snapshots of this process.
var generations atomic.Uint64

// NewSnapshot is a state of the file behind source. Modified is when the file was
// changed last, for manifests without a time of their own.
func NewSnapshot(source *Backing, state *segments.State, modified time.Time) *Snapshot {
	if stamp := state.Segment.Timestamp; stamp != 0 {
		modified = time.Unix(0, int64(stamp))
	}
	s := &Snapshot{
		source: source, generation: generations.Add(1), state: state, time: modified, cache: &snapshotCache{}, verdicts: source.verdicts.Load(),
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
func (s *Snapshot) File() volume.FileInfo { return s.source.Info() }

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

// SameStore reports whether both are of one store, in one file or in others: files of the same
// identity and dimension. Without identities it is only that of one file.
func (s *Snapshot) SameStore(other *Snapshot) bool {
	one, known := s.Identity()
	two, also := other.Identity()
	return s.Origin().Is(other.Origin()) || known && also && one.FileID == two.FileID && (other.Dimension() == 0 || s.Dimension() == other.Dimension())
}

// Manifest is the newest manifest. It is shared and must not be changed.
func (s *Snapshot) Manifest() *segments.Manifest { return s.state.Manifest }

// State is what was found in the file. It is shared and must not be changed.
func (s *Snapshot) State() *segments.State { return s.state }

// SameState reports whether both are of one state, found once.
func (s *Snapshot) SameState(other *Snapshot) bool { return s.state == other.state }

// Backing is the file that the snapshot is in.
func (s *Snapshot) Backing() *Backing { return s.source }

// attached implements Holder.
func (s *Snapshot) attached() *attachments { return &s.cache.attachments }

// DistinctIDs is the number of different ids stored, deleted ones included; false as
// long as nobody has counted them.
func (s *Snapshot) DistinctIDs() (uint64, bool) {
	if total := s.cache.total.Load(); total != nil {
		return *total, true
	}
	return 0, false
}

// CountedIDs notes the number of different ids stored.
func (s *Snapshot) CountedIDs(count uint64) { s.cache.total.Store(&count) }

// SetLastWitness notes the hash of the newest entry of the audit chain.
func (s *Snapshot) SetLastWitness(hash lineage.Hash) { s.cache.lastWitness.Store(&hash) }

// AsBelieved reports whether the same was known of damage in the file when both
// snapshots were made.
func (s *Snapshot) AsBelieved(other *Snapshot) bool { return s.verdicts == other.verdicts }

// Size is the number of committed bytes, from the start of the file.
func (s *Snapshot) Size() int64 { return s.state.End }

// Clean reports whether nothing stood behind it in the file when it was found.
func (s *Snapshot) Clean() bool { return s.state.Clean }

// Named lists the segments of the snapshot besides the manifest itself.
func (s *Snapshot) Named() []segments.DirectoryEntry { return s.state.Named() }

// Vectors lists the entries that hold vectors, in directory order.
func (s *Snapshot) Vectors() []segments.DirectoryEntry {
	var entries []segments.DirectoryEntry
	for _, entry := range s.state.Manifest.Directory {
		if entry.Type == segments.TypeVec {
			entries = append(entries, entry)
		}
	}
	return entries
}

// OfType lists the segments of a type that the manifest names.
func (s *Snapshot) OfType(kind segments.Type) []segments.DirectoryEntry {
	return slices.DeleteFunc(s.Named(), func(entry segments.DirectoryEntry) bool { return entry.Type != kind })
}

// countedByName are the segments that count because the manifest names them. A later commit
// may retire them, and to who reads the snapshot they stay what they were.
func (s *Snapshot) countedByName() []segments.DirectoryEntry {
	counts, _ := s.cache.byName.Get(context.Background(), func(context.Context) ([]segments.DirectoryEntry, error) {
		return segments.CountedByName(s.Named()), nil
	})
	return counts
}

// Rows is the number of rows that the vector segments can hold at most, from
// their lengths alone; rows that were replaced or deleted count.
func (s *Snapshot) Rows() uint64 {
	var count uint64
	if s.Dialect() != segments.DialectRuntime {
		return s.state.Manifest.TotalVectors
	}
	for _, entry := range s.Vectors() {
		if entry.PayloadLength > segments.VecPrefixSize {
			count += (entry.PayloadLength - segments.VecPrefixSize) / uint64(segments.RowSize(s.Dimension()))
		}
	}
	return count
}

// Deleted are the ids in the deleted list, which a hostile file may state more than
// once. The set must not be changed.
func (s *Snapshot) Deleted() *idset.Set {
	ids, _ := s.cache.deleted.Get(context.Background(), func(context.Context) (*idset.Set, error) {
		return idset.Of(s.state.Manifest.Deleted), nil
	})
	return ids
}

// EntryOf is how a directory names a segment.
func EntryOf(segment segments.Segment) segments.DirectoryEntry {
	return segments.DirectoryEntry{SegmentID: segment.ID, Offset: segment.Offset, PayloadLength: segment.PayloadLength, Type: segment.Type}
}
