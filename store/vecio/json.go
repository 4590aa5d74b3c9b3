package vecio

import (
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"
)

// jsonState is what a JSON stream may go on with.
type jsonState uint8

const (
	jsonStart      jsonState = iota // a byte order mark, or as jsonTop
	jsonMark                        // the rest of a byte order mark
	jsonTop                         // a record or an array of records
	jsonOpen                        // behind a top-level "[": a vector's values or a list's records
	jsonListItem                    // behind a comma in a list: a record
	jsonListNext                    // behind a record in a list: "," or "]"
	jsonEmptyList                   // behind "[]": nothing any more
	jsonFirstValue                  // behind a vector's "[": a number
	jsonValue                       // behind a comma in a vector: a number
	jsonNextValue                   // behind a number: "," or "]"
	jsonFirstName                   // behind "{": a member's name
	jsonNameQuote                   // behind a comma in an object: a member's name
	jsonName                        // inside a name
	jsonColon                       // behind a name: ":"
	jsonMember                      // behind ":": the member's value
	jsonNull                        // inside null
	jsonID                          // inside an id
	jsonNextMember                  // behind a value: "," or "}"
)

// expected says in words what each state that can refuse a byte waits for.
var expected = [...]string{
	jsonStart:      `a record: "[" or "{"`,
	jsonMark:       `a record: "[" or "{"`,
	jsonTop:        `a record: "[" or "{"`,
	jsonOpen:       "a number or a record",
	jsonListItem:   `a record: "[" or "{"`,
	jsonListNext:   `"," or "]" after a record of the array`,
	jsonEmptyList:  "nothing after an empty array",
	jsonFirstValue: "a number",
	jsonValue:      "a number",
	jsonNextValue:  `"," or "]" after a number`,
	jsonFirstName:  "a member's name in quotes",
	jsonNameQuote:  "a member's name in quotes",
	jsonName:       "a name without control characters",
	jsonColon:      `":" after a member's name`,
	jsonMember:     "a value",
	jsonNull:       "null",
	jsonID:         "an id: a whole number from 0 to 18446744073709551615",
	jsonNextMember: `"," or "}" after a member`,
}

const byteOrderMark = "\xef\xbb\xbf"

// Bounds on what one record may hold besides its values.
const (
	maxNameBytes = 256 // of a member, as written
	maxNames     = 16  // members of one record
)

// jsonDecoder reads records, each a vector `[1,2,…]` or an object
// `{"id":7,"vector":[1,2,…]}`, in which the vector may be called "embedding": one after the other, with or without white space
// between, and in arrays. Where the options allow it, NaN, Infinity and -Infinity
// are numbers, as Python writes them. Nothing is held but the record at hand.
type jsonDecoder struct {
	batch
	options  Options
	state    jsonState
	position int64 // bytes taken
	line     int64 // of the next byte, from 1
	nested   bool  // inside an array of records

	border int64 // position at which the last whole record or the stream began

	// The record at hand.
	inRecord    bool
	recordStart int64
	recordLine  int64
	object      bool
	names       []string // of its members so far
	name        []byte   // of the member at hand, as written
	nameEscape  bool     // the name's last byte was a backslash that escapes
	nameEscaped bool     // the name holds escapes
	hasID       bool
	hasVector   bool
	id          uint64
	idDigits    int
	matched     int    // bytes of a literal that were seen
	number      []byte // the beginning of a number that a chunk's end cut
}

func newJSONDecoder(s Sink, o Options) *jsonDecoder {
	return &jsonDecoder{batch: batch{sink: s}, options: o, line: 1}
}

func (d *jsonDecoder) Format() Format    { return JSON }
func (d *jsonDecoder) Settle() error     { return d.failed }
func (d *jsonDecoder) EndLine() error    { return d.failed }
func (d *jsonDecoder) Committable() bool { return true }

// Unfinished counts from the end of the last whole record. In an array of
// records that is still open it is 1 at least.
func (d *jsonDecoder) Unfinished() int64 {
	if !d.inRecord && !d.nested && d.state != jsonMark {
		return 0
	}
	return max(1, d.position-d.border)
}

func (d *jsonDecoder) Write(p []byte) (int, error) { return d.push(p, d.decode) }

func (d *jsonDecoder) Finish() error {
	if d.failed == nil && d.Unfinished() > 0 {
		reason := "the stream ends inside a record"
		if !d.inRecord && d.nested {
			reason = "the stream ends before the array of records is closed"
		}
		d.failed = d.fail("%s", reason)
	}
	return d.failed
}

// fail names the record at hand, or the place where none could begin.
func (d *jsonDecoder) fail(format string, arguments ...any) error {
	e := &RecordError{Format: JSON, Offset: d.recordStart, Line: d.recordLine, Row: d.count, Reason: fmt.Sprintf(format, arguments...)}
	if !d.inRecord {
		e.Offset, e.Line = d.position, d.line
	}
	return e
}

