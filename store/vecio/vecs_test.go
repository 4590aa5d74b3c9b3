package vecio

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// vecsFile writes rows as fvecs or bvecs.
func vecsFile(f Format, rows ...[]float32) []byte {
	var b []byte
	for _, row := range rows {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(row)))
		if f == Fvecs {
			b = append(b, floats(row...)...)
			continue
		}
		for _, v := range row {
			b = append(b, byte(v))
		}
	}
	return b
}

func TestVecs(t *testing.T) {
	t.Parallel()
	two := [][]float32{{1, 2, 255}, {4, 0, 6}}
	wide := make([]float32, MaxDimension)
	wide[MaxDimension-1] = 7
	for name, c := range map[string]struct {
		format    Format
		dimension int
		stream    []byte
		options   Options
		rows      []float32
		offset    int64
		row       int64
		reason    string
	}{
		"nothing":              {format: Fvecs},
		"fvecs":                {format: Fvecs, stream: vecsFile(Fvecs, two...), rows: []float32{1, 2, 255, 4, 0, 6}},
		"bvecs":                {format: Bvecs, stream: vecsFile(Bvecs, two...), rows: []float32{1, 2, 255, 4, 0, 6}},
		"known dimension":      {format: Fvecs, dimension: 3, stream: vecsFile(Fvecs, two...), rows: []float32{1, 2, 255, 4, 0, 6}},
		"other dimension":      {format: Bvecs, dimension: 2, stream: vecsFile(Bvecs, two...), reason: "its dimension is 3 where it is 2"},
		"only its dimension":   {format: Bvecs, dimension: 2, stream: []byte{3, 0, 0, 0}, reason: "its dimension is 3 where it is 2"},
		"dimensions differ":    {format: Fvecs, stream: vecsFile(Fvecs, two[0], []float32{1, 2}), offset: 16, row: 1, reason: "its dimension is 2 where it is 3"},
		"dimension 0":          {format: Fvecs, stream: vecsFile(Fvecs, nil), reason: "its dimension is 0"},
		"negative dimension":   {format: Bvecs, stream: []byte{0xff, 0xff, 0xff, 0xff}, reason: "its dimension is -1"},
		"dimension too large":  {format: Fvecs, stream: []byte{0, 0, 1, 0}, reason: "its dimension is 65536"},
		"cut in the dimension": {format: Fvecs, stream: append(vecsFile(Fvecs, two[0]), 3, 0), offset: 16, row: 1, reason: "inside a row's dimension"},
		"cut in the row":       {format: Bvecs, stream: vecsFile(Bvecs, two...)[:12], offset: 7, row: 1, reason: "after 5 of the row's 7 bytes"},
		"only a dimension":     {format: Fvecs, stream: []byte{3, 0, 0, 0}, reason: "after 4 of the row's 16 bytes"},
		"NaN":                  {format: Fvecs, stream: vecsFile(Fvecs, two[0], []float32{1, nan, 2}), offset: 16, row: 1, reason: "value 1 is NaN"},
		"NaN allowed":          {format: Fvecs, stream: vecsFile(Fvecs, []float32{nan, infinity}), options: Options{AllowNonFinite: true}, rows: []float32{nan, infinity}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, err := everyCut(t, c.format, c.options, c.dimension, c.stream)
			checkError(t, err, c.offset, 0, c.row, c.reason)
			if err == nil && !bytes.Equal(sink.rows, floats(c.rows...)) {
				t.Errorf("got %x", sink.rows)
			}
		})
	}
	for _, f := range []Format{Fvecs, Bvecs} {
		stream := vecsFile(f, wide, wide)
		sink, err := agree(t, f, Options{}, 0, stream, pieces(30, 100_000))
		if err != nil || !bytes.Equal(sink.rows, floats(append(wide, wide...)...)) {
			t.Errorf("%v of the largest dimension: %v", f, err)
		}
	}
}

func FuzzVecs(f *testing.F) {
	rows := [][]float32{{1, 2}, {3, 4}}
	for _, seed := range [][]byte{vecsFile(Fvecs, rows...), vecsFile(Bvecs, rows...), vecsFile(Fvecs, []float32{nan}), {255, 255, 0, 0}, {1, 0, 0, 0, 1}} {
		f.Add(seed, uint8(0), uint8(3), false)
		f.Add(seed, uint8(2), uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, dimension, most uint8, bytewise bool) {
		format := Fvecs
		if bytewise {
			format = Bvecs
		}
		sink, err := agree(t, format, Options{}, int(dimension), stream, pieces(31, 1+int(most)))
		if err != nil {
			return
		}
		var again [][]float32
		for at := 0; at < len(sink.rows); at += 4 * sink.dimension {
			var row []float32
			for i := range sink.dimension {
				row = append(row, math.Float32frombits(binary.LittleEndian.Uint32(sink.rows[at+4*i:])))
			}
			again = append(again, row)
		}
		if !bytes.Equal(vecsFile(format, again...), stream) {
			t.Fatalf("%v of %x gave %v", format, stream, again)
		}
	})
}

func BenchmarkVecs(b *testing.B) {
	for _, f := range []Format{Fvecs, Bvecs} {
		for name, dimension := range map[string]int{"128": 128, "960": 960} {
			values := normal(32, dimension)
			var rows [][]float32
			for range 1 << 20 / dimension {
				rows = append(rows, values)
			}
			b.Run(f.String()+"/"+name, func(b *testing.B) { benchmarkStream(b, f, vecsFile(f, rows...)) })
		}
	}
}
