package vecio

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// IDFormat is the way in which a stream writes ids down.
type IDFormat uint8

// The formats of ids.
const (
	AutoIDs IDFormat = iota // decided from the first bytes
	TextIDs                 // decimal numbers with white space or commas between
	JSONIDs                 // numbers and objects {"id": …}, in arrays or one after the other
	RawIDs                  // little-endian uint64 and nothing else
	NPYIDs                  // a one-dimensional array of them, as NumPy saves it
)

// idFormats holds what is said of each format, in the order of the constants.
var idFormats = [...]struct{ name, suffix string }{
	AutoIDs: {"auto", ""},
	TextIDs: {"txt", ".txt"},
	JSONIDs: {"json", ".json"},
	RawIDs:  {"u64", ".u64"},
	NPYIDs:  {"npy", ".npy"},
}

// String is the format's short name, such as "txt".
func (f IDFormat) String() string { return idFormats[f].name }

// IDFormatOfSuffix is the format that a name's suffix (".txt", ".u64", …) forces.
func IDFormatOfSuffix(suffix string) (IDFormat, bool) {
	for f := TextIDs; int(f) < len(idFormats); f++ {
		if idFormats[f].suffix == suffix {
			return f, true
		}
	}
	return AutoIDs, false
}

// IDError says which id of a stream is bad, and why. It is an ErrRecord.
type IDError struct {
	Format IDFormat
	Offset int64  // byte of the stream at which the id starts
	Line   int64  // its line, from 1; 0 in binary formats
	Reason string // a clause without a full stop
}

// Error names the place and the reason.
func (e *IDError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s: line %d, byte %d: %s", e.Format, e.Line, e.Offset, e.Reason)
	}
	return fmt.Sprintf("%s: byte %d: %s", e.Format, e.Offset, e.Reason)
}

// Is reports whether the error is of the kind: it is an ErrRecord.
func (e *IDError) Is(target error) bool { return target == ErrRecord }

// IDDecoder reads a stream of ids, pushed in chunks of any size, and hands each on
// to a function. It holds no more than one id.
//
// What the format is, is told by the first eight bytes, or by all when the stream
// is flushed or ends before: "\x93NUMPY" begins an array; bytes that are all
// printable ASCII or white space are text, and JSON if the first that is no white
// space is a bracket or a brace; all else is binary. Less is enough for text when a
// write ends that brought a line's end, or a bracket or a brace that closes. Only
// ids above 6·10^17 have eight such bytes, and as nothing is done before the
// stream's end, a later byte that is no text refuses all. A byte order mark may stand
// before text. Of what is told to be binary there is a doubt, see [IDDecoder.Doubt].
type IDDecoder struct {
	format IDFormat
	take   func(id uint64)
	begin  []byte // of a stream that was told to be binary
	told   bool   // it was
	held   []byte // the first bytes, while the format is in doubt
	inner  idReader
	taken  int64 // bytes of the stream
	failed error
}

// idReader is a decoder of one format.
type idReader interface {
	// write takes the next bytes.
	write(p []byte) error
	// settle takes the end of the bytes for the end of an id.
	settle() error
	// unfinished is the number of bytes since the stream could have ended.
	unfinished() int64
}

// NewIDDecoder returns a decoder for a stream of format f. Each id is given to
// take, the same one as often as it comes.
func NewIDDecoder(f IDFormat, take func(id uint64)) *IDDecoder {
	d := &IDDecoder{take: take}
	if f != AutoIDs {
		d.choose(f)
	}
	return d
}

// Format is the stream's format; AutoIDs while it is not decided.
func (d *IDDecoder) Format() IDFormat { return d.format }

func (d *IDDecoder) choose(f IDFormat) {
	d.format = f
	switch f {
	case RawIDs:
		d.inner = &rawIDs{take: d.take}
	case NPYIDs:
		d.inner = &npyIDs{rawIDs: rawIDs{take: d.take}}
	default:
		d.inner = &textIDs{format: f, take: d.take, line: 1}
	}
}

// Write takes all of p or fails with an *IDError; every later call then fails with
// the same.
func (d *IDDecoder) Write(p []byte) (int, error) {
	if d.failed == nil {
		d.failed = d.decode(p)
	}
	if d.failed != nil {
		return 0, d.failed
	}
	d.taken += int64(len(p))
	return len(p), nil
}

func (d *IDDecoder) decode(p []byte) error {
	if d.inner != nil {
		return d.write(p)
	}
	held := min(len(p), sniffedIDs-len(d.held))
	d.held = append(d.held, p[:held]...)
	if text := unmarked(d.held); len(d.held) < sniffedIDs && !(isText(text) && wholeIDs(text)) {
		return nil
	}
	if err := d.decide(); err != nil {
		return err
	}
	return d.write(p[held:])
}

