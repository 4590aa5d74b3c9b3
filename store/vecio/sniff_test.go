package vecio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestSniff(t *testing.T) {
	t.Parallel()
	pad := strings.Repeat(" ", 600)
	for name, c := range map[string]struct {
		dimension int
		stream    string
		format    Format // at the end
		decidedAt int    // bytes, each a write of its own, after which the format is decided; 0: only when asked
		bad       bool
	}{
		"nothing":              {dimension: 1, format: Auto},
		"floats":               {dimension: 2, stream: string(floats(1, 2)), format: RawF32},
		"segments":             {stream: string(vecSegment(1, 1, []uint64{1}, floats(1))), format: Segments, decidedAt: 5},
		"magic only":           {dimension: 1, stream: "SFVR", format: RawF32},
		"magic, other version": {dimension: 2, stream: "SFVR\x02\x00\x00\x00", format: Auto, bad: true},
		"line":                 {stream: "[1,2]\n", format: JSON, decidedAt: 5},
		"wrong dimension":      {dimension: 3, stream: "[1,2]\n", format: JSON, decidedAt: 5, bad: true},
		"no line feed":         {stream: "[1,2]", format: JSON, decidedAt: 5},
		"two without space":    {stream: "[1,2][3,4]", format: JSON, decidedAt: 5},
		"long":                 {stream: "[1.00000, 2.00000]", format: JSON, decidedAt: 16},
		"object":               {stream: `{"id":1,"vector":[1]}`, format: JSON, decidedAt: 16},
		"mark":                 {stream: "\ufeff \n[1]\n", format: JSON, decidedAt: 8},
		"white space":          {stream: " \n", format: JSON},
		"much white space":     {stream: pad + "[1]", format: JSON, decidedAt: 601},
		"empty array":          {stream: "[]", format: JSON, decidedAt: 2},
		"cut":                  {dimension: 1, stream: "[1,2", format: JSON, bad: true},
		"NaN on a line":        {dimension: 2, stream: "[NaN,1]\n", format: JSON, decidedAt: 7, bad: true},
		"null at the end":      {dimension: 2, stream: "[1,null]", format: JSON, decidedAt: 8, bad: true},
		"single quotes":        {dimension: 1, stream: "{'id': 1, 'vector': [1]}\n", format: JSON, decidedAt: 23, bad: true},
		"metadata":             {dimension: 1, stream: `{"日本":"日本"}` + "\n", format: JSON, decidedAt: 19, bad: true},
		"long and wrong":       {dimension: 1, stream: "[x" + pad, format: JSON, decidedAt: anyText, bad: true},
		"only a bracket":       {dimension: 1, stream: "[abc", format: RawF32},
		"bracket, then bytes":  {dimension: 1, stream: "[1,\x00", format: Auto, bad: true},
		"mark, then bytes":     {dimension: 1, stream: "\xef\xbb\x00\x00", format: Auto, bad: true},
		"continuation missing": {dimension: 1, stream: "{\"\xc3(", format: RawF32},
		"brackets only":        {dimension: 3, stream: strings.Repeat("{", 12), format: JSON, bad: true},
		"one number":           {dimension: 1, stream: "1234", format: CSV},
		"NPY":                  {dimension: 1, stream: string(npyFile("<f4", 1, 5)), format: NPY, decidedAt: 6},
		"NPY cut off":          {dimension: 1, stream: npyMagic + "\x01\x00", format: NPY, decidedAt: 6, bad: true},
		"fvecs":                {stream: string(vecsFile(Fvecs, []float32{1, 2}, []float32{3, 4})), format: Fvecs},
		"fvecs, known":         {dimension: 2, stream: string(vecsFile(Fvecs, []float32{1, 2}, []float32{3, 4})), format: Fvecs},
		"one row of fvecs":     {dimension: 3, stream: string(vecsFile(Fvecs, []float32{1, 2, 3})), format: Fvecs},
		"fvecs, other store":   {dimension: 3, stream: string(vecsFile(Fvecs, []float32{1, 2}, []float32{3, 4})), format: Fvecs, decidedAt: 16, bad: true},
		"fvecs, one differs":   {dimension: 2, stream: string(vecsFile(Fvecs, []float32{1, 2}, []float32{3, 4, 5})), format: Fvecs, decidedAt: 16, bad: true},
		"fvecs cut off":        {dimension: 2, stream: string(vecsFile(Fvecs, []float32{1, 2})[:8]), format: Fvecs, bad: true},
		"fvecs like bvecs":     {stream: string(vecsFile(Fvecs, oneHot(63, 15), oneHot(63, 15))), format: Fvecs},
		"one row like bvecs":   {stream: string(vecsFile(Fvecs, []float32{math.Float32frombits(3 << 24), 0, 0})), format: Fvecs},
		"bvecs":                {stream: string(vecsFile(Bvecs, oneHot(9, 1), oneHot(9, 2), oneHot(9, 3), oneHot(9, 3))), format: Bvecs, decidedAt: 44},
		"bvecs, few rows":      {dimension: 9, stream: string(vecsFile(Bvecs, oneHot(9, 1), oneHot(9, 2))), format: Bvecs},
		"one row of bvecs":     {stream: string(vecsFile(Bvecs, oneHot(9, 1))), format: Bvecs},
		"two rows of bvecs":    {stream: string(vecsFile(Bvecs, []float32{1, 2}, []float32{3, 4})), format: Bvecs},
		"bvecs like fvecs":     {stream: string(vecsFile(Bvecs, []float32{1, 2}, []float32{3, 4}, []float32{5, 6})), format: Bvecs, decidedAt: 16},
		"bvecs, one differs":   {dimension: 2, stream: string(vecsFile(Bvecs, []float32{1, 2}, []float32{3, 4}, []float32{5})), format: Fvecs, decidedAt: 16, bad: true},
		"tiny, then floats":    {dimension: 3, stream: "\x01\x00\x00\x00" + string(floats(1, 2)), format: Auto, bad: true},
		"zeros":                {dimension: 1, stream: string(floats(0, 0)), format: RawF32},
		"largest dimension":    {stream: string(vecsFile(Fvecs, oneHot(65535, 1), oneHot(65535, 2))), format: Fvecs, decidedAt: 262148},
		"table":                {dimension: 2, stream: "1.0,2.0\n", format: CSV, decidedAt: 8},
		"table of another":     {dimension: 1, stream: "1.0,2.0\n", format: CSV, decidedAt: 8, bad: true},
		"table, no line end":   {dimension: 2, stream: "1.0\t-2.0", format: CSV},
		"table of words":       {stream: "nan inf\n", format: CSV, decidedAt: 8, bad: true},
		"table between quotes": {stream: "\"1\" \"2\"\n", format: CSV, decidedAt: 8},
		"table with a mark":    {stream: "\ufeff1,2\n", format: CSV, decidedAt: 7},
		"one column":           {dimension: 1, stream: "1\n2\n", format: CSV, decidedAt: 2},
		"semicolons":           {stream: "1;2\n3;4\n5;6\n7;8\n", format: CSV, decidedAt: 4},
		"header":               {stream: "id,v0,v1\n1,2,3\n", format: CSV, decidedAt: 9},
		"header of words":      {stream: "a1 a2\n1 2\n", format: CSV, decidedAt: 6},
		"header alone":         {dimension: 1, stream: "id,v0,v1", format: CSV, bad: true},
		"header with its end":  {dimension: 3, stream: "id,v0,v1,v2\n", format: CSV, decidedAt: 12},
		"nothing but id":       {stream: "id\n", format: CSV, decidedAt: 3},
		"id in a comment":      {stream: "# id x\n", format: CSV, decidedAt: 7},
		"header without id":    {dimension: 3, stream: "a,v0,v1,v2\n", format: CSV, decidedAt: 11, bad: true},
		"long header":          {stream: "id" + manyNames(700) + "\n1" + strings.Repeat(",0", 700) + "\n", format: CSV, decidedAt: anyText},
		"longer header":        {dimension: 1, stream: "id" + strings.Repeat(",a column", 10000), format: CSV, decidedAt: anyText, bad: true},
		"comment":              {stream: "# id 0\n1 2\n", format: CSV, decidedAt: 7},
		"ids that are text":    {dimension: 2, stream: "id,v0,v1\nabc,0.1,0.2\ndef,0.1,0.2\n", format: CSV, decidedAt: 9, bad: true},
		"decimal commas":       {dimension: 1, stream: "1,5;2,5\n1,5;2,5\n1,5;2,5\n1,5;2,5\n", format: CSV, decidedAt: 8, bad: true},
		"prose":                {dimension: 1, stream: "This line is no table.\nYet it is text, and nobody meant it to be floats.", format: CSV, decidedAt: 23, bad: true},
		"text, then bytes":     {dimension: 1, stream: "1,2\x00", format: Auto, bad: true},
		"short Latin-1":        {dimension: 1, stream: "caf\xe9,a\n\n", format: Auto, bad: true},
		"lone carriage return": {dimension: 1, stream: "1,2\r3,4,", format: CSV, bad: true},
		"commas":               {dimension: 4, stream: strings.Repeat("1.5,", 1000), format: CSV, decidedAt: anyText, bad: true},
		"one letter":           {dimension: 4, stream: strings.Repeat("A", 64), format: CSV, decidedAt: anyText, bad: true},
		"64 brackets":          {dimension: 4, stream: strings.Repeat("[", 64), format: JSON, decidedAt: anyText, bad: true},
		"many brackets":        {dimension: 4, stream: strings.Repeat("[", 100_000), format: JSON, decidedAt: anyText, bad: true},
		"64 braces":            {dimension: 4, stream: strings.Repeat("{", 64), format: JSON, decidedAt: anyText, bad: true},
		"carriage returns":     {dimension: 4, stream: strings.Repeat("1.5,2.5,3.5,4.5\r", 4), format: CSV, decidedAt: anyText, bad: true},
		"form feed":            {dimension: 4, stream: "\f" + strings.Repeat("word", 16), format: CSV, decidedAt: anyText, bad: true},
		"text in UTF-8":        {dimension: 4, stream: strings.Repeat("日本語é ", 16), format: CSV, decidedAt: anyText, bad: true},
		"63 bytes of text":     {dimension: 1, stream: strings.Repeat("word", 15) + "wor\x00", format: Auto, bad: true},
		"blank":                {dimension: 1, stream: strings.Repeat(" \n", blankLimit), format: JSON, decidedAt: blankLimit},
		"blank, then a table":  {dimension: 2, stream: pad + "1,2\n", format: CSV, decidedAt: 601},
		"UTF-16":               {dimension: 4, stream: utf16Of("1.5,2,3,4\n", binary.LittleEndian), format: Auto, decidedAt: 16, bad: true},
		"UTF-16, big":          {dimension: 4, stream: utf16Of("1.5,2,3,4\n", binary.BigEndian), format: Auto, decidedAt: 16, bad: true},
		"UTF-16 with a mark":   {dimension: 4, stream: utf16Of("\ufeff[1,2,3,4]\n", binary.LittleEndian), format: Auto, decidedAt: 18, bad: true},
		"big with a mark":      {dimension: 4, stream: utf16Of("\ufeff1,1,1,1,1,1\n", binary.BigEndian), format: Auto, decidedAt: 18, bad: true},
		"UTF-16, short":        {dimension: 1, stream: utf16Of("1,2\n", binary.LittleEndian), format: Auto, bad: true},
		"mark, short":          {dimension: 1, stream: utf16Of("\ufeff7", binary.BigEndian), format: Auto, bad: true},
		"two of UTF-16":        {dimension: 1, stream: utf16Of("1,", binary.LittleEndian), format: Auto, bad: true},
		"one value, big":       {dimension: 1, stream: string(floats(0.50097656, 0.50097656, 0.50097656, 0.50097656, 0.50097656, 1)), format: RawF32},
		"mark of UTF-16 only":  {dimension: 1, stream: "\xff\xfe\x80\x3f", format: RawF32},
		"small integers":       {dimension: 1, stream: string(floats(1, 2, 3, 4, 5, 6, 7, 8)), format: RawF32},
		"denormals":            {dimension: 1, stream: "1\x00,\x00" + string(floats(0, 0)), format: Auto, bad: true},
		"Latin-1":              {dimension: 4, stream: strings.Repeat("caf\xe9,1,2,3,4\n", 16), format: Auto, decidedAt: anyText, bad: true},
		"Latin-1, 8 letters":   {dimension: 4, stream: strings.Repeat("\xe9conomie", 8), format: Auto, decidedAt: anyText, bad: true},
		"too many high bytes":  {dimension: 1, stream: strings.Repeat("\xe9\xe9conom", 9) + "e", format: Auto, bad: true},
		"one byte below 0xa0":  {dimension: 1, stream: strings.Repeat("\xe9conomi", 8) + "\x9fconomie", format: Auto, bad: true},
		"unknown dimension":    {stream: "\x00", format: RawF32, bad: true},
		"unfinished row":       {dimension: 1, stream: "SFV", format: CSV, bad: true},
		"bytes cut off":        {dimension: 2, stream: "SFV\x00", format: Auto, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := agree(t, Auto, Options{}, c.dimension, []byte(c.stream), quietly([]byte(c.stream), func() int { return 1 }))
			if (err != nil) != c.bad {
				t.Fatalf("unexpected: %v", err)
			}
			d := newAutoDecoder(&collector{dimension: c.dimension}, Options{})
			decided := 0
			for i := range len(c.stream) {
				if d.inner == nil && d.failed == nil {
					if d.Unfinished() != int64(i) || d.Format() != Auto || !d.Committable() {
						t.Errorf("undecided after %d bytes: %d unfinished", i, d.Unfinished())
					}
					decided = i + 1
				}
				if _, err := d.Write([]byte{c.stream[i]}); err != nil {
					break
				}
			}
			if d.inner == nil && d.failed == nil {
				decided = 0
			}
			if decided != c.decidedAt {
				t.Errorf("decided after %d bytes, want %d", decided, c.decidedAt)
			}
			if err := errors.Join(d.EndLine(), d.Finish()); (err != nil) != c.bad || d.Format() != c.format {
				t.Errorf("format %v, want %v; %v", d.Format(), c.format, err)
			}
		})
	}
}

