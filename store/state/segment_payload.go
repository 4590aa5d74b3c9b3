package state

import (
	"fmt"

	"rvffs/segments"
	"rvffs/store/volume"
)

// ReadPayload reads a small payload whole.
func (r *Reading) ReadPayload(entry segments.DirectoryEntry) ([]byte, error) {
	return r.ReadSegment(entry, maxSmallPayload)
}

// ReadSegment reads a payload of at most so many bytes whole.
func (r *Reading) ReadSegment(entry segments.DirectoryEntry, limit uint64) ([]byte, error) {
	segment, err := r.ReadHeader(entry)
	if err != nil {
		return nil, err
	}
	if segment.End() > r.snapshot.Size() || segment.PayloadLength > limit {
		return nil, fmt.Errorf("%w: %s of %d bytes at offset %d", volume.ErrCorrupt, entry.Type, entry.PayloadLength, entry.Offset)
	}
	payload := make([]byte, segment.PayloadLength)
	return payload, volume.ReadFull(r, payload, segment.PayloadOffset())
}

// maxSmallPayload bounds, in bytes, what is read at once of segments that are
// small by their nature.
const maxSmallPayload = 1 << 20
