package segments

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"rvffs/lineage"
)

const (
	wireRootSize            = 4096
	wireRootMagic    uint32 = 0x52564D30
	wireRootIdentity        = 0xF00
	wireRootCRC             = 0xFFC
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WireRoot is the 4096-byte block that ends a file of the wire dialect.
type WireRoot struct {
	Version       uint16
	Flags         uint16
	Level1Offset  uint64 // of the records that hold the directory
	Level1Length  uint64 // in bytes
	TotalVectors  uint64
	Dimension     uint16
	DataType      uint8
	DomainProfile lineage.Profile
	Epoch         uint32
	Created       uint64 // nanoseconds since the Unix epoch
	Modified      uint64 // nanoseconds since the Unix epoch
	Identity      lineage.Identity
}

// ParseWireRoot reads a root from exactly 4096 bytes and checks its CRC-32C.
// The error wraps ErrPayload.
func ParseWireRoot(b []byte) (*WireRoot, error) {
	if len(b) != wireRootSize {
		return nil, fmt.Errorf("%w: wire root of %d bytes", ErrPayload, len(b))
	}
	if magic := binary.LittleEndian.Uint32(b); magic != wireRootMagic {
		return nil, fmt.Errorf("%w: wire root begins with %#08x", ErrPayload, magic)
	}
	if binary.LittleEndian.Uint32(b[wireRootCRC:]) != crc32.Checksum(b[:wireRootCRC], castagnoli) {
		return nil, fmt.Errorf("%w: checksum of the wire root", ErrPayload)
	}
	identity, err := lineage.ParseIdentity(b[wireRootIdentity:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return &WireRoot{
		Version:       binary.LittleEndian.Uint16(b[4:]),
		Flags:         binary.LittleEndian.Uint16(b[6:]),
		Level1Offset:  binary.LittleEndian.Uint64(b[8:]),
		Level1Length:  binary.LittleEndian.Uint64(b[0x10:]),
		TotalVectors:  binary.LittleEndian.Uint64(b[0x18:]),
		Dimension:     binary.LittleEndian.Uint16(b[0x20:]),
		DataType:      b[0x22],
		DomainProfile: lineage.Profile(b[0x23]),
		Epoch:         binary.LittleEndian.Uint32(b[0x24:]),
		Created:       binary.LittleEndian.Uint64(b[0x28:]),
		Modified:      binary.LittleEndian.Uint64(b[0x30:]),
		Identity:      identity,
	}, nil
}

// readWireRoot returns the root that the first size bytes of r end with, or
// nil if they end with something else.
func readWireRoot(r io.ReaderAt, size int64) (*WireRoot, error) {
	if size < wireRootSize {
		return nil, nil
	}
	// Nearly every file is of the other dialect: the magic is enough to know.
	var magic [4]byte
	if err := readFull(r, magic[:], size-wireRootSize); err != nil {
		return nil, fmt.Errorf("wire root: %w", err)
	}
	if binary.LittleEndian.Uint32(magic[:]) != wireRootMagic {
		return nil, nil
	}
	b := make([]byte, wireRootSize)
	if err := readFull(r, b, size-wireRootSize); err != nil {
		return nil, fmt.Errorf("wire root: %w", err)
	}
	root, err := ParseWireRoot(b)
	if err != nil {
		// Something else that happens to begin with the magic.
		return nil, nil
	}
	return root, nil
}