func TestSniffSettle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dimension  int
		first      string
		format     Format // after the flush
		unfinished int64
		rows       int
		bad        bool
		then       string
		rowsThen   int
	}{
		"nothing":        {dimension: 1, then: string(floats(1)), rowsThen: 1},
		"json record":    {first: "[1,2]", format: JSON, rows: 1, then: "[3,4]", rowsThen: 2},
		"half a record":  {first: "[1,2", format: Auto, unfinished: 4, then: "]", rowsThen: 1},
		"half a header":  {first: "SFV", format: Auto, unfinished: 3, then: string(vecSegment(1, 1, []uint64{1}, floats(1))[3:]), rowsThen: 1},
		"white space":    {first: "\n", format: JSON, then: "[1]\n", rowsThen: 1},
		"row like text":  {dimension: 1, first: "{ab ", format: RawF32, rows: 1, then: string(floats(1)), rowsThen: 2},
		"half a row":     {dimension: 2, first: "{ab ", format: Auto, unfinished: 4, then: string(floats(1)), rowsThen: 1},
		"row like magic": {dimension: 1, first: "SFVR", format: RawF32, rows: 1, then: string(floats(1)), rowsThen: 2},
		"wrong":          {dimension: 1, first: "[x, y, z, a, b, c", format: JSON, bad: true},
		"table":          {dimension: 2, first: "1.25,2.5", format: CSV, unfinished: 8, then: "\n", rowsThen: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := &collector{dimension: c.dimension}
			d := NewDecoder(Auto, sink, Options{})
			if _, err := d.Write([]byte(c.first)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := d.Settle(); (err != nil) != c.bad || d.Format() != c.format {
					t.Fatalf("format %v: %v", d.Format(), err)
				}
			}
			if c.bad {
				return
			}
			if d.Unfinished() != c.unfinished || len(sink.ids) != c.rows {
				t.Errorf("%d unfinished, %d rows", d.Unfinished(), len(sink.ids))
			}
			if _, err := d.Write([]byte(c.then)); err != nil {
				t.Fatal(err)
			}
			if err := d.Settle(); err != nil || d.Unfinished() != 0 || d.Finish() != nil {
				t.Errorf("at the end: %v", err)
			}
			if len(sink.ids) != c.rowsThen {
				t.Errorf("%d rows at the end, want %d", len(sink.ids), c.rowsThen)
			}
		})
	}
}

