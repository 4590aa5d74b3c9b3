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
	own, _, err := s.derivations(ctx)
	if own == nil {
		return lineage.Record{}, false, err
	}
	return *own, true, err
}

// derivations are that record, nil without one, and where there is none the newest that
// rvffs has written of another store's derivation.
func (s *Snapshot) derivations(ctx context.Context) (own, stray *lineage.Record, err error) {
	identity, _ := s.Identity()
	err = s.With(ctx, Judging, func(reading *Reading) error {
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
			record, err := lineage.ParseRecord(witness.Action)
			if err != nil {
				return nil
			}
			damaged := isDamaged(segment.Header, payload)
			_, ours := record.Origin()
			switch {
			case record.FileID != identity.FileID && ours && !damaged:
				stray = &record
			case record.FileID != identity.FileID:
			case damaged:
				return fmt.Errorf("%w: the record of the derivation at offset %d is damaged", volume.ErrCorrupt, segment.Offset)
			default:
				own = &record
			}
			return nil
		})
	})
	if own != nil {
		stray = nil
	}
	return own, stray, err
}
