package vecio

import (
	"bytes"
	"errors"
	"strings"
)

// autoDecoder decides a stream's format from its first bytes and then hands the
// stream to that format's decoder. The decision depends on the bytes, on what
// Settle, EndLine and Finish ask, and on where a write ends that brought a whole
// record of text, as the rule's fifth point has it; cutting the bytes anywhere else
// changes nothing.
//
// The rule. The stream is
//
//   - RVF segments or NumPy's files if it begins with the magic of one, and in the
//     first case the version.
//   - JSON if behind an optional byte order mark and white space it begins with
//     "[" or "{" and one of these holds: it is correct for 16 bytes from the
//     bracket on; it holds a whole record and a byte of white space, "[" or "{"
//     behind it; it is wrong, but looks like JSON up to the end of a line that
//     ends with "]" or "}". What looks like JSON is white space, digits, letters,
//     "+-.,:[]{}_" and both kinds of quotes, any UTF-8 within double quotes, and
//     no more than eight brackets open at a time. Words such as NaN are correct
//     here, whatever the decoder says of them.
//   - a table if it is text, that is printable ASCII, UTF-8 and white space, and
//     one of these holds at the end of a line: the table's decoder has found a
//     row of two columns or more, or two rows of one; two lines or more, 32 bytes
//     or more, have equally many commas, semicolons and tabs, whatever stands
//     between. Where semicolons separate the columns, rows count from 16 bytes
//     on. Four bytes over and over count as text in the first case only.
//   - JSON or a table, most likely a bad one, if its first 64 bytes are text of any
//     kind: JSON if the first byte that is no white space is "[" or "{", else a
//     table.
//   - the same when a write ends, however short all is so far, if it is text that
//     ends with a line feed; if it is text with a whole line in it, its length no
//     multiple of 4; and JSON if it looks like JSON that ends with "]" or "}",
//     white space behind it or not.
//   - fvecs or bvecs if its first four bytes are an int32 D from 1 to 65535, and D
//     stands again where the next row would begin: for fvecs 4 + 4·D bytes on; for
//     bvecs 4 + D bytes on, and at the next two rows' places if they come before
//     8 + 4·D bytes, which is how many are waited for. When both agree, it is
//     bvecs if it agrees twice or more. When none does, it is fvecs, a bad one,
//     if D is the store's dimension.
//   - refused as text in UTF-16 if its first eight characters are ASCII, every other
//     byte being zero, with a byte order mark in front or without; so are four
//     characters when nothing more comes, or one behind a mark. Big-endian ones
//     without a mark must be more than two characters over and over.
//   - refused as text in Latin-1 or the like if its first 64 bytes are ASCII, but for
//     one to eight from 0xa0 on.
//   - refused by name if it begins with the magic of another kind of file. Each has
//     32 bits or more, so that one stream in 10^9 begins with one if all patterns
//     are equally likely, and none of values of use.
//   - raw floats as soon as it can be none of these.
//
// Bytes that could still be several things wait for more. When Settle or Finish
// asks, they are JSON if they are correct so far, or look like JSON for 16 bytes
// or up to a last "]" or "}"; a table if the above holds with a last line whose
// end is missing, or if they are a header with a column id and nothing behind it,
// or text that is a row of numbers, holds a lone carriage return or looks like other
// values than float32; fvecs or bvecs if whole rows have come or D is the store's dimension; else they
// are raw. If they are text and no whole rows of floats, Finish refuses them as JSON
// or as a table, and EndLine takes a table of any correct rows.
//
// How often are floats taken for text? Outside quotes JSON has none of
// ; < = > ? @ and no byte from 0x80 on, but these end every float32 from 0.002
// to 8 and every negative one. Data of the usual size is therefore found out by
// its first value or two; what is left is less than one stream in 10^10. If all
// 2^32 patterns are equally likely it is below 5 streams in 10^8, which begin
// with the like of "[1]\n"; of streams that end within 15 bytes, 1 in 10^5. Rows
// of a table are as rare: any four bytes of one hold a value's last byte, and
// where semicolons stand between, which end values from 0.002 to 0.008, any 16
// hold four of them. If all patterns are equally likely, less than one stream in
// 10^6 begins with the like of "1,2\n", a line of other text before it or not. Of
// normally distributed values 6 in 100 are text of any kind, so that the first 16
// are in less than one of 10^19 streams. Only where the first 16 values are one
// and the same is it these 6 in 100.
//
// A write of whole rows ends with a line feed only if its last value is below
// 10^-32, with a bracket or a brace only if it is above 10^17, and with white space
// behind that only if it is below 10^-18, which no values of use are; and its length
// is a multiple of 4. If all patterns are equally likely, a first
// write of n bytes is text with a line feed at its end in 0.4^(n-1) / 256 of all
// cases: 1 in 4,000 for one value, 1 in 2·10^8 for four. One that looks like JSON up
// to a bracket at its end is 1 in 10^5 and 1 in 10^11.
//
// A stream so mistaken is refused by the decoder of that text, and nothing wrong is
// stored. Nor is the reverse: text that opens with a bracket and looks like JSON
// for 16 bytes, tables of 32 bytes and any text of 64 are never stored as floats.
//
// How often are floats taken for UTF-16? Little-endian characters are float32 below
// 1.2·10^-38 that are not zero; of big-endian ones the lowest byte and the third
// are zero. If all patterns are equally likely, it is one stream in 10^22; of
// streams of eight bytes one in 10^11, of four bytes 5 in 10^8. Values that were float16 once have such
// bytes in one of 1,000 cases at most; four in a row that are not the same are one in 10^12.
//
// And for Latin-1? Of all patterns and of normally distributed values alike, two
// bytes in five are ASCII text, or of the last bytes, half. At most eight others in
// 64: that is one stream in 10^15.
//
// How often are floats taken for fvecs or bvecs? An int32 from 1 to 65535 is a
// float32 below 10^-40 that is not zero. No values of use begin so; if all
// patterns are equally likely, one stream in 65,000 does, and one in 10^14 repeats
// it at the right place. If D is the store's dimension the first four bytes are
// enough: one stream in 4·10^9. For fvecs to be taken for bvecs, one of the first
// values must be below 10^-33 and not zero; bvecs are not taken for fvecs.
type autoDecoder struct {
	sink    Sink
	options Options
	inner   Decoder // once the format is decided
	held    []byte  // until then
	floats  verdict // isRaw or isFvecs once it can be nothing else that has a format
	probe   Decoder // what its decoder makes of the bytes so far, then
	failed  error
	foreign string // what the stream is, if its magic is that of no vectors

	text    textLook
	json    jsonLook
	table   tableLook
	vecs    vecsLook
	counted countedLook
	utf16   utf16Look
	latin   latinLook
}

