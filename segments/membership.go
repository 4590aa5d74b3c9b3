package segments

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"rvffs/lineage"
)

const (
	// MembershipHeaderSize is the length of a MembershipHeader in bytes.
	MembershipHeaderSize = 96
	// MembershipMagic begins every MembershipHeader.
	MembershipMagic uint32 = 0x52564D42

	membershipVersion = 1
)

// MembershipHeader is what a membership segment's payload begins with; the
// filter follows. The last 12 of its 96 bytes are zero.
type MembershipHeader struct {
	FilterType   uint8        // 0 bitmap
	Exclude      bool         // the filter names what is not visible
	VectorCount  uint64       // highest id + 1
	MemberCount  uint64       // of the bits set
	FilterOffset uint64       // from the payload's start
	FilterSize   uint32       // bytes
	Generation   uint32       // always 0 so far
	FilterHash   lineage.Hash // the fold of the filter
	BloomOffset  uint64
	BloomSize    uint32 // bytes
}

// ParseMembershipHeader reads the first MembershipHeaderSize bytes of b. The
// error wraps ErrPayload.
func ParseMembershipHeader(b []byte) (MembershipHeader, error) {
	if len(b) < MembershipHeaderSize {
		return MembershipHeader{}, fmt.Errorf("%w: membership of %d bytes", ErrPayload, len(b))
	}
	if err := checkVersion("membership", b, MembershipMagic, membershipVersion); err != nil {
		return MembershipHeader{}, err
	}
	return MembershipHeader{
		FilterType:   b[6],
		Exclude:      b[7] == 1,
		VectorCount:  binary.LittleEndian.Uint64(b[0x08:]),
		MemberCount:  binary.LittleEndian.Uint64(b[0x10:]),
		FilterOffset: binary.LittleEndian.Uint64(b[0x18:]),
		FilterSize:   binary.LittleEndian.Uint32(b[0x20:]),
		Generation:   binary.LittleEndian.Uint32(b[0x24:]),
		FilterHash:   lineage.Hash(b[0x28:0x48]),
		BloomOffset:  binary.LittleEndian.Uint64(b[0x48:]),
		BloomSize:    binary.LittleEndian.Uint32(b[0x50:]),
	}, nil
}

// Encode returns the header's 96 bytes.
func (h MembershipHeader) Encode() [MembershipHeaderSize]byte {
	var b [MembershipHeaderSize]byte
	binary.LittleEndian.PutUint32(b[0x00:], MembershipMagic)
	binary.LittleEndian.PutUint16(b[0x04:], membershipVersion)
	b[6] = h.FilterType
	if h.Exclude {
		b[7] = 1
	}
	binary.LittleEndian.PutUint64(b[0x08:], h.VectorCount)
	binary.LittleEndian.PutUint64(b[0x10:], h.MemberCount)
	binary.LittleEndian.PutUint64(b[0x18:], h.FilterOffset)
	binary.LittleEndian.PutUint32(b[0x20:], h.FilterSize)
	binary.LittleEndian.PutUint32(b[0x24:], h.Generation)
	copy(b[0x28:0x48], h.FilterHash[:])
	binary.LittleEndian.PutUint64(b[0x48:], h.BloomOffset)
	binary.LittleEndian.PutUint32(b[0x50:], h.BloomSize)
	return b
}

// Membership is the payload of a membership segment: which of the parent's
// ids a branch sees.
type Membership struct {
	Header MembershipHeader
	// Bitmap holds the bit of id i in byte i/8, at place i%8.
	Bitmap []byte
}

// ParseMembership reads a membership segment's payload and checks the
// filter's size, hash and count. Bitmap shares its memory. Only bitmaps are
// known as filters. The error wraps ErrPayload.
func ParseMembership(payload []byte) (*Membership, error) {
	h, err := ParseMembershipHeader(payload)
	if err != nil {
		return nil, err
	}
	size := uint64(len(payload))
	if h.FilterOffset < MembershipHeaderSize || h.FilterOffset > size || uint64(h.FilterSize) > size-h.FilterOffset {
		return nil, fmt.Errorf("%w: membership filter of %d bytes at %d in %d", ErrPayload, h.FilterSize, h.FilterOffset, size)
	}
	bitmap := payload[h.FilterOffset : h.FilterOffset+uint64(h.FilterSize)]
	words := h.VectorCount / 64
	if h.VectorCount%64 != 0 {
		words++
	}
	if h.FilterType != 0 || uint64(len(bitmap)) != words*8 || words > size {
		return nil, fmt.Errorf("%w: membership filter of type %d, %d bytes for %d ids",
			ErrPayload, h.FilterType, len(bitmap), h.VectorCount)
	}
	if lineage.Fold(bitmap) != h.FilterHash {
		return nil, fmt.Errorf("%w: hash of the membership filter", ErrPayload)
	}
	var members uint64
	for at := 0; at < len(bitmap); at += 8 {
		members += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(bitmap[at:])))
	}
	if members != h.MemberCount {
		return nil, fmt.Errorf("%w: %d members, not %d", ErrPayload, members, h.MemberCount)
	}
	return &Membership{Header: h, Bitmap: bitmap}, nil
}

// Contains reports whether the filter lets id be seen.
func (m *Membership) Contains(id uint64) bool {
	set := id < m.Header.VectorCount && m.Bitmap[id/8]&(1<<(id%8)) != 0
	return set != m.Header.Exclude
}

// Encode returns the payload of a membership segment: the header with its
// filter offset, size, hash and member count set, and the bitmap, which has
// to take ceil(VectorCount / 64) × 8 bytes.
func (m *Membership) Encode() []byte {
	h := m.Header
	h.FilterOffset, h.FilterSize = MembershipHeaderSize, uint32(len(m.Bitmap))
	h.FilterHash = lineage.Fold(m.Bitmap)
	h.MemberCount = 0
	for _, b := range m.Bitmap {
		h.MemberCount += uint64(bits.OnesCount8(b))
	}
	header := h.Encode()
	return append(header[:], m.Bitmap...)
}

// HighestMember is the largest id that a branch can show of its parent's: that of the
// largest filter that the reference runtime takes.
const HighestMember = 536_870_910

// NewMembership is the filter that lets ids up to the highest be seen, as soon as they are
// added; without any, some is false.
func NewMembership(highest uint64, some bool) *Membership {
	if !some {
		return &Membership{}
	}
	return &Membership{Header: MembershipHeader{VectorCount: highest + 1}, Bitmap: make([]byte, (highest/64+1)*8)}
}

// AddRun lets the ids from first to last be seen, which are no larger than the highest.
func (m *Membership) AddRun(first, last uint64) {
	for ; first <= last && first%8 != 0; first++ {
		m.Bitmap[first/8] |= 1 << (first % 8)
	}
	for ; first <= last && last-first >= 7; first += 8 {
		m.Bitmap[first/8] = 0xFF
	}
	for ; first <= last; first++ {
		m.Bitmap[first/8] |= 1 << (first % 8)
	}
}
