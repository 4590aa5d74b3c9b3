package vecio

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// floatRows are two rows of four columns, as programs write them.
const floatRows = "0.001230,0.298746,-0.274138,-0.890592\n-0.454671,-0.991647,0.060144,1.340215\n"

// indexed are the same rows behind numbers from 0 on.
const indexed = "0,0.001230,0.298746,-0.274138,-0.890592\n1,-0.454671,-0.991647,0.060144,1.340215\n"

var floatValues = []float32{0.00123, 0.298746, -0.274138, -0.890592, -0.454671, -0.991647, 0.060144, 1.340215}

// TestTableHeads: what stands above the rows decides what the columns are, in a store
// whose dimension is known and in a new one. What cannot be told is never a component.
func TestTableHeads(t *testing.T) {
	t.Parallel()
	const none = -1
	for name, c := range map[string]struct {
		stream string
		ids    []int64
		rows   []float32
		reason string // of the refusal in both stores
		old    string // in the one with the dimension 4, where it is another one
	}{
		"pandas without index":        {stream: "0,1,2,3\n" + floatRows, ids: []int64{none, none}, rows: floatValues},
		"pandas with index":           {stream: ",v0,v1,v2,v3\n" + indexed, reason: "column 1 has no name"},
		"the same, numbered":          {stream: ",0,1,2,3\n" + indexed, reason: "column 1 has no name"},
		"R":                           {stream: "\"\",\"V1\",\"V2\",\"V3\",\"V4\"\n" + indexed, reason: "column 1 has no name"},
		"R without row names":         {stream: "\"V1\",\"V2\",\"V3\",\"V4\"\n" + floatRows, ids: []int64{none, none}, rows: floatValues},
		"a name of something else":    {stream: "doc_id,v0,v1,v2,v3\n" + indexed, reason: `column 1, "doc_id", is neither "id" nor a component: call it "id"`},
		"the same, numbered names":    {stream: "label,0,1,2,3\n" + indexed, reason: `column 1, "label", is neither`},
		"the same, in the end":        {stream: "v0,v1,v2,v3,label\n" + indexed, reason: `column 5, "label", is neither`},
		"the same, behind ids":        {stream: "id,v0,v1,v2,label\n" + indexed, reason: `column 5, "label", is neither`},
		"the same, between":           {stream: "id,label,v0,v1,v2\n" + indexed, reason: `column 2, "label", is neither`},
		"an index that was read":      {stream: "Unnamed: 0,v0,v1,v2,v3\n" + indexed, reason: `column 1, "Unnamed: 0", is neither`},
		"two of them":                 {stream: "Unnamed: 0,Unnamed: 1,v0,v1,v2\n" + indexed, reason: `column 1, "Unnamed: 0", is neither`},
		"a number left out":           {stream: "v0,v1,v3,v4\n" + floatRows, reason: `column 3, "v3", is neither`},
		"another order":               {stream: "v3,v2,v1,v0\n" + floatRows, reason: `column 2, "v2", is neither`},
		"names without numbers":       {stream: "a,b,c,d\n" + floatRows, reason: `column 1, "a", is neither`},
		"ids by their name":           {stream: "ID,dim_008,dim_009,dim_010,dim_011\n" + indexed, ids: []int64{0, 1}, rows: floatValues},
		"ids and numbers":             {stream: "id,0,1,2,3\n" + indexed, ids: []int64{0, 1}, rows: floatValues},
		"missing values":              {stream: "NA,NA,NA,NA\n" + floatRows, reason: `column 1, "NA", is a missing value`},
		"one missing value":           {stream: "0.5,N/A,1,2\n" + floatRows, reason: `column 2, "N/A", is a missing value`},
		"a missing value below":       {stream: "0.5,1,1,2\n1,2,null,3\n", reason: `column 3, "null", is a missing value`},
		"decimal commas":              {stream: "0,0012;0,2987;-0,2741;-0,8906\n1;2;3;4\n", reason: `column 1, "0,0012", has a decimal comma`},
		"decimal commas below names":  {stream: "v0;v1;v2;v3\n0,0012;0,2987;-0,2741;-0,8906\n", reason: `column 1, "0,0012", has a decimal comma`},
		"decimal commas, exponents":   {stream: "1,5e-3\t2,5E+3\t1\t2\n", reason: `column 1, "1,5e-3", has a decimal comma`},
		"Fortran":                     {stream: "1.0D-02,2.0D-02,3.0D-02,4.0D-02\n0.5,0.25,0.125,1\n", reason: `column 1, "1.0D-02", has the exponent of Fortran`},
		"Fortran below":               {stream: "0.5,0.25,0.125,1\n1,2,1.0d+02,4\n", reason: `column 3, "1.0d+02", has the exponent of Fortran`},
		"minus signs":                 {stream: "\u22120.5,\u22121,\u22122,\u22123\n" + floatRows, reason: `begins with another character than "-"`},
		"a minus sign below":          {stream: "0.5,0.25,0.125,1\n1,2,\u22120.5,4\n", reason: `column 3, "` + "\u2212" + `0.5", begins with`},
		"thousands":                   {stream: "\"1,234.5\",\"1,234.5\",\"1,234.5\",\"1,234.5\"\n", reason: "has a separator of thousands"},
		"node2vec":                    {stream: strings.ReplaceAll("1,0.1,0.2,0.3,0.4\n2,0.1,0.2,0.3,0.4\n", ",", " "), reason: "the first column counts up", old: "5 columns of values where the dimension is 4: if the first column holds ids"},
		"word2vec":                    {stream: "2 4\nthe 0.1 0.2 0.3 0.4\nof 0.1 0.2 0.3 0.4\n", reason: "word vectors", old: "2 columns of values where the dimension is 4: is it the number of vectors"},
		"word2vec, numbers for words": {stream: "2 4\n17 0.1 0.2 0.3 0.4\n4 0.1 0.2 0.3 0.4\n", reason: "word vectors", old: "2 columns of values"},
		"word2vec, binary":            {stream: "2 4\nthe \x19=\xa3:-\xf5\x98>\xcc[\x8c\xbe\xd4\xfdc\xbf\nof \x9c", reason: "word vectors", old: "2 columns of values where the dimension is 4: is it the number of vectors"},
		"GloVe":                       {stream: "the 0.1 0.2 0.3 0.4\nof 0.1 0.2 0.3 0.4\n", reason: "word vectors"},
		"doubled by commas":           {stream: "0,1,0,2,0,3,0,4\n", ids: []int64{none}, rows: []float32{0, 1, 0, 2, 0, 3, 0, 4}, old: "8 columns of values where the dimension is 4: if numbers have decimal commas"},
		"names or a vector":           {stream: "0,1,2,3\n4,5,6,7\n", reason: "0, 1, … above a row of whole numbers can be names or a vector"},
		"a vector twice":              {stream: "0,1,2,3\n0,1,2,3\n", ids: []int64{none, none}, rows: []float32{0, 1, 2, 3, 0, 1, 2, 3}},
		"names alone":                 {stream: "0,1,2,3\n", ids: []int64{none}, rows: []float32{0, 1, 2, 3}, reason: "is taken for a header, and no row came"},
		"names alone, no end":         {stream: "0,1,2,3", ids: []int64{none}, rows: []float32{0, 1, 2, 3}, reason: "is taken for a header, and no row came"},
		"a vector alone":              {stream: "0.0,1,2,3\n", ids: []int64{none}, rows: []float32{0, 1, 2, 3}},
		"surely a vector":             {stream: "0.0,1,2,3\n4,5,6,7\n", ids: []int64{none, none}, rows: []float32{0, 1, 2, 3, 4, 5, 6, 7}},
		"counted from 1":              {stream: "1,2,3,4\n5,6,7,8\n", ids: []int64{none, none}, rows: []float32{1, 2, 3, 4, 5, 6, 7, 8}},
		"one that counts":             {stream: "1,0.5,0.5,0.5\n", ids: []int64{none}, rows: []float32{1, 0.5, 0.5, 0.5}},
		"one that does not count":     {stream: "1,0.5,0.5,0.5\n3,0.5,0.5,0.5\n", ids: []int64{none, none}, rows: []float32{1, 0.5, 0.5, 0.5, 3, 0.5, 0.5, 0.5}},
		"vectors in cells":            {stream: "id,embedding\n0,\"[0.00123, 0.298746, -0.274138, -0.890592]\"\n1,\"[-0.454671,-0.991647,0.060144,1.340215]\"\n", ids: []int64{0, 1}, rows: floatValues},
		"vectors of NumPy in cells":   {stream: "emb\tid\n[ 0.00123   0.298746 -0.274138 -0.890592]\t7\n[1 2. 3 4]\t8\n", ids: []int64{7, 8}, rows: append(slices.Clone(floatValues[:4]), 1, 2, 3, 4)},
		"vectors in cells alone":      {stream: "embedding\n\"[1,2,3,4]\"\n", ids: []int64{none}, rows: []float32{1, 2, 3, 4}},
		"a vector cut short":          {stream: "id,embedding\n0,\"[1, 2, ..., 4]\"\n", reason: `in the vector, column 2, "...", is not a number`},
		"a bracket missing":           {stream: "id,embedding\n0,\"[1, 2, 3, 4]\"\n1,\"1,2,3,4\"\n", reason: `column 2, "1,2,3,4", is no vector in brackets`},
		"vectors of other lengths":    {stream: "id,embedding\n0,\"[1, 2, 3, 4]\"\n1,\"[1,2,3]\"\n", reason: "a vector of 3 values where the dimension is 4"},
		"an empty vector":             {stream: "id,embedding\n0,[]\n", reason: "an empty vector"},
		"no quotes":                   {stream: "id,embedding\n0,[1,2,3,4]\n", reason: "5 columns where the first line has 2"},
		"amounts":                     {stream: "$1,$2,$3,$4\n" + floatRows, reason: `column 1, "$1", has "$" before its number`},
		"shares":                      {stream: "10%,11%,12%,13%\n" + floatRows, reason: `column 1, "10%", has "%" behind a number`},
		"times of the day":            {stream: "12:30,12:31,12:32,12:33\n" + floatRows, reason: `column 1, "12:30", has ":30" behind a number`},
		"days":                        {stream: "2021-01-01,2021-01-02,2021-01-03,2021-01-04\n" + floatRows, reason: `column 1, "2021-01-01", has "-01-01" behind a number`},
		"spaces for thousands":        {stream: "1 000,1 001,1 002,1 003\n" + floatRows, reason: `column 1, "1 000", has a separator of thousands`},
		"hexadecimal":                 {stream: "0x0,0x1,0x2,0x3\n" + floatRows, reason: `column 1, "0x0", has "x0" behind a number`},
		"floats of C":                 {stream: "1f,2f,3f,4f\n" + floatRows, reason: `column 1, "1f", has "f" behind a number`},
		"integers of R":               {stream: "1L,2L,3L,4L\n" + floatRows, reason: `column 1, "1L", has "L" behind a number`},
		"underscores":                 {stream: "1_0,1_1,1_2,1_3\n" + floatRows, reason: `column 1, "1_0", has "_0" behind a number`},
		"numbered missing values":     {stream: "NA0,NA1,NA2,NA3\n" + floatRows, reason: `column 1, "NA0", has "NA" before its number`},
		"amounts behind ids":          {stream: "id,$1,$2,$3,$4\n" + indexed, reason: `column 2, "$1", has "$" before its number`},
		"amounts in a comment":        {stream: "# id,$1,$2,$3,$4\n" + indexed, reason: `column 2, "$1", has "$" before its number`},
		"apostrophes":                 {stream: "'0','1','2','3'\n" + floatRows, reason: `column 1, "'0'", has an apostrophe`},
		"an apostrophe before each":   {stream: "0.5,'1,2,3\n", reason: `column 2, "'1", has an apostrophe`},
		"apostrophes below":           {stream: floatRows + "'1',2,3,4\n", reason: `column 1, "'1'", has an apostrophe`},
		"names of Spark":              {stream: "_1,_2,_3,_4\n" + floatRows, ids: []int64{none, none}, rows: floatValues},
		"letters of another alphabet": {stream: "значение1,значение2,значение3,значение4\n" + floatRows, ids: []int64{none, none}, rows: floatValues},
		"carriage returns alone":      {stream: "v0,v1,v2,v3\r1,2,3,4\r5,6,7,8\r\n", reason: "lines end with a carriage return alone"},
		"a return within a row":       {stream: "1,2,3,4\n5,6,7,8\r9,10,11,12\n", reason: "lines end with a carriage return alone"},
		"word2vec of another":         {stream: "2 5\nthe 0.1 0.2 0.3 0.4 0.5\nof 0.1 0.2 0.3 0.4 0.5\n", reason: "word vectors", old: "is it the number of word vectors and their dimension, 5"},
		"no vectors at all":           {stream: "id,label\n0,7\n", reason: `column 2, "label", is neither`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, dimension := range []int{4, 0} {
				reason := c.reason
				if dimension > 0 && c.old != "" {
					reason = c.old
				} else if dimension > 0 && (strings.Contains(reason, "counts up") || strings.Contains(reason, "no row came")) {
					reason = ""
				}
				sink, err := everyCut(t, CSV, Options{}, dimension, []byte(c.stream))
				if reason != "" {
					if err == nil || !strings.Contains(err.Error(), reason) {
						t.Errorf("dimension %d: %v, want %q", dimension, err, reason)
					}
					if record := (*RecordError)(nil); dimension == 0 && errors.As(err, &record) && record.Row == 0 && sink.dimension != 0 {
						t.Errorf("a refused table has fixed the dimension %d", sink.dimension)
					}
				} else if err != nil || !slices.Equal(sink.ids, c.ids) || !bytes.Equal(sink.rows, floats(c.rows...)) {
					t.Errorf("dimension %d: ids %v, rows %x: %v", dimension, sink.ids, sink.rows, err)
				}
				// The same bytes to a stream whose format is told by them.
				auto, autoErr := decode(t, Auto, Options{}, dimension, []byte(c.stream), whole)
				if (autoErr == nil) != (err == nil) || err == nil && !bytes.Equal(auto.rows, sink.rows) {
					t.Errorf("dimension %d, told by the first bytes: %v, and %v by name", dimension, autoErr, err)
				} else if err != nil && !strings.Contains(autoErr.Error(), reason) {
					t.Errorf("dimension %d, told by the first bytes: %v", dimension, autoErr)
				}
			}
		})
	}
}