// refuse is the error for a byte that does not fit, which stands at position.
func (d *jsonDecoder) refuse(c byte) error {
	shown := fmt.Sprintf("%q", c)
	if c >= utf8.RuneSelf {
		shown = fmt.Sprintf("byte 0x%02x", c)
	}
	return d.fail("expected %s, found %s at byte %d", expected[d.state], shown, d.position)
}

// decode runs the state machine over p.
func (d *jsonDecoder) decode(p []byte) error {
	if d.position == 0 && len(p) > 0 && p[0] >= utf8.RuneSelf {
		if name := otherFile(nil, p); name != "" {
			return d.fail("the stream is %s, and no JSON", name)
		}
	}
	begin := d.position
	for i := 0; i < len(p); {
		d.position = begin + int64(i)
		switch d.state {
		case jsonFirstValue, jsonValue, jsonNextValue:
			n, err := d.decodeValues(p[i:])
			if err != nil {
				return err
			}
			i += n
			continue
		case jsonName:
			if err := d.decodeName(p[i]); err != nil {
				return err
			}
			i++
			continue
		}
		c := p[i]
		if isSpace(c) && d.state != jsonMark && d.state != jsonNull && d.state != jsonID {
			if c == '\n' {
				d.line++
			}
			if d.state == jsonStart {
				d.state = jsonTop
			}
			i++
			continue
		}
		taken, err := d.step(c)
		if err != nil {
			return err
		}
		if taken {
			i++
		}
	}
	d.position = begin + int64(len(p))
	return nil
}

// step takes one byte that is not white space, in every state outside numbers
// and names. It leaves the byte for the next state if it returns false.
func (d *jsonDecoder) step(c byte) (taken bool, err error) {
	switch d.state {
	case jsonStart, jsonTop:
		if c == byteOrderMark[0] && d.state == jsonStart {
			d.matched = 1
			d.state = jsonMark
			return true, nil
		}
		switch {
		case c == '[':
			d.beginRecord(false)
			d.state = jsonOpen
		case c == '{':
			d.beginRecord(true)
		default:
			return false, d.refuse(c)
		}
		return true, nil

	case jsonMark:
		if c != byteOrderMark[d.matched] {
			return false, d.refuse(c)
		}
		d.matched++
		if d.matched == len(byteOrderMark) {
			d.border = d.position + 1
			d.state = jsonTop
		}
		return true, nil

	case jsonOpen:
		switch {
		case c == '[' || c == '{':
			d.nested = true
			d.beginRecord(c == '{')
		case c == ']' && d.count == 0:
			d.inRecord = false
			d.state = jsonEmptyList
		case c == ']':
			return false, d.fail("an empty vector")
		default:
			d.state = jsonFirstValue
			return false, nil
		}
		return true, nil

	case jsonListItem:
		if c != '[' && c != '{' {
			return false, d.refuse(c)
		}
		d.beginRecord(c == '{')
		return true, nil

	case jsonListNext:
		switch c {
		case ',':
			d.state = jsonListItem
		case ']':
			d.nested = false
			d.state = jsonTop
		default:
			return false, d.refuse(c)
		}
		return true, nil

	case jsonFirstName, jsonNameQuote:
		switch {
		case c == '"':
			d.name = d.name[:0]
			d.nameEscape, d.nameEscaped = false, false
			d.state = jsonName
			return true, nil
		case c == '}' && d.state == jsonFirstName:
			return true, d.endRecord()
		}
		return false, d.refuse(c)

	case jsonColon:
		if c != ':' {
			return false, d.refuse(c)
		}
		d.state = jsonMember
		return true, nil

	case jsonMember:
		return d.beginMember(c)

	case jsonNull:
		if c != "null"[d.matched] {
			return false, d.refuse(c)
		}
		d.matched++
		if d.matched == len("null") {
			d.state = jsonNextMember
		}
		return true, nil

	case jsonID:
		return d.decodeID(c)

	case jsonNextMember:
		switch c {
		case ',':
			d.state = jsonNameQuote
			return true, nil
		case '}':
			return true, d.endRecord()
		}
		return false, d.refuse(c)
	}
	return false, d.refuse(c) // jsonEmptyList
}

// beginRecord starts a record with the bracket at position.
func (d *jsonDecoder) beginRecord(object bool) {
	d.inRecord = true
	d.recordStart, d.recordLine = d.position, d.line
	d.object = object
	d.hasID, d.hasVector = false, false
	d.names = d.names[:0]
	d.state = jsonFirstValue
	if object {
		d.state = jsonFirstName
	}
}

