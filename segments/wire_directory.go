package segments

import (
	"encoding/binary"
	"fmt"
	"math"
)

const (
	wireRecordSize        = 8 // before the value
	wireTagDirectory      = 1
	wireDirectoryEntry    = 64
	wireRecordAlignment   = 8
	wireEntryOffset       = 16
	wireEntryPayload      = 24
	wireEntrySegmentType  = 8
	wireRecordLengthStart = 2
)

// parseWireDirectory reads the records of a wire manifest and returns the
// segment directory among them, and whether there is one. Records of other tags
// are passed over.
func parseWireDirectory(records []byte) (directory []DirectoryEntry, recorded bool, err error) {
	for rest := records; len(rest) >= wireRecordSize; {
		tag := binary.LittleEndian.Uint16(rest)
		length := uint64(binary.LittleEndian.Uint32(rest[wireRecordLengthStart:]))
		rest = rest[wireRecordSize:]
		if length > uint64(len(rest)) {
			return nil, false, fmt.Errorf("%w: wire record of %d bytes in %d", ErrPayload, length, len(rest))
		}
		if tag == wireTagDirectory {
			recorded = true
			for value := rest[:length]; len(value) >= wireDirectoryEntry; value = value[wireDirectoryEntry:] {
				offset := binary.LittleEndian.Uint64(value[wireEntryOffset:])
				if offset > math.MaxInt64 {
					return nil, false, fmt.Errorf("%w: wire manifest names a segment at %d", ErrPayload, offset)
				}
				directory = append(directory, DirectoryEntry{
					SegmentID:     binary.LittleEndian.Uint64(value),
					Offset:        int64(offset),
					PayloadLength: binary.LittleEndian.Uint64(value[wireEntryPayload:]),
					Type:          Type(value[wireEntrySegmentType]),
				})
			}
		}
		padded := (length + wireRecordAlignment - 1) / wireRecordAlignment * wireRecordAlignment
		rest = rest[min(padded, uint64(len(rest))):]
	}
	return directory, recorded, nil
}
