package vecio

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// npyIDs reads an array that NumPy saved: of unsigned or signed integers of eight
// bytes, in one dimension.
type npyIDs struct {
	rawIDs
	header []byte // until it is whole
	body   bool   // it was read
	left   uint64 // bytes of ids still to come
	taken  int64  // bytes of the stream
}

// longestNPYHeader bounds, in bytes, what is held of an array's description.
const longestNPYHeader = 4096

func (d *npyIDs) write(p []byte) error {
	d.taken += int64(len(p))
	for !d.body && len(p) > 0 {
		d.header = append(d.header, p[0])
		p = p[1:]
		if err := d.readHeader(); err != nil {
			return err
		}
	}
	if uint64(len(p)) > d.left {
		return d.fail("%d bytes more than the array holds", uint64(len(p))-d.left)
	}
	d.left -= uint64(len(p))
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

var (
	npyKind  = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	npyShape = regexp.MustCompile(`'shape':\s*\(\s*([0-9]+)\s*,?\s*\)`)
)

// readHeader looks at the header if it is whole.
func (d *npyIDs) readHeader() error {
	have := len(d.header)
	if have <= len(npyStart) {
		if string(d.header) != npyStart[:have] {
			return d.fail("it does not begin as an array of NumPy does")
		}
		return nil
	}
	if have < len(npyStart)+2 {
		return nil
	}
	field := 2 // bytes of the description's length
	switch version := d.header[len(npyStart)]; version {
	case 1:
	case 2, 3:
		field = 4
	default:
		return d.fail("version %d of the format is not known", version)
	}
	begin := len(npyStart) + 2 + field
	if have < begin {
		return nil
	}
	length := uint64(binary.LittleEndian.Uint16(d.header[begin-field:]))
	if field == 4 {
		length = uint64(binary.LittleEndian.Uint32(d.header[begin-field:]))
	}
	if length > longestNPYHeader {
		return d.fail("a description of %d bytes", length)
	}
	if uint64(have-begin) < length {
		return nil
	}
	described := string(d.header[begin:])
	kind, shape := npyKind.FindStringSubmatch(described), npyShape.FindStringSubmatch(described)
	if kind == nil || strings.TrimPrefix(kind[1], "<") != "u8" && strings.TrimPrefix(kind[1], "<") != "i8" {
		return d.fail("ids are of type <u8, not as in %s", strings.TrimSpace(described))
	}
	if shape == nil {
		return d.fail("ids have one dimension, not as in %s", strings.TrimSpace(described))
	}
	count, err := strconv.ParseUint(shape[1], 10, 60)
	if err != nil {
		return d.fail("%s ids cannot be", shape[1])
	}
	d.body, d.left, d.header = true, 8*count, nil
	return nil
}
