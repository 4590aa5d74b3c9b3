package store

import "io"

// copyRange feeds length bytes of the file from offset on to target.
func copyRange(target io.Writer, file io.ReaderAt, offset, length int64) error {
	buffer := make([]byte, min(length, 1<<20))
	for length > 0 {
		part := buffer[:min(length, int64(len(buffer)))]
		if err := readFull(file, part, offset); err != nil {
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

func (w *offsetWriter) Write(p []byte) (int, error) {
	n, err := w.file.WriteAt(p, w.offset)
	if err != nil {
		err = writeError(err, len(p), w.offset)
	}
	w.offset += int64(n)
	return n, err
}
