package vecio

import "fmt"

// Format is the way in which a stream writes vectors down.
type Format uint8

// The formats.
const (
	Auto        Format = iota // decided from the first bytes
	RawF32                    // rows of little-endian float32 and nothing else
	JSON                      // JSON records, one after the other or in one array
	Segments                  // whole RVF segments as they stand in a store file
	NPY                       // NumPy's files, one or several
	Fvecs                     // rows of float32 behind their dimension each
	Bvecs                     // rows of bytes behind their dimension each
	CSV                       // a table in text, with commas, semicolons, tabs or spaces
	TSV                       // a table in text, with tabs
	Fbin                      // number of rows and dimension, then rows of float32
	U8bin                     // the same with rows of bytes
	I8bin                     // the same with rows of signed bytes
	Safetensors               // a header in JSON that names tensors, then their values
)

// formats holds what is said of each format, in the order of the constants.
var formats = [...]struct {
	name     string
	suffixes []string
}{
	Auto:        {"auto", nil},
	RawF32:      {"f32", []string{".f32"}},
	JSON:        {"json", []string{".jsonl", ".json", ".ndjson"}},
	Segments:    {"rvf", []string{".rvf"}},
	NPY:         {"npy", []string{".npy"}},
	Fvecs:       {"fvecs", []string{".fvecs"}},
	Bvecs:       {"bvecs", []string{".bvecs"}},
	CSV:         {"csv", []string{".csv"}},
	TSV:         {"tsv", []string{".tsv"}},
	Fbin:        {"fbin", []string{".fbin"}},
	U8bin:       {"u8bin", []string{".u8bin"}},
	I8bin:       {"i8bin", []string{".i8bin"}},
	Safetensors: {"safetensors", []string{".safetensors"}},
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
