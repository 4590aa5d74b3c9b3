package vecio

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// countedFile is a file of so many rows of a dimension, whatever its values are.
func countedFile(rows, dimension uint32, values ...byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, rows)
	return append(binary.LittleEndian.AppendUint32(b, dimension), values...)
}

func TestCounted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format    Format
		dimension int
		stream    []byte
		rows      []float32
		reason    string
	}{
		"floats":             {format: Fbin, stream: countedFile(2, 3, floats(1, 2, 3, 4, 5, 6)...), rows: []float32{1, 2, 3, 4, 5, 6}},
		"bytes":              {format: U8bin, stream: countedFile(2, 2, 0, 127, 128, 255), rows: []float32{0, 127, 128, 255}},
		"signed bytes":       {format: I8bin, stream: countedFile(2, 2, 0, 127, 128, 255), rows: []float32{0, 127, -128, -1}},
		"known dimension":    {format: Fbin, dimension: 1, stream: countedFile(2, 1, floats(1, 2)...), rows: []float32{1, 2}},
		"no rows":            {format: Fbin, dimension: 3, stream: countedFile(0, 0)},
		"nothing":            {format: Fbin},
		"another dimension":  {format: Fbin, dimension: 2, stream: countedFile(2, 1, floats(1, 2)...), reason: "rows of 1 values where the dimension is 2"},
		"a dimension of 0":   {format: Fbin, stream: countedFile(2, 0), reason: "the dimension is 0; 1 to 65535"},
		"a dimension beyond": {format: U8bin, stream: countedFile(2, 65536), reason: "the dimension is 65536; 1 to 65535"},
		"too short":          {format: Fbin, stream: countedFile(2, 1, floats(1)...), reason: "the stream ends after 1 of the array's 2 rows, 4 bytes too early"},
		"a byte too short":   {format: U8bin, stream: countedFile(2, 2, 1, 2, 3), reason: "the stream ends after 1 of the array's 2 rows, 1 bytes too early"},
		"too long":           {format: Fbin, stream: countedFile(1, 1, floats(1, 2)...), reason: "more bytes than the 1 rows of 1 values"},
		"too long for none":  {format: Fbin, stream: countedFile(0, 1, 7), reason: "more bytes than the 0 rows"},
		"half a head":        {format: Fbin, stream: countedFile(1, 1)[:7], reason: "within its first two words"},
		"not a number":       {format: Fbin, stream: countedFile(1, 2, floats(1, nan)...), reason: "value 1 is NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, err := everyCut(t, c.format, Options{}, c.dimension, c.stream)
			wantReason(t, err, c.reason)
			if err == nil && !bytes.Equal(sink.rows, floats(c.rows...)) {
				t.Errorf("got %x", sink.rows)
			}
		})
	}
}

// TestCountedIsWholeOrNothing: nothing may be committed before the end is known.
func TestCountedIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	for f, stream := range map[Format][]byte{Fbin: countedFile(2, 1, floats(1, 2)...), Safetensors: safetensorsFile(`{"v":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}`, floats(1, 2)...)} {
		d := NewDecoder(f, &collector{}, Options{})
		for i := range stream {
			if _, err := d.Write(stream[i : i+1]); err != nil || d.Committable() || (d.Unfinished() == 0) != (i == len(stream)-1) {
				t.Fatalf("%s after %d bytes: committable %t, %d unfinished, %v", f, i+1, d.Committable(), d.Unfinished(), err)
			}
		}
	}
}

// safetensorsFile is a file with a header and the bytes behind it.
func safetensorsFile(header string, values ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), values...)
}

