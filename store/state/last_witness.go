package state

import (
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
)

// LastWitness is the hash of the newest entry of the audit chain, named or not, for there
// must be one chain only; zero when there is no entry. What is damaged or no entry at all
// is followed like any other: who follows it says that it was there. Entries stand behind
// those that they follow, so that the newest named one is where to begin.
func (r *Reading) LastWitness() (lineage.Hash, error) {
	s := r.snapshot
	if known := s.cache.lastWitness.Load(); known != nil {
		return *known, nil
	}
	newest, found, err := r.newestWitness()
	if err != nil {
		return lineage.Hash{}, err
	}
	var hash lineage.Hash
	if found {
		if hash, err = witnessHash(r, newest); err != nil {
			return lineage.Hash{}, fmt.Errorf("read the newest witness entry: %w", err)
		}
	}
	s.cache.lastWitness.Store(&hash)
	return hash, nil
}

// newestWitness is where the newest entry of the audit chain stands.
func (r *Reading) newestWitness() (newest segments.Segment, found bool, err error) {
	var from int64
	for _, entry := range r.snapshot.Named() {
		if entry.Type == segments.TypeWitness {
			from = max(from, entry.Offset)
		}
	}
	err = r.WalkFrom(from, func(segment segments.Segment) error {
		if segment.Type == segments.TypeWitness {
			newest, found = segment, true
		}
		return nil
	})
	return newest, found, err
}

// AuditMark is the mark of the newest entry of the audit chain, by which a child finds out
// later that its parent's file goes on from there; zero when there is no entry.
func (r *Reading) AuditMark() (lineage.Mark, error) {
	newest, found, err := r.newestWitness()
	if err != nil || !found {
		return lineage.Mark{}, err
	}
	charge := r.snapshot.source.memory.Charge()
	defer charge.Free()
	payload, giveBack, err := readWitness(r, newest, &charge)
	if err != nil || payload == nil {
		return lineage.Mark{}, err
	}
	defer giveBack()
	return lineage.MarkOf(payload), nil
}
