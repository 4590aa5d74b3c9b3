package vecio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	const none = -1
	for name, c := range map[string]struct {
		dimension int // of the store before
		stream    string
		ids       []int64
		rows      []float32
	}{
		"nothing":               {},
		"white space":           {stream: " \r\n\t"},
		"byte order mark":       {stream: "\ufeff"},
		"byte order mark, line": {stream: "\ufeff[1]\n", ids: []int64{none}, rows: []float32{1}},
		"one vector":            {stream: "[1,2]", ids: []int64{none}, rows: []float32{1, 2}},
		"lines":                 {stream: "[1,2]\n[3,4]\n", ids: []int64{none, none}, rows: []float32{1, 2, 3, 4}},
		"no space between":      {stream: "[1,2][3,4]", ids: []int64{none, none}, rows: []float32{1, 2, 3, 4}},
		"spread out":            {stream: " [ 1 ,\n 2.5e0\t]\r\n\n[-3,4E+1 ] ", ids: []int64{none, none}, rows: []float32{1, 2.5, -3, 40}},
		"array of vectors":      {stream: "[[1,2],[3,4]]\n", ids: []int64{none, none}, rows: []float32{1, 2, 3, 4}},
		"array of objects":      {stream: `[ {"id":1,"vector":[5]} , {"vector":[6],"id":2} ]`, ids: []int64{1, 2}, rows: []float32{5, 6}},
		"arrays":                {stream: "[[1]]\n[[2],[3]]", ids: []int64{none, none, none}, rows: []float32{1, 2, 3}},
		"empty array":           {stream: "[ ]\n"},
		"object":                {stream: `{"id":7,"vector":[1,2]}`, ids: []int64{7}, rows: []float32{1, 2}},
		"object without id":     {stream: `{"vector":[1,2]}`, ids: []int64{none}, rows: []float32{1, 2}},
		"id is null":            {stream: `{"id":null,"vector":[1,2]}`, ids: []int64{none}, rows: []float32{1, 2}},
		"largest id":            {stream: `{"id":18446744073709551615,"vector":[1]}`, ids: []int64{-1}, rows: []float32{1}},
		"exact id":              {stream: `{"id":9007199254740993,"vector":[1]}`, ids: []int64{9007199254740993}, rows: []float32{1}},
		"null members":          {stream: `{"text":null,"id":3,"vector":[1],"é\"\u00e9":null}`, ids: []int64{3}, rows: []float32{1}},
		"escaped names":         {stream: `{"\u0069d":3,"vec\u0074or":[1]}`, ids: []int64{3}, rows: []float32{1}},
		"ids and none":          {stream: `{"id":1,"vector":[1]}[2]{"id":0,"vector":[3]}{"id":9,"vector":[4]}[5]`, ids: []int64{1, none, 0, 9, none}, rows: []float32{1, 2, 3, 4, 5}},
		"embedding":             {stream: `{"id": 3, "embedding": [1]}{"embedd\u0069ng":[2]}`, ids: []int64{3, none}, rows: []float32{1, 2}},
		"known dimension":       {dimension: 2, stream: "[1,2]", ids: []int64{none}, rows: []float32{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, err := everyCut(t, JSON, Options{}, c.dimension, []byte(c.stream))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(sink.ids, c.ids) || !bytes.Equal(sink.rows, floats(c.rows...)) {
				t.Errorf("got ids %v, rows %x", sink.ids, sink.rows)
			}
			if c.dimension != 0 && sink.set != 0 {
				t.Error("the dimension was set though it was known")
			}
		})
	}
}