// quietly gives chunk lengths like next, but none that ends where the rule judges a
// record of text, and all else waits.
func quietly(stream []byte, next func() int) func() int {
	look := newRecordLook()
	return func() int {
		n := min(next(), len(stream))
		record := false
		for i := 0; i < n; i++ {
			if record = look.next(stream[i]); record && i+1 == n && n < len(stream) {
				n++
			}
		}
		stream = stream[n:]
		return n
	}
}

// recordLook tells where a write would end that brings a whole record of text: a
// line, or one within bytes that are no whole floats, or what a bracket closes.
type recordLook struct {
	text  textLook
	json  jsonLook
	bytes int
	line  bool // one that is not blank has ended
	last  byte // that is no white space
}

func newRecordLook() *recordLook { return &recordLook{json: newJSONLook()} }

func (l *recordLook) next(c byte) bool {
	l.bytes++
	if l.bytes > blankLimit {
		return false
	}
	l.text.next(c)
	l.json.next(c)
	if !isSpace(c) {
		l.last = c
	}
	l.line = l.line || c == '\n' && l.text.visible()
	closed := l.json.state == lookPossible && (l.last == ']' || l.last == '}')
	return l.text.visible() && (c == '\n' || l.line && l.bytes%4 != 0 || closed)
}

// Shells do not look at close: what a whole line says wrong must fail its write.
func TestSniffLineFailsItsWrite(t *testing.T) {
	t.Parallel()
	for stream, reason := range map[string]string{
		"1,2,x\n":                  `"x", is not a number`,
		"1,,3\n":                   "column 2 is empty",
		"1,2,1e39\n":               "does not fit in a float32",
		"1,2\n":                    "2 columns of values where the dimension is 3",
		"id,0,1,2\n1.0,2,3,4\n":    "column 1, the id",
		"a0,a1,a2,a3\n":            "4 columns of values where the dimension is 3",
		"hello\n":                  `column 1, "hello", is neither`,
		"{}\n":                     `without a "vector"`,
		"[\"a\"]\n":                "expected a number",
		"[[]]\n":                   "an empty vector",
		"[1,\nx]\n":                "expected a number",
		"[1,2]":                    "2 values where the dimension is 3",
		"[1,2]  ":                  "2 values where the dimension is 3",
		"[[1,2,3],[4]":             "1 values where the dimension is 3",
		"[x]":                      "expected a number",
		"[]x}":                     "nothing after an empty array",
		"{}":                       `without a "vector"`,
		`{"id":1}`:                 `without a "vector"`,
		"[1e39,0,0]":               "float32",
		"hello\nworld":             `column 1, "hello", is neither`,
		"1\n2":                     "1 columns of values where the dimension is 3",
		"1,2\n3":                   "2 columns of values where the dimension is 3",
		"\n\n[x\n":                 "expected a number",
		strings.Repeat("1.5,", 20): "",
	} {
		d := NewDecoder(Auto, &collector{dimension: 3}, Options{})
		_, err := d.Write([]byte(stream))
		if (err == nil) != (reason == "") || err != nil && !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v", stream, err)
		}
	}
	// What is whole and good is taken, and more may follow; what is not whole waits.
	for _, lines := range [][]string{
		{"a0,a1,a2\n", "1,2,3\n"}, {"\n", "1,2,3\n"}, {"\n", "[1,2,3]\n"}, {"[\n", "[1,2,3],\n", "[4,5,6]]"}, {"\n", "\x00\x00\x3f", string(floats(1, 2))},
		{"[1,2", ",3]"}, {"1,2,", "3"}, {"[[1,2,3]", ",[4,5,6]]"},
	} {
		d := NewDecoder(Auto, &collector{dimension: 3}, Options{})
		for i, line := range lines {
			if _, err := d.Write([]byte(line)); err != nil || d.Unfinished() == 0 && i == 0 {
				t.Errorf("%q: %d unfinished, %v", line, d.Unfinished(), err)
			}
		}
	}
}

