package vecio

import "fmt"

// rawDecoder reads rows of little-endian float32 values with nothing between
// them. Only the sink knows how long a row is.
type rawDecoder struct {
	sink    Sink
	options Options
	rowSize int
	rowCutter
	rows   int64 // handed on
	failed error
}

func newRawDecoder(s Sink, o Options) *rawDecoder { return &rawDecoder{sink: s, options: o} }

func (d *rawDecoder) Format() Format    { return RawF32 }
func (d *rawDecoder) Settle() error     { return d.failed }
func (d *rawDecoder) EndLine() error    { return d.failed }
func (d *rawDecoder) Committable() bool { return true }
func (d *rawDecoder) Unfinished() int64 { return int64(len(d.partial)) }

func (d *rawDecoder) Write(p []byte) (int, error) {
	if d.failed == nil {
		d.failed = d.decode(p)
	}
	if d.failed != nil {
		return 0, d.failed
	}
	return len(p), nil
}

func (d *rawDecoder) Finish() error {
	if d.failed == nil && len(d.partial) > 0 {
		d.failed = d.fail(d.rows, fmt.Sprintf("the stream ends after %d of the row's %d bytes", len(d.partial), d.rowSize))
	}
	return d.failed
}

func (d *rawDecoder) decode(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if d.rowSize == 0 {
		dimension := d.sink.Dimension()
		if dimension <= 0 {
			return d.fail(0, "raw floats cannot tell the dimension, and nothing has fixed it yet")
		}
		d.rowSize = 4 * dimension
	}
	return d.cut(p, d.rowSize, d.handOn)
}

// handOn checks whole rows and gives them to the sink in one call.
func (d *rawDecoder) handOn(rows []byte) error {
	if !d.options.AllowNonFinite {
		if bad := firstNonFinite(rows); bad >= 0 {
			row, index := 4*bad/d.rowSize, 4*bad%d.rowSize/4
			return d.fail(d.rows+int64(row), nonFiniteReason(rows[row*d.rowSize:], index))
		}
	}
	if err := d.sink.Rows(nil, rows); err != nil {
		return err
	}
	d.rows += int64(len(rows) / d.rowSize)
	return nil
}

func (d *rawDecoder) fail(row int64, reason string) error {
	return &RecordError{Format: RawF32, Offset: row * int64(d.rowSize), Row: row, Reason: reason}
}

// rowCutter cuts a run of bytes into rows of one length.
type rowCutter struct {
	partial []byte // the beginning of a row that is not complete
}

// cut takes the next bytes and gives whole rows to handOn, as many at a time as
// lie together in p.
func (c *rowCutter) cut(p []byte, rowSize int, handOn func(rows []byte) error) error {
	if len(c.partial) > 0 {
		taken := min(rowSize-len(c.partial), len(p))
		c.partial = append(c.partial, p[:taken]...)
		p = p[taken:]
		if len(c.partial) < rowSize {
			return nil
		}
		if err := handOn(c.partial); err != nil {
			return err
		}
		c.partial = c.partial[:0]
	}
	whole := len(p) - len(p)%rowSize
	if whole > 0 {
		if err := handOn(p[:whole]); err != nil {
			return err
		}
	}
	c.partial = append(c.partial, p[whole:]...)
	return nil
}