func TestJSONErrors(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("1,", MaxDimension)
	for name, c := range map[string]struct {
		dimension         int
		stream            string
		offset, line, row int64
		reason            string
	}{
		"text":                {0, "hello", 0, 1, 0, `expected a record: "[" or "{", found 'h' at byte 0`},
		"number alone":        {0, "[1]\n 5", 5, 2, 1, "expected a record"},
		"comma between":       {0, "[1],[2]", 3, 1, 1, "expected a record"},
		"binary":              {0, "[1]\n\xff", 4, 2, 1, "found byte 0xff at byte 4"},
		"broken mark":         {0, "\xef\xbb[1]", 2, 1, 0, "expected a record"},
		"cut mark":            {0, "\xef\xbb", 2, 1, 0, "ends inside"},
		"too short":           {0, "[1,2]\n\n [3]\n", 8, 3, 1, "1 values where the dimension is 2"},
		"too long":            {2, "[1,2,3]", 0, 1, 0, "more than the 2 values"},
		"too short in object": {2, "{\"vector\":[1],\n\"id\":1}", 0, 1, 0, "1 values where the dimension is 2"},
		"pretty printed":      {2, "[\n [\n  1,\n  2\n ],\n [\n  3\n ]\n]", 19, 6, 1, "1 values"},
		"empty vector":        {0, "[1]\n[]\n", 4, 2, 1, "empty vector"},
		"empty in array":      {0, "[[]]", 1, 1, 0, "empty vector"},
		"empty in object":     {0, `{"vector":[]}`, 0, 1, 0, "empty vector"},
		"empty array, more":   {0, "[]\n[1]", 3, 2, 0, "nothing after an empty array"},
		"two empty arrays":    {0, "[][]", 2, 1, 0, "nothing after an empty array"},
		"cut vector":          {0, "[1,2]\n[1,2", 6, 2, 1, "ends inside a record"},
		"cut number":          {0, "[1", 0, 1, 0, "ends inside a record"},
		"cut object":          {0, `{"vector":[1]`, 0, 1, 0, "ends inside a record"},
		"cut array":           {0, "[[1],[2]\n", 9, 2, 2, "before the array of records is closed"},
		"cut array, comma":    {0, "[[1],", 5, 1, 1, "before the array of records is closed"},
		"nested":              {0, "[[[1]]]", 1, 1, 0, "arrays inside a vector"},
		"trailing comma":      {0, "[1,]", 0, 1, 0, "expected a number, found ']'"},
		"trailing comma, all": {0, "[[1],]", 5, 1, 1, "expected a record"},
		"no comma":            {0, "[1 2]", 0, 1, 0, `expected "," or "]" after a number, found '2' at byte 3`},
		"no comma in array":   {0, "[[1] [2]]", 5, 1, 1, `expected "," or "]" after a record`},
		"two points":          {0, "[1.2.3]", 0, 1, 0, "found '.' at byte 4"},
		"leading zero":        {0, "[01]", 0, 1, 0, "a malformed number"},
		"leading plus":        {0, "[+1]", 0, 1, 0, "expected a number"},
		"bare point":          {0, "[1.]", 0, 1, 0, "a malformed number"},
		"no exponent":         {0, "[1e]", 0, 1, 0, "a malformed number"},
		"minus":               {0, "[-]", 0, 1, 0, "a malformed number"},
		"NaN":                 {0, "[1,NaN]", 0, 1, 0, "NaN at byte 3 is not a finite number"},
		"infinity":            {0, "[-Infinity]", 0, 1, 0, "-Infinity at byte 1 is not a finite number"},
		"null":                {0, "[null]", 0, 1, 0, "null at byte 1 is not a number"},
		"string":              {0, `["1"]`, 0, 1, 0, "expected a number"},
		"overflow":            {0, "[1]\n[3.5e38]", 4, 2, 1, "3.5e38 at byte 5 does not fit in a float32"},
		"endless number":      {0, "[0." + strings.Repeat("1", 63) + "]", 0, 1, 0, "a number of more than 64 bytes"},
		"too many values":     {0, "[" + many + "1]", 0, 1, 0, "more than 65535 values"},
		"no vector":           {0, `{"id":1}`, 0, 1, 0, `without a "vector"`},
		"empty object":        {0, `{}`, 0, 1, 0, `without a "vector"`},
		"vector is null":      {0, `{"vector":null}`, 0, 1, 0, "not an array"},
		"vector is an object": {0, `{"vector":{}}`, 0, 1, 0, "not an array"},
		"metadata":            {0, `{"id":1,"vector":[1],"title":"x"}`, 0, 1, 0, `member "title": a store holds no metadata yet`},
		"metadata object":     {0, `{"meta":{"a":1}}`, 0, 1, 0, `member "meta"`},
		"nearly null":         {0, `{"a":nul,"vector":[1]}`, 0, 1, 0, "expected null, found ','"},
		"space in null":       {0, `{"a":nu ll}`, 0, 1, 0, "expected null, found ' '"},
		"duplicate vector":    {0, `{"vector":[1],"vector":[1]}`, 0, 1, 0, `member "vector" twice`},
		"both names":          {0, `{"vector":[1],"embedding":[1]}`, 0, 1, 0, `member "vector" twice`},
		"answer of an API":    {0, `{"object":"list","data":[{"embedding":[1]}]}`, 0, 1, 0, "jq -c '.data[]"},
		"collection":          {0, `{"ids":["a"],"embeddings":[[1]]}`, 0, 1, 0, "transpose"},
		"page of rows":        {0, `{"rows":[{"id":0,"vector":[1]}]}`, 0, 1, 0, "jq -c '.rows[]'"},
		"payload":             {0, `{"id":0,"vector":[1],"payload":{"city":"X"}}`, 0, 1, 0, `member "payload": a store holds no metadata yet`},
		"duplicate id":        {0, `{"id":1,"i\u0064":2}`, 0, 1, 0, `member "id" twice`},
		"duplicate null":      {0, `{"a":null,"a":null}`, 0, 1, 0, `member "a" twice`},
		"id in quotes":        {0, `{"id":"12","vector":[1]}`, 0, 1, 0, "the id is a string"},
		"negative id":         {0, `{"id":-1,"vector":[1]}`, 0, 1, 0, "an id: a whole number from 0"},
		"id with point":       {0, `{"id":1.0,"vector":[1]}`, 0, 1, 0, "an id: a whole number from 0"},
		"id with exponent":    {0, `{"id":1e3,"vector":[1]}`, 0, 1, 0, "an id: a whole number from 0"},
		"id with zero":        {0, `{"id":01,"vector":[1]}`, 0, 1, 0, "an id: a whole number from 0"},
		"id too large":        {0, `{"id":18446744073709551616,"vector":[1]}`, 0, 1, 0, "an id: a whole number from 0"},
		"id is true":          {0, `{"id":true,"vector":[1]}`, 0, 1, 0, "an id: a whole number from 0"},
		"name without quotes": {0, `{id:1}`, 0, 1, 0, "a member's name in quotes"},
		"comma in object":     {0, `{"vector":[1],}`, 0, 1, 0, "a member's name in quotes"},
		"no colon":            {0, `{"vector" [1]}`, 0, 1, 0, `":" after a member's name`},
		"no comma in object":  {0, `{"vector":[1] "id":1}`, 0, 1, 0, `"," or "}" after a member`},
		"control in name":     {0, "{\"a\nb\":null}", 0, 1, 0, "without control characters"},
		"long name":           {0, `{"` + strings.Repeat("a", 257) + `":null}`, 0, 1, 0, "more than 256 bytes"},
		"bad escape":          {0, `{"\x":null}`, 0, 1, 0, "not a JSON string"},
		"name not UTF-8":      {0, "{\"\xff\":null}", 0, 1, 0, "not UTF-8"},
		"many members":        {0, manyMembers(17), 0, 1, 0, "more than 16 members"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := everyCut
			if len(c.stream) > 1000 {
				check = func(t testing.TB, f Format, o Options, dimension int, stream []byte) (*collector, error) {
					return agree(t, f, o, dimension, stream, pieces(1, 100))
				}
			}
			_, err := check(t, JSON, Options{}, c.dimension, []byte(c.stream))
			checkError(t, err, c.offset, c.line, c.row, c.reason)
		})
	}
}