// The reason must be about what the user wrote, not about floats that nobody meant.
func TestSniffNamesShortText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dimension int
		stream    string
		reason    string // "" for a stream that is taken
	}{
		"a bad value":            {3, "1,2,x", `csv: row 0, line 1, byte 0: neither a header nor a row: column 3, "x", is not a number`},
		"another dimension":      {4, "1;2\n3;4", "csv: row 0, line 1, byte 0: 2 columns of values where the dimension is 4"},
		"an empty column":        {3, "1,,3\n4,5,6", "csv: row 0, line 1, byte 0: column 2 is empty"},
		"a word":                 {3, "words", `csv: row 0, line 1, byte 0: column 1, "words", is neither`},
		"a word, no dimension":   {0, "word", `csv: row 0, line 1, byte 0: column 1, "word", is neither`},
		"a header and no row":    {2, "a0,a1", "csv: row 0, line 1, byte 0: the stream ends behind the header"},
		"brackets":               {3, "[x, y", "json: row 0, line 1, byte 0: expected a number"},
		"semicolons":             {2, "1;2\n3;4", ""},
		"semicolons, first rows": {0, "1;2\n3;4", ""},
		"one number":             {0, "7", ""},
		"a number of four bytes": {1, "1.25", ""},
		"of eight bytes":         {1, "0.250001", ""},
		"floats by their length": {2, "0.250001", "csv: row 0, line 1, byte 0: 1 columns of values where the dimension is 2"},
		"words of 16 bytes":      {4, "hello world 1234", `csv: row 0, line 1, byte 0: neither a header nor a row: column 1, "hello"`},
		"a comment of 16 bytes":  {4, "# comment 123456", "csv: row 0, line 1, byte 0: the stream ends behind the header"},
		"carriage returns":       {2, "1,2\r3,4\r", "csv: row 0, line 1, byte 0: lines end with a carriage return alone"},
		"more of them":           {4, strings.Repeat("0.5,0.25,1.5,2.5\r", 8), "csv: row 0, line 1, byte 0: lines end with a carriage return alone"},
	} {
		sink := &collector{dimension: c.dimension}
		d := NewDecoder(Auto, sink, Options{})
		err := push(d, []byte(c.stream), whole)
		if (err == nil) != (c.reason == "") || err != nil && !strings.HasPrefix(err.Error(), c.reason) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (d.Format() != CSV || len(sink.ids) == 0) {
			t.Errorf("%s: %d rows of %v", name, len(sink.ids), d.Format())
		}
	}
}

