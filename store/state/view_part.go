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

func (v partView) Allocated() int64 { return 0 }

func (v partView) Open(ctx context.Context) (Reader, error) {
	reader, err := v.whole.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &partReader{SectionReader: io.NewSectionReader(reader, v.offset, v.length), whole: reader}, nil
}

type partReader struct {
	*io.SectionReader
	whole Reader
}

func (r *partReader) Close() error { return r.whole.Close() }

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
	n, err := reader.ReadAt(content, 0)
	if n == len(content) {
		err = nil
	}
	return content, errors.Join(err, reader.Close())
}
