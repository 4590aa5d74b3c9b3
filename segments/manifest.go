package segments

import (
	"encoding/binary"
	"fmt"
	"math"

	"rvffs/lineage"
)

const (
	manifestFixedSize  = 22 // before the directory
	DirectoryEntrySize = 25
	// identityMarker stands before the identity; on disk it reads "IDIF".
	identityMarker uint32 = 0x46494449
)

// DirectoryEntry names one segment in a manifest.
type DirectoryEntry struct {
	SegmentID     uint64
	Offset        int64 // of the header, from the start of the file
	PayloadLength uint64
	Type          Type
}

// Manifest is one committed state of a store: the payload of a manifest
// segment in the runtime dialect.
type Manifest struct {
	Epoch           uint32
	Dimension       uint16 // 0 until the first vectors fix it
	TotalVectors    uint64 // distinct ids stored, deleted ones included; only a hint, and often wrong
	HardwareProfile uint8  // 0 generic, 1 core, 2 hot, 3 full
	Metric          Metric
	Reserved        uint16
	Directory       []DirectoryEntry
	Deleted         []uint64 // ids, ascending if the writer was honest
	Identity        lineage.Identity
	HasIdentity     bool // false in files from before there were identities
}

// ParseManifest reads a manifest's payload. A payload that ends after the
// deleted ids, or goes on with something else than an identity, is an older
// one without; bytes after the identity are not looked at. The error wraps
// ErrPayload.
func ParseManifest(payload []byte) (*Manifest, error) {
	if len(payload) < manifestFixedSize {
		return nil, fmt.Errorf("%w: manifest of %d bytes", ErrPayload, len(payload))
	}
	m := &Manifest{
		Epoch:           binary.LittleEndian.Uint32(payload[0:]),
		Dimension:       binary.LittleEndian.Uint16(payload[4:]),
		TotalVectors:    binary.LittleEndian.Uint64(payload[6:]),
		HardwareProfile: payload[18],
		Metric:          Metric(payload[19]),
		Reserved:        binary.LittleEndian.Uint16(payload[20:]),
	}
	count := uint64(binary.LittleEndian.Uint32(payload[14:]))
	rest := payload[manifestFixedSize:]
	if count > uint64(len(rest)/DirectoryEntrySize) {
		return nil, fmt.Errorf("%w: manifest with %d directory entries in %d bytes", ErrPayload, count, len(payload))
	}
	if err := m.parseDirectory(rest[:count*DirectoryEntrySize]); err != nil {
		return nil, err
	}
	rest = rest[count*DirectoryEntrySize:]
	if len(rest) < 4 {
		return nil, fmt.Errorf("%w: manifest ends before its deleted ids", ErrPayload)
	}
	deleted := uint64(binary.LittleEndian.Uint32(rest))
	rest = rest[4:]
	if deleted > uint64(len(rest)/8) {
		return nil, fmt.Errorf("%w: manifest with %d deleted ids in %d bytes", ErrPayload, deleted, len(payload))
	}
	m.Deleted = parseIDs(rest[:deleted*8])
	rest = rest[deleted*8:]
	if len(rest) >= 4+lineage.IdentitySize && binary.LittleEndian.Uint32(rest) == identityMarker {
		identity, err := lineage.ParseIdentity(rest[4:])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPayload, err)
		}
		m.Identity, m.HasIdentity = identity, true
	}
	return m, nil
}

// ParseManifestStart reads a manifest's payload of which the end is missing: its
// directory, and as many of its deleted ids as are there. False means that not even
// the directory is complete.
func ParseManifestStart(payload []byte) (*Manifest, bool) {
	if len(payload) < manifestFixedSize {
		return nil, false
	}
	m := &Manifest{
		Epoch:     binary.LittleEndian.Uint32(payload[0:]),
		Dimension: binary.LittleEndian.Uint16(payload[4:]),
		Metric:    Metric(payload[19]),
	}
	count := uint64(binary.LittleEndian.Uint32(payload[14:]))
	rest := payload[manifestFixedSize:]
	if count > uint64(len(rest)/DirectoryEntrySize) || m.parseDirectory(rest[:count*DirectoryEntrySize]) != nil {
		return m, false
	}
	rest = rest[count*DirectoryEntrySize:]
	if len(rest) >= 4 {
		deleted := min(uint64(binary.LittleEndian.Uint32(rest)), uint64(len(rest)-4)/8)
		m.Deleted = parseIDs(rest[4 : 4+deleted*8])
	}
	return m, true
}

// parseDirectory reads b, which holds whole entries only.
func (m *Manifest) parseDirectory(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	m.Directory = make([]DirectoryEntry, 0, len(b)/DirectoryEntrySize)
	for ; len(b) > 0; b = b[DirectoryEntrySize:] {
		offset := binary.LittleEndian.Uint64(b[8:])
		if offset > math.MaxInt64 {
			return fmt.Errorf("%w: manifest names a segment at %d", ErrPayload, offset)
		}
		m.Directory = append(m.Directory, DirectoryEntry{
			SegmentID:     binary.LittleEndian.Uint64(b[0:]),
			Offset:        int64(offset),
			PayloadLength: binary.LittleEndian.Uint64(b[16:]),
			Type:          Type(b[24]),
		})
	}
	return nil
}

// parseIDs reads b, which holds whole ids only. No ids are a nil slice.
func parseIDs(b []byte) []uint64 {
	if len(b) == 0 {
		return nil
	}
	ids := make([]uint64, len(b)/8)
	for i := range ids {
		ids[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return ids
}

// EncodedSize returns the length of Encode's result in bytes.
func (m *Manifest) EncodedSize() int {
	size := manifestFixedSize + DirectoryEntrySize*len(m.Directory) + 4 + 8*len(m.Deleted)
	if m.HasIdentity {
		size += 4 + lineage.IdentitySize
	}
	return size
}

// Encode returns the payload of a manifest segment.
func (m *Manifest) Encode() []byte {
	b := make([]byte, 0, m.EncodedSize())
	b = binary.LittleEndian.AppendUint32(b, m.Epoch)
	b = binary.LittleEndian.AppendUint16(b, m.Dimension)
	b = binary.LittleEndian.AppendUint64(b, m.TotalVectors)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Directory)))
	b = append(b, m.HardwareProfile, byte(m.Metric))
	b = binary.LittleEndian.AppendUint16(b, m.Reserved)
	for _, entry := range m.Directory {
		b = binary.LittleEndian.AppendUint64(b, entry.SegmentID)
		b = binary.LittleEndian.AppendUint64(b, uint64(entry.Offset))
		b = binary.LittleEndian.AppendUint64(b, entry.PayloadLength)
		b = append(b, byte(entry.Type))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Deleted)))
	for _, id := range m.Deleted {
		b = binary.LittleEndian.AppendUint64(b, id)
	}
	if m.HasIdentity {
		b = binary.LittleEndian.AppendUint32(b, identityMarker)
		// An identity always encodes; its error is there for the interface.
		b, _ = m.Identity.AppendBinary(b)
	}
	return b
}
