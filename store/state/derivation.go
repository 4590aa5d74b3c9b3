package state

import (
	"context"
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// Derivation is the newest record that the store keeps of its own derivation;
// false when there is none.
func (s *Snapshot) Derivation(ctx context.Context) (lineage.Record, bool, error) {
	identity, _ := s.Identity()
	var newest lineage.Record
	known := false
	err := s.With(ctx, Judging, func(reading *Reading) error {
		return reading.Walk(func(segment segments.Segment) error {
			if segment.Type != segments.TypeWitness || segment.PayloadLength > maxSmallPayload {
				return nil
			}
			payload := make([]byte, segment.PayloadLength)
			if err := volume.ReadFull(reading, payload, segment.PayloadOffset()); err != nil {
				return err
			}
			witness, err := segments.ParseWitness(payload)
			if err != nil || witness.Kind != segments.WitnessLineage {
				return nil
			}
			if record, err := lineage.ParseRecord(witness.Action); err == nil && record.FileID == identity.FileID {
				if isDamaged(segment.Header, payload) {
					return fmt.Errorf("%w: the record of the derivation at offset %d is damaged", volume.ErrCorrupt, segment.Offset)
				}
				newest, known = record, true
			}
			return nil
		})
	})
	return newest, known, err
}
