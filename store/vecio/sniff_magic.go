package vecio

import "strings"

// magic is how whole files of one kind begin.
type magic struct {
	begin   string
	verdict verdict
	name    string // of a kind that is refused
}

// magics holds what is told by how it begins. No one is text alone, for a table may
// have a column PAR1. Those that are refused have 32 bits at least, and their first
// or second four bytes are float32 below 10^-31 or above 10^14; only Parquet's are
// 3·10^-9, and a byte more.
var magics = [...]magic{
	{begin: "SFVR\x01", verdict: isSegments},
	{begin: npyMagic, verdict: isNPY},
	{begin: "PK\x03\x04", verdict: isForeign, name: "a zip archive, as .npz and .pt files are"},
	{begin: "\x1f\x8b\x08\x00", verdict: isForeign, name: "compressed with gzip"},
	{begin: "\x1f\x8b\x08\x08", verdict: isForeign, name: "compressed with gzip"},
	{begin: "\x28\xb5\x2f\xfd", verdict: isForeign, name: "compressed with zstd"},
	{begin: "\xfd7zXZ\x00", verdict: isForeign, name: "compressed with xz"},
	{begin: "\x89PNG\r\n\x1a\n", verdict: isForeign, name: "a PNG image"},
	{begin: "\x89HDF\r\n\x1a\n", verdict: isForeign, name: "an HDF5 file"},
	{begin: "ARROW1\x00\x00", verdict: isForeign, name: "an Arrow file"},
	{begin: "PAR1\x15", verdict: isForeign, name: "a Parquet file"},
}

// matchMagic finds the magic that p begins with; open tells that p may still become
// one.
func matchMagic(p []byte) (found *magic, open bool) {
	for i := range magics {
		m := &magics[i]
		n := min(len(m.begin), len(p))
		if !strings.HasPrefix(m.begin, string(p[:n])) {
			continue
		}
		if n == len(m.begin) {
			return m, false
		}
		open = true
	}
	return nil, open
}
