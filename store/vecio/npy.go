package vecio

import (
	"errors"
	"fmt"
)

// npyDecoder reads NumPy's files: a header that tells type and shape, and the
// values. Several of them may follow each other. Nothing is held but one header,
// one row and a batch; an array of little-endian float32 is handed on as it
// comes.
type npyDecoder struct {
	batch
	options  Options
	position int64 // bytes taken
	start    int64 // of the array at hand
	head     npyHead
	array    npyArray
	inside   bool   // the header is complete, the values are not
	begin    int64  // of the values
	left     int64  // bytes of values still to come
	before   int64  // rows of earlier arrays
	cut      []byte // the beginning of a value that a chunk's end cut
	cutter   rowCutter
}

func newNPYDecoder(s Sink, o Options) *npyDecoder {
	return &npyDecoder{batch: batch{sink: s}, options: o}
}

func (d *npyDecoder) Format() Format    { return NPY }
func (d *npyDecoder) Settle() error     { return d.failed }
func (d *npyDecoder) EndLine() error    { return d.failed }
func (d *npyDecoder) Committable() bool { return true }

// Unfinished counts from the array's first byte until all its rows are there.
func (d *npyDecoder) Unfinished() int64 {
	if !d.inside {
		return int64(len(d.head))
	}
	return d.position - d.start
}

func (d *npyDecoder) Write(p []byte) (int, error) {
	if d.failed == nil {
		d.failed = d.decode(p)
	}
	if d.failed != nil {
		return 0, d.failed
	}
	return len(p), nil
}

func (d *npyDecoder) Finish() error {
	switch {
	case d.failed != nil:
	case d.inside:
		d.failed = d.fail(d.row(), "the stream ends after %d of the array's %d rows, %d bytes too early",
			d.row(), d.array.rows, d.left)
	case len(d.head) > 0:
		d.failed = d.failHeader("the stream ends inside the header")
	}
	return d.failed
}

// row is the number of whole rows of the array that came so far.
func (d *npyDecoder) row() int64 { return (d.position - d.begin) / d.rowBytes() }

// rowBytes is the length of a row in the stream.
func (d *npyDecoder) rowBytes() int64 { return int64(d.array.size) * int64(d.array.dimension) }

func (d *npyDecoder) fail(row int64, format string, arguments ...any) error {
	return &RecordError{Format: NPY, Offset: d.begin + row*d.rowBytes(), Row: d.before + row, Reason: fmt.Sprintf(format, arguments...)}
}

func (d *npyDecoder) failHeader(format string, arguments ...any) error {
	return &RecordError{Format: NPY, Offset: d.start, Row: d.before, Reason: fmt.Sprintf(format, arguments...)}
}

func (d *npyDecoder) decode(p []byte) error {
	for len(p) > 0 {
		taken := 0
		var err error
		if d.inside {
			taken = int(min(d.left, int64(len(p))))
			err = d.body(p[:taken])
			d.position += int64(taken)
			d.left -= int64(taken)
		} else {
			taken, err = d.header(p)
		}
		if err != nil {
			return err
		}
		p = p[taken:]
		if d.inside && d.left == 0 {
			if err := d.endArray(); err != nil {
				return err
			}
		}
	}
	return d.handOnRows()
}

// header takes the next bytes of a header, at most up to its end.
func (d *npyDecoder) header(p []byte) (taken int, err error) {
	if len(d.head) == 0 {
		d.start, d.before = d.position, d.count
	}
	taken, whole, err := d.head.take(p)
	d.position += int64(taken)
	switch {
	case errors.Is(err, errNotNPY) && d.start > 0:
		return taken, d.failHeader("bytes behind the array's last row that begin no other NumPy file")
	case err != nil:
		return taken, d.failHeader("%v", err)
	case whole:
		return taken, d.beginArray()
	}
	return taken, nil
}

