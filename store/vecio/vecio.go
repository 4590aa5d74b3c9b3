package vecio

import (
	"errors"
	"fmt"
)

// Sink takes the rows that a decoder finds. A store's append stream is one.
//
// An error of a sink ends the decoder, which returns it unchanged from then on.
type Sink interface {
	// Dimension is the number of float32 values in a row, 0 while nothing has
	// fixed it. Once it is not 0 it must not change.
	Dimension() int

	// SetDimension fixes the dimension, 1 to 65535. It is called before the
	// first row of a stream that tells its dimension, and only while
	// Dimension is 0.
	SetDimension(dimension int) error

	// Rows takes n rows: rows holds n × 4·dimension bytes, little-endian
	// float32; ids holds n ids, or is nil when the stream gives none for these
	// rows. Both are valid during the call only.
	Rows(ids []uint64, rows []byte) error
}

// Decoder is one stream in one format.
//
// Two questions are kept apart. [Decoder.Committable] asks whether the rows
// handed on so far are good in themselves. [Decoder.Unfinished] asks whether
// the stream could end here. An open JSON array between two of its records, for
// instance, is committable, yet its end is still missing.
type Decoder interface {
	// Write takes the next bytes: all of p, or it fails. A *RecordError says
	// that the stream is bad; any other error came from the sink. Rows before
	// the bad record may have been handed on or not. Once failed, every later
	// call fails with the same error. Every record that p completes is handed
	// on before Write returns nil.
	Write(p []byte) (int, error)

	// Settle is what a flush asks before it looks at Unfinished: bytes held
	// back because the format was still in doubt are decided upon and handed
	// on, if they are whole records. The stream may go on afterwards.
	Settle() error

	// EndLine is what the writer's own close asks next: a last line of text whose
	// line feed has not come is then whole, if it is a good record. The stream may
	// go on afterwards, with a new line. In formats that end their records
	// themselves it does nothing.
	EndLine() error

	// Unfinished is the number of bytes since the last point at which the
	// stream could have ended: 0 at a border between records, unless rows that were
	// handed on are deleted ones in what RVF segments say so far.
	Unfinished() int64

	// Committable reports whether no row was handed on that a later part of the
	// stream may still prove to be damaged, or not to count: inside an RVF segment
	// whose content hash is not verified yet, or behind one that deletes vectors.
	Committable() bool

	// Finish ends the stream: nil at a border, else a *RecordError that names
	// the unfinished record. Nothing may be written afterwards.
	Finish() error

	// Format is the stream's format; Auto while it is not decided.
	Format() Format

	// Held is about how many bytes of memory the decoder holds between two calls.
	Held() int

	// Trim gives back what of that memory holds nothing; a decoder that goes on takes
	// it again.
	Trim()
}

// Run is a run of the rows of a stream, numbered from 0.
type Run struct{ First, Count int64 }

// Ordered is a decoder whose stream may say in the end which of its rows count, and
// in which order they replace each other.
type Ordered interface {
	// Order lists the rows that count, as far as the stream has come, in the order in
	// which they do; nil stands for all of them as they were handed on. It tells the
	// number of rows as well that were.
	Order() ([]Run, int64)
}

// Options change what a decoder accepts.
type Options struct {
	// AllowNonFinite lets NaN and infinities pass: in binary formats, as the words
	// that Python writes in JSON (NaN, Infinity, -Infinity), and as nan, inf and
	// infinity in tables.
	AllowNonFinite bool
}

// NewDecoder returns a decoder for a stream of format f into s.
func NewDecoder(f Format, s Sink, o Options) Decoder {
	switch f {
	case RawF32:
		return newRawDecoder(s, o)
	case JSON:
		return newJSONDecoder(s, o)
	case Segments:
		return newSegmentsDecoder(s, o)
	case NPY:
		return newNPYDecoder(s, o)
	case Fvecs, Bvecs:
		return newVecsDecoder(f, s, o)
	case CSV, TSV:
		return newTableDecoder(f, s, o)
	case Fbin, U8bin, I8bin:
		return newCountedDecoder(f, countedElements[f], s, o)
	case Safetensors:
		return newSafetensorsDecoder(s, o)
	default:
		return newAutoDecoder(s, o)
	}
}

// MaxDimension is the largest dimension that the format's 16-bit field can say.
const MaxDimension = 65535

// ErrRecord is what every [*RecordError] is, for errors.Is.
var ErrRecord = errors.New("bad record")

// RecordError says which record of a stream is bad, and why.
type RecordError struct {
	Format Format
	Offset int64  // byte of the stream at which the record starts
	Line   int64  // line on which the record starts, from 1; 0 in binary formats
	Row    int64  // rows of the stream before the record
	Reason string // a clause without a full stop
}

// Error names the place and the reason.
func (e *RecordError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s: row %d, line %d, byte %d: %s", e.Format, e.Row, e.Line, e.Offset, e.Reason)
	}
	return fmt.Sprintf("%s: row %d, byte %d: %s", e.Format, e.Row, e.Offset, e.Reason)
}

// Is reports whether the error is of the kind: it is an ErrRecord.
func (e *RecordError) Is(target error) bool { return target == ErrRecord }
