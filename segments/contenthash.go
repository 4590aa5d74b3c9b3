package segments

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/zeebo/xxh3"

	"rvffs/lineage"
)

// The values of Header.ChecksumAlgorithm. The runtime dialect writes 0 and
// means its own form, four rotations of a CRC-32; the wire dialect writes 0
// or 1 and means XXH3-128.
const (
	ChecksumRuntime uint8 = 0
	ChecksumXXH3    uint8 = 1
	ChecksumSHAKE   uint8 = 2
)

// ContentHashOfCRC spreads the CRC-32 (IEEE) of a payload over 16 bytes in
// the way of the runtime dialect.
func ContentHashOfCRC(crc uint32) [16]byte {
	var hash [16]byte
	for i := range 4 {
		binary.LittleEndian.PutUint32(hash[4*i:], bits.RotateLeft32(crc, 8*i))
	}
	return hash
}

// ContentHash returns the content hash of the runtime dialect.
func ContentHash(payload []byte) [16]byte {
	return ContentHashOfCRC(crc32.ChecksumIEEE(payload))
}

// isCRCForm reports whether hash has the shape that ContentHashOfCRC gives.
// Any other hash has it by chance once in 2^96.
func isCRCForm(hash [16]byte) bool {
	return hash == ContentHashOfCRC(binary.LittleEndian.Uint32(hash[:]))
}

// IsWireHash reports whether a header holds a content hash in another form than that
// of the runtime dialect.
func IsWireHash(h Header) bool { return h.Hashed() && !isCRCForm(h.ContentHash) }

// HashVerdict is what a payload's check came to.
type HashVerdict uint8

const (
	// HashUnset: the header holds no hash.
	HashUnset HashVerdict = iota
	// HashMatch: the payload is what the header says.
	HashMatch
	// HashMismatch: it is not.
	HashMismatch
	// HashUnknown: the hash is of a kind that the format does not define.
	HashUnknown
)

// String returns "unset", "match", "mismatch" or "unknown".
func (v HashVerdict) String() string {
	switch v {
	case HashUnset:
		return "unset"
	case HashMatch:
		return "match"
	case HashMismatch:
		return "mismatch"
	default:
		return "unknown"
	}
}

// verifyBuffer is how much of a payload is held in memory while it is
// checked.
const verifyBuffer = 128 << 10

// VerifyPayload checks a payload against the content hash of its header, in
// every form that either dialect writes: rotated CRC-32, XXH3-128 and
// SHAKE-256 cut to 16 bytes. It reads exactly h.PayloadLength bytes, once, in
// constant memory, or nothing if the hash is unset or unknown. An early end of the
// input is io.ErrUnexpectedEOF.
func VerifyPayload(h Header, payload io.Reader) (HashVerdict, error) {
	check := NewPayloadCheck(h)
	if check.hasher == nil {
		return check.early, nil
	}
	if err := writeExactly(check, payload, h.PayloadLength); err != nil {
		return HashUnknown, err
	}
	return check.Verdict(), nil
}

// PayloadCheck is VerifyPayload for a payload that comes in parts.
type PayloadCheck struct {
	header Header
	hasher *contentHasher // nil if there is nothing to compute
	early  HashVerdict
}

// NewPayloadCheck begins a check against the content hash of a header.
func NewPayloadCheck(h Header) *PayloadCheck {
	hasher, early := hasherFor(h)
	return &PayloadCheck{header: h, hasher: hasher, early: early}
}

// Reads reports whether the payload has to be read for the verdict. It has not if the
// hash is unset or unknown.
func (c *PayloadCheck) Reads() bool { return c.hasher != nil }

// Write takes the next bytes of the payload. It never fails.
func (c *PayloadCheck) Write(p []byte) (int, error) {
	if c.hasher != nil {
		_, _ = c.hasher.Write(p) // a hash.Hash never returns an error
	}
	return len(p), nil
}

// Verdict is what the check came to, once all of the payload was written.
func (c *PayloadCheck) Verdict() HashVerdict {
	if c.hasher == nil {
		return c.early
	}
	return c.hasher.verdict(c.header)
}

// VerifySegment is VerifyPayload for a segment of a file. Of the holes of one that
// is Sparse it reads little where the form of the hash allows that.
func VerifySegment(r io.ReaderAt, s Segment) (HashVerdict, error) {
	check := NewPayloadCheck(s.Header)
	if check.hasher == nil {
		return check.early, nil
	}
	if err := check.feed(r, s.PayloadOffset(), s.End()); err != nil {
		return HashUnknown, err
	}
	return check.Verdict(), nil
}

// feed takes the bytes of r from an offset up to an end.
func (c *PayloadCheck) feed(r io.ReaderAt, offset, end int64) error {
	crc, _ := c.hasher.Writer.(*crcSum)
	buffer := make([]byte, min(end-offset, verifyBuffer))
	for offset < end {
		part := buffer[:min(end-offset, int64(len(buffer)))]
		if err := readFull(r, part, offset); err != nil {
			return fmt.Errorf("payload to verify: %w", err)
		}
		_, _ = c.Write(part)
		offset += int64(len(part))
		if crc != nil && allZero(part) {
			zeros := zerosFrom(r, offset, end-offset)
			crc.zeros(zeros)
			offset += zeros
		}
	}
	return nil
}

// verifyBytes is VerifyPayload for a payload that is held in memory and has
// the length that its header says.
func verifyBytes(h Header, payload []byte) HashVerdict {
	check := NewPayloadCheck(h)
	_, _ = check.Write(payload)
	return check.Verdict()
}

// contentHasher computes one of the forms of the content hash.
type contentHasher struct {
	io.Writer
	sum func() [16]byte
}

// hasherFor returns what computes the form of hash that h holds, or nil and
// the verdict if there is nothing to compute.
func hasherFor(h Header) (*contentHasher, HashVerdict) {
	switch {
	case !h.Hashed():
		return nil, HashUnset
	case isCRCForm(h.ContentHash):
		crc := new(crcSum)
		return &contentHasher{crc, func() [16]byte { return ContentHashOfCRC(uint32(*crc)) }}, 0
	case h.ChecksumAlgorithm == ChecksumRuntime || h.ChecksumAlgorithm == ChecksumXXH3:
		hasher := xxh3.New()
		return &contentHasher{hasher, func() (hash [16]byte) {
			sum := hasher.Sum128()
			binary.LittleEndian.PutUint64(hash[0:], sum.Lo)
			binary.LittleEndian.PutUint64(hash[8:], sum.Hi)
			return hash
		}}, 0
	case h.ChecksumAlgorithm == ChecksumSHAKE:
		hasher := lineage.NewShake256()
		return &contentHasher{hasher, func() [16]byte { return [16]byte(hasher.Sum(nil)) }}, 0
	}
	return nil, HashUnknown
}

func (c *contentHasher) verdict(h Header) HashVerdict {
	if h.ContentHash == c.sum() {
		return HashMatch
	}
	return HashMismatch
}

// writeExactly writes exactly length bytes of r to w, which must not fail.
func writeExactly(w io.Writer, r io.Reader, length uint64) error {
	buffer := make([]byte, min(length, verifyBuffer))
	for length > 0 {
		n, err := io.ReadFull(r, buffer[:min(length, uint64(len(buffer)))])
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("payload to verify: %w", err)
		}
		if _, err := w.Write(buffer[:n]); err != nil {
			return fmt.Errorf("hash: %w", err)
		}
		length -= uint64(n)
	}
	return nil
}
