package segments

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"testing"
)

func openTestVec(t *testing.T, payload []byte) (*VecReader, error) {
	t.Helper()
	file := append([]byte("before"), encodeSegment(TypeVec, 1, payload)...)
	header, err := ParseHeader(file[6:])
	if err != nil {
		t.Fatal(err)
	}
	return OpenVec(bytes.NewReader(file), Segment{header, 6}, DialectRuntime)
}

func TestVecReader(t *testing.T) {
	t.Parallel()
	for _, dimension := range []int{0, 1, 3, 384, 65535} {
		count := 2000
		if dimension > 1000 {
			count = 3
		}
		var ids []uint64
		for i := range count {
			ids = append(ids, uint64(i)<<33|uint64(i))
		}
		payload := vecPayload(dimension, ids...)
		v, err := openTestVec(t, append(payload, "trailing"...))
		if err != nil {
			t.Fatal(err)
		}
		if v.Dimension() != dimension || v.Count() != count {
			t.Fatalf("%d × %d", v.Count(), v.Dimension())
		}
		for _, r := range [][2]int{{0, count}, {0, 1}, {1, count - 1}, {count - 1, 1}, {count / 2, count / 3}, {count, 0}} {
			got, rows := make([]uint64, r[1]), make([]byte, r[1]*4*dimension)
			if err := v.ReadRows(r[0], got, rows); err != nil {
				t.Fatal(err)
			}
			only := make([]uint64, r[1])
			if err := v.ReadIDs(r[0], only); err != nil {
				t.Fatal(err)
			}
			if want := ids[r[0] : r[0]+r[1]]; !slices.Equal(got, want) || !slices.Equal(only, want) {
				t.Fatalf("dimension %d, %v: other ids", dimension, r)
			}
			stored := make([]byte, r[1]*RowSize(dimension))
			if err := v.ReadStored(r[0], stored); err != nil || !bytes.Equal(stored, payload[VecPrefixSize+r[0]*RowSize(dimension):][:len(stored)]) {
				t.Fatalf("dimension %d, %v as stored: %v", dimension, r, err)
			}
			bare := make([]byte, len(rows))
			if err := v.ReadRows(r[0], nil, bare); err != nil || (dimension > 0 && !bytes.Equal(bare, rows)) {
				t.Fatalf("dimension %d, %v without ids: %v", dimension, r, err)
			}
			for i := range r[1] {
				at := VecPrefixSize + (r[0]+i)*RowSize(dimension) + idSize
				if !bytes.Equal(rows[i*4*dimension:(i+1)*4*dimension], payload[at:at+4*dimension]) {
					t.Fatalf("dimension %d, %v: row %d differs", dimension, r, i)
				}
			}
		}
	}
}

func TestVecReaderRange(t *testing.T) {
	t.Parallel()
	v, err := openTestVec(t, vecPayload(2, 1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"behind":   v.ReadIDs(2, make([]uint64, 2)),
		"far":      v.ReadIDs(math.MaxInt, make([]uint64, 1)),
		"negative": v.ReadIDs(-1, make([]uint64, 1)),
		"odd":      v.ReadRows(0, nil, make([]byte, 9)),
		"stored":   v.ReadStored(2, make([]byte, 2*RowSize(2))),
		"part":     v.ReadStored(0, make([]byte, RowSize(2)+1)),
		"lengths":  v.ReadRows(0, make([]uint64, 2), make([]byte, 8)),
	} {
		if !errors.Is(err, ErrVecRange) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenVecHostile(t *testing.T) {
	t.Parallel()
	overfull := vecPayload(4, 1, 2)
	overfull[2] = 3
	huge := vecPayload(4, 1)
	binary.LittleEndian.PutUint32(huge[2:], math.MaxUint32)
	binary.LittleEndian.PutUint16(huge[0:], math.MaxUint16)
	for name, c := range map[string]struct {
		payload []byte
		want    error
	}{
		"empty":        {nil, ErrPayload},
		"short prefix": {[]byte{1, 0, 0, 0, 0}, ErrPayload},
		"one too many": {overfull, ErrVecCount},
		"huge":         {huge, ErrVecCount},
	} {
		if _, err := openTestVec(t, c.payload); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := Segment{Header: Header{PayloadLength: math.MaxUint64}, Offset: 10}
	for _, d := range []Dialect{DialectRuntime, DialectWire} {
		if _, err := OpenVec(bytes.NewReader(nil), s, d); err == nil {
			t.Errorf("%v: no error", d)
		}
	}
	// Truncated under the reader.
	file := encodeSegment(TypeVec, 1, vecPayload(4, 1, 2, 3))
	header, _ := ParseHeader(file)
	v, err := OpenVec(bytes.NewReader(file[:len(file)-1]), Segment{header, 0}, DialectRuntime)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.ReadIDs(0, make([]uint64, 3)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated: %v", err)
	}
}

func TestVecReaderConcurrent(t *testing.T) {
	t.Parallel()
	file, named, _ := wireStore()
	wire, err := OpenVec(bytes.NewReader(file), named[0], DialectWire)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := openTestVec(t, vecPayload(3, 1, 2, 3, 4, 5, 6, 7, 8, 9))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 50 {
				first := (i*7 + worker) % 9
				for _, v := range []*VecReader{wire, plain} {
					ids, rows := make([]uint64, 9-first), make([]byte, 12*(9-first))
					if err := v.ReadRows(first, ids, rows); err != nil || ids[0] != uint64(first+1) {
						t.Errorf("from %d: %v, %v", first, ids, err)
					}
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkReadRows(b *testing.B) {
	ids := make([]uint64, 10_000)
	file := encodeSegment(TypeVec, 1, vecPayload(384, ids...))
	header, _ := ParseHeader(file)
	v, err := OpenVec(bytes.NewReader(file), Segment{header, 0}, DialectRuntime)
	if err != nil {
		b.Fatal(err)
	}
	rows := make([]byte, len(ids)*4*384)
	b.SetBytes(int64(len(rows)))
	for b.Loop() {
		if err := v.ReadRows(0, ids, rows); err != nil {
			b.Fatal(err)
		}
	}
}