// endRecord checks the record whose last byte stands at position.
func (d *jsonDecoder) endRecord() error {
	if d.object && !d.hasVector {
		return d.fail(`a record without a "vector"`)
	}
	values := d.values()
	right, err := d.fixDimension(values)
	if err != nil {
		return err
	}
	if !right {
		return d.wrongDimension(values)
	}
	if err := d.endRow(d.id, d.hasID); err != nil {
		return err
	}
	d.inRecord = false
	d.border = d.position + 1
	d.state = jsonTop
	if d.nested {
		d.state = jsonListNext
	}
	return nil
}

func (d *jsonDecoder) wrongDimension(values int) error {
	return d.fail("%d values where the dimension is %d", values, d.dimension)
}

// wrappedVectors say how records are had out of what programs put around them, by the
// member that comes first there.
var wrappedVectors = map[string]string{
	"object":     "; is it the answer of an API? jq -c '.data[] | {id: .index, vector: .embedding}' makes records of it",
	"data":       "; if it is an array of records, jq -c '.data[]' takes them out",
	"rows":       "; if it is an array of records, jq -c '.rows[]' takes them out",
	"ids":        `; is it a collection? jq -c '[.ids, .embeddings] | transpose[] | {id: .[0], vector: .[1]}' makes records of it, if the ids are numbers`,
	"embeddings": "; if it is an array of vectors, jq -c '.embeddings[]' takes them out",
	"values":     `; if it is the vector, call it "vector"`,
}

// beginMember looks at the first byte of a member's value.
func (d *jsonDecoder) beginMember(c byte) (taken bool, err error) {
	switch string(d.name) {
	case "id":
		if c == '"' {
			return false, d.fail("the id is a string; an id is a whole number without quotes")
		}
		if c-'0' < 10 {
			d.id, d.idDigits = 0, 0
			d.hasID = true
			d.state = jsonID
			return false, nil
		}
		if c != 'n' {
			d.state = jsonID
			return false, d.refuse(c)
		}
	case "vector":
		if c != '[' {
			return false, d.fail(`"vector" is not an array of numbers`)
		}
		d.hasVector = true
		d.state = jsonFirstValue
		return true, nil
	default:
		if c != 'n' {
			return false, d.fail(`member %q: a store holds no metadata yet, only "id" and "vector"; null is ignored%s`, d.name, wrappedVectors[string(d.name)])
		}
	}
	d.matched = 1
	d.state = jsonNull
	return true, nil
}

// decodeName takes one byte of a member's name.
func (d *jsonDecoder) decodeName(c byte) error {
	if c == '"' && !d.nameEscape {
		return d.endName()
	}
	if c < ' ' {
		return d.refuse(c)
	}
	if len(d.name) == maxNameBytes {
		return d.fail("a member's name of more than %d bytes", maxNameBytes)
	}
	d.name = append(d.name, c)
	d.nameEscape = c == '\\' && !d.nameEscape
	d.nameEscaped = d.nameEscaped || d.nameEscape
	return nil
}

func (d *jsonDecoder) endName() error {
	if d.nameEscaped {
		var name string
		if err := json.Unmarshal([]byte(`"`+string(d.name)+`"`), &name); err != nil {
			return d.fail("a member's name is not a JSON string")
		}
		d.name = append(d.name[:0], name...)
	}
	if !utf8.Valid(d.name) {
		return d.fail("a member's name is not UTF-8")
	}
	if string(d.name) == "embedding" {
		d.name = append(d.name[:0], "vector"...)
	}
	for _, earlier := range d.names {
		if earlier == string(d.name) {
			return d.fail("member %q twice", d.name)
		}
	}
	if len(d.names) == maxNames {
		return d.fail("more than %d members", maxNames)
	}
	switch string(d.name) {
	case "id":
		d.names = append(d.names, "id")
	case "vector":
		d.names = append(d.names, "vector")
	default:
		d.names = append(d.names, string(d.name))
	}
	d.state = jsonColon
	return nil
}

// decodeID takes one byte of an id, or leaves the one behind it.
func (d *jsonDecoder) decodeID(c byte) (taken bool, err error) {
	if c-'0' >= 10 {
		if isNumberByte(c) {
			return false, d.refuse(c)
		}
		d.state = jsonNextMember
		return false, nil
	}
	digit := uint64(c - '0')
	if d.idDigits > 0 && d.id == 0 || d.id > (math.MaxUint64-digit)/10 {
		return false, d.refuse(c)
	}
	d.id = d.id*10 + digit
	d.idDigits++
	return true, nil
}

