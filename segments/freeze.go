package segments

import "encoding/binary"

// FreezeMagic begins the payload of a segment that says that the store must not change any
// more; on disk it reads "RVFZ". Other programs keep the segment, as all that they do not
// know.
const FreezeMagic uint32 = 0x5A465652

const freezeVersion = 1

// FreezeSize is the length of such a payload in bytes.
const FreezeSize = 16

// EncodeFreeze returns the payload of a freeze at a time, in nanoseconds since 1970.
func EncodeFreeze(time uint64) []byte {
	b := make([]byte, FreezeSize)
	binary.LittleEndian.PutUint32(b[0x00:], FreezeMagic)
	binary.LittleEndian.PutUint16(b[0x04:], freezeVersion)
	binary.LittleEndian.PutUint64(b[0x08:], time)
	return b
}

// IsFreeze reports whether a payload, or its beginning, is that of a freeze, of whatever
// version: whoever does not know what it allows changes nothing.
func IsFreeze(payload []byte) bool {
	return len(payload) >= 4 && binary.LittleEndian.Uint32(payload) == FreezeMagic
}
