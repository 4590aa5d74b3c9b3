package volume

import (
	"context"
	"io"

	"rvffs/segments"
)

// Watch makes the reads of a file end with ctx: once that has ended, they fail.
func Watch(ctx context.Context, file File) File {
	if ctx.Done() == nil {
		return file
	}
	return watchedFile{file, ctx}
}

// watchedFile is a file whose reads fail once ctx has ended.
type watchedFile struct {
	File
	ctx context.Context
}

func (w watchedFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.File.ReadAt(p, offset)
}

// NextData implements segments.Sparse as far as the file does.
func (w watchedFile) NextData(offset int64) int64 {
	if sparse, knows := w.File.(segments.Sparse); knows {
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
