package vecio

import (
	"encoding/binary"
	"fmt"
)

// vecsDecoder reads rows that each begin with their dimension, a little-endian
// int32: fvecs with float32 values behind it, bvecs with bytes. Nothing is held
// but one row and a batch.
type vecsDecoder struct {
	batch
	element
	options Options
	format  Format
	start   int64  // of the row at hand in the stream
	prefix  []byte // of it, as far as it came
	length  int    // bytes of its values; known when the prefix is complete
	taken   int    // of these
}

const vecsPrefix = 4

func newVecsDecoder(f Format, s Sink, o Options) *vecsDecoder {
	d := &vecsDecoder{batch: batch{sink: s}, element: float32Little, options: o, format: f}
	if f == Bvecs {
		d.element = byteElement
	}
	return d
}

func (d *vecsDecoder) Format() Format    { return d.format }
func (d *vecsDecoder) Settle() error     { return d.failed }
func (d *vecsDecoder) EndLine() error    { return d.failed }
func (d *vecsDecoder) Committable() bool { return true }
func (d *vecsDecoder) Unfinished() int64 { return int64(len(d.prefix) + d.taken) }

func (d *vecsDecoder) Write(p []byte) (int, error) { return d.push(p, d.decode) }

func (d *vecsDecoder) Finish() error {
	switch {
	case d.failed != nil || d.Unfinished() == 0:
	case len(d.prefix) < vecsPrefix:
		d.failed = d.fail("the stream ends inside a row's dimension")
	default:
		d.failed = d.fail("the stream ends after %d of the row's %d bytes", d.Unfinished(), vecsPrefix+d.length)
	}
	return d.failed
}

func (d *vecsDecoder) fail(format string, arguments ...any) error {
	return &RecordError{Format: d.format, Offset: d.start, Row: d.count, Reason: fmt.Sprintf(format, arguments...)}
}

func (d *vecsDecoder) decode(p []byte) error {
	for len(p) > 0 {
		if len(d.prefix) < vecsPrefix {
			n := min(vecsPrefix-len(d.prefix), len(p))
			d.prefix = append(d.prefix, p[:n]...)
			p = p[n:]
			if len(d.prefix) < vecsPrefix {
				return nil
			}
			if err := d.beginRow(); err != nil {
				return err
			}
			continue
		}
		n := min(d.length-d.taken, len(p))
		if d.plain {
			d.rows = append(d.rows, p[:n]...)
		} else {
			d.addElements(d.element, p[:n], true)
		}
		p = p[n:]
		if d.taken += n; d.taken == d.length {
			if err := d.finishRow(); err != nil {
				return err
			}
		}
	}
	return nil
}

// beginRow judges the row's dimension.
func (d *vecsDecoder) beginRow() error {
	dimension := int32(binary.LittleEndian.Uint32(d.prefix))
	if dimension < 1 || dimension > MaxDimension {
		return d.fail("the row says that its dimension is %d; 1 to %d are possible", dimension, MaxDimension)
	}
	if known := d.knownDimension(); known != 0 && int(dimension) != known {
		return d.fail("the row says that its dimension is %d where it is %d", dimension, known)
	}
	d.length = d.size * int(dimension)
	return nil
}

// finishRow takes the row whose last byte has come.
func (d *vecsDecoder) finishRow() error {
	row := d.rows[d.whole:]
	if !d.options.AllowNonFinite && d.plain {
		if bad := firstNonFinite(row); bad >= 0 {
			return d.fail("%s", nonFiniteReason(row, bad))
		}
	}
	right, err := d.fixDimension(d.values())
	if err != nil {
		return err
	}
	if !right {
		return d.fail("the row says that its dimension is %d where it is %d", d.values(), d.dimension)
	}
	if err := d.endRow(0, false); err != nil {
		return err
	}
	d.start += int64(vecsPrefix + d.length)
	d.prefix, d.taken = d.prefix[:0], 0
	return nil
}