func TestSniffRefusesOtherFilesByName(t *testing.T) {
	t.Parallel()
	for begin, name := range map[string]string{
		"PK\x03\x04\x14\x00": "zip", "\x1f\x8b\x08\x00": "gzip", "\x1f\x8b\x08\x08": "gzip", "(\xb5/\xfd": "zstd", "\xfd7zXZ\x00": "xz",
		"\x89PNG\r\n\x1a\n": "PNG", "\x89HDF\r\n\x1a\n": "HDF5", "ARROW1\x00\x00": "Arrow", "PAR1\x15\x04\x15\x10": "Parquet",
	} {
		_, err := agree(t, Auto, Options{}, 4, []byte(begin+strings.Repeat("\x00", 32-len(begin))), func() int { return 1 })
		if err == nil || !strings.Contains(err.Error(), name) || !errors.Is(err, ErrRecord) {
			t.Errorf("%q: %v, want a word about %s", begin, err, name)
		}
		// Another byte makes something else of it, and a name floats.
		other := []byte(begin + strings.Repeat("\x00", 32-len(begin)))
		other[3] ^= 0x40
		if _, err := agree(t, Auto, Options{}, 4, other, func() int { return 1 }); err != nil && strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", other, err)
		}
		other[3] ^= 0x40
		if _, err := decode(t, RawF32, Options{}, 4, other, whole); err != nil {
			t.Errorf("%q as floats: %v", other, err)
		}
	}
	if _, err := agree(t, Auto, Options{}, 2, []byte("PAR1,PAR2\n1,2\n"), whole); err != nil {
		t.Errorf("a column of that name: %v", err)
	}
}

