package vecio

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

var (
	nan      = float32(math.NaN())
	infinity = float32(math.Inf(1))
)

func TestRaw(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dimension int
		stream    []byte
		options   Options
		offset    int64
		row       int64
		reason    string
	}{
		"nothing":           {dimension: 3},
		"nothing, unknown":  {dimension: 0},
		"one row":           {dimension: 2, stream: floats(1, -2)},
		"rows":              {dimension: 3, stream: floats(1, 2, 3, 4, 5, 6, 7, 8, 9)},
		"edges of finite":   {dimension: 2, stream: floats(math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 0)},
		"unknown dimension": {dimension: 0, stream: floats(1), reason: "cannot tell the dimension"},
		"cut row":           {dimension: 2, stream: floats(1, 2, 3), offset: 8, row: 1, reason: "4 of the row's 8 bytes"},
		"cut value":         {dimension: 1, stream: []byte{1, 2, 3}, reason: "3 of the row's 4 bytes"},
		"NaN":               {dimension: 2, stream: floats(1, 2, 3, nan, 5, 6), offset: 8, row: 1, reason: "value 1 is NaN"},
		"infinity":          {dimension: 2, stream: floats(1, 2, 3, 4, -infinity, 6), offset: 16, row: 2, reason: "value 0 is infinite"},
		"allowed":           {dimension: 2, stream: floats(nan, infinity), options: Options{AllowNonFinite: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, err := everyCut(t, RawF32, c.options, c.dimension, c.stream)
			checkError(t, err, c.offset, 0, c.row, c.reason)
			if err == nil && !bytes.Equal(sink.rows, c.stream) {
				t.Error("the rows are not the stream's")
			}
		})
	}
}

// The rows of a chunk are not copied and come in one call.
func TestRawHandsOnUncut(t *testing.T) {
	t.Parallel()
	stream := floats(normal(1, 1000)...)
	for _, at := range []int{0, 3, 16, 21} {
		sink := &collector{dimension: 4}
		d := NewDecoder(RawF32, sink, Options{})
		if _, err := d.Write(stream[:at]); err != nil {
			t.Fatal(err)
		}
		if got := d.Unfinished(); got != int64(at%16) {
			t.Errorf("cut at %d: %d bytes unfinished", at, got)
		}
		before := sink.calls
		if _, err := d.Write(stream[at:]); err != nil {
			t.Fatal(err)
		}
		want := 1
		if at%16 != 0 {
			want = 2
		}
		if sink.calls-before != want || d.Unfinished() != 0 || !d.Committable() {
			t.Errorf("cut at %d: %d calls, want %d", at, sink.calls-before, want)
		}
	}
}

func TestRawLarge(t *testing.T) {
	t.Parallel()
	for _, dimension := range []int{1, 7, 384} {
		stream := floats(normal(uint64(dimension), dimension*997)...)
		for _, most := range []int{5, 4096, 100_000} {
			sink, err := agree(t, RawF32, Options{}, dimension, stream, pieces(3, most))
			if err != nil || !bytes.Equal(sink.rows, stream) {
				t.Fatalf("dimension %d, pieces to %d: %v", dimension, most, err)
			}
		}
	}
}

func TestFirstNonFinite(t *testing.T) {
	t.Parallel()
	for _, bits := range []uint32{0x7f800000, 0xff800000, 0x7fc00000, 0xffffffff, 0x7f800001} {
		for n := range 70 {
			for at := range n {
				b := bytes.Repeat([]byte{0xff, 0xff, 0x7f, 0xff}, n)
				binary.LittleEndian.PutUint32(b[4*at:], bits)
				if got := firstNonFinite(b); got != at {
					t.Fatalf("%#x at %d of %d: %d", bits, at, n, got)
				}
			}
		}
	}
	if got := firstNonFinite(floats(normal(4, 1001)...)); got != -1 {
		t.Errorf("finite values: %d", got)
	}
}

func FuzzRaw(f *testing.F) {
	f.Add(floats(1, 2, 3, 4), uint16(2), uint8(3))
	f.Add(floats(1, nan), uint16(1), uint8(1))
	f.Add(floats(1, 2, 3), uint16(2), uint8(9))
	f.Fuzz(func(t *testing.T, stream []byte, dimension uint16, most uint8) {
		sink, err := agree(t, RawF32, Options{}, int(dimension), stream, pieces(5, 1+int(most)))
		if err == nil && !bytes.Equal(sink.rows, stream) {
			t.Fatal("accepted, yet not the stream's bytes")
		}
		if err == nil && firstNonFinite(sink.rows) >= 0 {
			t.Fatal("accepted a value that is not finite")
		}
	})
}

func BenchmarkRaw(b *testing.B) {
	stream := floats(normal(6, 384*2048)...)
	for name, o := range map[string]Options{"checked": {}, "unchecked": {AllowNonFinite: true}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			for b.Loop() {
				d := NewDecoder(RawF32, &probeSink{dimension: 384}, o)
				for at := 0; at < len(stream); at += 1 << 20 {
					if _, err := d.Write(stream[at:min(at+1<<20, len(stream))]); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
