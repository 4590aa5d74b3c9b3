package volume

import (
	"errors"
	"fmt"
	"io"
)

// CopyRange feeds length bytes of the file from offset on to target.
func CopyRange(target io.Writer, file io.ReaderAt, offset, length int64) error {
	buffer := make([]byte, min(length, 1<<20))
	for length > 0 {
		part := buffer[:min(length, int64(len(buffer)))]
		if err := ReadFull(file, part, offset); err != nil {
			return err
		}
		if _, err := target.Write(part); err != nil {
			return err
		}
		offset += int64(len(part))
		length -= int64(len(part))
	}
	return nil
}

// offsetWriter writes one run of bytes after the other from an offset on.
type offsetWriter struct {
	file   io.WriterAt
	offset int64
}

// NewOffsetWriter is a writer of one run of bytes after the other from an offset on.
func NewOffsetWriter(file io.WriterAt, offset int64) io.Writer {
	return &offsetWriter{file, offset}
}

func (w *offsetWriter) Write(p []byte) (int, error) {
	n, err := w.file.WriteAt(p, w.offset)
	if err != nil {
		err = WriteError(err, len(p), w.offset)
	}
	w.offset += int64(n)
	return n, err
}

// ReadFull reads exactly len(p) bytes; a file that ends before is corrupt, for
// its manifest promised them.
func ReadFull(file io.ReaderAt, p []byte, offset int64) error {
	n, err := file.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %d of %d bytes at offset %d: the file is shorter than its manifest says", ErrCorrupt, n, len(p), offset)
	}
	return fmt.Errorf("read %d bytes at offset %d: %w", len(p), offset, err)
}

// WriteError tells what could not be written.
func WriteError(err error, length int, offset int64) error {
	return fmt.Errorf("write %d bytes at offset %d: %w", length, offset, err)
}
