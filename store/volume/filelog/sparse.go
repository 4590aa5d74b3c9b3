package filelog

import (
	"io"

	"rvffs/store/volume"
)

// sparseWriter leaves holes where zeros come.
type sparseWriter struct {
	file   io.WriterAt
	offset int64
}

func (w *sparseWriter) Write(p []byte) (int, error) {
	for _, b := range p {
		if b != 0 {
			n, err := volume.NewOffsetWriter(w.file, w.offset).Write(p)
			w.offset += int64(n)
			return n, err
		}
	}
	w.offset += int64(len(p))
	return len(p), nil
}
