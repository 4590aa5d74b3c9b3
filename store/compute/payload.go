package compute

import (
	"fmt"
	"io"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// PrefixSize is how much of a payload is looked at, in bytes, to tell what it is: as much as
// the headers of any kind take.
const PrefixSize = segments.MaxKernelPrefix

// payload is what one compute segment holds, in the form that its author gave it:
// a segment that is compressed as a whole is decompressed.
type payload struct {
	kind    *Kind
	key     imageKey
	segment state.GuardedSegment
	view    state.View
	prefix  []byte // the beginning, as much as headers take
}

// openPayload finds the payload of a segment that the directory names.
func openPayload(reading *state.Reading, entry segments.DirectoryEntry) (payload, error) {
	s := reading.Snapshot()
	segment, err := reading.ReadHeader(entry)
	if err != nil {
		return payload{}, err
	}
	stored, err := s.Part(segment.PayloadOffset(), int64(min(segment.PayloadLength, uint64(s.Size())+1)))
	if err != nil {
		return payload{}, err
	}
	p := payload{
		kind:    KindOf(entry.Type),
		key:     imageKey{source: s.Backing(), offset: entry.Offset, header: segment.Header, part: wholePayload},
		segment: s.Guarded(entry), view: stored,
	}
	if segment.Flags&segments.FlagEncrypted != 0 {
		return payload{}, fmt.Errorf("%w: the segment is encrypted", volume.ErrCorrupt)
	}
	if segment.Compression == segments.CompressionNone {
		p.prefix = make([]byte, min(stored.Size(), PrefixSize))
		return p, volume.ReadFull(reading, p.prefix, segment.PayloadOffset())
	}
	size := int64(segment.UncompressedLength)
	if limit := p.kind.payloadLimit; size > limit {
		return payload{}, fmt.Errorf("%w: a compressed %s of %d bytes; the limit is %d", volume.ErrCorrupt, entry.Type, size, limit)
	}
	p.view = inflatedView{key: p.key, segment: p.segment, stored: stored, method: segment.Compression, size: size}
	charge := s.Backing().Memory().Charge()
	defer charge.Free()
	if err := charge.Set(segments.InflateMemory(size)); err != nil {
		return payload{}, fmt.Errorf("decompress the start of a %s: %w", entry.Type, err)
	}
	source := io.NewSectionReader(reading, segment.PayloadOffset(), stored.Size())
	p.prefix, err = segments.InflatePrefix(segment.Compression, source, size, PrefixSize)
	return p, err
}

// image is the run of the payload that holds an image, which method compresses and
// which has size bytes then.
func (p payload) image(offset, length int64, method segments.Compression, size uint64, limit int64) (state.View, error) {
	stored, err := state.SubView(p.view, offset, length)
	if err != nil || method == segments.CompressionNone {
		return stored, err
	}
	if method != segments.CompressionLZ4 && method != segments.CompressionZstd {
		return nil, fmt.Errorf("%w: compression %s cannot be read", volume.ErrCorrupt, method)
	}
	if size > uint64(limit) {
		return nil, fmt.Errorf("%w: a compressed image of %d bytes; the limit is %d", volume.ErrCorrupt, size, limit)
	}
	return inflatedView{key: p.inner(), segment: p.segment, stored: stored, method: method, size: int64(size)}, nil
}

// inner is the identity of the image in the payload.
func (p payload) inner() imageKey {
	key := p.key
	key.part = innerImage
	return key
}