func TestSafetensors(t *testing.T) {
	t.Parallel()
	u64 := func(ids ...uint64) (b []byte) {
		for _, id := range ids {
			b = binary.LittleEndian.AppendUint64(b, id)
		}
		return b
	}
	const both = `{"ids":{"dtype":"U64","shape":[3],"data_offsets":[0,24]},"vectors":{"dtype":"F32","shape":[3,1],"data_offsets":[24,36]}}`
	const none = -1
	for name, c := range map[string]struct {
		dimension int
		header    string
		values    []byte
		ids       []int64
		rows      []float32
		reason    string
	}{
		"one tensor":        {header: `{"embeddings":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}   `, values: floats(1, 2, 3, 4), ids: []int64{none, none}, rows: []float32{1, 2, 3, 4}},
		"metadata":          {header: `{"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`, values: floats(1, 2), ids: []int64{none}, rows: []float32{1, 2}},
		"one vector":        {header: `{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, values: floats(1, 2), ids: []int64{none}, rows: []float32{1, 2}},
		"bf16":              {header: `{"x":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}`, values: []byte{0x80, 0x3f, 0x00, 0x40}, ids: []int64{none}, rows: []float32{1, 2}},
		"f16":               {header: `{"x":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}`, values: []byte{0x00, 0x3c, 0x00, 0x40}, ids: []int64{none}, rows: []float32{1, 2}},
		"i8":                {header: `{"x":{"dtype":"I8","shape":[1,2],"data_offsets":[0,2]}}`, values: []byte{1, 255}, ids: []int64{none}, rows: []float32{1, -1}},
		"ids":               {header: both, values: append(u64(7, 8, 3), floats(1, 2, 3)...), ids: []int64{7, 8, 3}, rows: []float32{1, 2, 3}},
		"the greatest ids":  {header: both, values: append(u64(1<<64-1, 0, 5), floats(1, 2, 3)...), ids: []int64{-1, 0, 5}, rows: []float32{1, 2, 3}},
		"no rows":           {dimension: 5, header: `{"ids":{"dtype":"U64","shape":[0],"data_offsets":[0,0]},"vectors":{"dtype":"F32","shape":[0,0],"data_offsets":[0,0]}}`},
		"ids behind":        {header: `{"ids":{"dtype":"I64","shape":[1],"data_offsets":[4,12]},"vectors":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}`, values: append(floats(1), u64(1)...), reason: "write the tensor of ids first"},
		"negative ids":      {header: `{"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"vectors":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]}}`, values: append(u64(1<<63), floats(1)...), reason: "an id is negative"},
		"narrow ids":        {header: `{"id":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"vectors":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]}}`, values: append([]byte{9, 0, 0, 0, 4, 1, 0, 0}, floats(1, 2)...), ids: []int64{9, 260}, rows: []float32{1, 2}},
		"too few ids":       {header: `{"ids":{"dtype":"U64","shape":[1],"data_offsets":[0,8]},"vectors":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]}}`, reason: "1 ids for 2 vectors"},
		"two of vectors":    {header: `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, reason: `tensors "a" of F32, "b" of F32: vectors are one tensor`},
		"other integers":    {header: `{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`, reason: `tensors "a" of I64`},
		"truths":            {header: `{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}`, reason: `dtype "BOOL"`},
		"a hole":            {header: `{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, reason: "does not begin where"},
		"other offsets":     {header: `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, reason: "a shape of 8 bytes and other offsets"},
		"a vast shape":      {header: `{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, reason: "more than any file holds"},
		"a cube":            {header: `{"a":{"dtype":"F32","shape":[1,1,1],"data_offsets":[0,4]}}`, reason: "an array of 3 dimensions"},
		"another dimension": {dimension: 3, header: `{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`, reason: "rows of 2 values where the dimension is 3"},
		"nothing in it":     {header: `{}`, reason: "no tensor of floats"},
		"no JSON":           {header: `{"a":`, reason: "no JSON object"},
		"too short":         {header: both, values: append(u64(7, 8, 3), floats(1, 2)...), reason: "after 2 of the array's 3 rows"},
		"short of ids":      {header: both, values: u64(7, 8), reason: "within the ids, 8 bytes too early"},
		"too long":          {header: both, values: append(u64(7, 8, 3), floats(1, 2, 3, 4)...), reason: "more bytes than the header tells"},
		"not a number":      {header: `{"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`, values: floats(1, nan), reason: "value 1 is NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, format := range []Format{Safetensors, Auto} {
				if format == Auto && c.header == "{}" {
					continue
				}
				sink, err := everyCut(t, format, Options{}, c.dimension, safetensorsFile(c.header, c.values...))
				wantReason(t, err, c.reason)
				if err == nil && (!slices.Equal(sink.ids, c.ids) || !bytes.Equal(sink.rows, floats(c.rows...))) {
					t.Errorf("got ids %v, rows %x", sink.ids, sink.rows)
				}
			}
		})
	}
	_, err := decode(t, Safetensors, Options{}, 0, []byte("\xff\xff\xff\xff\xff\xff\xff\x7f{"), whole)
	wantReason(t, err, "a header of 9223372036854775807 bytes")
	_, err = decode(t, Safetensors, Options{}, 0, []byte("\x10\x00\x00\x00\x00\x00\x00\x00{"), whole)
	wantReason(t, err, "inside the header")
}

// TestCountedByItsFirstWords: what the values are is told by the length of the file, or
// by its first values where it is longer than is held.
func TestCountedByItsFirstWords(t *testing.T) {
	t.Parallel()
	random := normal(60, 40_000)
	small := make([]byte, 100_000)
	for i := range small {
		small[i] = byte(i*i%127) + byte(i%2)
	}
	var words []byte
	for i := range uint32(1000) {
		words = binary.LittleEndian.AppendUint32(words, i*7919%1_000_003)
	}
	signed := append(slices.Clone(small[:90_000]), bytes.Repeat([]byte{200}, 10_000)...)
	for name, c := range map[string]struct {
		stream []byte
		format Format
		rows   int
		reason string
	}{
		"none":               {stream: countedFile(0, 1), format: Fbin},
		"few floats":         {stream: countedFile(7, 1, floats(random[:7]...)...), format: Fbin, rows: 7},
		"few bytes":          {stream: countedFile(8, 1, 1, 2, 3, 4, 5, 6, 7, 8), format: U8bin, rows: 8},
		"many floats":        {stream: countedFile(40_000, 1, floats(random...)...), format: Fbin, rows: 40_000},
		"many bytes":         {stream: countedFile(100_000, 1, small...), format: U8bin, rows: 100_000},
		"bytes with a sign?": {stream: countedFile(100_000, 1, signed...), reason: "only the name tells whether it has a sign"},
		"ids of neighbours":  {stream: countedFile(1000, 1, words...), reason: "look like int32"},
		"floats missing":     {stream: countedFile(40_001, 1, floats(random...)...), reason: "4 bytes too early"},
		"bytes too many":     {stream: countedFile(99_999, 1, small...), reason: "more bytes than the 99999 rows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, dimension := range []int{1, 0} {
				sink := &collector{dimension: dimension}
				d := NewDecoder(Auto, sink, Options{})
				err := push(d, c.stream, pieces(61, 5000))
				wantReason(t, err, c.reason)
				if err == nil && (d.Format() != c.format || len(sink.ids) != c.rows) {
					t.Errorf("dimension %d: %d rows of %s", dimension, len(sink.ids), d.Format())
				}
			}
		})
	}
}
