package vecio

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	npyMagic = "\x93NUMPY"
	// npyPreamble is the length of magic and version; the header's length comes
	// next, in two bytes in version 1 and in four in later ones.
	npyPreamble = len(npyMagic) + 2
	// maxNPYHeader is the longest header that version 1 can have. That of an array
	// of plain numbers has some 120 bytes.
	maxNPYHeader = 65535
)

// errNotNPY says that other bytes stand where a NumPy file should begin.
var errNotNPY = errors.New("the stream does not begin as a NumPy file does")

// npyHead gathers what stands before an array's values, the header's text and what
// tells its length.
type npyHead []byte

// take takes the next bytes, at most up to the header's end, and reports whether it
// is reached.
func (h *npyHead) take(p []byte) (taken int, whole bool, err error) {
	for {
		need, err := h.needs()
		if err != nil {
			return taken, false, err
		}
		if len(*h) == need {
			return taken, true, nil
		}
		n := min(need-len(*h), len(p)-taken)
		if n == 0 {
			return taken, false, nil
		}
		*h = append(*h, p[taken:taken+n]...)
		taken += n
	}
}

// needs is the length that the head must have before more can be said; it has it
// when the header is complete.
func (h npyHead) needs() (int, error) {
	if n := min(len(h), len(npyMagic)); string(h[:n]) != npyMagic[:n] {
		return 0, errNotNPY
	}
	if len(h) < npyPreamble {
		return npyPreamble, nil
	}
	length, field := 0, h[npyPreamble:]
	switch major, minor := h[npyPreamble-2], h[npyPreamble-1]; {
	case major == 1 && minor == 0:
		if len(field) < 2 {
			return npyPreamble + 2, nil
		}
		length = 2 + int(binary.LittleEndian.Uint16(field))
	case (major == 2 || major == 3) && minor == 0:
		if len(field) < 4 {
			return npyPreamble + 4, nil
		}
		said := binary.LittleEndian.Uint32(field)
		if said > maxNPYHeader {
			return 0, fmt.Errorf("a header of %d bytes; %d are possible", said, maxNPYHeader)
		}
		length = 4 + int(said)
	default:
		return 0, fmt.Errorf("version %d.%d of NumPy's format; 1.0, 2.0 and 3.0 are known", major, minor)
	}
	return npyPreamble + length, nil
}

// text is the header's, which is complete.
func (h npyHead) text() []byte {
	if h[npyPreamble-2] == 1 {
		return h[npyPreamble+2:]
	}
	return h[npyPreamble+4:]
}