func TestJSONNonFinite(t *testing.T) {
	t.Parallel()
	allow := Options{AllowNonFinite: true}
	sink, err := everyCut(t, JSON, allow, 0, []byte("[NaN, Infinity,-Infinity,-1]\n"+`{"vector":[1,2,3,NaN]}`))
	if err != nil || !bytes.Equal(sink.rows, floats(nan, infinity, -infinity, -1, 1, 2, 3, nan)) {
		t.Errorf("%x, %v", sink.rows, err)
	}
	for _, stream := range []string{"[nan]", "[Nan]", "[Inf]", "[+Infinity]", "[NaNs]", "[-NaN]", "[-Infinit]", "[Infinity1]", "[1e39]", "[null]"} {
		_, err := everyCut(t, JSON, allow, 0, []byte(stream))
		checkError(t, err, 0, 1, 0, " ")
	}
}

func manyMembers(n int) string {
	text := "{"
	for i := range n {
		text += fmt.Sprintf(`"m%d":null,`, i)
	}
	return text + `"vector":[1]}`
}

// A record is with the sink as soon as its last byte is there.
func TestJSONDeliversAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stream     string
		rows       int
		unfinished int64
	}{
		{"[1,2]", 1, 0},
		{"[1,2]\n", 1, 0},
		{"[1,2]\n  ", 1, 0},
		{"[1,2]\n[3", 1, 3},
		{`{"id":1,"vector":[1,2]}`, 1, 0},
		{`{"id":1,"vector":[1,2]`, 0, 22},
		{"[[1,2]", 1, 1},
		{"[[1,2],\n", 1, 2},
		{"[[1,2],[3,4", 1, 5},
		{"[[1,2],[3,4]]", 2, 0},
		{"[", 0, 1},
		{"\xef", 0, 1},
		{"[]", 0, 0},
	} {
		sink := &collector{}
		d := NewDecoder(JSON, sink, Options{})
		if _, err := io.WriteString(d, c.stream); err != nil {
			t.Fatal(err)
		}
		if len(sink.ids) != c.rows || d.Unfinished() != c.unfinished || !d.Committable() {
			t.Errorf("%q: %d rows, %d unfinished", c.stream, len(sink.ids), d.Unfinished())
		}
	}
}

