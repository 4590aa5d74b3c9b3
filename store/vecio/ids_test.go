package vecio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func rawIDsOf(ids ...uint64) string {
	var out []byte
	for _, id := range ids {
		out = binary.LittleEndian.AppendUint64(out, id)
	}
	return string(out)
}

func npyOf(kind, shape string, body string) string { return string(npyPrefix(kind, shape)) + body }

// decodeIDs reads a stream in chunks of a size.
func decodeIDs(format IDFormat, stream string, size int) (ids []uint64, chosen IDFormat, err error) {
	d := NewIDDecoder(format, func(id uint64) { ids = append(ids, id) })
	for p := []byte(stream); len(p) > 0 && err == nil; {
		n := min(size, len(p))
		_, err = d.Write(p[:n])
		p = p[n:]
	}
	if err == nil {
		err = d.Finish()
	}
	return ids, d.Format(), err
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream string
		format IDFormat
		ids    []uint64
	}{
		"nothing":         {"", AutoIDs, nil},
		"one":             {"7", TextIDs, []uint64{7}},
		"a mark":          {"\ufeff1\n2\n", TextIDs, []uint64{1, 2}},
		"a mark, long":    {"\ufeff12345678", TextIDs, []uint64{12345678}},
		"a mark, JSON":    {"\ufeff[1,2,3]", JSONIDs, []uint64{1, 2, 3}},
		"lines":           {"7\n8\n\n9\n", TextIDs, []uint64{7, 8, 9}},
		"long text":       {"1234567890 2", TextIDs, []uint64{1234567890, 2}},
		"commas":          {"7, 8,9 , 10", TextIDs, []uint64{7, 8, 9, 10}},
		"zeros before":    {"007\r\n0\r\n", TextIDs, []uint64{7, 0}},
		"largest":         {"18446744073709551615", TextIDs, []uint64{1<<64 - 1}},
		"array":           {"[1, 2,3]\n", JSONIDs, []uint64{1, 2, 3}},
		"empty array":     {" [ ] ", JSONIDs, nil},
		"objects":         {`{"id":1}` + "\n" + `{ "id" : 22 }`, JSONIDs, []uint64{1, 22}},
		"array, objects":  {`[{"id":1},2,{"id":3}]`, JSONIDs, []uint64{1, 2, 3}},
		"numbers, object": {"1\n2\n" + `{"id":3}`, TextIDs, []uint64{1, 2, 3}},
		"binary":          {rawIDsOf(1, 300, 1<<40), RawIDs, []uint64{1, 300, 1 << 40}},
		"binary digits":   {rawIDsOf(0x31), RawIDs, []uint64{0x31}},
		"array of NumPy":  {npyOf("<u8", "(2,)", rawIDsOf(5, 6)), NPYIDs, []uint64{5, 6}},
		"signed":          {npyOf("<i8", "(1,)", rawIDsOf(5)), NPYIDs, []uint64{5}},
		"big endian":      {npyOf(">u8", "(2,)", rawIDsOf(5<<56, 1<<7)), NPYIDs, []uint64{5, 1 << 63}},
		"signed, big":     {npyOf(">i8", "(1,)", rawIDsOf(5<<56)), NPYIDs, []uint64{5}},
		"largest of u8":   {npyOf("<u8", "(1,)", rawIDsOf(1<<64-1)), NPYIDs, []uint64{1<<64 - 1}},
		"native order":    {npyOf("=u8", "(1,)", rawIDsOf(5)), NPYIDs, []uint64{5}},
		"empty of NumPy":  {npyOf("<u8", "(0,)", ""), NPYIDs, nil},
	} {
		for size := 1; size < 200; size += 7 {
			got, format, err := decodeIDs(AutoIDs, c.stream, size)
			if err != nil || !slices.Equal(got, c.ids) {
				t.Errorf("%s, %d bytes a time: %v, %v, want %v", name, size, got, err, c.ids)
			}
			if format != c.format && !strings.Contains(c.stream, "\n") {
				t.Errorf("%s, %d bytes a time: taken for %s, want %s", name, size, format, c.format)
			}
		}
	}
}