// TestTableOfOneColumn: 0 above the rows of one column is a name as 0, 1, … is of more, or a vector.
func TestTableOfOneColumn(t *testing.T) {
	t.Parallel()
	for stream, c := range map[string]struct {
		rows   []float32
		reason string // in both stores
		fresh  string // in a new one only
	}{
		"0\n0.5\n0.25\n": {reason: "0 above other rows can be the name"},
		"0\n5\n2\n":      {reason: "0 above other rows can be the name"},
		"0\n1\n2\n":      {rows: []float32{0, 1, 2}},
		"0\n0\n":         {rows: []float32{0, 0}},
		"0\n":            {rows: []float32{0}, fresh: "0 alone is taken for a header"},
		"0.0\n0.5\n":     {rows: []float32{0, 0.5}},
		"v0\n0.5\n0\n":   {rows: []float32{0.5, 0}},
		"1\n0.5\n":       {rows: []float32{1, 0.5}},
		"'0'\n0.5\n":     {reason: "has an apostrophe"},
		"$1\n0.5\n":      {reason: `has "$" before its number`},
	} {
		for _, dimension := range []int{1, 0} {
			for _, f := range []Format{CSV, Auto} {
				reason := c.reason
				if dimension == 0 && c.fresh != "" && f == CSV {
					reason = c.fresh
				} else if dimension == 0 && c.fresh != "" {
					continue // too few bytes to say what they are
				}
				sink, err := decode(t, f, Options{}, dimension, []byte(stream), whole)
				if reason == "" && (err != nil || !bytes.Equal(sink.rows, floats(c.rows...))) || reason != "" && (err == nil || !strings.Contains(err.Error(), reason)) {
					t.Errorf("%q as %v, dimension %d: %x, %v; want %q", stream, f, dimension, sink.rows, err, reason)
				}
			}
		}
	}
	// Into dimension 2 of word2vec's text the first line is a vector, and the second a word's.
	if _, err := decode(t, CSV, Options{}, 2, []byte("2 3\nthe 0.1 0.2 0.3\nof 0.1 0.2 0.3\n"), whole); err == nil || !strings.Contains(err.Error(), "word vectors") {
		t.Errorf("word2vec into dimension 2: %v", err)
	}
}

