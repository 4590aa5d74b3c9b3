package store

import (
	"context"
	"errors"
	"fmt"

	"rvffs/store/compact"
	"rvffs/store/idset"
	"rvffs/store/recovery"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Status is what is known about a store at one moment.
type Status struct {
	Epoch          uint32  `json:"epoch"`
	Dimension      int     `json:"dimension"`
	Metric         string  `json:"metric"`
	Dialect        string  `json:"dialect"`
	LiveVectors    uint64  `json:"live_vectors"`
	DeletedVectors uint64  `json:"deleted_vectors"`
	TotalVectors   uint64  `json:"total_vectors"` // distinct ids stored, deleted ones included
	StoredRows     uint64  `json:"stored_rows"`   // rows in live segments, replaced and deleted ones included
	Segments       int     `json:"segments"`      // live ones
	FileSize       int64   `json:"file_size"`     // committed bytes
	LiveBytes      int64   `json:"live_bytes"`
	DeadBytes      int64   `json:"dead_bytes"`
	DeadSpaceRatio float64 `json:"dead_space_ratio"` // dead_bytes / file_size
	ReadOnly       bool    `json:"read_only"`
	Frozen         bool    `json:"frozen"` // for good
	// Branch tells of a branch what it shows of its parent's, which counts as live; nil for
	// other stores.
	Branch *BranchStatus `json:"branch,omitempty"`
	// Branches are those that the store lists: what they show is kept, wherever they are.
	Branches []ListedBranch `json:"branches,omitempty"`
	// Names is how many hard links lead to the file, if they are more than one: then
	// nobody may write to it.
	Names uint64 `json:"names,omitempty"`
	// Tails are what somebody has to decide upon: whole segments behind the newest
	// manifest, and what was kept of such beside the store.
	Tails []recovery.Tail `json:"tails,omitempty"`
	// Damage tells why vectors could not be counted, and the counts are what the
	// manifest states, or that the manifest has lost its directory.
	Damage string `json:"damage,omitempty"`
	// Verify is when content hashes are checked: "never", "background" or "first".
	// Of the live segments so many were found right, have no hash that could be
	// checked, or were not looked at yet. What is damaged counts alone; of it the
	// first thousand are named.
	Verify            string                 `json:"verify,omitempty"`
	CheckedSegments   int                    `json:"checked_segments"`
	UnhashedSegments  int                    `json:"unhashed_segments"`
	UncheckedSegments int                    `json:"unchecked_segments"`
	DamagedCount      int                    `json:"damaged_count"`
	DamagedSegments   []state.DamagedSegment `json:"damaged_segments,omitempty"`

	Writing bool `json:"writing"` // this process holds the writer lock
	// Compaction is "idle", "running" or "emergency"; its progress is in bytes.
	Compaction      string `json:"compaction"`
	CompactionDone  int64  `json:"compaction_done,omitempty"`
	CompactionTotal int64  `json:"compaction_total,omitempty"`
}

// Status counts what the newest snapshot holds. The first call on a store reads
// the ids of all its vectors.
func (s *Store) Status(ctx context.Context) (Status, error) {
	var status Status
	err := s.withNewest(ctx, func(snapshot *state.Snapshot) (err error) {
		status, err = s.statusOf(ctx, snapshot)
		return err
	})
	if err != nil {
		return Status{}, fmt.Errorf("status of store %q: %w", s.Path(), err)
	}
	return status, nil
}

func (s *Store) statusOf(ctx context.Context, snapshot *state.Snapshot) (Status, error) {
	total, deleted, err := s.count(ctx, snapshot)
	var damage string
	if errors.Is(err, volume.ErrCorrupt) {
		// What can be known is told all the same: the manifest's word.
		damage = err.Error()
		total = min(snapshot.Manifest().TotalVectors, snapshot.Rows())
		deleted = min(total, snapshot.Deleted().Len())
		err = nil
	}
	if err != nil {
		return Status{}, err
	}
	if damage == "" && snapshot.State().Walked {
		if damage = noDirectory; snapshot.State().RootAlone {
			damage = rootAlone
		}
	}
	if damage == "" && snapshot.LostVectors() {
		damage = "vectors in damaged segments are counted as they are read"
	}
	if damage == "" {
		if damage, err = branchDamage(ctx, snapshot); err != nil {
			return Status{}, err
		}
	}
	status := Status{
		Damage: damage,
		Epoch:  snapshot.Epoch(), Dimension: snapshot.Dimension(), Metric: snapshot.Metric().String(), Dialect: snapshot.Dialect().String(),
		LiveVectors: total - deleted, DeletedVectors: deleted, TotalVectors: total, StoredRows: snapshot.Rows(),
		FileSize: snapshot.Size(),
		ReadOnly: s.checkWritable(ctx, snapshot) != nil, Frozen: isFrozen(ctx, snapshot),
	}
	if status.Branch, err = s.Branch(ctx, snapshot); err != nil {
		return Status{}, err
	}
	if status.Branches, err = describeListed(ctx, snapshot); err != nil {
		return Status{}, err
	}
	if b := status.Branch; b != nil {
		status.LiveVectors = b.InheritedVectors + b.OwnVectors
		status.TotalVectors = status.LiveVectors + deleted
		if status.Damage == "" {
			status.Damage = b.Problem
		}
	}
	status.Writing = s.file.Active()
	info, err := snapshot.FileInfo(ctx) // whatever its name is by now
	if err != nil {
		return Status{}, err
	}
	if info.Names > 1 {
		status.Names, status.ReadOnly = info.Names, true
	}
	status.Compaction, status.CompactionDone, status.CompactionTotal = s.compactor.Progress()
	if status.Tails, err = s.Tails(ctx); err != nil {
		return Status{}, err
	}
	status.Segments = len(snapshot.Live())
	checked := snapshot.Checked()
	status.Verify, status.UncheckedSegments = checked.Mode.String(), checked.Unchecked
	status.CheckedSegments, status.UnhashedSegments = checked.Sound, checked.Unhashed
	status.DamagedCount, status.DamagedSegments = checked.Damaged, checked.Damage
	status.DeadBytes, _ = compact.DeadBytes(snapshot)
	status.LiveBytes = status.FileSize - status.DeadBytes
	if status.FileSize > 0 {
		status.DeadSpaceRatio = float64(status.DeadBytes) / float64(status.FileSize)
	}
	return status, nil
}

// count gives the number of distinct ids stored, and of those that are deleted.
func (s *Store) count(ctx context.Context, snapshot *state.Snapshot) (total, deleted uint64, err error) {
	err = s.ids.At(ctx, snapshot, func(stored *idset.Set) error {
		total = stored.Len()
		deleted = snapshot.Deleted().Shared(stored)
		return nil
	})
	return total, deleted, err
}
