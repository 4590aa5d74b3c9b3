package vecio

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// magic is how whole files of one kind begin.
type magic struct {
	begin   string
	verdict verdict
	name    string // of a kind that is refused
}

// magics holds what is told by how it begins. No one is a word alone, for a table may
// have a column PAR1. Those that are refused have 32 bits at least, and their first
// or second four bytes are float32 below 10^-31 or above 10^14; only Parquet's are
// 3·10^-9, and a byte more.
var magics = [...]magic{
	{begin: "SFVR\x01", verdict: isSegments},
	{begin: npyMagic, verdict: isNPY},
	{begin: "PK\x03\x04", name: "a zip archive, as .npz and .pt files are"},
	{begin: "PK\x05\x06\x00\x00\x00\x00", name: "a zip archive of no files"},
	{begin: "\x1f\x8b\x08\x00", name: "compressed with gzip"},
	{begin: "\x1f\x8b\x08\x08", name: "compressed with gzip"},
	{begin: "\x1f\x8b\x08\x04", name: "compressed with gzip"},
	{begin: "\x1f\x8b\x08\x10", name: "compressed with gzip"},
	{begin: "\x1f\x8b\x08\x18", name: "compressed with gzip"},
	{begin: "\x28\xb5\x2f\xfd", name: "compressed with zstd"},
	{begin: "\xfd7zXZ\x00", name: "compressed with xz"},
	{begin: "BZh11AY&SY", name: "compressed with bzip2"},
	{begin: "BZh61AY&SY", name: "compressed with bzip2"},
	{begin: "BZh91AY&SY", name: "compressed with bzip2"},
	{begin: "\x04\x22\x4d\x18", name: "compressed with lz4"},
	{begin: "7z\xbc\xaf\x27\x1c", name: "a 7z archive"},
	{begin: "\x89PNG\r\n\x1a\n", name: "a PNG image"},
	{begin: "\xff\xd8\xff\xe0", name: "a JPEG image"},
	{begin: "\xff\xd8\xff\xe1", name: "a JPEG image"},
	{begin: "\xff\xd8\xff\xdb", name: "a JPEG image"},
	{begin: "\xff\xd8\xff\xee", name: "a JPEG image"},
	{begin: "GIF89a", name: "a GIF image"},
	{begin: "%PDF-", name: "a PDF document"},
	{begin: "\x7fELF\x01", name: "an ELF file"},
	{begin: "\x7fELF\x02", name: "an ELF file"},
	{begin: "\x89HDF\r\n\x1a\n", name: "an HDF5 file"},
	{begin: "ARROW1\x00\x00", name: "an Arrow file"},
	{begin: "FEA1\x00\x00\x00\x00", name: "a Feather file"},
	{begin: "PAR1\x15", name: "a Parquet file"},
	{begin: "Obj\x01", name: "an Avro file"},
	{begin: "SQLite format 3\x00", name: "an SQLite database"},
	{begin: "GGUF\x01\x00\x00\x00", name: "a GGUF model"},
	{begin: "GGUF\x02\x00\x00\x00", name: "a GGUF model"},
	{begin: "GGUF\x03\x00\x00\x00", name: "a GGUF model"},
	{begin: "\xba\x16\x4f\x2f\x0b\x00\x00\x00", name: "a fastText model"},
	{begin: "\xba\x16\x4f\x2f\x0c\x00\x00\x00", name: "a fastText model"},
	{begin: "MATLAB 5.0 MAT-file", name: "a MATLAB file"},
	{begin: "version https://git-lfs.github.com/spec/", name: "a Git LFS pointer, and not the file that it stands for (git lfs pull fetches it)"},
	{begin: "<!DOCTYPE html", name: "a page of HTML, maybe an error message that a download brought"},
	{begin: "<!doctype html", name: "a page of HTML, maybe an error message that a download brought"},
	{begin: "<html", name: "a page of HTML, maybe an error message that a download brought"},
	{begin: "<?xml ", name: "XML"},
	{begin: "cnumpy\n", name: pickled},
	{begin: "cnumpy.", name: pickled},
	{begin: "ccopy_reg\n", name: pickled},
	{begin: "(lp0\n", name: pickled},
	{begin: "(dp0\n", name: pickled},
	{begin: "\x80\x02cnumpy", name: pickled},
	{begin: "\x80\x03cnumpy", name: pickled},
	{begin: "\x80\x02]q\x00", name: pickled},
	{begin: "\x80\x03]q\x00", name: pickled},
	{begin: "\x80\x02}q\x00", name: pickled},
	{begin: "\x80\x03}q\x00", name: pickled},
	{begin: "\x80\x02\x8a\x0al\xfc", name: "an old PyTorch file"},
	{begin: "\x82\xa2nd", name: "packed with msgpack"},
	{begin: "\x85\xc4\x02nd", name: "packed with msgpack"},
}

