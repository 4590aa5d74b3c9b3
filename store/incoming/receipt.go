package incoming

import (
	"bytes"
	"fmt"
	"io"
)

// notice is what is read in the place of a file that was taken in: of the same size, so that
// no program that reads everything finds it shorter than it is said to be. The file itself it
// must not be: a saved tree that is copied back would bring its vectors a second time.
type notice struct {
	result []byte
	size   int64
}

// noticeEnd makes a copy of a notice one that no format takes for vectors: it is no text, and
// read as floats of any kind, one of them is none.
var noticeEnd = bytes.Repeat([]byte{0xff}, 16)

func (n notice) start() []byte {
	return fmt.Appendf(nil, "A receipt: this file was taken in, and its vectors are in the store.\n%s\n", n.result)
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