// TestNamesOfOtherFiles: who gives a file a wrong name is told what it is.
func TestNamesOfOtherFiles(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string][]byte{
		"a NumPy file": npyFile("<f4", 2, 1, 2), "RVF segments": vecSegment(1, 2, []uint64{1}, floats(1, 2)), "a Parquet file": []byte("PAR1\x15\x04\x15\x10\n"),
		"compressed with gzip": []byte("\x1f\x8b\x08\x00abc\n"),
	} {
		for _, f := range []Format{CSV, TSV} {
			if _, err := agree(t, f, Options{}, 2, stream, func() int { return 1 }); err == nil || !strings.Contains(err.Error(), "the stream is "+name) {
				t.Errorf("%s as %v: %v", name, f, err)
			}
		}
		if _, err := decode(t, JSON, Options{}, 2, stream, whole); stream[0] >= 0x80 && (err == nil || !strings.Contains(err.Error(), "the stream is "+name)) {
			t.Errorf("%s as JSON: %v", name, err)
		}
	}
}

// A row must be refused before a flush policy commits what has come.
func TestSniffRefusesAnEndlessLine(t *testing.T) {
	t.Parallel()
	sink := &collector{dimension: 4}
	d := NewDecoder(Auto, sink, Options{})
	piece := bytes.Repeat([]byte("1.5,"), 64<<10)
	written := 0
	for written < 2*maxTableLine {
		if _, err := d.Write(piece); err != nil {
			break
		}
		written += len(piece)
	}
	if written > maxTableLine || len(sink.rows) > 0 {
		t.Errorf("%d bytes taken, %d bytes of rows", written, len(sink.rows))
	}
}

