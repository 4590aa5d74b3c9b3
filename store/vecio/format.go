package vecio

import "fmt"

// Format is the way in which a stream writes vectors down.
type Format uint8

// The formats.
const (
	Auto     Format = iota // decided from the first bytes
	RawF32                 // rows of little-endian float32 and nothing else
	JSON                   // JSON records, one after the other or in one array
	Segments               // whole RVF segments as they stand in a store file
)

// formats holds what is said of each format, in the order of the constants.
var formats = [...]struct {
	name     string
	suffixes []string
}{
	Auto:     {"auto", nil},
	RawF32:   {"f32", []string{".f32"}},
	JSON:     {"json", []string{".jsonl", ".json"}},
	Segments: {"rvf", []string{".rvf"}},
}

// String is the format's short name, such as "json".
func (f Format) String() string {
	if int(f) < len(formats) {
		return formats[f].name
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// FormatOfSuffix is the format that a name's suffix (".f32", ".jsonl", …) forces.
func FormatOfSuffix(suffix string) (Format, bool) {
	for f := range formats {
		for _, s := range formats[f].suffixes {
			if s == suffix {
				return Format(f), true
			}
		}
	}
	return Auto, false
}
