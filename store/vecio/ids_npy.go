package vecio

import (
	"fmt"
	"math"
)

// npyIDs reads an array that NumPy saved: of unsigned or signed integers of eight
// bytes, in one dimension.
type npyIDs struct {
	rawIDs
	head  npyHead // until it is whole
	body  bool    // it was read
	left  int64   // bytes of ids still to come
	taken int64   // bytes of the stream
}

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
	return d.rawIDs.write(p)
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
var npyIDTypes = map[string]bool{"<u8": true, "=u8": true, "|u8": true, "<i8": true, "=i8": true, "|i8": true}

// begin reads the header, which is complete.
func (d *npyIDs) begin() error {
	const wanted = "ids are <u8 or <i8"
	header, err := parseNPYHeader(d.head.text(), wanted)
	switch {
	case err != nil:
		return err
	case !npyIDTypes[header.dtype]:
		return header.wrongDtype(wanted)
	case len(header.shape) != 1:
		return fmt.Errorf("an array of %d dimensions: ids have one", len(header.shape))
	case header.shape[0] > math.MaxInt64/8:
		return fmt.Errorf("%d ids are more than any file holds", header.shape[0])
	}
	d.body, d.left, d.head = true, 8*header.shape[0], nil
	return nil
}
