package state

import (
	"context"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// ParentHash is what a child derived from this snapshot records: the format's
// SHAKE-256 of the manifest's payload. A state that a rewrite has kept says itself what that
// was.
func (s *Snapshot) ParentHash(ctx context.Context) (lineage.Hash, error) {
	var hash lineage.Hash
	err := s.With(ctx, Judging, func(reading *Reading) error {
		if s.state.Segment.Type == segments.TypeKeptState {
			start := make([]byte, segments.KeptStateStart)
			err := volume.ReadFull(reading, start, s.state.Segment.PayloadOffset())
			hash = lineage.Hash(start[segments.KeptStateStart-lineage.HashSize:])
			return err
		}
		hasher := lineage.NewShake256()
		if err := volume.CopyRange(hasher, reading, s.state.Segment.PayloadOffset(), int64(s.state.Segment.PayloadLength)); err != nil {
			return err
		}
		hash = lineage.Hash(hasher.Sum(nil))
		return nil
	})
	return hash, err
}

// Fold is what the reference runtime knows this state by: the fold of the last bytes of the
// file as it ends with it.
func (s *Snapshot) Fold(ctx context.Context) (lineage.Hash, error) {
	tail := make([]byte, min(s.Size(), lineage.TailSize))
	err := s.With(ctx, Judging, func(reading *Reading) error {
		return volume.ReadFull(reading, tail, s.Size()-int64(len(tail)))
	})
	return lineage.Fold(tail), err
}
