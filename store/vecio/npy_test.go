package vecio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// npyHeader is a version 1 file's bytes up to the values, with the given text.
func npyHeader(text string) []byte {
	b := append([]byte(npyMagic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

// npyFile is an array as numpy.save writes it: one vector if dimension is 0, else
// rows.
func npyFile(dtype string, dimension int, values ...float64) []byte {
	shape := fmt.Sprintf("(%d,)", len(values))
	if dimension > 0 {
		shape = fmt.Sprintf("(%d, %d)", len(values)/dimension, dimension)
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", dtype, shape)
	text += strings.Repeat(" ", 127-(len(text)+10)%128) + "\n"
	b := npyHeader(text)
	var order binary.AppendByteOrder = binary.LittleEndian
	if dtype[0] == '>' {
		order = binary.BigEndian
	}
	for _, v := range values {
		switch dtype[1:] {
		case "f2":
			b = order.AppendUint16(b, uint16(math.Float32bits(float32(v))>>13-112<<10)) // of normal positive values
		case "f4":
			b = order.AppendUint32(b, math.Float32bits(float32(v)))
		case "f8":
			b = order.AppendUint64(b, math.Float64bits(v))
		case "u1", "i1":
			b = append(b, byte(int(v)))
		}
	}
	return b
}

// dictionary is a header's text for rows of little-endian float32.
func dictionary(shape string) string {
	return "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }"
}

func TestNPY(t *testing.T) {
	t.Parallel()
	one := floats(1, 2, 3, 4)
	rows := []float32{1, 2, 3, 4}
	with := func(header []byte, values []byte) []byte { return append(header, values...) }
	version := func(major byte, text string) []byte {
		b := append([]byte(npyMagic), major, 0)
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	for name, c := range map[string]struct {
		dimension int // of the store before
		stream    []byte
		rows      []float32
	}{
		"nothing":             {},
		"<f2":                 {stream: npyFile("<f2", 2, 1, 2, 3, 4), rows: rows},
		">f2":                 {stream: npyFile(">f2", 2, 1, 2, 3, 4), rows: rows},
		"<f4":                 {stream: npyFile("<f4", 2, 1, 2, 3, 4), rows: rows},
		">f4":                 {stream: npyFile(">f4", 2, 1, 2, 3, 4), rows: rows},
		">f4, odd":            {stream: npyFile(">f4", 3, 1, 2, 3), rows: rows[:3]},
		"<f8":                 {stream: npyFile("<f8", 2, 1, 2, 3, 4), rows: rows},
		">f8":                 {stream: npyFile(">f8", 2, 1, 2, 3, 4), rows: rows},
		"bytes":               {stream: npyFile("|u1", 2, 1, 2, 3, 4, 0, 255), rows: append(slices.Clone(rows), 0, 255)},
		"signed bytes":        {stream: npyFile("|i1", 2, 1, 2, 3, 4, -128, 127), rows: append(slices.Clone(rows), -128, 127)},
		"no byte order":       {stream: with(npyHeader(strings.Replace(dictionary("(2, 2)"), "<", "", 1)), one), rows: rows},
		"known dimension":     {dimension: 2, stream: npyFile("<f8", 2, 1, 2, 3, 4), rows: rows},
		"one vector":          {stream: npyFile("<f4", 0, 1, 2, 3, 4), rows: rows},
		"one vector, known":   {dimension: 4, stream: npyFile("<f8", 0, 1, 2, 3, 4), rows: rows},
		"no rows":             {dimension: 3, stream: npyFile("<f4", 7), rows: nil},
		"no values":           {stream: npyFile("<f4", 0), rows: nil},
		"several files":       {stream: append(append(npyFile("<f8", 2, 1, 2), npyFile(">f4", 0, 3, 4)...), npyFile("<f4", 2)...), rows: rows},
		"version 2":           {stream: with(version(2, dictionary("(2, 2)")+"\n"), one), rows: rows},
		"version 3":           {stream: with(version(3, dictionary("(2, 2)")+"\n"), one), rows: rows},
		"other writers":       {stream: with(npyHeader("\n{ \"shape\" :( 2,2 ),\t'descr':'<f4' , 'fortran_order':False}"), one), rows: rows},
		"Python 2":            {stream: with(npyHeader(dictionary("(2L, 2L)")), one), rows: rows},
		"native order":        {stream: with(npyHeader(strings.Replace(dictionary("(2, 2)"), "<", "=", 1)), one), rows: rows},
		"Fortran, one row":    {stream: with(npyHeader(strings.Replace(dictionary("(1, 4)"), "False", "True", 1)), one), rows: rows},
		"Fortran, a column":   {stream: with(npyHeader(strings.Replace(dictionary("(4, 1)"), "False", "True", 1)), one), rows: rows},
		"Fortran, one vector": {stream: with(npyHeader(strings.Replace(dictionary("(4,)"), "False", "True", 1)), one), rows: rows},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, err := everyCut(t, NPY, Options{}, c.dimension, c.stream)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(sink.rows, floats(c.rows...)) {
				t.Errorf("got %x", sink.rows)
			}
			if len(c.rows) == 0 && sink.set > 0 {
				t.Error("an array without rows fixed the dimension")
			}
		})
	}
}

func TestNPYErrors(t *testing.T) {
	t.Parallel()
	inf, big := math.Inf(1), 1e39
	header := int64(128)
	file := func(text string) []byte { return append(npyHeader(text), floats(1, 2, 3, 4)...) }
	descr := func(descr string) []byte {
		return file(strings.Replace(dictionary("(2, 2)"), "'<f4'", descr, 1))
	}
	for name, c := range map[string]struct {
		dimension   int
		stream      []byte
		options     Options
		offset, row int64
		reason      string
	}{
		"other bytes":       {stream: []byte("\x93NUMPX"), reason: "does not begin as a NumPy file"},
		"version":           {stream: []byte("\x93NUMPY\x04\x00"), reason: "version 4.0"},
		"minor version":     {stream: []byte("\x93NUMPY\x01\x01"), reason: "version 1.1"},
		"huge header":       {stream: []byte("\x93NUMPY\x02\x00\x00\x00\x01\x00"), reason: "a header of 65536 bytes"},
		"cut in magic":      {stream: []byte("\x93NUM"), reason: "ends inside the header"},
		"cut in header":     {stream: npyHeader(dictionary("(2, 2)"))[:40], reason: "ends inside the header"},
		"no values":         {stream: npyFile("<f4", 2, 1, 2)[:128], offset: header, reason: "after 0 of the array's 1 rows, 8 bytes too early"},
		"a row missing":     {stream: npyFile("<f4", 2, 1, 2, 3, 4)[:header+8], offset: header + 8, row: 1, reason: "after 1 of the array's 2 rows, 8 bytes"},
		"cut in a value":    {stream: npyFile(">f8", 2, 1, 2, 3, 4)[:header+21], offset: header + 16, row: 1, reason: "after 1 of the array's 2 rows, 11 bytes"},
		"bytes behind":      {stream: append(npyFile("<f4", 2, 1, 2), 0), offset: header + 8, row: 1, reason: "behind the array's last row"},
		"other dimension":   {dimension: 3, stream: npyFile("<f4", 2, 1, 2), reason: "rows of 2 values where the dimension is 3"},
		"a vector":          {dimension: 3, stream: npyFile("<f4", 0, 1, 2), reason: "one vector of 2 values where the dimension is 3"},
		"header of another": {dimension: 3, stream: npyFile("<f4", 2, 1, 2)[:128], reason: "rows of 2 values where the dimension is 3"},
		"rows flattened":    {dimension: 2, stream: npyFile("<f4", 0, 1, 2, 3, 4), reason: "reshape(-1, 2)"},
		"second dimension":  {stream: append(npyFile("<f4", 2, 1, 2), npyFile("<f4", 1, 1)...), offset: header + 8, row: 1, reason: "rows of 1 values where the dimension is 2"},
		"NaN":               {stream: npyFile("<f4", 2, 1, 2, math.NaN(), 4), offset: header + 8, row: 1, reason: "value 0 is NaN"},
		"NaN, big endian":   {stream: npyFile(">f4", 2, 1, 2, 3, math.NaN()), offset: header + 8, row: 1, reason: "value 1 is NaN"},
		"infinite float64":  {stream: npyFile("<f8", 2, 1, inf), offset: header, reason: "value 1 is infinite"},
		"too large":         {stream: npyFile("<f8", 2, 1, 2, 3, big), options: Options{AllowNonFinite: true}, offset: header + 16, row: 1, reason: "value 1 does not fit in a float32"},
		"too large, after":  {stream: npyFile(">f8", 2, inf, -big), options: Options{AllowNonFinite: true}, offset: header, reason: "value 1 does not fit in a float32"},
		"ids":               {stream: descr("'<u8'"), reason: `values of dtype "<u8"`},
		"bool":              {stream: descr("'|b1'"), reason: `dtype "|b1"`},
		"object":            {stream: descr("'|O'"), reason: `dtype "|O"`},
		"integers":          {stream: descr("'<i4'"), reason: `dtype "<i4"`},
		"structured":        {stream: descr("[('id', '<u8'), ('v', '<f4', (3,))]"), reason: "structured values of dtype [('id', '<u8')"},
		"Fortran":           {stream: file(strings.Replace(dictionary("(2, 2)"), "False", "True", 1)), reason: "Fortran order"},
		"scalar":            {stream: file(dictionary("()")), reason: "0 dimensions"},
		"three dimensions":  {stream: file(dictionary("(1, 2, 2)")), reason: "3 dimensions"},
		"40 dimensions":     {stream: file(dictionary("(" + strings.Repeat("1,", 40) + ")")), reason: "more than 32 dimensions"},
		"no columns":        {stream: file(dictionary("(4, 0)")), reason: "rows of 0 values"},
		"wide":              {stream: file(dictionary("(4, 65536)")), reason: "rows of 65536 values"},
		"absurd rows":       {stream: file(dictionary("(9223372036854775807, 2)")), reason: "more than any file holds"},
		"absurd length":     {stream: file(dictionary("(9223372036854775808, 2)")), reason: "more than any file holds"},
		"not a tuple":       {stream: file(dictionary("(4)")), reason: "expected a comma"},
		"negative":          {stream: file(dictionary("(-1, 2)")), reason: "expected a length"},
		"no comma in tuple": {stream: file(dictionary("(1, 2 3)")), reason: `expected ')'`},
		"not a dictionary":  {stream: file("[1]"), reason: `expected '{'`},
		"empty dictionary":  {stream: file("{}"), reason: `does not say "descr"`},
		"twice":             {stream: file("{'shape': (1,), 'shape': (2,)}"), reason: `says "shape" twice`},
		"unknown member":    {stream: file("{'shape': (1,), 'more': 1}"), reason: `a member "more"`},
		"text behind":       {stream: file(dictionary("(2, 2)") + "x"), reason: "nothing behind"},
		"not closed":        {stream: file("{'shape': (1,)"), reason: "ends where"},
		"quote not closed":  {stream: file("{'shape"), reason: "a string in quotes"},
		"an escape":         {stream: file(`{'sh\x61pe': (1,)}`), reason: "a string in quotes"},
		"neither True":      {stream: file("{'fortran_order': 0}"), reason: "True or False"},
		"no colon":          {stream: file("{'shape' (1,)}"), reason: `expected ':'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := everyCut(t, NPY, c.options, c.dimension, c.stream)
			checkError(t, err, c.offset, 0, c.row, c.reason)
		})
	}
}

// The rows of an array that is still coming can be committed, but the stream
// cannot end.
func TestNPYUnderWay(t *testing.T) {
	t.Parallel()
	sink := &collector{}
	d := NewDecoder(NPY, sink, Options{})
	stream := npyFile("<f8", 2, 1, 2, 3, 4)
	for _, step := range []struct {
		to         int
		rows       int
		unfinished int64
	}{{5, 0, 5}, {128, 0, 128}, {144, 1, 144}, {150, 1, 150}, {160, 2, 0}} {
		from := int(d.Unfinished())
		if _, err := d.Write(stream[from:step.to]); err != nil {
			t.Fatal(err)
		}
		if len(sink.ids) != step.rows || d.Unfinished() != step.unfinished || !d.Committable() {
			t.Errorf("after %d bytes: %d rows, %d unfinished", step.to, len(sink.ids), d.Unfinished())
		}
	}
	if err := d.Finish(); err != nil {
		t.Error(err)
	}
}

// Whole rows of little-endian float32 are handed on as they lie in the chunk.
func TestNPYHandsOnUncut(t *testing.T) {
	t.Parallel()
	values := make([]float64, 4*1000)
	sink := &collector{}
	if _, err := NewDecoder(NPY, sink, Options{}).Write(npyFile("<f4", 4, values...)); err != nil || sink.calls != 1 {
		t.Errorf("%d calls of the sink, %v", sink.calls, err)
	}
}

// What a header announces is not believed before it is there.
func TestNPYMemoryIsBounded(t *testing.T) {
	t.Parallel()
	huge := append(npyHeader(strings.Replace(dictionary("(9000000000000, 65535)"), "<", ">", 1)), make([]byte, 100)...)
	long := append([]byte("\x93NUMPY\x02\x00\xff\xff\x00\x00"), make([]byte, 100)...)
	for _, stream := range [][]byte{huge, long} {
		d := newNPYDecoder(&collector{}, Options{})
		if _, err := d.Write(stream); err != nil {
			t.Fatal(err)
		}
		if held := cap(d.rows) + cap(d.head) + cap(d.cut) + cap(d.cutter.partial); held > 4096 {
			t.Errorf("%d bytes held for %d", held, len(stream))
		}
	}
}

func TestNPYLarge(t *testing.T) {
	t.Parallel()
	const dimension, n = 37, 3000
	narrow := normal(21, dimension*n)
	wide := make([]float64, len(narrow))
	for i, v := range narrow {
		wide[i] = float64(v)
	}
	for _, dtype := range []string{"<f4", ">f4", "<f8", ">f8"} {
		stream := npyFile(dtype, dimension, wide...)
		for _, most := range []int{7, 1000, 300_000} {
			sink, err := agree(t, NPY, Options{}, 0, stream, pieces(22, most))
			if err != nil || !bytes.Equal(sink.rows, floats(narrow...)) {
				t.Fatalf("%s in pieces to %d: %v", dtype, most, err)
			}
		}
	}
}

func FuzzNPY(f *testing.F) {
	for _, seed := range [][]byte{
		npyFile("<f4", 2, 1, 2, 3, 4), npyFile(">f8", 0, 1, 2), npyFile("<f2", 1, 1, 2), append(npyFile("<f8", 1, 1e39), npyFile("<f4", 3)...),
		npyHeader(dictionary("(2L, 1)")), npyHeader("{'descr': [('a', '<f4')], 'shape': ()}"), []byte("\x93NUMPY\x03\x00\xff\xff\xff\xff"),
	} {
		f.Add(seed, uint8(0), uint8(3), false)
	}
	f.Fuzz(func(t *testing.T, stream []byte, dimension, most uint8, allow bool) {
		sink, err := agree(t, NPY, Options{AllowNonFinite: allow}, int(dimension), stream, pieces(23, 1+int(most)))
		if err == nil && !allow && firstNonFinite(sink.rows) >= 0 {
			t.Fatal("accepted a value that is not finite")
		}
		if len(sink.rows) > 2*len(stream) {
			t.Fatalf("%d bytes of rows out of %d bytes", len(sink.rows), len(stream))
		}
	})
}

func BenchmarkNPY(b *testing.B) {
	values := make([]float64, 384*2048)
	for i, v := range normal(24, len(values)) {
		values[i] = math.Abs(float64(v)) + 0.001
	}
	for _, dtype := range []string{"<f2", ">f2", "<f4", ">f4", "<f8", ">f8"} {
		b.Run(dtype, func(b *testing.B) { benchmarkStream(b, NPY, npyFile(dtype, 384, values...)) })
	}
}

// benchmarkStream decodes a stream in chunks of a mebibyte.
func benchmarkStream(b *testing.B, f Format, stream []byte) {
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		d := NewDecoder(f, &probeSink{}, Options{})
		for at := 0; at < len(stream); at += 1 << 20 {
			if _, err := d.Write(stream[at:min(at+1<<20, len(stream))]); err != nil {
				b.Fatal(err)
			}
		}
	}
}