// utf16Of is a text in UTF-16.
func utf16Of(text string, order binary.AppendByteOrder) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// oneHot is a row of zeros but for one 1.
func oneHot(dimension, at int) []float32 {
	row := make([]float32, dimension)
	row[at] = 1
	return row
}

// mistaken counts the streams of float32 patterns that are taken for something that has a
// format. Each begins with the given byte, so as not to wait for one that does.
func mistaken(begin byte, tries int, next func() uint32) int {
	count := 0
	stream := make([]byte, 96)
	for range tries {
		for at := 0; at < len(stream); at += 4 {
			binary.LittleEndian.PutUint32(stream[at:], next())
		}
		stream[0] = begin
		d := newAutoDecoder(&probeSink{dimension: 8}, Options{AllowNonFinite: true})
		_, err := d.Write(stream)
		if err != nil || d.inner != nil || d.floats != isRaw && d.best() != isRaw {
			count++
		}
	}
	return count
}

// One stream in 128 begins with a bracket, and one in 25 with what begins a
// number: the rates below are those of the rule's description times that.
func TestSniffTakesFloatsForFloats(t *testing.T) {
	t.Parallel()
	const tries = 10_000
	r := rand.New(rand.NewPCG(17, 17))
	usual := func() uint32 { return math.Float32bits(float32(r.NormFloat64())) }
	whole := func() uint32 { return math.Float32bits(float32(r.IntN(256))) }
	once := func() uint32 { return math.Float32bits(float32(r.NormFloat64())) &^ 0x1fff } // a float16
	for _, begin := range []byte("\x00\xff\xfeP\x1f\x28\xfd\x89A") {
		for kind, next := range map[string]func() uint32{"whole numbers": whole, "former float16": once, "normal values": usual, "random bits": r.Uint32} {
			if n := mistaken(begin, tries/5, next); n != 0 {
				t.Errorf("%s behind %q: %d of %d are mistaken", kind, begin, n, tries/5)
			}
		}
	}
	for _, begin := range []byte("[{ \n1-S\x93\xef#i\"\x02") {
		if n := mistaken(begin, tries, usual); n != 0 {
			t.Errorf("normal values behind %q: %d of %d are mistaken", begin, n, tries)
		}
		if n := mistaken(begin, tries, r.Uint32); n > 1 {
			t.Errorf("random bits behind %q: %d of %d are mistaken", begin, n, tries)
		}
	}
}

