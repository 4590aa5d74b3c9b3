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
	err := s.With(ctx, Judging, func(reading *Reading) (err error) {
		if s.state.Segment.Type == segments.TypeKeptState {
			start := make([]byte, segments.KeptStateStart)
			err = volume.ReadFull(reading, start, s.state.Segment.PayloadOffset())
			hash = lineage.Hash(start[segments.KeptStateStart-lineage.HashSize:])
			return err
		}
		hash, err = ShakeAt(reading, s.state.Segment)
		return err
	})
	return hash, err
}

// Fold is what the reference runtime knows this state by: the fold of the last bytes of the
// file as it ends with it.
func (s *Snapshot) Fold(ctx context.Context) (fold lineage.Hash, err error) {
	err = s.With(ctx, Judging, func(reading *Reading) (err error) {
		fold, err = reading.fold()
		return err
	})
	return fold, err
}

func (r *Reading) fold() (lineage.Hash, error) {
	size := r.snapshot.Size()
	tail := make([]byte, min(size, lineage.TailSize))
	err := volume.ReadFull(r, tail, size-int64(len(tail)))
	return lineage.Fold(tail), err
}