// TestIDsInDoubt: what is told to be binary is believed if it looks like uint64, or if the
// store knows all of it, and never if it knows none.
func TestIDsInDoubt(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 4))
	many := func(size int, put func(b []byte, i int)) string {
		b := make([]byte, 100*size)
		for i := range 100 {
			put(b[size*i:], i)
		}
		return string(b)
	}
	numbers := map[string]string{
		"one":        rawIDsOf(5),
		"small":      many(8, func(b []byte, i int) { lowFirst.PutUint64(b, uint64(i)) }),
		"large":      many(8, func(b []byte, i int) { lowFirst.PutUint64(b, uint64(i)*((1<<53-1)/100)) }),
		"hashes":     many(8, func(b []byte, _ int) { lowFirst.PutUint64(b, r.Uint64()) }),
		"snowflakes": many(8, func(b []byte, i int) { lowFirst.PutUint64(b, 1<<60+uint64(i)<<22+uint64(r.IntN(5))) }),
	}
	for name, stream := range numbers {
		if reason := noIDs([]byte(stream), true); reason != "" {
			t.Errorf("%s: %s", name, reason)
		}
	}
	for name, c := range map[string]struct{ stream, reason string }{
		"float64":             {many(8, func(b []byte, i int) { lowFirst.PutUint64(b, math.Float64bits(float64(i))) }), "float64"},
		"two float64":         {"\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x40", "float64"},
		"int32":               {many(4, func(b []byte, i int) { lowFirst.PutUint32(b, uint32(i)) }), "int32"},
		"two int32":           {"\x01\x00\x00\x00\x02\x00\x00\x00", "int32"},
		"three int32":         {"\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00", "int32"},
		"float32":             {string(floats(1, 2, 3, 4)), "float32"},
		"big-endian uint64":   {many(8, func(b []byte, i int) { highFirst.PutUint64(b, uint64(i)) }), "big-endian int64"},
		"one of them":         {"\x00\x00\x00\x00\x00\x00\x00\x05", "big-endian"},
		"big-endian int32":    {many(4, func(b []byte, i int) { highFirst.PutUint32(b, uint32(i)) }), "big-endian int32"},
		"UTF-16":              {utf16Of("\ufeff17\n18\n19\n", binary.LittleEndian), "UTF-16"},
		"UTF-16 without mark": {utf16Of("17\n18\n19\n", binary.LittleEndian), "UTF-16"},
		"gzip":                {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x33\xe4\x02\x00\x53\xfc", "gzip"},
	} {
		var ids []uint64
		d := NewIDDecoder(AutoIDs, func(id uint64) { ids = append(ids, id) })
		_, err := d.Write([]byte(c.stream))
		if err = errors.Join(err, d.Finish()); err == nil {
			err = d.Doubt(0, uint64(len(ids)))
			if known := d.Doubt(uint64(len(ids)), uint64(len(ids))); known != nil {
				t.Errorf("%s, all stored: %v", name, known)
			}
		}
		if err == nil || !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want a word about %s", name, err, c.reason)
		}
	}
	d := NewIDDecoder(AutoIDs, func(uint64) {})
	if _, err := d.Write([]byte(numbers["small"])); err != nil || d.Doubt(1, 100) != nil {
		t.Errorf("some unknown: %v", err)
	}
	if err := d.Doubt(0, 100); err == nil || !strings.Contains(err.Error(), "none of the 100 ids") {
		t.Errorf("none known: %v", err)
	}
	d = NewIDDecoder(RawIDs, func(uint64) {})
	if _, err := d.Write([]byte(numbers["small"])); err != nil || d.Doubt(0, 100) != nil {
		t.Errorf("a name forces: %v", err)
	}
}

func TestForcedIDFormats(t *testing.T) {
	t.Parallel()
	for suffix, c := range map[string]struct {
		stream string
		ids    []uint64
	}{
		".txt":  {"\ufeff12345678", []uint64{12345678}},
		".json": {"[12345678]", []uint64{12345678}},
		".u64":  {"12345678", []uint64{0x3837363534333231}},
		".npy":  {npyOf("<u8", "(1,)", "12345678"), []uint64{0x3837363534333231}},
	} {
		format, known := IDFormatOfSuffix(suffix)
		got, _, err := decodeIDs(format, c.stream, 5)
		if !known || err != nil || !slices.Equal(got, c.ids) {
			t.Errorf("%s: %v, %v, want %v", suffix, got, err, c.ids)
		}
	}
	if _, known := IDFormatOfSuffix(""); known {
		t.Error("no suffix forces a format")
	}
}

