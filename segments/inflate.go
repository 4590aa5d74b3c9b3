package segments

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// usualWindow is how much, in bytes, every decoder of zstd has to remember of what
// it gave. Only data that is longer may ask for more, and never for more than its
// own length: a decoder sets the memory aside before it has read anything.
const usualWindow = 8 << 20

// Inflate reads the compressed bytes of stored and writes to target the size
// bytes that they stand for. It works in memory that the window of the stream
// bounds, and stops at the first byte too many. Bytes that are not what the
// method says, and a wrong size, are errors that wrap ErrPayload; so is a method
// that nobody can read. Other errors are those of stored and target.
func Inflate(method Compression, target io.Writer, stored io.Reader, size int64) error {
	source := &failureKeeper{reader: stored}
	inflated, done, err := newInflater(method, source, size)
	if err == nil {
		err = copyExactly(target, inflated, size)
		done()
	}
	if source.failed != nil {
		return source.failed
	}
	var writing *writeFailure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &writing):
		return writing.err
	case errors.Is(err, ErrPayload):
		return err
	}
	return fmt.Errorf("%w: %s data: %w", ErrPayload, method, err)
}

// newInflater begins to decode source. done gives the decoder's memory back.
func newInflater(method Compression, source io.Reader, size int64) (inflated io.Reader, done func(), err error) {
	switch method {
	case CompressionZstd:
		window := uint64(max(size, usualWindow))
		decoder, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(window), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, nil, err
		}
		return decoder, decoder.Close, nil
	case CompressionLZ4:
		return newLZ4Inflater(source, size)
	}
	return nil, nil, fmt.Errorf("%w: compression %s cannot be read", ErrPayload, method)
}

// InflateMemory is how much memory, in bytes, it takes at most to decompress
// something of the given size, without what comes out.
func InflateMemory(size int64) int64 { return max(size, usualWindow) + 2<<20 }

// lz4FrameMagic begins data in the frame format of LZ4.
const lz4FrameMagic = 0x184D2204

// newLZ4Inflater reads what programs call LZ4: frames, which their magic number
// tells; else one block, before which its size may stand once more.
func newLZ4Inflater(source io.Reader, size int64) (io.Reader, func(), error) {
	start := make([]byte, 4)
	n, err := io.ReadFull(source, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	var first uint32
	if n == len(start) {
		first = binary.LittleEndian.Uint32(start)
	}
	whole := io.MultiReader(&sliceReader{start[:n]}, source)
	switch {
	case first == lz4FrameMagic:
		decoder := lz4.NewReader(whole)
		if err := decoder.Apply(lz4.ConcurrencyOption(1)); err != nil {
			return nil, nil, err
		}
		return decoder, func() {}, nil
	case n == len(start) && int64(first) == size:
		return newLZ4Block(source), func() {}, nil
	}
	return newLZ4Block(whole), func() {}, nil
}

// sliceReader reads bytes that are in memory.
type sliceReader struct{ rest []byte }

func (s *sliceReader) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// failureKeeper tells failures of the storage from those of the decoder.
type failureKeeper struct {
	reader io.Reader
	failed error
}

func (f *failureKeeper) Read(p []byte) (int, error) {
	n, err := f.reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.failed = err
	}
	return n, err
}

// writeFailure marks an error of the target.
type writeFailure struct{ err error }

func (w *writeFailure) Error() string { return w.err.Error() }

// inflateBuffer is how much is handed on at a time.
const inflateBuffer = 256 << 10

// copyExactly hands size bytes on and demands that no more follow.
func copyExactly(target io.Writer, inflated io.Reader, size int64) error {
	buffer := make([]byte, min(size+1, inflateBuffer))
	for done := int64(0); ; {
		n, err := io.ReadFull(inflated, buffer[:min(int64(len(buffer)), size-done+1)])
		if int64(n) > size-done {
			return fmt.Errorf("%w: inflates past the %d bytes that it should have", ErrPayload, size)
		}
		if n > 0 {
			if _, err := target.Write(buffer[:n]); err != nil {
				return &writeFailure{err}
			}
			done += int64(n)
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		case done < size:
			return fmt.Errorf("%w: inflates to %d bytes and should to %d", ErrPayload, done, size)
		default:
			return nil
		}
	}
}

// InflatePrefix returns the first n bytes, or all if there are fewer, of what
// stored inflates to. It is for headers: it reads no more than they need. The
// errors are those of Inflate.
func InflatePrefix(method Compression, stored io.Reader, size int64, n int) ([]byte, error) {
	source := &failureKeeper{reader: stored}
	inflated, done, err := newInflater(method, source, size)
	if err != nil {
		return nil, err
	}
	defer done()
	prefix := make([]byte, min(int64(n), size))
	_, err = io.ReadFull(inflated, prefix)
	switch {
	case source.failed != nil:
		return nil, source.failed
	case err != nil:
		return nil, fmt.Errorf("%w: %s data: %w", ErrPayload, method, err)
	}
	return prefix, nil
}
