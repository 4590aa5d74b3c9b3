package state

import (
	"context"

	"rvffs/lineage"
	"rvffs/segments"
)

// Profile is what the snapshot's last PROFILE segment says; generic without one.
func (s *Snapshot) Profile(ctx context.Context) (lineage.Profile, error) {
	profile := lineage.Generic
	err := s.With(ctx, Giving, func(reading *Reading) error {
		for _, entry := range s.Named() {
			if entry.Type != segments.TypeProfile {
				continue
			}
			payload, err := reading.ReadPayload(entry)
			if err != nil {
				return err
			}
			if stated, err := segments.ParseProfile(payload); err == nil {
				profile = stated
			}
		}
		return nil
	})
	return profile, err
}
