package state

import (
	"context"
	"errors"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Frozen reports whether the store must not be changed any more: the manifest names a mark
// that says so, or it is a branch whose map does, as that of the reference runtime.
func (s *Snapshot) Frozen(ctx context.Context) (bool, error) {
	return s.cache.frozen.Get(ctx, func(ctx context.Context) (bool, error) {
		for _, entry := range s.OfType(segments.TypeFreeze) {
			start, err := s.PrefixOf(ctx, entry, segments.FreezeSize)
			if errors.Is(err, volume.ErrCorrupt) {
				return true, nil // a mark that cannot be read was one all the same
			}
			if err != nil || segments.IsFreeze(start) {
				return err == nil, err
			}
		}
		if !s.IsBranch() {
			return false, nil
		}
		m, err := s.cowMap(ctx)
		if errors.Is(err, volume.ErrCorrupt) {
			return false, nil // not one that anybody could obey
		}
		return err == nil && m.Frozen, err
	})
}
