package state

import (
	"fmt"

	"rvffs/segments"
	"rvffs/store/volume"
)

// ReadPayload reads a small payload whole.
func ReadPayload(file volume.File, s *Snapshot, entry segments.DirectoryEntry) ([]byte, error) {
	return ReadSegment(file, s, entry, maxSmallPayload)
}

// ReadSegment reads a payload of at most so many bytes whole.
func ReadSegment(file volume.File, s *Snapshot, entry segments.DirectoryEntry, limit uint64) ([]byte, error) {
	segment, err := s.ReadHeader(file, entry)
	if err != nil {
		return nil, err
	}
	if segment.End() > s.Size() || segment.PayloadLength > limit {
		return nil, fmt.Errorf("%w: %s of %d bytes at offset %d", volume.ErrCorrupt, entry.Type, entry.PayloadLength, entry.Offset)
	}
	payload := make([]byte, segment.PayloadLength)
	return payload, volume.ReadFull(file, payload, segment.PayloadOffset())
}

// maxSmallPayload bounds, in bytes, what is read at once of segments that are
// small by their nature.
const maxSmallPayload = 1 << 20