func newAutoDecoder(s Sink, o Options) *autoDecoder {
	return &autoDecoder{sink: s, options: o, json: newJSONLook(), table: newTableLook()}
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
	isFvecs
	isBvecs
	isUTF16
	isLatin
	isForeign
	isTensorFile
	isFbin
	isU8bin
)

func (d *autoDecoder) Format() Format {
	if d.inner == nil {
		return Auto
	}
	return d.inner.Format()
}

func (d *autoDecoder) Committable() bool { return d.inner == nil || d.inner.Committable() }

// Order implements Ordered for a stream that turns out to be so.
func (d *autoDecoder) Order() ([]Run, int64) {
	if ordered, is := d.inner.(Ordered); is {
		return ordered.Order()
	}
	return nil, 0
}

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
	d.counted.coming = int64(len(d.held)) + int64(len(p))
	for d.inner == nil && d.floats == undecided && taken < len(p) {
		d.held = append(d.held, p[taken])
		taken++
		switch v := d.look(p[taken-1]); v {
		case undecided:
		case isRaw, isFvecs:
			d.floats = v
		default:
			if d.failed = d.refuse(v, d.held); d.failed != nil {
				return 0, d.failed
			}
			if taken == len(d.held) {
				// All of the stream is in p: the decoder can have it uncut.
				d.held, taken = nil, 0
			}
			if d.failed = d.take(v); d.failed != nil {
				return 0, d.failed
			}
		}
	}
	if d.inner == nil && d.floats != undecided {
		taken, d.failed = d.gather(p, taken)
	}
	if d.inner == nil && d.failed == nil && d.wholeRecord() {
		// Who writes a record wants to know at once what is wrong with it.
		d.failed = d.decide(d.text.kind())
	}
	if d.inner != nil && d.failed == nil && taken < len(p) {
		_, d.failed = d.inner.Write(p[taken:])
	}
	if d.failed != nil {
		return 0, d.failed
	}
	return len(p), nil
}

// gather takes bytes of floats until there are enough of them for a guess. It returns how
// many of p are taken. A bad record fails the write that completes it, as it always does.
func (d *autoDecoder) gather(p []byte, taken int) (int, error) {
	if taken == len(d.held) && len(p) >= guessBytes {
		// All of the stream is in p: the decoder can have it uncut.
		if err := d.try(p[:guessBytes], p); err != nil {
			return 0, err
		}
		if err := d.refuse(d.floats, p); err != nil {
			return 0, err
		}
		d.held = nil
		return 0, d.take(d.floats)
	}
	n := min(len(p)-taken, max(0, guessBytes-len(d.held)))
	fresh := p[taken : taken+n]
	d.held = append(d.held, fresh...)
	if d.probe == nil {
		fresh = d.held[:min(len(d.held), guessBytes)]
	}
	if err := d.try(fresh, d.held); err != nil {
		return taken + n, err
	}
	if len(d.held) < guessBytes {
		return taken + n, nil
	}
	return taken + n, d.decide(d.floats)
}

