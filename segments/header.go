package segments

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

const (
	// HeaderSize is the length of a segment header in bytes.
	HeaderSize = 64
	// Magic begins every segment header; on disk it reads "SFVR".
	Magic uint32 = 0x52564653
	// HeaderVersion is the only version of the header that there is.
	HeaderVersion = 1
)

// Header is a segment header. In a file it is 64 bytes; ParseHeader and Encode know which
// field stands where.
type Header struct {
	Version            uint8
	Type               Type
	Flags              Flags
	ID                 uint64 // not unique in real files: only the offset identifies a segment
	PayloadLength      uint64 // bytes that follow the header
	Timestamp          uint64 // nanoseconds since the Unix epoch; the reference runtime writes 0
	ChecksumAlgorithm  uint8
	Compression        Compression
	Reserved16         uint16
	Reserved32         uint32
	ContentHash        [16]byte // of the payload as stored; all zero = not set
	UncompressedLength uint32   // 0 if the payload is not compressed
	AlignmentPad       uint32
}

// Retired returns the header with which the segment counts for nobody any more: a
// rewriter that keeps all that it does not know must not keep it, and vectors that
// no manifest names are dead to every reader. What is left of the content has no
// hash, so that nobody takes it for something that was written to be found.
func (h Header) Retired() Header {
	h.Type, h.ContentHash = TypeVec, [16]byte{}
	return h
}

// ParseHeader reads the first HeaderSize bytes of b. Reserved fields may hold
// anything and are kept. The error wraps ErrShortHeader, ErrMagic or
// ErrVersion.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("%w: %d", ErrShortHeader, len(b))
	}
	if magic := binary.LittleEndian.Uint32(b); magic != Magic {
		return Header{}, fmt.Errorf("%w: %#08x", ErrMagic, magic)
	}
	if b[4] != HeaderVersion {
		return Header{}, fmt.Errorf("%w: %d", ErrVersion, b[4])
	}
	return Header{
		Version:            b[4],
		Type:               Type(b[5]),
		Flags:              Flags(binary.LittleEndian.Uint16(b[6:])),
		ID:                 binary.LittleEndian.Uint64(b[8:]),
		PayloadLength:      binary.LittleEndian.Uint64(b[16:]),
		Timestamp:          binary.LittleEndian.Uint64(b[24:]),
		ChecksumAlgorithm:  b[32],
		Compression:        Compression(b[33]),
		Reserved16:         binary.LittleEndian.Uint16(b[34:]),
		Reserved32:         binary.LittleEndian.Uint32(b[36:]),
		ContentHash:        [16]byte(b[40:56]),
		UncompressedLength: binary.LittleEndian.Uint32(b[56:]),
		AlignmentPad:       binary.LittleEndian.Uint32(b[60:]),
	}, nil
}

// Encode returns the header's 64 bytes.
func (h Header) Encode() [HeaderSize]byte {
	var b [HeaderSize]byte
	binary.LittleEndian.PutUint32(b[0:], Magic)
	b[4] = h.Version
	b[5] = byte(h.Type)
	binary.LittleEndian.PutUint16(b[6:], uint16(h.Flags))
	binary.LittleEndian.PutUint64(b[8:], h.ID)
	binary.LittleEndian.PutUint64(b[16:], h.PayloadLength)
	binary.LittleEndian.PutUint64(b[24:], h.Timestamp)
	b[32] = h.ChecksumAlgorithm
	b[33] = byte(h.Compression)
	binary.LittleEndian.PutUint16(b[34:], h.Reserved16)
	binary.LittleEndian.PutUint32(b[36:], h.Reserved32)
	copy(b[40:56], h.ContentHash[:])
	binary.LittleEndian.PutUint32(b[56:], h.UncompressedLength)
	binary.LittleEndian.PutUint32(b[60:], h.AlignmentPad)
	return b
}

// Hashed reports whether the header has a content hash, of whatever form.
func (h Header) Hashed() bool { return h.ContentHash != [16]byte{} }

// BeginsSegment reports whether a file begins with the header of a segment.
func BeginsSegment(r io.ReaderAt) bool {
	var b [HeaderSize]byte
	if readFull(r, b[:], 0) != nil {
		return false
	}
	_, err := ParseHeader(b[:])
	return err == nil
}

// Segment is a header and the place in the file where it stands.
type Segment struct {
	Header
	Offset int64 // of the header, from the start of the file
}

// PayloadOffset returns where the payload begins.
func (s Segment) PayloadOffset() int64 { return saturatingAdd(s.Offset, HeaderSize) }

// End returns where the payload ends. A hostile length does not overflow: it
// gives math.MaxInt64, which lies behind the end of every file.
func (s Segment) End() int64 { return saturatingAdd(s.PayloadOffset(), s.PayloadLength) }

// saturatingAdd returns offset + length, or math.MaxInt64 where that is less.
// The offset must not be negative.
func saturatingAdd(offset int64, length uint64) int64 {
	if length > uint64(math.MaxInt64-offset) {
		return math.MaxInt64
	}
	return offset + int64(length)
}
