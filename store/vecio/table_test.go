package vecio

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	t.Parallel()
	const none = -1
	plain, rows := []int64{none, none}, []float32{1, 2, 3, 4}
	allow := Options{AllowNonFinite: true}
	for name, c := range map[string]struct {
		format    Format // 0: CSV
		dimension int    // of the store before
		stream    string
		options   Options
		ids       []int64
		rows      []float32
	}{
		"nothing":            {},
		"blank lines":        {stream: "\n \r\n"},
		"commas":             {stream: "1,2\n3,4\n", ids: plain, rows: rows},
		"tabs":               {stream: "1\t2\n3\t4\n", ids: plain, rows: rows},
		"semicolons":         {stream: "1;2\n3;4\n", ids: plain, rows: rows},
		"spaces":             {stream: "1 2\n3 4\n", ids: plain, rows: rows},
		"columns of width":   {stream: "   1.0    2\n 3e0     4  \n", ids: plain, rows: rows},
		"width and commas":   {stream: "   1.0 ,  2\n 3e0,     4  \n", ids: plain, rows: rows},
		"carriage returns":   {stream: "1,2\r\n3,4\r\n", ids: plain, rows: rows},
		"no last line feed":  {stream: "1,2\n3,4", ids: plain, rows: rows},
		"only one line":      {stream: "1,2", ids: plain[:1], rows: rows[:2]},
		"blank between":      {stream: "\n1,2\n\n  \n3,4\n\n", ids: plain, rows: rows},
		"byte order mark":    {stream: "\ufeff1,2\n3,4\n", ids: plain, rows: rows},
		"mark, header":       {stream: "\ufeffid,a[0],a[1]\n7,1,2\n", ids: []int64{7}, rows: rows[:2]},
		"one column":         {stream: "1\n2\n", ids: plain, rows: rows[:2]},
		"known dimension":    {dimension: 2, stream: "1,2\n3,4\n", ids: plain, rows: rows},
		"names":              {stream: "the 1,the 2\n1,2\n3,4\n", ids: plain, rows: rows},
		"names with commas":  {stream: "x, 1;x, 2\n1;2\n3;4\n", ids: plain, rows: rows},
		"names in quotes":    {stream: "\"x, \"\"09\"\"\",\"x, \"\"10\"\"\"\n1,2\n3,4\n", ids: plain, rows: rows},
		"id first":           {stream: "id,x9,x10\n18446744073709551615,1,2\n0,3,4\n", ids: []int64{-1, 0}, rows: rows},
		"id last":            {stream: "x1 x2 ID\n1 2 5\n3 4 6\n", ids: []int64{5, 6}, rows: rows},
		"id within":          {stream: "\"v0\"\t\"Id\"\t\"v1\"\n1\t5\t2\n3\t6\t4\n", ids: []int64{5, 6}, rows: rows},
		"id, then numbers":   {stream: "id,0,1\n5,1,2\n6,3,4\n", ids: []int64{5, 6}, rows: rows},
		"quotes":             {stream: "\"id\",\"a1\",\"a2\"\n\"5\",\"1\",\" 2 \"\n \"6\" ,3, \"4\"\r\n", ids: []int64{5, 6}, rows: rows},
		"quotes and spaces":  {stream: "\"1\" \"2\"\n3 \"4\" \n", ids: plain, rows: rows},
		"comment":            {stream: "# written, today\n#\n1,2\n# more\n3,4\n# end", ids: plain, rows: rows},
		"names in a comment": {stream: "# id x1 x2\n5 1 2\n6 3 4\n", ids: []int64{5, 6}, rows: rows},
		"other separator":    {stream: "#id, x1, x2\n5 1 2\n6 3 4\n", ids: []int64{5, 6}, rows: rows},
		"comment, header":    {stream: "# an id\nid,x007,x008\n5,1,2\n6,3,4\n", ids: []int64{5, 6}, rows: rows},
		"forms of numbers":   {stream: "+1,.2e1,003,4.\n-1E+0,-.5,-0,1e-3\n", ids: plain, rows: []float32{1, 2, 3, 4, -1, -0.5, float32(math.Copysign(0, -1)), 0.001}},
		"savetxt":            {stream: "1.000000000000000056e-01 -2.500000000000000000e+00\n", ids: plain[:1], rows: []float32{0.1, -2.5}},
		"words":              {stream: "nan,inf,-Infinity\n1,+INF,-NaN\n", options: allow, ids: plain, rows: []float32{nan, infinity, -infinity, 1, infinity, nan}},
		"header with id":     {stream: "id,v0\n"},
		"nothing but id":     {stream: "\ufeffid\r\n\n"},
		"id in a comment":    {stream: "# a, id\n"},
		"id of another":      {dimension: 3, stream: "id;a0;a1\n"},
		"tab by name":        {format: TSV, stream: "a, 3;\ta, 4;\n1\t2\n3\t4\n", ids: plain, rows: rows},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, err := everyCut(t, max(c.format, CSV), c.options, c.dimension, []byte(c.stream))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(sink.ids, c.ids) || !bytes.Equal(sink.rows, floats(c.rows...)) {
				t.Errorf("got ids %v, rows %x, want %x", sink.ids, sink.rows, floats(c.rows...))
			}
		})
	}
}

func TestTableErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dimension         int
		stream            string
		offset, line, row int64
		reason            string
	}{
		"too few columns":     {0, "1,2\n\n3\n", 5, 3, 1, "1 columns where the first line has 2"},
		"too many columns":    {0, "1,2\r\n3,4,5\n", 5, 2, 1, "3 columns where the first line has 2"},
		"trailing comma":      {0, "1,2\n3,4,\n", 4, 2, 1, "3 columns where"},
		"other separator":     {0, "1,2\n3;4\n", 4, 2, 1, "1 columns where"},
		"wrong dimension":     {3, "1,2\n", 0, 1, 0, "2 columns of values where the dimension is 3"},
		"header of another":   {3, "id,0,1\n1,2,3\n", 7, 2, 0, "2 columns of values where the dimension is 3"},
		"a word":              {0, "1,2\n3,x4\n", 4, 2, 1, `column 2, "x4", is not a number`},
		"a word first":        {0, "1,2\nx,4\n", 4, 2, 1, `column 1, "x", is not a number`},
		"text behind":         {0, "1,2\n3x,4\n", 4, 2, 1, `column 1, "3x", is not a number`},
		"space within":        {0, "1,2\n3 3,4\n", 4, 2, 1, `column 1, "3 3", is not a number`},
		"empty":               {0, "1,2\n,4\n", 4, 2, 1, "column 1 is empty"},
		"empty at the end":    {0, "1,2\n3,", 4, 2, 1, "column 2 is empty"},
		"empty in first":      {0, "1,,2\n", 0, 1, 0, "column 2 is empty"},
		"hexadecimal":         {0, "1,2\n0x10,4\n", 4, 2, 1, "is not a number"},
		"underscores":         {0, "1,2\n1_0,4\n", 4, 2, 1, "is not a number"},
		"decimal commas":      {0, "1;2\n1,5;2,5\n", 4, 2, 1, `column 1, "1,5", has a decimal comma: write a point`},
		"sign alone":          {0, "1,2\n+,4\n", 4, 2, 1, "is not a number"},
		"point alone":         {0, "1,2\n.,4\n", 4, 2, 1, "is not a number"},
		"exponent alone":      {0, "1,2\n1e,4\n", 4, 2, 1, "is not a number"},
		"too large":           {0, "1,2\n1e39,4\n", 4, 2, 1, "column 1, 1e39, does not fit in a float32"},
		"too long":            {0, "1,2\n0." + strings.Repeat("1", 70) + ",4\n", 4, 2, 1, "more than 64 bytes"},
		"NaN":                 {0, "1,2\n3,NaN\n", 4, 2, 1, "column 2 is NaN, which is not a finite number"},
		"infinite":            {0, "1,2\n-inf,4\n", 4, 2, 1, "column 1 is -inf, which"},
		"brackets":            {0, "[1,[2\n0.5,1\n", 0, 1, 0, `column 1, "[1", has "[" before its number`},
		"half a header":       {0, "1,2x,3\n1,2,3\n", 0, 1, 0, `neither a header nor a row: column 2, "2x"`},
		"index without name":  {0, ",0,x\n", 0, 1, 0, `neither a header nor a row: column 3, "x"`},
		"header alone":        {0, "x0,x1\n", 6, 2, 0, "behind the header"},
		"header, no end":      {0, "id,x", 0, 1, 0, "inside a line"},
		"comment alone":       {0, "# nothing\n", 10, 2, 0, "behind the header"},
		"header, another":     {0, "# id x\n# more\n", 14, 3, 0, "behind the header"},
		"only ids":            {0, "id\n5\n", 3, 2, 0, "without a column of values"},
		"two ids":             {0, "id,ID,x\n", 0, 1, 0, `two columns are named "id"`},
		"ids of a comment":    {0, "# id of x\n1,2\n", 10, 2, 0, "has 3 columns where the row has 2"},
		"negative id":         {0, "id,0\n-1,2\n", 5, 2, 0, `column 1, the id, is "-1"`},
		"id with point":       {0, "0,id\n1,2.0\n", 5, 2, 0, `column 2, the id, is "2.0"`},
		"id too large":        {0, "id,0\n18446744073709551616,2\n", 5, 2, 0, "the id, is"},
		"id empty":            {0, "id,0\n,2\n", 5, 2, 0, `the id, is ""`},
		"quote not closed":    {0, "\"id,x\n1,2\n", 0, 1, 0, "a quote that is not closed"},
		"quote open in a row": {0, "1,2\n\"3,4\n", 4, 2, 1, "a quote that is not closed"},
		"text behind quotes":  {0, "1,2\n\"3\"3,4\n", 4, 2, 1, "text behind a closing quote"},
		"second mark":         {0, "1,2\n\ufeff3,4\n", 4, 2, 1, "is not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := everyCut(t, CSV, Options{}, c.dimension, []byte(c.stream))
			checkError(t, err, c.offset, c.line, c.row, c.reason)
		})
	}
	_, err := decode(t, TSV, Options{}, 2, []byte("1\n"), whole)
	checkError(t, err, 0, 1, 0, "1 columns of values where the dimension is 2")
}