// try fails if fresh, the last bytes of those that came, completes a bad record.
func (d *autoDecoder) try(fresh, all []byte) error {
	if d.floats == isRaw && d.sink.Dimension() <= 0 && len(all) < guessBytes {
		return nil // there are no records, and what it is instead shows with more of it
	}
	if d.probe == nil {
		d.probe = NewDecoder(decoded[d.floats], &probeSink{dimension: d.sink.Dimension()}, d.options)
	}
	_, err := d.probe.Write(fresh)
	record := (*RecordError)(nil)
	if !errors.As(err, &record) {
		return err
	}
	d.inner, d.held = d.probe, nil
	bad := *record
	if reason := noFloats(decoded[d.floats], all, d.sink.Dimension()); reason != "" {
		bad.Reason += "; " + reason
	}
	return &bad
}

func (d *autoDecoder) Settle() error {
	if d.failed != nil {
		return d.failed
	}
	if d.inner != nil {
		return d.inner.Settle()
	}
	if d.floats != undecided {
		if d.anyRow() {
			d.failed = d.decide(d.floats)
		}
		return d.failed
	}
	if len(d.held) == 0 {
		return nil
	}
	if v := d.ended(); d.wholeAs(v) {
		d.failed = d.decide(v)
	}
	return d.failed
}

// EndLine decides for a table that is likely, so that its last line can be taken.
// Where the bytes are no rows of floats, any row of text will do.
func (d *autoDecoder) EndLine() error {
	if d.failed == nil && d.inner == nil && len(d.held) > 0 && (d.best() == isTable || d.table.anyRows() && (d.onlyText() || d.ended() == isTable)) {
		d.failed = d.decide(isTable)
	}
	if d.failed == nil && d.inner != nil {
		d.failed = d.inner.EndLine()
	}
	return d.failed
}

func (d *autoDecoder) Finish() error {
	if d.failed == nil && d.inner == nil && len(d.held) > 0 {
		v := d.floats
		if v == undecided {
			v = d.ended()
		}
		if v == isRaw && d.onlyText() {
			v = d.text.kind()
		}
		d.failed = d.decide(v)
	}
	if d.failed != nil || d.inner == nil {
		return d.failed
	}
	return d.inner.Finish()
}

// look takes one more byte, the last one held.
func (d *autoDecoder) look(c byte) verdict {
	text, json, table, vecs, utf16, latin := d.text.next(c), d.json.next(c), d.table.next(c), d.vecs.next(c), d.utf16.next(c), d.latin.next(c)
	counted := d.counted.next(c, d.sink.Dimension())
	tensors, tensorsOpen := isTensors(d.held)
	switch {
	case tensors:
		return isTensorFile
	case json == lookSure:
		return isJSON
	case table == lookSure:
		return isTable
	case vecs == lookSure && (counted == lookNot || d.vecs.best(0) != isRaw):
		return d.vecs.best(d.sink.Dimension())
	case counted == lookSure:
		return d.counted.best()
	case text == lookSure:
		return d.text.kind()
	case utf16 == lookSure:
		return isUTF16
	case latin == lookSure:
		return isLatin
	}
	open := tensorsOpen || counted == lookPossible || text == lookPossible || vecs == lookPossible || utf16 == lookPossible || latin == lookPossible
	found, begun := matchMagic(d.held)
	if found != nil && found.name != "" {
		d.foreign = found.name
		return isForeign
	}
	if found != nil {
		return found.verdict
	}
	if begun {
		return undecided
	}
	if open {
		return undecided
	}
	return isRaw
}

// best is the verdict if nothing more comes.
func (d *autoDecoder) best() verdict {
	switch {
	case d.json.likely():
		return isJSON
	case d.table.likely():
		return isTable
	case d.utf16.likely():
		return isUTF16
	case d.counted.whole():
		return d.counted.best()
	case d.vecs.state == lookPossible && d.vecs.best(0) != isRaw:
		return d.vecs.best(d.sink.Dimension())
	case d.counted.begun():
		return d.counted.best()
	case d.vecs.state == lookPossible:
		return d.vecs.best(d.sink.Dimension())
	}
	return isRaw
}

// ended is the verdict if nothing more comes, where rows of floats that can be text are
// such only if they look like floats: not where they read as a number, for dimension 1, or as
// lines that carriage returns end.
func (d *autoDecoder) ended() verdict {
	v := d.best()
	if v != isRaw || d.floats != undecided || !d.text.visible() {
		return v
	}
	number := d.table.anyRows() && (d.table.varied || len(d.held) <= len(d.table.recent))
	if number || bytes.IndexByte(d.held, '\r') >= 0 && d.table.state == lookNot || noFloats(RawF32, d.held, d.sink.Dimension()) != "" {
		return d.text.kind()
	}
	return v
}

