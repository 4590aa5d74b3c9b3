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

// Inherited are those of ids that a branch may show of its parent's; none in a store that
// is no branch. A membership filter that nobody can read leaves all of them in doubt.
func Inherited(ctx context.Context, reading *state.Reading, ids *idset.Set) (*idset.Set, error) {
	found := idset.New()
	entry, branch := reading.Snapshot().LastOf(segments.TypeMembership)
	if !branch {
		return found, nil
	}
	segment, err := reading.ReadHeader(entry)
	var header segments.MembershipHeader
	if err == nil {
		prefix := make([]byte, min(segment.PayloadLength, segments.MembershipHeaderSize))
		if err = volume.ReadFull(reading, prefix, segment.PayloadOffset()); err == nil {
			header, err = segments.ParseMembershipHeader(prefix)
		}
	}
	if err = volume.AsCorrupt(err); errors.Is(err, volume.ErrCorrupt) {
		return ids, nil
	}
	if err != nil {
		return nil, err
	}
	for _, id := range ids.Ascending() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		set := false
		if at := header.FilterOffset + id/8; id < header.VectorCount && at < segment.PayloadLength {
			var b [1]byte
			if err := volume.ReadFull(reading, b[:], segment.PayloadOffset()+int64(at)); err != nil {
				return nil, err
			}
			set = b[0]&(1<<(id%8)) != 0
		}
		if set != header.Exclude {
			found.Insert(id)
		}
	}
	return found, nil
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