// The end of the stream ends the last line, and so does the writer's own close.
func TestTableEndLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first      string
		rows       int // once the line is ended
		unfinished int64
		then       string
		bad        bool
		rowsThen   int
	}{
		"a row":              {first: "1,2\n3,4", rows: 2, then: "\n5,6\n", rowsThen: 3},
		"carriage return":    {first: "1,2\n3,4\r", rows: 2, then: "\n5,6\n", rowsThen: 3},
		"the row goes on":    {first: "1,2\n3,4", rows: 2, then: "5,6\n", bad: true},
		"half a row":         {first: "1,2\n3,", rows: 1, unfinished: 2, then: "4\n", rowsThen: 2},
		"first line":         {first: "1,2", rows: 1, then: "\n3,4\n", rowsThen: 2},
		"half the first":     {first: "id,0,", unfinished: 5, then: "1\n1,2,3\n", rowsThen: 1},
		"header and no row":  {first: "v0,v1\n", unfinished: 6, then: "1,2\n", rowsThen: 1},
		"header with id":     {first: "id,0\n", then: "1,2\n", rowsThen: 1},
		"header, half a row": {first: "id,0\n1", unfinished: 1, then: ",2\n", rowsThen: 1},
		"comment":            {first: "1,2\n# end", rows: 1, then: "\n3,4", rowsThen: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := &collector{}
			d := NewDecoder(CSV, sink, Options{})
			if _, err := io.WriteString(d, c.first); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := d.EndLine(); err != nil || len(sink.ids) != c.rows || d.Unfinished() != c.unfinished || !d.Committable() {
					t.Fatalf("%v, %d rows, %d unfinished", err, len(sink.ids), d.Unfinished())
				}
			}
			_, err := io.WriteString(d, c.then)
			if (err != nil) != c.bad {
				t.Fatal(err)
			}
			if c.bad {
				return
			}
			if err := d.EndLine(); err != nil || d.Finish() != nil || len(sink.ids) != c.rowsThen {
				t.Errorf("%v, %d rows, want %d", err, len(sink.ids), c.rowsThen)
			}
		})
	}
	// A writer that was killed ends no line.
	d := NewDecoder(CSV, &collector{}, Options{})
	if _, err := io.WriteString(d, "1,2\n3,4"); err != nil {
		t.Fatal(err)
	}
	checkError(t, d.Finish(), 4, 2, 1, "inside a line")
}

func TestTableMemoryIsBounded(t *testing.T) {
	t.Parallel()
	for _, endless := range []string{"1,", "a", " ", "\"", "# ", "1"} {
		d := newTableDecoder(CSV, &collector{}, Options{})
		var err error
		chunk := []byte(strings.Repeat(endless, 100_000))
		for i := 0; i < 100 && err == nil; i++ {
			_, err = d.Write(chunk)
		}
		if err == nil || cap(d.held)+cap(d.rows)+cap(d.above) > 4*maxTableLine {
			t.Errorf("%q without end: %d bytes held, %v", endless, cap(d.held), err)
		}
	}
}

func TestTableLarge(t *testing.T) {
	t.Parallel()
	const dimension, n = 37, 3000
	values := normal(40, dimension*n)
	stream, ids := tableOf(values, dimension, "%.9g", ",")
	for _, most := range []int{3, 1000, 300_000} {
		sink, err := agree(t, CSV, Options{}, 0, stream, pieces(41, most))
		if err != nil || !slices.Equal(sink.ids, ids) || !bytes.Equal(sink.rows, floats(values...)) {
			t.Fatalf("pieces to %d: %v", most, err)
		}
	}
}

