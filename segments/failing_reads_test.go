package segments

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/pierrec/lz4/v4"
)

// failingAt passes so many reads on and fails those that follow.
type failingAt struct {
	r      io.ReaderAt
	left   int
	failed bool
}

func (f *failingAt) ReadAt(p []byte, offset int64) (int, error) {
	if f.left == 0 {
		f.failed = true
		return 0, errDisk
	}
	f.left--
	return f.r.ReadAt(p, offset)
}

// failEach runs use over content while all reads fail, then all but the first, and
// so on until none does. Each failure must come out as the disk's own, not as one
// of the bytes: what cannot be read is not damaged. It returns the number of reads.
func failEach(t *testing.T, what string, content []byte, use func(io.ReaderAt) error) int {
	t.Helper()
	for reads := 0; ; reads++ {
		r := &failingAt{r: bytes.NewReader(content), left: reads}
		err := use(r)
		if !r.failed {
			if err != nil {
				t.Fatalf("%s, undisturbed: %v", what, err)
			}
			return reads
		}
		if !errors.Is(err, errDisk) || errors.Is(err, ErrPayload) {
			t.Fatalf("%s, failing after %d reads: %v", what, reads, err)
		}
	}
}

func TestWireVecReadErrors(t *testing.T) {
	t.Parallel()
	const rows, dimension = 20_000, 3
	for _, delta := range []bool{false, true} {
		var blocks []wireTestBlock
		for i := range 2 {
			block := wireTestBlock{dimension: dimension, dataType: int(wireF32), delta: delta, restart: 100, columns: make([]byte, rows*dimension*4)}
			for row := range rows {
				block.ids = append(block.ids, uint64(i*rows+row))
			}
			blocks = append(blocks, block)
		}
		file, s := wireSegment(nil, TypeVec, 1, ChecksumXXH3, encodeWireVec(blocks...))
		ids, all := make([]uint64, 2*rows), make([]byte, 2*rows*dimension*4)
		reads := failEach(t, "all rows", file, func(r io.ReaderAt) error {
			v, err := OpenVec(r, s, DialectWire)
			if err != nil {
				return err
			}
			return v.ReadRows(0, ids, all)
		})
		// More than one read of each column and of the ids, in both blocks: the
		// failures were in the middle of them, too.
		if least := 2*2*(dimension+1) - 4; reads < least {
			t.Errorf("%d reads, want %d at least", reads, least)
		}
		failEach(t, "few rows", file, func(r io.ReaderAt) error {
			v, err := OpenVec(r, s, DialectWire)
			if err != nil {
				return err
			}
			return v.ReadRows(rows-5, ids[:10], all[:10*dimension*4])
		})
		failEach(t, "ids", file, func(r io.ReaderAt) error {
			v, err := OpenVec(r, s, DialectWire)
			if err != nil {
				return err
			}
			return v.ReadIDs(5, ids[:2*rows-5])
		})
	}
}

// TestDetectionReadErrors fails each read of images that take several.
func TestDetectionReadErrors(t *testing.T) {
	t.Parallel()
	symbols := bytes.Repeat(append([]byte{0, 0, 0, 0, 1, 0, 2, 0}, make([]byte, 16)...), 5000)
	program := elfObject(section{"xdp", elfProgramBits, elfExecutable, make([]byte, 16)}, section{".maps", elfProgramBits, 3, make([]byte, 8)},
		section{".symtab", elfSymbols, 0, symbols})
	// An import section that takes more than a window, then a memory.
	imports := []byte{}
	const count = 4000
	for range count {
		imports = append(imports, "\x0amodule-abc\x09name-wxyz\x00\x00"...)
	}
	body := append(binary.AppendUvarint(nil, count), imports...)
	module := append([]byte("\x00asm\x01\x00\x00\x00\x02"), binary.AppendUvarint(nil, uint64(len(body)))...)
	module = append(append(module, body...), "\x05\x03\x01\x00\x01"...)
	for name, test := range map[string]struct {
		image []byte
		least int // reads
	}{
		"kernel": {image(4096, nil), 1},
		"eBPF":   {program, 6},
		"WASM":   {module, 3},
	} {
		reads := failEach(t, name, test.image, func(r io.ReaderAt) error { return detectors[name](r, int64(len(test.image))) })
		if reads < test.least {
			t.Errorf("%s: %d reads, want %d at least", name, reads, test.least)
		}
	}
}

// TestLZ4BlockReadErrors breaks the disk behind each byte of a block. A block whose
// end cannot be read is not one that was cut.
func TestLZ4BlockReadErrors(t *testing.T) {
	t.Parallel()
	content := append(bytes.Repeat([]byte("abcdefgh"), 200), mixed()[:600]...)
	block := make([]byte, lz4.CompressBlockBound(len(content)))
	n, err := lz4.CompressBlock(content, block, nil)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	for at := range n {
		broken := func() io.Reader { return io.MultiReader(bytes.NewReader(block[:at]), iotest.ErrReader(errDisk)) }
		if _, err := io.ReadAll(newLZ4Block(broken())); !errors.Is(err, errDisk) {
			t.Fatalf("a block broken at %d: %v", at, err)
		}
		if err := Inflate(CompressionLZ4, io.Discard, broken(), int64(len(content))); !errors.Is(err, errDisk) || errors.Is(err, ErrPayload) {
			t.Fatalf("inflated, broken at %d: %v", at, err)
		}
		if err := Inflate(CompressionLZ4, io.Discard, bytes.NewReader(block[:at]), int64(len(content))); !errors.Is(err, ErrPayload) {
			t.Fatalf("inflated, cut at %d: %v", at, err)
		}
	}
}
