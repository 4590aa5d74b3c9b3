package incoming

import (
	"bytes"
	"fmt"
	"io"
)

// mostKept is up to how many bytes of a file are kept with its receipt.
const mostKept = 4 << 10

// notice is what is read in the place of a longer file that was taken in: of the same size,
// so that no program that reads everything finds it shorter than it is said to be.
type notice struct {
	result []byte
	size   int64
}

// noticeEnd makes a copy of a notice one that no format takes for vectors: read as floats of
// any kind, one of them is none.
var noticeEnd = append(bytes.Repeat([]byte{0xff}, 15), '\n')

func (n notice) start() []byte {
	return fmt.Appendf(nil, "This is a receipt, and not the file: that was taken in, and its vectors are in the store.\n%s\n", n.result)
}

// ReadAt implements io.ReaderAt.
func (n notice) ReadAt(p []byte, offset int64) (int, error) {
	if offset >= n.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), n.size-offset)]
	for i := range p {
		p[i] = ' '
	}
	copyAt(p, offset, n.start(), 0)
	copyAt(p, offset, noticeEnd, n.size-int64(len(noticeEnd)))
	if offset+int64(len(p)) == n.size {
		return len(p), io.EOF
	}
	return len(p), nil
}

// copyAt copies what of a text lies within p, which begins at an offset.
func copyAt(p []byte, offset int64, text []byte, at int64) {
	if at >= offset {
		if at-offset < int64(len(p)) {
			copy(p[at-offset:], text)
		}
		return
	}
	if offset-at < int64(len(text)) {
		copy(p, text[offset-at:])
	}
}