// tableOf writes rows with a header and an id each.
func tableOf(values []float32, dimension int, format, separator string) (stream []byte, ids []int64) {
	stream = append(stream, "id"...)
	for i := range dimension {
		stream = fmt.Appendf(stream, "%sv%d", separator, i)
	}
	for at := 0; at < len(values); at += dimension {
		stream = fmt.Appendf(stream, "\n%d", at)
		ids = append(ids, int64(at))
		for _, v := range values[at : at+dimension] {
			stream = fmt.Appendf(append(stream, separator...), format, v)
		}
	}
	return append(stream, '\n'), ids
}

// Numbers in a table are those that strconv reads, apart from its other bases.
func FuzzTableNumber(f *testing.F) {
	for _, seed := range []string{"1", "+.5e-3", "007.", "1e39", "nan", "-Infinity", "0x1p3", "1_0", "12345678901234567890", "0.1e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxNumberBytes || strings.ContainsAny(text, " ,;\t\"\r\n_xXpP") {
			return
		}
		want, err := strconv.ParseFloat(text, 32)
		stream := []byte("1,2\n3," + text + "\n")
		sink, got := decode(t, CSV, Options{AllowNonFinite: true}, 0, stream, whole)
		if err != nil && !strings.EqualFold(strings.TrimLeft(text, "+-"), "nan") {
			if got == nil {
				t.Fatalf("%q was accepted: %v", text, err)
			}
			return
		}
		if err != nil {
			want = math.NaN() // strconv knows no sign of it
		}
		if got != nil || !bytes.Equal(sink.rows[12:], floats(float32(want))) {
			t.Fatalf("%q: %x, want %v; %v", text, sink.rows, want, got)
		}
	})
}

func FuzzTable(f *testing.F) {
	for _, seed := range []string{
		"1,2\n3,4\n", "id,a\n1,2\n", "# id a\n1 2\n3 4", "\"a\";\"b\"\r\n1;2\r\n", "\ufeff1\t2\n", "a\n1\n", "1,2\n3,x\n", "\"\n", "nan,inf\n",
	} {
		f.Add([]byte(seed), uint8(0), uint8(2), false)
	}
	f.Fuzz(func(t *testing.T, stream []byte, dimension, most uint8, tabs bool) {
		format := CSV
		if tabs {
			format = TSV
		}
		sink, err := agree(t, format, Options{}, int(dimension), stream, pieces(42, 1+int(most)))
		if err == nil && firstNonFinite(sink.rows) >= 0 {
			t.Fatal("accepted a value that is not finite")
		}
		if lines := bytes.Count(stream, []byte("\n")) + 1; len(sink.ids) > lines {
			t.Fatalf("%d rows out of %d lines", len(sink.ids), lines)
		}
		// Written again with commas and a header, it is the same table.
		if err != nil || len(sink.ids) == 0 {
			return
		}
		again := []byte("v0")
		for i := 1; i < sink.dimension; i++ {
			again = fmt.Appendf(again, ",v%d", i)
		}
		if sink.ids[0] != -1 {
			again = append([]byte("id,"), again...)
		}
		for i, id := range sink.ids {
			again = append(again, '\n')
			if sink.ids[0] != -1 {
				again = strconv.AppendUint(again, uint64(id), 10)
				again = append(again, ',')
			}
			for j := range sink.dimension {
				value := math.Float32frombits(uint32(sink.rows[4*(i*sink.dimension+j)]) | uint32(sink.rows[4*(i*sink.dimension+j)+1])<<8 |
					uint32(sink.rows[4*(i*sink.dimension+j)+2])<<16 | uint32(sink.rows[4*(i*sink.dimension+j)+3])<<24)
				again = strconv.AppendFloat(append(again, ","[:min(j, 1)]...), float64(value), 'g', -1, 32)
			}
		}
		back, err := decode(t, CSV, Options{}, 0, again, whole)
		if err != nil || !bytes.Equal(back.rows, sink.rows) || !slices.Equal(back.ids, sink.ids) {
			t.Fatalf("%q came back as %q: %v", stream, again, err)
		}
	})
}

func BenchmarkTable(b *testing.B) {
	values := normal(43, 384*1000)
	for _, c := range []struct{ name, format, separator string }{
		{"csv", "%.9g", ","}, {"savetxt", "%.18e", " "}, {"width", "%15.9g", ","},
	} {
		stream, _ := tableOf(values, 384, c.format, c.separator)
		b.Run(c.name, func(b *testing.B) { benchmarkStream(b, CSV, stream) })
	}
	narrow, _ := tableOf(values, 3, "%.9g", ",")
	b.Run("three columns", func(b *testing.B) { benchmarkStream(b, CSV, narrow) })
}
