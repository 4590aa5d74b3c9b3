package vecio

import "encoding/binary"

// countedDecoder reads files whose first two words are the number of rows and their
// dimension, each an uint32: fbin with float32 values behind them, u8bin and i8bin with
// bytes. The stream must be as long as they say.
type countedDecoder struct {
	arrayBody
	element
	head []byte
}

const countedHead = 8

// countedElements are the values of the formats.
var countedElements = map[Format]element{Fbin: float32Little, U8bin: byteElement, I8bin: signedElement}

func newCountedDecoder(f Format, e element, s Sink, o Options) *countedDecoder {
	return &countedDecoder{arrayBody: newArrayBody(f, s, o), element: e}
}

func (d *countedDecoder) Format() Format { return d.format }
func (d *countedDecoder) Settle() error  { return d.failed }
func (d *countedDecoder) EndLine() error { return d.failed }

// Committable reports whether nothing has come: a file that is longer than its header
// says is refused whole, and that is known at its end.
func (d *countedDecoder) Committable() bool { return d.position == 0 }

// Unfinished counts from the stream's first byte until all rows are there.
func (d *countedDecoder) Unfinished() int64 {
	if d.inside || len(d.head) < countedHead {
		return d.position
	}
	return 0
}

func (d *countedDecoder) Write(p []byte) (int, error) {
	if d.failed == nil {
		d.failed = d.decode(p)
	}
	if d.failed != nil {
		return 0, d.failed
	}
	return len(p), nil
}

func (d *countedDecoder) Finish() error {
	switch {
	case d.failed != nil || d.Unfinished() == 0:
	case len(d.head) < countedHead:
		d.failed = d.failHeader("the stream ends within its first two words, the number of vectors and their dimension")
	default:
		d.failed = d.tooShort()
	}
	return d.failed
}

func (d *countedDecoder) decode(p []byte) error {
	if n := min(countedHead-len(d.head), len(p)); n > 0 {
		d.head = append(d.head, p[:n]...)
		d.position += int64(n)
		p = p[n:]
		if len(d.head) < countedHead {
			return nil
		}
		rows, dimension := binary.LittleEndian.Uint32(d.head), binary.LittleEndian.Uint32(d.head[4:])
		if rows > 0 && (dimension < 1 || dimension > MaxDimension) {
			return d.failHeader("the second word says that the dimension is %d; 1 to %d are possible", dimension, MaxDimension)
		}
		d.array = npyArray{element: d.element, rows: int64(rows), dimension: int(dimension)}
		if err := d.beginBody(); err != nil {
			return err
		}
	}
	if len(p) == 0 {
		return nil
	}
	if d.inside {
		taken, err := d.takeBody(p)
		if err == nil {
			err = d.handOnRows()
		}
		if err != nil {
			return err
		}
		d.inside = d.left > 0
		p = p[taken:]
	}
	if len(p) > 0 {
		return d.fail(d.array.rows, "more bytes than the %d rows of %d values that the first two words tell", d.array.rows, d.array.dimension)
	}
	return nil
}