// Nothing that a stream repeats without end makes the decoder hold more.
func TestJSONMemoryIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ begin, endless string }{
		{"", " \n"}, {"[", " "}, {"[1", " "}, {"[", "["}, {"[", "1"}, {"[1.", "0"}, {"[1e", "0"}, {"[-", "-"}, {"[", "1,"},
		{`{"`, "a"}, {`{"id":`, "1"}, {`{"id":`, "0"}, {"{", `"a":null,`}, {`{"vector":[`, "0.5,"}, {`{"a":`, "["},
	} {
		d := newJSONDecoder(&collector{}, Options{})
		_, err := d.Write([]byte(c.begin))
		chunk := []byte(strings.Repeat(c.endless, 10_000))
		for i := 0; i < 20 && err == nil; i++ {
			_, err = d.Write(chunk)
		}
		if held := cap(d.rows) + cap(d.name) + cap(d.number); held > 1<<20 {
			t.Errorf("%q and %q: %d bytes held", c.begin, c.endless, held)
		}
		if strings.TrimSpace(c.endless) != "" && err == nil {
			t.Errorf("%q and %q: accepted without end", c.begin, c.endless)
		}
	}
}

func TestJSONLarge(t *testing.T) {
	t.Parallel()
	const dimension, n = 37, 4000
	values := normal(8, dimension*n)
	var stream []byte
	var ids []int64
	for i := range n {
		row := values[i*dimension : (i+1)*dimension]
		id := int64(-1)
		if i%1000 < 500 {
			id = int64(i * 3)
		}
		ids = append(ids, id)
		stream = appendRecord(stream, id, row)
	}
	for _, most := range []int{3, 1000, 300_000} {
		sink, err := agree(t, JSON, Options{}, 0, stream, pieces(9, most))
		if err != nil || !slices.Equal(sink.ids, ids) || !bytes.Equal(sink.rows, floats(values...)) {
			t.Fatalf("pieces to %d: %v", most, err)
		}
	}
	sink, _ := decode(t, JSON, Options{}, 0, stream, whole)
	if sink.calls > 16 {
		t.Errorf("%d calls of the sink for %d rows", sink.calls, n)
	}
}

// appendRecord writes a record on a line, with an id if it is not negative.
func appendRecord(stream []byte, id int64, row []float32) []byte {
	if id >= 0 {
		stream = fmt.Appendf(stream, `{"id": %d, "vector": `, id)
	}
	for i, v := range row {
		stream = append(stream, "[, "[min(i, 1):][:1+min(i, 1)]...)
		stream = strconv.AppendFloat(stream, float64(v), 'g', -1, 32)
	}
	stream = append(stream, ']')
	if id >= 0 {
		stream = append(stream, '}')
	}
	return append(stream, '\n')
}