// write gives bytes to the decoder of the format.
func (d *IDDecoder) write(p []byte) error {
	if d.told {
		d.begin = append(d.begin, p[:min(len(p), guessBytes-len(d.begin))]...)
	}
	return d.inner.write(p)
}

// sniffedIDs is the number of bytes by which the format is told.
const sniffedIDs = 8

// decide chooses the format by the bytes held and reads them.
func (d *IDDecoder) decide() error {
	held := d.held
	d.held = nil
	switch {
	case bytes.HasPrefix(held, []byte(npyMagic)):
		d.choose(NPYIDs)
	case !isText(unmarked(held)):
		d.choose(RawIDs)
		d.told = true
	default:
		d.choose(TextIDs)
		for _, c := range unmarked(held) {
			if !isSpace(c) {
				if c == '[' || c == '{' {
					d.choose(JSONIDs)
				}
				break
			}
		}
	}
	return d.write(held)
}

// unmarked is a text without its byte order mark.
func unmarked(text []byte) []byte { return bytes.TrimPrefix(text, []byte(byteOrderMark)) }

// Held is about how many bytes of memory the decoder holds between two calls.
func (d *IDDecoder) Held() int { return cap(d.begin) }

// Doubt is why a stream that was told to be binary should not be believed if it names
// ids that the store does not know: none of them known says enough, and so do bytes that look
// like something else. It is nil if all is well or a name forced the format.
func (d *IDDecoder) Doubt(known, all uint64) error {
	if !d.told || known == all {
		return nil
	}
	reason := noIDs(d.begin, known > 0)
	switch {
	case reason != "":
	case known == 0:
		reason = fmt.Sprintf("the stream is no text, and none of the %d ids that its bytes are as little-endian uint64 was ever stored", all)
	default:
		return nil
	}
	d.failed = &IDError{Format: d.format, Reason: reason + "; vectors.delete.u64 takes it for uint64 all the same"}
	return d.failed
}

// wholeIDs reports whether a text holds a line that has ended, or ends with what a
// bracket or a brace has closed: then it can be judged.
func wholeIDs(text []byte) bool {
	shown := bytes.TrimSpace(text)
	if len(shown) == 0 {
		return false
	}
	last := shown[len(shown)-1]
	return last == ']' || last == '}' || bytes.IndexByte(bytes.TrimLeft(text, " \t\r\n"), '\n') >= 0
}

// isText reports whether all bytes are printable ASCII or white space.
func isText(p []byte) bool {
	for _, c := range p {
		if !isSpace(c) && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}

// Decide makes the bytes so far tell the format, if no more come for now. The stream
// may go on afterwards.
func (d *IDDecoder) Decide() error {
	if d.failed == nil && d.inner == nil && len(d.held) > 0 {
		d.failed = d.decide()
	}
	return d.failed
}

// InNumber reports whether the bytes so far end with a number of a text, which the
// stream's end would end.
func (d *IDDecoder) InNumber() bool {
	text, is := d.inner.(*textIDs)
	return is && text.endsWithID()
}

// Settle is what a flush asks: the end of the bytes ends an id, and the format is
// decided. The stream may go on afterwards.
func (d *IDDecoder) Settle() error {
	if d.Decide() == nil && d.inner != nil {
		d.failed = d.inner.settle()
	}
	return d.failed
}

// Unfinished is the number of bytes since the stream could have ended, 0 where it
// could end here.
func (d *IDDecoder) Unfinished() int64 {
	if d.inner == nil {
		return int64(len(d.held))
	}
	return d.inner.unfinished()
}

// Finish ends the stream: nil where it can end, else an *IDError.
func (d *IDDecoder) Finish() error {
	if err := d.Settle(); err != nil {
		return err
	}
	if d.Unfinished() > 0 {
		reason := fmt.Sprintf("the stream ends inside a record, %d bytes from its start", d.Unfinished())
		if d.told {
			if other := noIDs(d.begin, false); other != "" {
				reason += "; " + other
			}
		}
		d.failed = &IDError{Format: d.format, Offset: d.taken - d.Unfinished(), Reason: reason}
	}
	return d.failed
}

// rawIDs reads little-endian uint64.
type rawIDs struct {
	take    func(uint64)
	partial []byte
}

func (d *rawIDs) write(p []byte) error {
	if len(d.partial) > 0 {
		n := min(8-len(d.partial), len(p))
		d.partial = append(d.partial, p[:n]...)
		p = p[n:]
		if len(d.partial) < 8 {
			return nil
		}
		d.take(binary.LittleEndian.Uint64(d.partial))
		d.partial = d.partial[:0]
	}
	for ; len(p) >= 8; p = p[8:] {
		d.take(binary.LittleEndian.Uint64(p))
	}
	d.partial = append(d.partial, p...)
	return nil
}

func (d *rawIDs) settle() error     { return nil }
func (d *rawIDs) unfinished() int64 { return int64(len(d.partial)) }
