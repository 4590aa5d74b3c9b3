package segments

import "fmt"

// Flags is the bit set of a segment header.
type Flags uint16

// The flags of the format.
const (
	FlagCompressed Flags = 1 << iota
	FlagEncrypted
	FlagSigned // a signature footer follows the payload
	FlagSealed
	FlagPartial
	FlagTombstone
	FlagHot
	FlagOverlay
	FlagSnapshot
	FlagCheckpoint
	FlagAttested
	FlagHasLineage
)

var flagNames = []string{
	"compressed", "encrypted", "signed", "sealed", "partial", "tombstone",
	"hot", "overlay", "snapshot", "checkpoint", "attested", "has_lineage",
}

// Names returns the names of the flags that are set, lowest bit first; a bit
// without a name gives its value as "0x1000".
func (f Flags) Names() []string { return bitNames(uint32(f), flagNames, 4) }

// bitNames names the bits set in value, lowest first. Bits beyond names are
// written as their value with the given number of hexadecimal digits.
func bitNames(value uint32, names []string, digits int) []string {
	set := []string{}
	for bit := range 32 {
		if value&(1<<bit) == 0 {
			continue
		}
		if bit < len(names) {
			set = append(set, names[bit])
		} else {
			set = append(set, fmt.Sprintf("0x%0*x", digits, uint32(1)<<bit))
		}
	}
	return set
}

// numberName returns the name that names gives value, or "0x07".
func numberName[N ~uint8](value N, names map[N]string) string {
	if name, ok := names[value]; ok {
		return name
	}
	return fmt.Sprintf("0x%02x", uint8(value))
}