// decodeValues reads a vector's values from p, which is not empty, up to the
// closing bracket or the end of p. It returns how much it took.
func (d *jsonDecoder) decodeValues(p []byte) (int, error) {
	begin := d.position
	most := d.knownDimension()
	if most == 0 {
		most = MaxDimension
	}
	state := d.state
	i := 0
	if len(d.number) > 0 {
		n, err := d.decodeCutNumber(p, most)
		if err != nil || len(d.number) > 0 {
			return n, err
		}
		i = n
		state = jsonNextValue
	}
	for i < len(p) {
		c := p[i]
		if isSpace(c) {
			if c == '\n' {
				d.line++
			}
			i++
			continue
		}
		if state == jsonNextValue {
			if c == ',' {
				state = jsonValue
				i++
				continue
			}
			d.position, d.state = begin+int64(i), state
			if c != ']' {
				return i, d.refuse(c)
			}
			return i + 1, d.endVector()
		}
		value, n, status := d.parseValue(p[i:])
		if status == numberOK && n <= maxNumberBytes && d.values() < most {
			d.addFloat(value)
			i += n
			state = jsonNextValue
			continue
		}
		d.position, d.state = begin+int64(i), state
		if status == numberShort && n <= maxNumberBytes && d.values() < most {
			d.number = append(d.number, p[i:]...)
			return len(p), nil
		}
		return i, d.refuseNumber(p[i:], n, status, most)
	}
	d.state = state
	return len(p), nil
}

// decodeCutNumber goes on with a number that began in an earlier chunk. If p
// ends it too, it is read; the bytes behind it are left.
func (d *jsonDecoder) decodeCutNumber(p []byte, most int) (int, error) {
	i := 0
	for i < len(p) && isValueByte(p[i]) && len(d.number) <= maxNumberBytes {
		d.number = append(d.number, p[i])
		i++
	}
	if i == len(p) && len(d.number) <= maxNumberBytes {
		return i, nil
	}
	written := len(d.number)
	text := d.number
	if i < len(p) {
		text = append(text, p[i])
	}
	d.position -= int64(written - i)
	value, n, status := d.parseValue(text)
	if status != numberOK || n != written || written > maxNumberBytes {
		return i, d.refuseNumber(text, n, status, most)
	}
	d.addFloat(value)
	d.number = d.number[:0]
	return i, nil
}

// nonFiniteWords are what Python writes where JSON has no number.
var nonFiniteWords = [...]struct {
	text  string
	value float32
}{
	{"NaN", float32(math.NaN())},
	{"Infinity", float32(math.Inf(1))},
	{"-Infinity", float32(math.Inf(-1))},
}

// parseValue reads a number, or a word for one that is not finite where these
// are allowed. Else such a word's status is numberWord.
func (d *jsonDecoder) parseValue(p []byte) (value float32, length int, status numberStatus) {
	value, length, status = parseNumber(p, false)
	if status == numberOK || p[0] != 'N' && p[0] != 'I' && p[0] != '-' {
		return value, length, status
	}
	for _, word := range nonFiniteWords {
		n := min(len(p), len(word.text))
		switch {
		case string(p[:n]) != word.text[:n]:
		case n < len(word.text) || n == len(p):
			return 0, n, numberShort
		case d.options.AllowNonFinite:
			return word.value, n, numberOK
		default:
			return 0, n, numberWord
		}
	}
	return value, length, status
}

// isValueByte reports whether a number, or a word for one, can hold the byte.
func isValueByte(c byte) bool { return isNumberByte(c) || c|0x20-'a' < 26 }

// refuseNumber says what is wrong with the number at the start of p, which
// stands at position.
func (d *jsonDecoder) refuseNumber(p []byte, length int, status numberStatus, most int) error {
	switch {
	case length == 0 && p[0] == ']' && d.state == jsonFirstValue:
		return d.fail("an empty vector")
	case length == 0 && p[0] == '[':
		return d.fail("arrays inside a vector")
	case length == 0 && p[0] == 'n':
		return d.fail("null at byte %d is not a number", d.position)
	case status == numberWord:
		return d.fail("%s at byte %d is not a finite number", p[:length], d.position)
	case length == 0:
		return d.refuse(p[0])
	case d.values() >= most && d.dimension == 0:
		return d.fail("more than %d values", MaxDimension)
	case d.values() >= most:
		return d.fail("more than the %d values of the dimension", d.dimension)
	case length > maxNumberBytes || length == len(p):
		return d.fail("a number of more than %d bytes at byte %d", maxNumberBytes, d.position)
	case status == numberHuge:
		return d.fail("%s at byte %d does not fit in a float32", p[:length], d.position)
	}
	d.position += int64(length)
	if status == numberOK {
		d.state = jsonNextValue
		return d.refuse(p[length])
	}
	return d.fail("a malformed number at byte %d", d.position)
}

// endVector ends the values at the bracket at position.
func (d *jsonDecoder) endVector() error {
	if !d.object {
		return d.endRecord()
	}
	if d.dimension != 0 && d.values() != d.dimension {
		return d.wrongDimension(d.values())
	}
	d.state = jsonNextMember
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
