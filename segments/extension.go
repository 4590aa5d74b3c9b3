package segments

import "encoding/binary"

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

// IsExtension reports whether this engine writes segments of the type for itself.
func (t Type) IsExtension() bool {
	_, own := extensions[t]
	return own
}
