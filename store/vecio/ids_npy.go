package vecio

import (
	"fmt"
	"math"
	"math/bits"
)

// npyIDs reads an array that NumPy saved: of unsigned or signed integers of eight
// bytes in either byte order, in one dimension.
type npyIDs struct {
	rawIDs
	head  npyHead // until it is whole
	body  bool    // it was read
	left  int64   // bytes of ids still to come
	taken int64   // bytes of the stream
	count int64   // ids read
	bad   error   // the first negative one
}

// npyIDType is how an array's ids are to be read.
type npyIDType struct{ bigEndian, signed bool }

func (d *npyIDs) write(p []byte) error {
	d.taken += int64(len(p))
	if !d.body {
		taken, whole, err := d.head.take(p)
		if err == nil && whole {
			err = d.begin()
		}
		if err != nil {
			return d.fail("%v", err)
		}
		p = p[taken:]
	}
	if int64(len(p)) > d.left {
		return d.fail("%d bytes more than the array holds", int64(len(p))-d.left)
	}
	d.left -= int64(len(p))
	if err := d.rawIDs.write(p); err != nil {
		return err
	}
	return d.bad
}

// translate makes what is read as little-endian uint64 the ids that the array means.
func (d *npyIDs) translate(kind npyIDType) {
	give := d.take
	d.take = func(id uint64) {
		if kind.bigEndian {
			id = bits.ReverseBytes64(id)
		}
		if kind.signed && int64(id) < 0 && d.bad == nil {
			d.bad = d.fail("id %d of the array is %d: an id is a whole number from 0 to 18446744073709551615", d.count+1, int64(id))
		}
		d.count++
		give(id)
	}
}

func (d *npyIDs) unfinished() int64 {
	if d.body && d.left == 0 {
		return 0
	}
	return d.taken
}

func (d *npyIDs) fail(format string, arguments ...any) error {
	return &IDError{Format: NPYIDs, Reason: fmt.Sprintf(format, arguments...)}
}

// npyIDTypes are the dtypes that ids can have. A byte order of the writing machine
// is taken for little-endian, as with vectors.
var npyIDTypes = map[string]npyIDType{
	"<u8": {}, "=u8": {}, "|u8": {}, ">u8": {bigEndian: true},
	"<i8": {signed: true}, "=i8": {signed: true}, "|i8": {signed: true}, ">i8": {bigEndian: true, signed: true},
}

// begin reads the header, which is complete.
func (d *npyIDs) begin() error {
	const wanted = "ids are u8 or i8"
	header, err := parseNPYHeader(d.head.text(), wanted)
	kind, known := npyIDTypes[header.dtype]
	switch {
	case err != nil:
		return err
	case !known:
		return header.wrongDtype(wanted)
	case len(header.shape) != 1:
		return fmt.Errorf("an array of %d dimensions: ids have one", len(header.shape))
	case header.shape[0] > math.MaxInt64/8:
		return fmt.Errorf("%d ids are more than any file holds", header.shape[0])
	}
	d.body, d.left, d.head = true, 8*header.shape[0], nil
	d.translate(kind)
	return nil
}