// onlyText reports whether the bytes held are text and not whole rows of floats.
func (d *autoDecoder) onlyText() bool { return d.text.visible() && !d.wholeAs(isRaw) }

// wholeRecord reports whether the bytes held, which end with a write, are text that
// brought a whole record, good or bad: a line, or what a bracket has closed.
func (d *autoDecoder) wholeRecord() bool {
	switch {
	case !d.text.visible():
		return false
	case d.text.last == '\n', d.text.lines && len(d.held)%4 != 0:
		return true
	}
	return d.json.closed()
}

// anyRow reports whether a whole row of floats is held.
func (d *autoDecoder) anyRow() bool {
	if d.floats == isFvecs {
		return len(d.held) >= d.vecs.floatRow()
	}
	dimension := d.sink.Dimension()
	return dimension > 0 && len(d.held) >= 4*dimension
}

// wholeAs reports whether the bytes held can be decided upon now: either they
// end at a border between records, or they are bad whatever comes.
func (d *autoDecoder) wholeAs(v verdict) bool {
	switch v {
	case isJSON:
		return d.json.wrong || d.json.probe.Unfinished() == 0
	case isFvecs, isBvecs:
		return d.vecs.whole()
	case isFbin, isU8bin:
		return d.counted.whole()
	case isRaw:
		dimension := d.sink.Dimension()
		return dimension > 0 && len(d.held)%(4*dimension) == 0
	}
	return true
}

// decoded are the formats of the verdicts.
var decoded = [...]Format{isRaw: RawF32, isJSON: JSON, isSegments: Segments, isNPY: NPY, isTable: CSV, isFvecs: Fvecs, isBvecs: Bvecs, isTensorFile: Safetensors, isFbin: Fbin, isU8bin: U8bin}

// decide takes the decoder for v and gives it what is held, or refuses it.
func (d *autoDecoder) decide(v verdict) error {
	if err := d.refuse(v, d.held); err != nil {
		return err
	}
	return d.take(v)
}

// take gives what is held to the decoder for v.
func (d *autoDecoder) take(v verdict) error {
	d.inner = NewDecoder(decoded[v], d.sink, d.options)
	if v == isU8bin {
		d.inner = newCountedDecoder(U8bin, unsignedOrSigned, d.sink, d.options)
	}
	held := d.held
	d.held, d.probe = nil, nil
	_, err := d.inner.Write(held)
	return err
}

// refuse is why a stream that begins so is not taken for what the verdict says, or nil.
func (d *autoDecoder) refuse(v verdict, begin []byte) error {
	var reason string
	switch v {
	case isUTF16:
		reason = "the stream is text in UTF-16: convert it to UTF-8"
	case isLatin:
		reason = "the stream is text, but neither ASCII nor UTF-8: convert it to UTF-8"
	case isForeign:
		reason = "the stream is " + d.foreign + ", which holds no vectors that can be read"
	case isRaw, isFvecs, isFbin:
		reason = noFloats(decoded[v], begin, d.sink.Dimension())
	}
	if reason == "" {
		return nil
	}
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

func newJSONLook() jsonLook {
	return jsonLook{probe: newJSONDecoder(&probeSink{}, Options{AllowNonFinite: true})}
}

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

// likely reports whether it is JSON, whose end has come.
func (l *jsonLook) likely() bool {
	return l.closed() || l.state == lookPossible && (!l.wrong || l.begun >= correctJSON)
}

// closed reports whether the bytes so far look like JSON up to a bracket that closes.
func (l *jsonLook) closed() bool {
	return l.state == lookPossible && (l.last == ']' || l.last == '}')
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
	known := false
	l.continuation, known = textContinuation(c)
	return known
}

// textContinuation is how many bytes follow c in UTF-8 when it begins a character,
// and whether it can begin one that a text holds. What is below a space is for
// others to judge.
func textContinuation(c byte) (n int, known bool) {
	switch {
	case c < 0x7f:
		return 0, true
	case c >= 0xc2 && c < 0xe0:
		return 1, true
	case c >= 0xe0 && c < 0xf0:
		return 2, true
	case c >= 0xf0 && c < 0xf5:
		return 3, true
	}
	return 0, false
}

// probeSink takes any rows and forgets them.
type probeSink struct{ dimension int }

func (s *probeSink) Dimension() int { return s.dimension }

func (s *probeSink) SetDimension(dimension int) error {
	s.dimension = dimension
	return nil
}

func (s *probeSink) Rows([]uint64, []byte) error { return nil }
