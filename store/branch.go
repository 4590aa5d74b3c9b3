package store

import (
	"context"
	"errors"
	"fmt"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/volume"
)

// A branch is a store that shows its parent's vectors as well as its own: it names
// a copy-on-write map and a membership filter, of each of which the last counts.

// lastOf finds the last named segment of a type.
func (s *Snapshot) lastOf(kind segments.Type) (segments.DirectoryEntry, bool) {
	var last segments.DirectoryEntry
	found := false
	for _, entry := range s.named() {
		if entry.Type == kind {
			last, found = entry, true
		}
	}
	return last, found
}

// prefixOf reads up to length bytes of an entry's payload.
func (s *Snapshot) prefixOf(ctx context.Context, entry segments.DirectoryEntry, length uint64) ([]byte, error) {
	prefix := make([]byte, min(entry.PayloadLength, length))
	err := s.source.with(ctx, func(file volume.File) error {
		file = s.known(file)
		if _, err := s.readHeader(file, entry); err != nil {
			return err
		}
		return volume.ReadFull(file, prefix, entry.Offset+segments.HeaderSize)
	})
	return prefix, err
}

// highestInherited is the highest id that a branch may show of its parent's; false
// for a store that is no branch.
func (s *Snapshot) highestInherited(ctx context.Context) (uint64, bool, error) {
	entry, branch := s.lastOf(segments.TypeMembership)
	if !branch {
		return 0, false, nil
	}
	prefix, err := s.prefixOf(ctx, entry, segments.MembershipHeaderSize)
	if err != nil {
		return 0, false, err
	}
	header, err := segments.ParseMembershipHeader(prefix)
	if err != nil {
		return 0, false, fmt.Errorf("%w: membership at offset %d: %w", volume.ErrCorrupt, entry.Offset, err)
	}
	return header.VectorCount - min(header.VectorCount, 1), header.VectorCount > 0, nil
}

// frozen says whether the store is a branch that must not be changed any more.
func (s *Snapshot) frozen(ctx context.Context) (bool, error) {
	return s.cache.frozen.Get(ctx, func(ctx context.Context) (bool, error) {
		entry, branch := s.lastOf(segments.TypeCowMap)
		if !branch {
			return false, nil
		}
		payload, err := s.prefixOf(ctx, entry, maxSmallPayload)
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

// withoutInherited is the membership filter by which none of the ids of gone is
// inherited any more; nil where that is so already, and in a store that is no branch.
//
// A vector that is deleted hides the parent's of the same id only for as long as its
// own row is stored: once a compaction has taken the row out, the parent's old vector
// would come back. A filter that nobody can read is left as it is.
func (s *Snapshot) withoutInherited(file volume.File, gone *idset.Set) (*newSegment, error) {
	entry, branch := s.lastOf(segments.TypeMembership)
	if !branch || gone.Len() == 0 {
		return nil, nil
	}
	payload, err := readSegment(file, s, entry, segments.MaxPayload)
	var members *segments.Membership
	if err == nil {
		members, err = segments.ParseMembership(payload)
	}
	if err = volume.AsCorrupt(err); errors.Is(err, volume.ErrCorrupt) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the membership filter: %w", err)
	}
	changed := false
	for _, id := range gone.Ascending() {
		if id >= members.Header.VectorCount {
			break // and so are all that follow
		}
		if members.Contains(id) {
			members.Bitmap[id/8] ^= 1 << (id % 8)
			changed = true
		}
	}
	if !changed {
		return nil, nil
	}
	return &newSegment{kind: segments.TypeMembership, payload: members.Encode()}, nil
}