const pickled = "pickled by Python (numpy.save writes what can be read)"

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

// longestMagic is how many bytes the longest one has.
const longestMagic = 40

// otherFile names the kind of file of which a stream has the magic that begins with held
// and goes on with p; "" if it has none.
func otherFile(held, p []byte) string {
	begin := slices.Concat(held[:min(len(held), longestMagic)], p[:min(len(p), longestMagic)])
	found, _ := matchMagic(begin)
	switch {
	case found == nil:
		return ""
	case found.verdict == isNPY:
		return "a NumPy file, which vectors.append and vectors.append.npy take"
	case found.verdict == isSegments:
		return "RVF segments, which vectors.append and vectors.append.rvf take"
	}
	return found.name
}

// foreignWithin names what p is if it shows in more than its first bytes; "" if it does
// not.
func foreignWithin(p []byte) string {
	const ustar = 257
	switch {
	case len(p) > ustar+6 && string(p[ustar:ustar+5]) == "ustar":
		return "a tar archive"
	case isPickle(p):
		return pickled
	case len(p) >= 8 && string(p[:4]) == "\xff\xff\xff\xff" && binary.LittleEndian.Uint32(p[4:])-1 < 1<<20:
		return "an Arrow stream"
	case isFAISS(p):
		return "a FAISS index"
	case isSafetensors(p):
		return "a safetensors file that is cut or damaged"
	case isMessagePack(p):
		return "packed with msgpack"
	}
	return ""
}

// isPickle reports whether p begins a pickle of protocol 4 or 5 with its first frame.
func isPickle(p []byte) bool {
	return len(p) >= 12 && p[0] == 0x80 && (p[1] == 4 || p[1] == 5) && p[2] == 0x95 && binary.LittleEndian.Uint64(p[3:]) < 1<<40
}

// isFAISS reports whether p begins as FAISS's indexes do: a word of four letters that begins
// with I, the dimension, the number of vectors, and 2^20 twice.
func isFAISS(p []byte) bool {
	const dummy = 1 << 20
	return len(p) >= 32 && p[0] == 'I' && isAlphanumeric(p[1:4]) &&
		binary.LittleEndian.Uint64(p[16:]) == dummy && binary.LittleEndian.Uint64(p[24:]) == dummy
}

func isAlphanumeric(p []byte) bool {
	for _, c := range p {
		if c-'0' >= 10 && c|0x20-'a' >= 26 {
			return false
		}
	}
	return true
}

// isSafetensors reports whether p begins with the length of a header and one.
func isSafetensors(p []byte) bool {
	return len(p) >= 10 && binary.LittleEndian.Uint64(p) < 1<<32 && string(p[8:10]) == `{"`
}

// isCounted reports whether p begins with a number of rows and a dimension. As float32
// both are below 10^-38 and not zero.
func isCounted(p []byte) bool {
	if len(p) < 12 {
		return false
	}
	rows, dimension := binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:])
	return rows-1 < 1<<23 && dimension-1 < MaxDimension
}

// isMessagePack reports whether p begins with arrays or maps of msgpack in which, after a few
// keys and ids, each value has the mark of a float before it.
func isMessagePack(p []byte) bool {
	const enough, others = 6, 8
	floats, rest := 0, 0
	for len(p) > 0 && rest < others {
		mark, length := p[0], 1
		switch {
		case mark == 0xca:
			length = 5
		case mark == 0xcb:
			length = 9
		case mark&0xe0 == 0x80: // a small map or array
		case mark == 0xdc || mark == 0xde:
			length = 3
		case mark == 0xdd || mark == 0xdf:
			length = 5
		case mark&0xe0 == 0xa0: // a key
			length = 1 + int(mark&0x1f)
			if len(p) < length || bytes.ContainsFunc(p[1:length], func(r rune) bool { return r < ' ' || r > '~' }) {
				return false
			}
		case mark < 0x80: // an id
		default:
			return false
		}
		switch {
		case mark == 0xca || mark == 0xcb:
			floats++
		case rest == 0 && mark&0xe0 != 0x80 && mark&0xfc != 0xdc:
			return false
		default:
			rest++
		}
		if rest == 0 || floats >= enough {
			break
		}
		p = p[min(len(p), length):]
	}
	return rest > 0 && (floats >= enough || floats > 2 && len(p) == 0)
}
