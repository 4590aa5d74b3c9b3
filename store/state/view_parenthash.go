package state

import (
	"context"

	"rvffs/lineage"
	"rvffs/store/volume"
)

// ParentHash is what a child derived from this snapshot records: the format's
// SHAKE-256 of the manifest's payload.
func (s *Snapshot) ParentHash(ctx context.Context) (lineage.Hash, error) {
	var hash lineage.Hash
	err := s.With(ctx, Judging, func(reading *Reading) error {
		hasher := lineage.NewShake256()
		if err := volume.CopyRange(hasher, reading, s.state.Segment.PayloadOffset(), int64(s.state.Segment.PayloadLength)); err != nil {
			return err
		}
		hash = lineage.Hash(hasher.Sum(nil))
		return nil
	})
	return hash, err
}
