package vecio

import "strings"

// autoDecoder decides a stream's format from its first bytes and then hands the
// stream to that format's decoder. The decision depends on the bytes and on
// what Settle asks, never on how the bytes were cut into chunks.
//
// The rule. The stream is
//
//   - RVF segments if it begins with a segment header's magic and version.
//   - NPY, or a table of numbers in text, if it begins as such. Both are
//     refused rather than stored as floats that nobody wrote.
//   - JSON if behind an optional byte order mark and white space it begins with
//     "[" or "{" and one of these holds: it is correct for 16 bytes from the
//     bracket on; it holds a whole record and a byte of white space, "[" or "{"
//     behind it; it is wrong, but looks like JSON up to the end of a line that
//     ends with "]" or "}", or for 512 bytes. What looks like JSON is white
//     space, digits, letters, "+-.,:[]{}_" and both kinds of quotes, any UTF-8
//     within double quotes, and no more than eight brackets open at a time.
//   - raw floats as soon as it can be none of these.
//
// Bytes that could still be several things wait for more. When Settle or Finish
// asks, they are JSON if they are correct so far, or look like JSON for 16 bytes
// or up to a last "]" or "}"; else they are raw.
//
// How often are floats taken for text? Outside quotes JSON has none of
// ; < = > ? @ and no byte from 0x80 on, but these end every float32 from 0.002
// to 8 and every negative one. Data of the usual size is therefore found out by
// its first value or two; what is left is less than one stream in 10^10. If all
// 2^32 patterns are equally likely it is below 5 streams in 10^8, which begin
// with the like of "[1]\n"; of streams that end within 15 bytes, 1 in 10^5. A
// stream so mistaken is refused by the JSON decoder, and nothing wrong is
// stored. Nor is the reverse: text that opens with a bracket and looks like JSON
// for 16 bytes is never stored as floats.
type autoDecoder struct {
	sink    Sink
	options Options
	inner   Decoder // once the format is decided
	held    []byte  // until then
	failed  error

	json  jsonLook
	table tableLook
}

// window is how many bytes are held before something must be decided.
const window = 512

func newAutoDecoder(s Sink, o Options) *autoDecoder {
	return &autoDecoder{sink: s, options: o, json: newJSONLook()}
}

// verdict is what the bytes held so far amount to.
type verdict uint8

const (
	undecided verdict = iota
	isRaw
	isJSON
	isSegments
	isNPY
	isTable
)

// Whole formats that are told by how they begin.
var magics = [...]struct {
	begin   string
	verdict verdict
}{
	{"SFVR\x01", isSegments},
	{"\x93NUMPY", isNPY},
}

func (d *autoDecoder) Format() Format {
	if d.inner == nil {
		return Auto
	}
	return d.inner.Format()
}

func (d *autoDecoder) Committable() bool { return d.inner == nil || d.inner.Committable() }

func (d *autoDecoder) Unfinished() int64 {
	if d.inner == nil {
		return int64(len(d.held))
	}
	return d.inner.Unfinished()
}

func (d *autoDecoder) Write(p []byte) (int, error) {
	if d.failed != nil {
		return 0, d.failed
	}
	taken := 0
	for d.inner == nil && taken < len(p) {
		d.held = append(d.held, p[taken])
		taken++
		v := d.look(p[taken-1])
		if v == undecided {
			continue
		}
		if taken == len(d.held) {
			// All of the stream is in p: the decoder can have it uncut.
			d.held, taken = nil, 0
		}
		if d.failed = d.decide(v); d.failed != nil {
			return 0, d.failed
		}
	}
	if d.inner != nil && taken < len(p) {
		if _, d.failed = d.inner.Write(p[taken:]); d.failed != nil {
			return 0, d.failed
		}
	}
	return len(p), nil
}

func (d *autoDecoder) Settle() error {
	if d.failed != nil {
		return d.failed
	}
	if d.inner != nil {
		return d.inner.Settle()
	}
	if v := d.best(); len(d.held) > 0 && d.wholeAs(v) {
		d.failed = d.decide(v)
	}
	return d.failed
}

func (d *autoDecoder) Finish() error {
	if d.failed == nil && d.inner == nil && len(d.held) > 0 {
		d.failed = d.decide(d.best())
	}
	if d.failed != nil || d.inner == nil {
		return d.failed
	}
	return d.inner.Finish()
}

// look takes one more byte, the last one held.
func (d *autoDecoder) look(c byte) verdict {
	json, table := d.json.next(c), d.table.next(c)
	switch {
	case json == lookSure:
		return isJSON
	case table == lookSure:
		return isTable
	}
	open := json == lookPossible || table == lookPossible
	for _, m := range magics {
		if n := min(len(m.begin), len(d.held)); string(d.held[:n]) == m.begin[:n] {
			if n == len(m.begin) {
				return m.verdict
			}
			open = true
		}
	}
	switch {
	case !open:
		return isRaw
	case len(d.held) >= window:
		return d.best()
	}
	return undecided
}

// best is the verdict if nothing more comes.
func (d *autoDecoder) best() verdict {
	switch {
	case d.json.likely():
		return isJSON
	case d.table.likely():
		return isTable
	}
	return isRaw
}

// wholeAs reports whether the bytes held can be decided upon now: either they
// end at a border between records, or they are bad whatever comes.
func (d *autoDecoder) wholeAs(v verdict) bool {
	switch v {
	case isJSON:
		return d.json.wrong || d.json.probe.Unfinished() == 0
	case isRaw:
		dimension := d.sink.Dimension()
		return dimension > 0 && len(d.held)%(4*dimension) == 0
	}
	return true
}

