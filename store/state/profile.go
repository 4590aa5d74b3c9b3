package state

import (
	"context"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// Profile is what the snapshot's last PROFILE segment says; generic without one.
func (s *Snapshot) Profile(ctx context.Context) (lineage.Profile, error) {
	profile := lineage.Generic
	err := s.With(ctx, func(file volume.File) error {
		for _, entry := range s.Named() {
			if entry.Type != segments.TypeProfile {
				continue
			}
			payload, err := ReadPayload(file, s, entry)
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
