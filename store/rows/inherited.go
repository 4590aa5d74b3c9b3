package rows

import (
	"context"
	"errors"
	"fmt"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// HighestInherited is the highest id that a branch may show of its parent's; false
// for a store that is no branch.
func HighestInherited(ctx context.Context, s *state.Snapshot) (uint64, bool, error) {
	entry, branch := s.LastOf(segments.TypeMembership)
	if !branch {
		return 0, false, nil
	}
	prefix, err := s.PrefixOf(ctx, entry, segments.MembershipHeaderSize)
	if err != nil {
		return 0, false, err
	}
	header, err := segments.ParseMembershipHeader(prefix)
	if err != nil {
		return 0, false, fmt.Errorf("%w: membership at offset %d: %w", volume.ErrCorrupt, entry.Offset, err)
	}
	return header.VectorCount - min(header.VectorCount, 1), header.VectorCount > 0, nil
}

// WithoutInherited is the membership filter by which none of the ids of gone is
// inherited any more; nil where that is so already, and in a store that is no branch.
//
// A vector that is deleted hides the parent's of the same id only for as long as its
// own row is stored: once a compaction has taken the row out, the parent's old vector
// would come back. A filter that nobody can read is left as it is.
func WithoutInherited(reading *state.Reading, gone *idset.Set) ([]byte, error) {
	entry, branch := reading.Snapshot().LastOf(segments.TypeMembership)
	if !branch || gone.Len() == 0 {
		return nil, nil
	}
	payload, err := reading.ReadSegment(entry, segments.MaxPayload)
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
	return members.Encode(), nil
}
