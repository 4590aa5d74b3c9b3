package state

import (
	"errors"
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// LastWitness is the hash of the newest entry of the audit chain, named or not,
// for there must be one chain only; zero when there is no entry. Entries stand
// behind those that they follow, so that the newest named one is where to begin.
func (r *Reading) LastWitness() (lineage.Hash, error) {
	s := r.snapshot
	if known := s.cache.lastWitness.Load(); known != nil {
		return *known, nil
	}
	var from int64
	for _, entry := range s.Named() {
		if entry.Type == segments.TypeWitness {
			from = max(from, entry.Offset)
		}
	}
	var newest *segments.DirectoryEntry
	err := r.WalkFrom(from, func(segment segments.Segment) error {
		if segment.Type == segments.TypeWitness {
			newest = new(EntryOf(segment))
		}
		return nil
	})
	if err != nil {
		return lineage.Hash{}, err
	}
	var hash lineage.Hash
	if newest != nil {
		payload, err := r.ReadPayload(*newest)
		switch {
		case err == nil:
			hash = lineage.WitnessHash(payload)
		case !errors.Is(err, volume.ErrCorrupt): // nothing can be joined to what is no entry: a new chain begins
			return lineage.Hash{}, fmt.Errorf("read the newest witness entry: %w", err)
		}
	}
	s.cache.lastWitness.Store(&hash)
	return hash, nil
}
