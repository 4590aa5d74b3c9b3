package state

import (
	"context"

	"rvffs/segments"
	"rvffs/store/volume"
)

// A branch is a store that shows its parent's vectors as well as its own: it names
// a copy-on-write map and a membership filter, of each of which the last counts.

// LastOf finds the last named segment of a type.
func (s *Snapshot) LastOf(kind segments.Type) (segments.DirectoryEntry, bool) {
	var last segments.DirectoryEntry
	found := false
	for _, entry := range s.Named() {
		if entry.Type == kind {
			last, found = entry, true
		}
	}
	return last, found
}

// PrefixOf reads up to length bytes of an entry's payload.
func (s *Snapshot) PrefixOf(ctx context.Context, entry segments.DirectoryEntry, length uint64) ([]byte, error) {
	prefix := make([]byte, min(entry.PayloadLength, length))
	err := s.With(ctx, Looking, func(reading *Reading) error {
		if _, err := reading.ReadHeader(entry); err != nil {
			return err
		}
		return volume.ReadFull(reading, prefix, entry.Offset+segments.HeaderSize)
	})
	return prefix, err
}

// frozen reports whether the store is a branch that must not be changed any more.
func (s *Snapshot) frozen(ctx context.Context) (bool, error) {
	return s.cache.frozen.Get(ctx, func(ctx context.Context) (bool, error) {
		entry, branch := s.LastOf(segments.TypeCowMap)
		if !branch {
			return false, nil
		}
		payload, err := s.PrefixOf(ctx, entry, maxSmallPayload)
		if err != nil {
			return false, err
		}
		m, err := segments.ParseCowMap(payload)
		if err != nil {
			return false, nil // not one that anybody could obey
		}
		return m.Frozen, nil
	})
}
