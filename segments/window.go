package segments

import (
	"encoding/binary"
	"fmt"
	"io"
)

// windowSize is how much a window reads at once if it is not told otherwise.
const windowSize = 64 << 10

// window reads small pieces of a range of r in rising order with few, large
// reads.
type window struct {
	r      io.ReaderAt
	offset int64 // of the next piece
	end    int64 // of the range
	chunk  int64 // how much is read at once
	buffer []byte
	start  int64 // offset of the first byte in buffer
}

func newWindow(r io.ReaderAt, offset, end int64) *window {
	return &window{r: r, offset: offset, end: end, chunk: windowSize, start: offset}
}

// seek moves on to offset, which must not lie before the current one.
func (w *window) seek(offset int64) { w.offset = offset }

// next returns the next n bytes, at most chunk, valid until the next call.
func (w *window) next(n int) ([]byte, error) {
	if int64(n) > w.end-w.offset {
		return nil, fmt.Errorf("%w: ends at %d within %d bytes at %d", ErrPayload, w.end, n, w.offset)
	}
	if w.offset+int64(n) > w.start+int64(len(w.buffer)) {
		if err := w.fill(); err != nil {
			return nil, err
		}
	}
	at := w.offset - w.start
	w.offset += int64(n)
	return w.buffer[at : at+int64(n)], nil
}

func (w *window) fill() error {
	length := min(w.chunk, w.end-w.offset)
	if w.buffer == nil {
		w.buffer = make([]byte, length)
	}
	w.buffer = w.buffer[:min(length, int64(cap(w.buffer)))]
	w.start = w.offset
	if err := readFull(w.r, w.buffer, w.start); err != nil {
		w.buffer = w.buffer[:0]
		return err
	}
	return nil
}

// uvarint reads a LEB128 number and tells how many bytes it took.
func (w *window) uvarint() (value uint64, length int, err error) {
	for shift := uint(0); ; shift += 7 {
		b, err := w.next(1)
		if err != nil {
			return 0, 0, err
		}
		if length++; length == binary.MaxVarintLen64 && b[0] > 1 {
			return 0, 0, fmt.Errorf("%w: number longer than 64 bits", ErrPayload)
		}
		value |= uint64(b[0]&0x7F) << shift
		if b[0] < 0x80 {
			return value, length, nil
		}
	}
}
