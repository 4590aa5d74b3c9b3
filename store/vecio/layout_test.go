package vecio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// sourceRows makes rows as a segment has them: id and components, stride bytes
// from one to the next.
func sourceRows(random *rand.Rand, rows, dimension int) []byte {
	source := make([]byte, 0, rows*(8+4*dimension))
	for range rows {
		source = binary.LittleEndian.AppendUint64(source, random.Uint64()>>random.IntN(64))
		for range dimension {
			source = binary.LittleEndian.AppendUint32(source, random.Uint32())
		}
	}
	return source
}

// TestPartsMakeUpRows: wherever a row is cut, its parts are those of the whole, and
// each needs only what Part names.
func TestPartsMakeUpRows(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, format := range FileFormats() {
		for _, dimension := range []int{1, 2, 3, 16, 385} {
			for _, layout := range format.Layouts(cutRows, dimension) {
				checkParts(t, random, fmt.Sprintf("%s of dimension %d", format, dimension), layout, dimension)
			}
		}
	}
}

// cutRows are as many as checkParts cuts.
const cutRows = 4

func checkParts(t *testing.T, random *rand.Rand, what string, layout *Layout, dimension int) {
	t.Helper()
	stride, width := 8+4*dimension, layout.RowSize()
	source := sourceRows(random, cutRows, dimension)
	begin := 8
	if id, _, _ := layout.Part(0, width); id {
		begin = 0
	}
	whole := make([]byte, cutRows*width)
	layout.PutRows(whole, source[begin:], stride)
	if size, fits := layout.Size(); !fits || size != int64(len(layout.Prefix())+len(whole)) {
		t.Errorf("%s: %d bytes, want %d", what, size, len(layout.Prefix())+len(whole))
	}
	for range 500 {
		row := random.IntN(cutRows)
		from := random.IntN(width)
		to := from + 1 + random.IntN(width-from)
		wantsID, first, last := layout.Part(from, to)
		id := uint64(0xdeadbeef)
		if wantsID {
			id = binary.LittleEndian.Uint64(source[row*stride:])
		}
		part := make([]byte, to-from)
		layout.PutPart(part, from, id, source[row*stride+8+4*first:row*stride+8+4*last])
		if want := whole[row*width+from : row*width+to]; !bytes.Equal(part, want) {
			t.Fatalf("%s, bytes %d to %d: %q, want %q", what, from, to, part, want)
		}
	}
}

func TestLayoutsAsWritten(t *testing.T) {
	t.Parallel()
	source := binary.LittleEndian.AppendUint64(nil, 7)
	for _, value := range []float32{1.5, -0.25} {
		source = binary.LittleEndian.AppendUint32(source, math.Float32bits(value))
	}
	described := func(text string) string { return fmt.Sprintf("\x93NUMPY\x01\x00\x76\x00%-117s\n", text) }
	for format, want := range map[FileFormat]string{
		FileNPY:   described("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }") + string(source[8:]),
		FileIDs:   described("{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }") + string(source[:8]),
		FileF32:   string(source[8:]),
		FileFvecs: "\x02\x00\x00\x00" + string(source[8:]),
		FileFbin:  "\x01\x00\x00\x00\x02\x00\x00\x00" + string(source[8:]),
		FileSafetensors: "\x78\x00\x00\x00\x00\x00\x00\x00" +
			`{"ids":{"dtype":"U64","shape":[1],"data_offsets":[0,8]},"vectors":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}}  ` + string(source),
		FileJSONL: `{"id":                   7,"vector":[            1.5,          -0.25]}` + "\n",
		FileCSV:   "id,v0,v1\n7,1.50000000000000000000000000000000,-0.250000000000\n",
	} {
		got := ""
		for _, layout := range format.Layouts(1, 2) {
			row := make([]byte, layout.RowSize())
			if id, _, _ := layout.Part(0, len(row)); id {
				layout.PutRows(row, source, len(source))
			} else {
				layout.PutRows(row, source[8:], len(source))
			}
			got += string(layout.Prefix()) + string(row)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
}

// TestLayoutsWithoutRows: a store whose dimension nothing has fixed shows empty
// files.
func TestLayoutsWithoutRows(t *testing.T) {
	t.Parallel()
	for format, want := range map[FileFormat]string{
		FileNPY:   fmt.Sprintf("\x93NUMPY\x01\x00\x76\x00%-117s\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 0), }"),
		FileIDs:   fmt.Sprintf("\x93NUMPY\x01\x00\x76\x00%-117s\n", "{'descr': '<u8', 'fortran_order': False, 'shape': (0,), }"),
		FileF32:   "",
		FileFvecs: "",
		FileFbin:  "\x00\x00\x00\x00\x00\x00\x00\x00",
		FileSafetensors: "\x78\x00\x00\x00\x00\x00\x00\x00" +
			`{"ids":{"dtype":"U64","shape":[0],"data_offsets":[0,0]},"vectors":{"dtype":"F32","shape":[0,0],"data_offsets":[0,0]}}   `,
		FileJSONL: "",
		FileCSV:   "id\n",
	} {
		layouts := format.Layouts(5, 0)
		got := ""
		for _, layout := range layouts {
			got += string(layout.Prefix())
		}
		size, fits := SizeOf(layouts)
		if !fits || size != int64(len(want)) || got != want {
			t.Errorf("%s: %d bytes, %q", format, size, got)
		}
	}
	for _, format := range []FileFormat{FileJSONL, FileSafetensors} {
		if _, fits := SizeOf(format.Layouts(1<<50, MaxDimension)); fits {
			t.Errorf("a file of 2^66 bytes or more has a size in %s", format)
		}
	}
	if _, fits := SizeOf(FileFbin.Layouts(1<<32, 1)); fits {
		t.Error("fbin has room for a number of rows of 33 bits")
	}
}

func TestFileFormatNames(t *testing.T) {
	t.Parallel()
	for _, format := range FileFormats() {
		if got, err := ParseFileFormat(format.String()); err != nil || got != format {
			t.Errorf("%s: %v, %v", format, got, err)
		}
	}
	if _, err := ParseFileFormat("xlsx"); err == nil {
		t.Error("xlsx is a format")
	}
}
