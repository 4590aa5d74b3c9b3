package store

import (
	"fmt"

	"rvffs/segments"
	"rvffs/store/volume"
)

// appendManifest writes the small segments and, behind them, the manifest, which
// gets to name them too. Whatever stands unfinished before is given its header
// first, so that the file can be walked up to the new manifest.
//
// The order on the disk is what makes a commit whole or absent: everything but
// the manifest's magic number, then, when that is durable, the magic number.
//
// Of everything, the headers of what stood unfinished come last, and the magic number
// of the first small segment. So if anything whole can be found after the process
// died, the manifest without its magic number is there too, and tells that nobody was
// told of the commit.
func (w *writer) appendManifest(s *session, stamp uint64, small []newSegment, manifest *segments.Manifest) (segments.Segment, error) {
	if err := w.guard(s, s.file); err != nil {
		return segments.Segment{}, err
	}
	length := int64(segments.HeaderSize + manifest.EncodedSize())
	for _, segment := range small {
		length += int64(segments.HeaderSize + len(segment.payload) + segments.DirectoryEntrySize)
	}
	start, id, open, dimension, err := w.claimEnd(s, length, uint64(len(small)+1))
	if err != nil {
		return segments.Segment{}, err
	}
	for _, e := range open {
		e.pending.Wait()
	}

	image := make([]byte, 0, length)
	describe := func(kind segments.Type, payload []byte) segments.Segment {
		described := segments.Segment{Offset: start + int64(len(image)), Header: segments.Header{
			Version: 1, Type: kind, ID: id, Timestamp: stamp,
			PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload),
		}}
		id++
		return described
	}
	for _, segment := range small {
		described := describe(segment.kind, segment.payload)
		manifest.Directory = append(manifest.Directory, segments.DirectoryEntry{
			SegmentID: described.ID, Offset: described.Offset, PayloadLength: described.PayloadLength, Type: described.Type,
		})
		encoded := described.Encode()
		image = append(append(image, encoded[:]...), segment.payload...)
	}
	payload := manifest.Encode()
	last := describe(segments.TypeManifest, payload)
	header := last.Encode()
	image = append(append(append(image, unsaid...), header[len(unsaid):]...), payload...)
	if segments.LooksLikeManifest(image) >= 0 {
		return segments.Segment{}, fmt.Errorf("write manifest at offset %d: %w", last.Offset, errUnsafeManifest)
	}

	copy(image, unsaid)
	if _, err := s.file.WriteAt(image, start); err != nil {
		return segments.Segment{}, volume.WriteError(err, len(image), start)
	}
	for _, e := range open {
		if e.kind == segments.TypeVec {
			e.sealVectors(dimension)
		}
		if err := e.writeHead(s.file, stamp); err != nil {
			return segments.Segment{}, err
		}
	}
	if start < last.Offset {
		if _, err := s.file.WriteAt(header[:len(unsaid)], start); err != nil {
			return segments.Segment{}, volume.WriteError(err, len(unsaid), start)
		}
	}
	if err := w.store.sync(s.file); err != nil {
		return segments.Segment{}, err
	}
	if err := w.guardCommit(s); err != nil {
		return segments.Segment{}, err
	}
	if _, err := s.file.WriteAt(header[:len(unsaid)], last.Offset); err != nil {
		return segments.Segment{}, volume.WriteError(err, len(unsaid), last.Offset)
	}
	if err := w.store.sync(s.file); err != nil {
		return segments.Segment{}, err
	}
	return last, w.guardSaid(s)
}

// unsaid stands for a manifest's magic number as long as its payload is not on
// the disk. Nobody takes what follows it for a header, and it is so short that
// even a write cut at any byte leaves no half header behind.
var unsaid = make([]byte, 4)

// claimEnd takes the end of the file, seals all that stands before it and lists
// what of that still needs its header.
func (w *writer) claimEnd(s *session, length int64, segmentCount uint64) (start int64, id uint64, open []*extent, dimension int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.failed != nil {
		return 0, 0, nil, 0, s.failed
	}
	for _, e := range s.extents {
		e.sealed = true
		if !e.headed.Load() {
			open = append(open, e)
		}
	}
	start, id = s.tail, s.segmentID
	s.advance(start + length)
	s.segmentID += segmentCount
	return start, id, open, s.dimension, nil
}
