package vecio

import "fmt"

// arrayBody reads the values of an array behind a header that tells what it is. Nothing
// is held but one row and a batch; an array of little-endian float32 is handed on as
// it comes.
type arrayBody struct {
	batch
	options  Options
	format   Format
	position int64 // bytes taken
	start    int64 // of the array at hand, with its header
	array    npyArray
	inside   bool   // the header is complete, the values are not
	begin    int64  // of the values
	left     int64  // bytes of values still to come
	before   int64  // rows of earlier arrays
	cut      []byte // the beginning of a value that a chunk's end cut
	cutter   rowCutter
	given    idRuns // ids of the rows to come, where there are any
}

func newArrayBody(f Format, s Sink, o Options) arrayBody {
	return arrayBody{batch: batch{sink: s}, options: o, format: f}
}

// beginBody begins with the values of the array, which stand at position.
func (d *arrayBody) beginBody() error {
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

// takeBody takes the next bytes, at most up to the array's end.
func (d *arrayBody) takeBody(p []byte) (taken int, err error) {
	taken = int(min(d.left, int64(len(p))))
	err = d.body(p[:taken])
	d.position += int64(taken)
	d.left -= int64(taken)
	return taken, err
}

// tooShort is the error for a stream that ends within the array.
func (d *arrayBody) tooShort() error {
	return d.fail(d.row(), "the stream ends after %d of the array's %d rows, %d bytes too early", d.row(), d.array.rows, d.left)
}

// row is the number of whole rows of the array that came so far.
func (d *arrayBody) row() int64 { return (d.position - d.begin) / d.rowBytes() }

// rowBytes is the length of a row in the stream.
func (d *arrayBody) rowBytes() int64 { return int64(d.array.size) * int64(d.array.dimension) }

func (d *arrayBody) fail(row int64, format string, arguments ...any) error {
	return &RecordError{Format: d.format, Offset: d.begin + row*d.rowBytes(), Row: d.before + row, Reason: fmt.Sprintf(format, arguments...)}
}

func (d *arrayBody) failHeader(format string, arguments ...any) error {
	return &RecordError{Format: d.format, Offset: d.start, Row: d.before, Reason: fmt.Sprintf(format, arguments...)}
}

func (d *arrayBody) wrongDimension(known int) error {
	values := d.array.dimension
	switch {
	case !d.array.line:
		return d.failHeader("rows of %d values where the dimension is %d", values, known)
	case values%known == 0:
		return d.failHeader("one vector of %d values where the dimension is %d: reshape(-1, %d) makes rows of the array", values, known, known)
	}
	return d.failHeader("one vector of %d values where the dimension is %d", values, known)
}

// body takes the next bytes of the array, none of which lie beyond its end.
func (d *arrayBody) body(p []byte) error {
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
func (d *arrayBody) convert(from []byte) error {
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
func (d *arrayBody) handOnPlain(rows []byte) error {
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
	if err := d.sink.Rows(d.given.take(len(rows)/(4*dimension)), rows); err != nil {
		return err
	}
	d.count += int64(len(rows) / (4 * dimension))
	return nil
}

// handOnRows gives the whole rows that were converted to the sink.
func (d *arrayBody) handOnRows() error {
	if d.whole == 0 {
		return nil
	}
	if err := d.settleDimension(); err != nil {
		return err
	}
	d.ids = append(d.ids, d.given.take(d.whole/(4*d.array.dimension))...)
	return d.handOn()
}

// settleDimension makes the array's dimension that of a store that has none.
func (d *arrayBody) settleDimension() error {
	right, err := d.fixDimension(d.array.dimension)
	if err == nil && !right {
		return d.wrongDimension(d.dimension)
	}
	return err
}
