package catalog

import (
	"context"
	"io"
)

// tailSize is how many of a file's last bytes, in which its manifest stands, a
// listing reads at once.
const tailSize = 16 << 10

// tailReader is a file whose last bytes are read only once, and the others when
// they are asked for.
type tailReader struct {
	ctx    context.Context // ends all reading
	file   io.ReaderAt
	start  int64 // of tail
	tail   []byte
	filled bool
	failed error // why something could not be read
}

// reset turns to another file of the given size. The buffer is used again.
func (t *tailReader) reset(file io.ReaderAt, size int64) {
	if t.tail == nil {
		t.tail = make([]byte, tailSize)
	}
	length := min(size, tailSize)
	t.file, t.start, t.tail, t.filled, t.failed = file, size-length, t.tail[:length], false, nil
}

// ReadAt implements io.ReaderAt.
func (t *tailReader) ReadAt(p []byte, offset int64) (int, error) {
	n, err := t.readAt(p, offset)
	if err != nil && err != io.EOF {
		t.failed = err
	}
	return n, err
}

func (t *tailReader) readAt(p []byte, offset int64) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	if offset < t.start || offset+int64(len(p)) > t.start+int64(len(t.tail)) {
		return t.file.ReadAt(p, offset)
	}
	if !t.filled {
		if n, err := t.file.ReadAt(t.tail, t.start); n < len(t.tail) {
			// The file was cut short since: what is still there may do.
			t.tail = t.tail[:0]
			if err == io.EOF {
				return t.file.ReadAt(p, offset)
			}
			return 0, err
		}
		t.filled = true
	}
	return copy(p, t.tail[offset-t.start:]), nil
}
