package volume

import (
	"context"
	"io"

	"rvffs/segments"
)

// Watch makes reads end with ctx: once that has ended, they fail.
func Watch(ctx context.Context, bytes Bytes) Bytes {
	if ctx.Done() == nil {
		return bytes
	}
	return watchedBytes{bytes, ctx}
}

// watchedBytes are bytes of which reads fail once ctx has ended.
type watchedBytes struct {
	Bytes
	ctx context.Context
}

func (w watchedBytes) ReadAt(p []byte, offset int64) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Bytes.ReadAt(p, offset)
}

// NextData implements segments.Sparse as far as the bytes do.
func (w watchedBytes) NextData(offset int64) int64 {
	if sparse, knows := w.Bytes.(segments.Sparse); knows {
		return sparse.NextData(offset)
	}
	return offset
}

// WatchWriter makes the writes to a writer end with ctx.
func WatchWriter(ctx context.Context, w io.Writer) io.Writer { return watchedWriter{w, ctx} }

// watchedWriter fails once ctx has ended.
type watchedWriter struct {
	io.Writer
	ctx context.Context
}

func (w watchedWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}
