package vecio

import "errors"

// npyDecoder reads NumPy's files: a header that tells type and shape, and the
// values. Several of them may follow each other. Nothing is held but one header,
// one row and a batch; an array of little-endian float32 is handed on as it
// comes.
type npyDecoder struct {
	arrayBody
	head npyHead
}

func newNPYDecoder(s Sink, o Options) *npyDecoder {
	return &npyDecoder{arrayBody: newArrayBody(NPY, s, o)}
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
		d.failed = d.tooShort()
	case len(d.head) > 0:
		d.failed = d.failHeader("the stream ends inside the header")
	}
	return d.failed
}

func (d *npyDecoder) decode(p []byte) error {
	for len(p) > 0 {
		taken := 0
		var err error
		if d.inside {
			taken, err = d.takeBody(p)
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
	return d.beginBody()
}

// endArray leaves the array whose last value has come.
func (d *npyDecoder) endArray() error {
	if err := d.handOnRows(); err != nil {
		return err
	}
	d.inside = false
	return nil
}
