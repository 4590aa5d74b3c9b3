package state

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/store/volume"
)

// partView is a run of another view.
type partView struct {
	whole          View
	offset, length int64
}

func (v partView) Size() int64 { return v.length }

func (v partView) Open(ctx context.Context) (Reader, error) {
	reader, err := v.whole.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &partReader{Reader: reader, part: v}, nil
}

// partReader reads a run of what another reader reads.
type partReader struct {
	Reader
	part partView
}

// ReadContext implements Reader.
func (r *partReader) ReadContext(ctx context.Context, p []byte, offset int64) (int, error) {
	return io.NewSectionReader(ReaderAt(ctx, r.Reader), r.part.offset, r.part.length).ReadAt(p, offset)
}

// SubView is the run of length bytes of a view; it must lie in there.
func SubView(whole View, offset, length int64) (View, error) {
	if offset < 0 || length < 0 || length > whole.Size() || offset > whole.Size()-length {
		return nil, fmt.Errorf("%w: bytes %d to %d of %d", volume.ErrCorrupt, offset, offset+length, whole.Size())
	}
	if file, stored := whole.(fileView); stored {
		return fileView{snapshot: file.snapshot, offset: file.offset + offset, length: length}, nil
	}
	return partView{whole: whole, offset: offset, length: length}, nil
}

// ViewContent reads a whole view that is known to be small.
func ViewContent(ctx context.Context, view View) ([]byte, error) {
	reader, err := view.Open(ctx)
	if err != nil {
		return nil, err
	}
	content := make([]byte, view.Size())
	n, err := reader.ReadContext(ctx, content, 0)
	if n == len(content) {
		err = nil
	}
	return content, errors.Join(err, reader.Close())
}