// Vectors of one value over and over, which are text more often than others:
// positive values from 0.0005 to 2048 whose bytes are text, for some of the last
// bytes that these have. Sixteen of them are 64 bytes of text. Closing
// brackets and quotes are left out: "[1]6" over and over looks like JSON indeed.
func TestSniffTakesConstantsForFloats(t *testing.T) {
	t.Parallel()
	const text = " \n+-.,:[{_'0123456789AEFNaefinrstu"
	for _, first := range []byte("[{ \n-1") {
		for _, second := range []byte(text) {
			for _, third := range []byte(text) {
				for _, fourth := range []byte(":;<?AD") {
					word := []byte{first, second, third, fourth}
					if first == third && second == fourth {
						continue // looks like bfloat16
					}
					d := newAutoDecoder(&probeSink{dimension: 15}, Options{})
					if err := push(d, bytes.Repeat(word, 15), whole); err != nil || d.Format() != RawF32 {
						t.Fatalf("%q over and over: %v, %v", word, d.Format(), err)
					}
				}
			}
		}
	}
}

// checkRecords cuts a stream also behind records of text. What is text stays text
// then, and nothing else becomes text but what is text up to such a cut.
func checkRecords(t *testing.T, stream []byte, dimension int, next func() int) {
	t.Helper()
	atOnce := NewDecoder(Auto, &collector{dimension: dimension}, Options{})
	wantErr := push(atOnce, stream, whole)
	cut := NewDecoder(Auto, &collector{dimension: dimension}, Options{})
	look, rest := newRecordLook(), stream
	records := false // some cut stands behind a record, and all before it is text
	err := push(cut, stream, func() int {
		n := min(next(), len(rest))
		record := false
		for _, c := range rest[:n] {
			record = look.next(c)
		}
		rest, records = rest[n:], records || record
		return n
	})
	text := func(d Decoder) bool { return d.Format() == JSON || d.Format() == CSV }
	switch {
	case text(atOnce) && !text(cut):
		t.Fatalf("text at once: %v, not in pieces: %v, %v", wantErr, cut.Format(), err)
	case !text(atOnce) && text(cut) && !records:
		t.Fatalf("%v at once, text in pieces: %v", atOnce.Format(), err)
	}
}

func FuzzSniff(f *testing.F) {
	for _, seed := range [][]byte{
		floats(1, 2, 3), []byte("[1,2]\n[3,4]\n"), []byte(`{"id":1,"vector":[1]}`), []byte("[NaN,1]\n"), []byte("{'id': 1}\n"), []byte("\ufeff [1]"),
		[]byte("1,2\n"), []byte("\x93NUMPY"), []byte("SFVR"), npyFile("<f4", 2, 1, 2), vecsFile(Fvecs, []float32{1, 2}), vecsFile(Bvecs, []float32{1, 2}), []byte("id,a\n1,2\n"), vecSegment(1, 1, []uint64{1}, floats(1)), []byte("{\"\xc3\xa9\":1}"),
	} {
		f.Add(seed, uint8(2), uint8(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, dimension, most uint8) {
		sink, err := agree(t, Auto, Options{}, int(dimension), stream, quietly(stream, pieces(18, 1+int(most))))
		checkRecords(t, stream, int(dimension), pieces(18, 1+int(most)))
		d := NewDecoder(Auto, &collector{dimension: int(dimension)}, Options{})
		if push(d, stream, whole); d.Format() == Auto {
			return
		}
		forced, forcedErr := decode(t, d.Format(), Options{}, int(dimension), stream, whole)
		if (err == nil) != (forcedErr == nil) || err == nil && !bytes.Equal(sink.rows, forced.rows) {
			t.Fatalf("as %v: %v, by itself: %v", d.Format(), forcedErr, err)
		}
	})
}

// manyNames are names of so many components, each behind a comma.
func manyNames(count int) string {
	var names strings.Builder
	for i := range count {
		fmt.Fprintf(&names, ",column %d", i)
	}
	return names.String()
}