// readReference reads what the decoder accepts with the standard library.
func readReference(stream []byte) (ids []int64, rows []byte, err error) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(stream, []byte(byteOrderMark))))
	d.UseNumber()
	vector := func(value any) error {
		list, ok := value.([]any)
		if !ok {
			return errors.New("not a vector")
		}
		for _, item := range list {
			number, ok := item.(json.Number)
			if !ok {
				return errors.New("not a number")
			}
			v, err := strconv.ParseFloat(string(number), 32)
			if err != nil {
				return err
			}
			rows = append(rows, floats(float32(v))...)
		}
		return nil
	}
	record := func(value any) error {
		id := int64(-1)
		if object, ok := value.(map[string]any); ok {
			if number, ok := object["id"].(json.Number); ok {
				exact, err := strconv.ParseUint(string(number), 10, 64)
				if err != nil {
					return err
				}
				id = int64(exact)
			}
			value = object["vector"]
		}
		ids = append(ids, id)
		return vector(value)
	}
	for {
		var value any
		if err := d.Decode(&value); errors.Is(err, io.EOF) {
			return ids, rows, nil
		} else if err != nil {
			return nil, nil, err
		}
		list, ok := value.([]any)
		if ok && (len(list) == 0 || !isNumber(list[0])) {
			for _, item := range list {
				if err := record(item); err != nil {
					return nil, nil, err
				}
			}
			continue
		}
		if err := record(value); err != nil {
			return nil, nil, err
		}
	}
}

func isNumber(value any) bool {
	_, ok := value.(json.Number)
	return ok
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		"[1,2]\n[3,4]\n", `[{"id":1,"vector":[1.5e-3]},{"vector":[2],"id":null}]`, "\ufeff[[0.1]]", `{"\u0069d":18446744073709551615,"vector":[-0]}`,
		"[1,NaN]", "[[1],", `{"id":"1"}`, `{"a":null,"a":null}`, "[]", "[3.4028235677973366e38]",
	} {
		f.Add([]byte(seed), uint8(0), uint8(2))
	}
	f.Fuzz(func(t *testing.T, stream []byte, dimension, most uint8) {
		sink, err := agree(t, JSON, Options{}, int(dimension), stream, pieces(10, 1+int(most)))
		if err != nil {
			return
		}
		ids, rows, err := readReference(stream)
		if err != nil {
			t.Fatalf("accepted %q: %v", stream, err)
		}
		if !slices.Equal(ids, sink.ids) || !bytes.Equal(rows, sink.rows) {
			t.Fatalf("%q: ids %v and %v, rows %x and %x", stream, sink.ids, ids, sink.rows, rows)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	values := normal(11, 384*400)
	shortest, python := []byte(nil), []byte(nil)
	for at := 0; at < len(values); at += 384 {
		shortest = appendRecord(shortest, int64(at), values[at:at+384])
		wide := make([]float64, 384)
		for i := range wide {
			wide[i] = float64(values[at+i])
		}
		line, err := json.Marshal(wide)
		if err != nil {
			b.Fatal(err)
		}
		python = append(append(python, line...), '\n')
	}
	for name, stream := range map[string][]byte{"float32": shortest, "float64": python} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			for b.Loop() {
				d := NewDecoder(JSON, &probeSink{}, Options{})
				for at := 0; at < len(stream); at += 128 << 10 {
					if _, err := d.Write(stream[at:min(at+128<<10, len(stream))]); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func TestScaleGivesUpWhereItMust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mantissa uint64
		exponent int
		sure     bool
	}{
		{0, 5, true}, {5, -1, true}, {16777217, 0, false}, {1, -22, true}, {1, 22, true},
	} {
		if _, ok := scaleDecimal(c.mantissa, c.exponent); ok != c.sure {
			t.Errorf("%d·10^%d: %v", c.mantissa, c.exponent, ok)
		}
	}
	if v, ok := scaleDecimal(math.MaxUint64, 0); !ok && v != 0 {
		t.Error(v)
	}
}