// decide takes the decoder for v and gives it what is held.
func (d *autoDecoder) decide(v verdict) error {
	format := RawF32
	switch v {
	case isJSON:
		format = JSON
	case isSegments:
		format = Segments
	case isNPY:
		return refuseFormat("the stream is NPY, which cannot be appended yet: send the floats alone")
	case isTable:
		return refuseFormat("the stream looks like a table of numbers in text, which cannot be appended yet: send JSON, or raw floats by name if they are what it is")
	}
	d.inner = NewDecoder(format, d.sink, d.options)
	held := d.held
	d.held = nil
	_, err := d.inner.Write(held)
	return err
}

func refuseFormat(reason string) error {
	return &RecordError{Format: Auto, Reason: reason}
}

// look says how far the bytes so far agree with a kind of text.
type look uint8

const (
	lookPossible look = iota
	lookSure
	lookNot
)

// jsonLook judges whether a stream is JSON, one byte at a time.
type jsonLook struct {
	state        look
	probe        *jsonDecoder // what JSON makes of the bytes so far
	wrong        bool         // it is not correct JSON
	begun        int          // bytes from the first bracket on
	quoted       bool         // within double quotes
	escaped      bool         // behind a backslash there
	continuation int          // bytes missing of a UTF-8 sequence there
	depth        int          // brackets open outside quotes
	last         byte         // the last byte that was not white space
}

// Bytes from the first bracket on that are evidence enough.
const (
	correctJSON = 16
	wrongLine   = 7 // with the line feed
	maxDepth    = 8 // brackets open in text that looks like JSON
)

func newJSONLook() jsonLook { return jsonLook{probe: newJSONDecoder(&probeSink{})} }

func (l *jsonLook) next(c byte) look {
	if l.state == lookPossible {
		l.state = l.judge(c)
	}
	return l.state
}

func (l *jsonLook) judge(c byte) look {
	if !l.wrong {
		_, err := l.probe.Write([]byte{c})
		l.wrong = err != nil
	}
	if l.begun == 0 && c != '[' && c != '{' {
		// White space or a byte order mark, which the probe knows.
		if l.wrong {
			return lookNot
		}
		return lookPossible
	}
	l.begun++
	if !l.text(c) {
		return lookNot
	}
	switch {
	case !l.wrong && l.begun >= correctJSON:
		return lookSure
	case !l.wrong && l.probe.count > 0 && (isSpace(c) || c == '[' || c == '{'):
		return lookSure
	case l.wrong && c == '\n' && l.begun >= wrongLine && (l.last == ']' || l.last == '}'):
		return lookSure
	}
	if !isSpace(c) {
		l.last = c
	}
	return lookPossible
}

// likely tells JSON whose end has come.
func (l *jsonLook) likely() bool {
	return l.state == lookPossible && (!l.wrong || l.begun >= correctJSON || l.last == ']' || l.last == '}')
}

// text reports whether c can stand in JSON, correct or not.
func (l *jsonLook) text(c byte) bool {
	switch {
	case l.continuation > 0:
		l.continuation--
		return c&0xc0 == 0x80
	case c < ' ':
		return isSpace(c)
	case !l.quoted:
		switch c {
		case '"':
			l.quoted = true
		case '[', '{':
			l.depth++
			return l.depth <= maxDepth
		case ']', '}':
			l.depth--
		}
		return c-'0' < 10 || c|0x20-'a' < 26 || strings.IndexByte(" +-.,:]}_'\"", c) >= 0
	case l.escaped:
		l.escaped = false
	case c == '\\':
		l.escaped = true
	case c == '"':
		l.quoted = false
	}
	switch {
	case c < 0x7f:
	case c >= 0xc2 && c < 0xe0:
		l.continuation = 1
	case c >= 0xe0 && c < 0xf0:
		l.continuation = 2
	case c >= 0xf0 && c < 0xf5:
		l.continuation = 3
	default:
		return false
	}
	return true
}

// tableLook judges whether a stream is numbers in text, one byte at a time. It
// is sure at the end of a first line that holds a digit, something between
// numbers, and a digit. If all float32 patterns are equally likely, one stream
// in 5·10^6 begins like that; values that are not tiny cannot, since their last
// byte is none of those.
type tableLook struct {
	state     look
	bytes     int
	digit     bool // there was one
	separated bool // there was something between numbers behind it
	second    bool // there was a digit behind that
}

// likelyTable is how many bytes of a line that has not ended are evidence enough.
const likelyTable = 8

func (l *tableLook) next(c byte) look {
	if l.state != lookPossible {
		return l.state
	}
	l.bytes++
	switch {
	case c-'0' < 10:
		l.digit = true
		l.second = l.separated
	case c == '+' || c == '-' || c == '.':
	case l.digit && (c == 'e' || c == 'E' || c == '\r'):
	case l.digit && (c == ',' || c == '\t' || c == ' '):
		l.separated = true
	case l.second && c == '\n':
		l.state = lookSure
	default:
		l.state = lookNot
	}
	return l.state
}

// likely tells a table whose first line has not ended.
func (l *tableLook) likely() bool {
	return l.state == lookPossible && l.second && l.bytes >= likelyTable
}

// probeSink takes any rows and forgets them.
type probeSink struct{ dimension int }

func (s *probeSink) Dimension() int { return s.dimension }

func (s *probeSink) SetDimension(dimension int) error {
	s.dimension = dimension
	return nil
}

func (s *probeSink) Rows([]uint64, []byte) error { return nil }
