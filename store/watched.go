package store

import (
	"context"
	"io"

	"rvffs/segments"
	"rvffs/store/volume"
)

// watch makes the reads of a file end with ctx: once that has ended, they fail.
func watch(ctx context.Context, file volume.File) volume.File {
	if ctx.Done() == nil {
		return file
	}
	return watchedFile{file, ctx}
}

// watchedFile is a file whose reads fail once ctx has ended.
type watchedFile struct {
	volume.File
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