func TestBadIDs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream       string
		line, offset int64
	}{
		"a word":            {"1\n2\nabc\n4\n", 3, 4},
		"negative":          {"1 -2", 1, 2},
		"a fraction":        {"12\n1.5\n", 2, 3},
		"too large":         {"18446744073709551616", 1, 0},
		"too many digits":   {"000000000000000000001", 1, 0},
		"letters behind":    {"12x", 1, 0},
		"another member":    {`{"name":1}`, 1, 0},
		"no number":         {`{"id":"7"}`, 1, 0},
		"zero before":       {"[01]", 1, 2},
		"two commas":        {"[1,,2]", 1, 3},
		"not closed":        {"[1,2", 0, 0},
		"closed twice":      {"[1]]", 1, 3},
		"nested":            {"[[1]]", 1, 1},
		"binary cut":        {"\x00\x01\x02", 0, 0},
		"array of floats":   {npyOf("<f4", "(2,)", "12345678"), 0, 0},
		"two dimensions":    {npyOf("<u8", "(1, 1)", "12345678"), 0, 0},
		"array cut":         {npyOf("<u8", "(2,)", "12345678"), 0, 0},
		"array too long":    {npyOf("<u8", "(1,)", "123456789"), 0, 0},
		"array of billions": {npyOf("<u8", "(99999999999999999999,)", ""), 0, 0},
		"long description":  {"\x93NUMPY\x02\x00\xff\xff\xff\xff", 0, 0},
		"-1 of an array":    {npyOf("<i8", "(2,)", rawIDsOf(5, 1<<64-1)), 0, 0},
		"-1, big endian":    {npyOf(">i8", "(2,)", rawIDsOf(0, 1<<64-1)), 0, 0},
		"smallest of i8":    {npyOf("|i8", "(1,)", rawIDsOf(1<<63)), 0, 0},
		"ids of four bytes": {npyOf("<i4", "(2,)", "12345678"), 0, 0},
		"no byte order":     {npyOf("u8", "(1,)", "12345678"), 0, 0},
		"structured":        {"\x93NUMPY\x01\x00\x1f\x00{'descr': [('a', '<u8')], 'shape", 0, 0},
		"half a dictionary": {"\x93NUMPY\x01\x00\x0f\x00{'descr': '<u8'", 0, 0},
		"minor version":     {"\x93NUMPY\x01\x01", 0, 0},
		"absurd number":     {npyOf("<u8", "(9223372036854775807,)", ""), 0, 0},
		"control character": {"1 2 3 4 5\x00", 1, 8},
	} {
		for size := 1; size < 200; size += 7 {
			_, _, err := decodeIDs(AutoIDs, c.stream, size)
			var bad *IDError
			if !errors.As(err, &bad) || !errors.Is(err, ErrRecord) {
				t.Errorf("%s, %d bytes a time: %v", name, size, err)
				continue
			}
			if bad.Line != c.line || bad.Offset != c.offset {
				t.Errorf("%s, %d bytes a time: %v, want line %d and byte %d", name, size, err, c.line, c.offset)
			}
		}
	}
}

// TestShortBadIDsFailTheirWrite: shells do not look at close.
func TestShortBadIDsFailTheirWrite(t *testing.T) {
	t.Parallel()
	for stream, fails := range map[string]bool{
		"12x\n": true, "abc\n": true, "ab\ncd": true, "[abc]": true, "[1,x] ": true, `{"a":1}`: true, "1.5\n2": true, "}": true,
		"abc": false, "\n": false, " \nab": false, "[1,2]": false, "12\n": false, "12\n3": false, "[1,": false,
	} {
		if _, err := NewIDDecoder(AutoIDs, func(uint64) {}).Write([]byte(stream)); (err != nil) != fails {
			t.Errorf("%q: %v", stream, err)
		}
	}
}

func FuzzIDs(f *testing.F) {
	f.Add("1\n2,3 [4]", uint8(3))
	f.Add(`{"id":5}`, uint8(1))
	f.Add(npyOf("<u8", "(1,)", "12345678"), uint8(9))
	f.Add("\x01\x00\x00\x00\x00\x00\x00\x00", uint8(4))
	f.Fuzz(func(t *testing.T, stream string, size uint8) {
		for format := TextIDs; format <= NPYIDs; format++ {
			whole, _, err := decodeIDs(format, stream, len(stream)+1)
			parts, _, partsErr := decodeIDs(format, stream, 1+int(size))
			if (err == nil) != (partsErr == nil) || err == nil && !slices.Equal(whole, parts) {
				t.Fatalf("%s: %v, %v whole, %v, %v in parts", format, whole, err, parts, partsErr)
			}
			if format == RawIDs && err == nil && !bytes.Equal([]byte(rawIDsOf(whole...)), []byte(stream)) {
				t.Fatalf("%d ids of %d bytes", len(whole), len(stream))
			}
		}
		told, format, err := decodeIDs(AutoIDs, stream, len(stream)+1)
		if format == AutoIDs {
			return
		}
		if forced, _, forcedErr := decodeIDs(format, stream, len(stream)+1); (err == nil) != (forcedErr == nil) || err == nil && !slices.Equal(told, forced) {
			t.Fatalf("as %s: %v, %v, by itself: %v, %v", format, forced, forcedErr, told, err)
		}
	})
}
