package segments

import (
	"encoding/binary"
	"io"
)

// extensions are the vendor extensions of this engine: what their payloads begin with, for
// other vendors may use the same types, and what they are called.
var extensions = map[Type]struct {
	magic uint32
	name  string
}{
	TypeKeptState: {KeptStateMagic, "kept state"},
	TypeBranches:  {BranchesMagic, "list of branches"},
	TypeFreeze:    {FreezeMagic, "freeze mark"},
}

// Extension is what this engine calls the segments of a type whose payloads begin so; ""
// when they are not its own.
func (t Type) Extension(payload []byte) string {
	own, some := extensions[t]
	if !some || len(payload) < 4 || binary.LittleEndian.Uint32(payload) != own.magic {
		return ""
	}
	return own.name
}

// IsForeign reports whether a segment of a type that this engine writes for itself is another
// vendor's, who is free to use the type as well.
func IsForeign(file io.ReaderAt, entry DirectoryEntry) (bool, error) {
	if !entry.Type.IsExtension() {
		return false, nil
	}
	start := make([]byte, min(entry.PayloadLength, 4))
	if err := readFull(file, start, entry.Offset+HeaderSize); err != nil {
		return false, err
	}
	return entry.Type.Extension(start) == "", nil
}

// IsExtension reports whether this engine writes segments of the type for itself.
func (t Type) IsExtension() bool {
	_, own := extensions[t]
	return own
}