// beginArray reads the header, which is complete.
func (d *npyDecoder) beginArray() error {
	var err error
	if d.array, err = parseNPYArray(d.head.text()); err != nil {
		return d.failHeader("%v", err)
	}
	d.head = d.head[:0]
	d.begin = d.position
	if d.array.rows == 0 {
		return nil
	}
	if known := d.knownDimension(); known != 0 && known != d.array.dimension {
		return d.wrongDimension(known)
	}
	d.left = d.array.rows * d.rowBytes()
	d.inside = true
	return nil
}

func (d *npyDecoder) wrongDimension(known int) error {
	values := d.array.dimension
	switch {
	case !d.array.line:
		return d.failHeader("rows of %d values where the dimension is %d", values, known)
	case values%known == 0:
		return d.failHeader("one vector of %d values where the dimension is %d: reshape(-1, %d) makes rows of the array", values, known, known)
	}
	return d.failHeader("one vector of %d values where the dimension is %d", values, known)
}

// endArray leaves the array whose last value has come.
func (d *npyDecoder) endArray() error {
	if err := d.handOnRows(); err != nil {
		return err
	}
	d.inside = false
	return nil
}

// body takes the next bytes of the array, none of which lie beyond its end.
func (d *npyDecoder) body(p []byte) error {
	size := d.array.size
	if d.array.plain {
		return d.cutter.cut(p, 4*d.array.dimension, d.handOnPlain)
	}
	if len(d.cut) > 0 {
		n := min(size-len(d.cut), len(p))
		d.cut = append(d.cut, p[:n]...)
		p = p[n:]
		if len(d.cut) < size {
			return nil
		}
		if err := d.convert(d.cut); err != nil {
			return err
		}
		d.cut = d.cut[:0]
	}
	for len(p) >= size {
		n := min(len(p)-len(p)%size, convertedAtOnce*size)
		if err := d.convert(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	d.cut = append(d.cut, p...)
	return nil
}

// convertedAtOnce is how many values are converted and then looked at while they
// are still in the processor's nearest cache.
const convertedAtOnce = 2048

// convert takes whole values.
func (d *npyDecoder) convert(from []byte) error {
	dimension := d.array.dimension
	value := (d.count-d.before)*int64(dimension) + int64(d.values())
	if bad, reason := d.addElements(d.array.element, from, d.options.AllowNonFinite); reason != "" {
		value += int64(bad)
		return d.fail(value/int64(dimension), "value %d %s", value%int64(dimension), reason)
	}
	whole := len(d.rows) - len(d.rows)%(4*dimension)
	d.count += int64((whole - d.whole) / (4 * dimension))
	d.whole = whole
	if d.whole >= batchBytes {
		return d.handOnRows()
	}
	return nil
}

// handOnPlain gives rows to the sink that stand in the stream as the sink wants
// them.
func (d *npyDecoder) handOnPlain(rows []byte) error {
	dimension := d.array.dimension
	if !d.options.AllowNonFinite {
		if bad := firstNonFinite(rows); bad >= 0 {
			row, index := bad/dimension, bad%dimension
			return d.fail(d.count-d.before+int64(row), "%s", nonFiniteReason(rows[4*row*dimension:], index))
		}
	}
	if err := d.settleDimension(); err != nil {
		return err
	}
	if err := d.sink.Rows(nil, rows); err != nil {
		return err
	}
	d.count += int64(len(rows) / (4 * dimension))
	return nil
}

// handOnRows gives the whole rows that were converted to the sink.
func (d *npyDecoder) handOnRows() error {
	if d.whole == 0 {
		return nil
	}
	if err := d.settleDimension(); err != nil {
		return err
	}
	return d.handOn()
}

// settleDimension makes the array's dimension that of a store that has none.
func (d *npyDecoder) settleDimension() error {
	right, err := d.fixDimension(d.array.dimension)
	if err == nil && !right {
		return d.wrongDimension(d.dimension)
	}
	return err
}