// TestTableHeadOfManyNumbers: no vector is 0, 1, 2 and so on up to 16 values or more.
func TestTableHeadOfManyNumbers(t *testing.T) {
	t.Parallel()
	names := strings.TrimPrefix(strings.ReplaceAll(manyNames(16), "column ", ""), ",")
	row := strings.Repeat("7,", 15) + "8"
	sink, err := everyCut(t, CSV, Options{}, 0, []byte(names+"\n"+row+"\n"))
	if err != nil || len(sink.ids) != 1 {
		t.Errorf("%d rows: %v", len(sink.ids), err)
	}
	for _, dimension := range []int{0, 16} {
		if sink, err := everyCut(t, CSV, Options{}, dimension, []byte(names+"\n")); err == nil || !strings.Contains(err.Error(), "no row came") {
			t.Errorf("dimension %d, the names alone: %d rows, %v", dimension, len(sink.ids), err)
		}
	}
}

// TestTableFirstLineWaits: what is not told yet is not committed, and a writer's close
// tells.
func TestTableFirstLineWaits(t *testing.T) {
	t.Parallel()
	sink := &collector{dimension: 2}
	d := NewDecoder(CSV, sink, Options{})
	if _, err := d.Write([]byte("0,1\n")); err != nil || d.Unfinished() != 4 || d.Settle() != nil || len(sink.ids) != 0 {
		t.Fatalf("%v, %d unfinished, %d rows", err, d.Unfinished(), len(sink.ids))
	}
	if err := d.EndLine(); err != nil || d.Unfinished() != 0 || len(sink.ids) != 1 {
		t.Fatalf("%v, %d unfinished, %d rows", err, d.Unfinished(), len(sink.ids))
	}
	if _, err := d.Write([]byte("0.5,1\n")); err != nil || len(sink.ids) != 2 {
		t.Fatalf("%v, %d rows", err, len(sink.ids))
	}
	killed := NewDecoder(CSV, &collector{dimension: 2}, Options{})
	if _, err := killed.Write([]byte("0,1\n")); err != nil {
		t.Fatal(err)
	}
	checkError(t, killed.Finish(), 0, 1, 0, "before it is told")
}
