package segments

import (
	"errors"
	"fmt"
	"io"
)

const (
	// Alignment is the boundary to which the wire dialect pads with zeros.
	Alignment = 64
	// walkBuffer is how much is read at once: several small segments.
	walkBuffer = 4096
)

// Walker hops through a file from header to header, in both dialects: after
// a payload the next header stands at once or, behind a segment that began on
// a 64-byte boundary, after zero padding to the next one. It stops in front
// of anything that is not a whole segment.
type Walker struct {
	r       io.ReaderAt
	size    int64
	next    int64 // where the next header is looked for
	segment Segment
	begun   bool
	stopped bool
	clean   bool
	err     error

	buffer   []byte
	buffered int64 // offset of the first byte in buffer
}

// NewWalker returns a Walker over the first size bytes of r that stands
// before the segment at offset from. The bytes themselves say nothing about
// whether from is a place between segments; the caller has to know.
func NewWalker(r io.ReaderAt, from, size int64) *Walker {
	return &Walker{r: r, next: max(from, 0), size: size}
}

// Next goes to the next whole segment, and reports whether there is one. There is none
// where reading fails, too: see Err.
func (w *Walker) Next() bool {
	if w.stopped {
		return false
	}
	if w.take(w.next) {
		return true
	}
	w.stopped = true
	if w.err != nil {
		return false
	}
	if w.next >= w.size {
		w.clean = w.next == w.size
		return false
	}
	return w.takePadded()
}

// takePadded is take at the place after zero padding, and reports whether a segment was
// there.
func (w *Walker) takePadded() bool {
	rest, padding := w.size-w.next, -w.next&(Alignment-1)
	if rest < Alignment {
		gap, ok := w.bytes(w.next, rest)
		w.clean = ok && allZero(gap)
		return false
	}
	// A segment off the boundary is of the runtime dialect, which does not
	// pad: zeros behind it are a header that was never written, and what
	// follows is not to be taken for one.
	if padding == 0 || !w.begun || w.segment.Offset%Alignment != 0 {
		return false
	}
	gap, ok := w.bytes(w.next, padding)
	if !ok || !allZero(gap) || !w.take(w.next+padding) {
		return false
	}
	w.stopped = false
	return true
}

// take makes the segment at offset the current one, if there is a whole one, and reports
// whether there is.
func (w *Walker) take(offset int64) bool {
	if offset > w.size-HeaderSize {
		return false
	}
	b, ok := w.bytes(offset, HeaderSize)
	if !ok {
		return false
	}
	header, err := ParseHeader(b)
	if err != nil {
		return false
	}
	segment := Segment{Header: header, Offset: offset}
	if segment.End() > w.size {
		return false
	}
	w.segment, w.begun, w.next = segment, true, segment.End()
	return true
}

// bytes returns length bytes at offset, which must lie within the size and
// be no more than walkBuffer.
func (w *Walker) bytes(offset, length int64) ([]byte, bool) {
	if offset < w.buffered || offset+length > w.buffered+int64(len(w.buffer)) {
		if w.buffer == nil {
			w.buffer = make([]byte, min(walkBuffer, w.size))
		}
		w.buffer = w.buffer[:min(int64(cap(w.buffer)), w.size-offset)]
		w.buffered = offset
		if err := readFull(w.r, w.buffer, offset); err != nil {
			w.err, w.buffer = fmt.Errorf("segment header at %d: %w", offset, err), w.buffer[:0]
			return nil, false
		}
	}
	start := offset - w.buffered
	return w.buffer[start : start+length], true
}

// Segment returns the current segment: the one that Next went to.
func (w *Walker) Segment() Segment { return w.segment }

// Err returns the I/O error that ended the walk, if one did. Bytes that are
// no segment are not an error.
func (w *Walker) Err() error { return w.err }

// End returns where the walk stands: behind the last whole segment.
func (w *Walker) End() int64 { return w.next }

// Clean reports whether the walk has come to the end of the file with nothing
// left over but zero padding, of less than 64 bytes.
func (w *Walker) Clean() bool { return w.clean }

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// readFull fills p from offset. An end of file before that is
// io.ErrUnexpectedEOF: the size that the caller was told is no longer true.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
