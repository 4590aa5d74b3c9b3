package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/segments"
	"rvffs/store/volume"
)

// inflatedView is what a compressed view stands for. Nothing is decompressed before
// somebody opens it.
type inflatedView struct {
	key     imageKey
	segment guardedSegment
	stored  View
	method  segments.Compression
	size    int64 // decompressed
}

func (v inflatedView) Size() int64      { return v.size }
func (v inflatedView) Allocated() int64 { return 0 }

func (v inflatedView) Open(ctx context.Context) (Reader, error) {
	return v.segment.open(ctx, func() (Reader, error) { return v.inflate(ctx) })
}

func (v inflatedView) inflate(ctx context.Context) (Reader, error) {
	return v.key.source.images.open(ctx, v.key.source.memory, v.key, v.size, func(ctx context.Context, target io.Writer) error {
		reader, err := v.stored.Open(ctx)
		if err != nil {
			return err
		}
		source := &pieces{reader: reader, size: v.stored.Size()}
		err = segments.Inflate(v.method, volume.WatchWriter(ctx, target), source, v.size)
		if errors.Is(err, segments.ErrPayload) {
			err = fmt.Errorf("%w: segment at offset %d: %w", volume.ErrCorrupt, v.key.offset, err)
		}
		return errors.Join(err, reader.Close())
	})
}

// pieces reads a view from its start to its end.
type pieces struct {
	reader io.ReaderAt
	size   int64
	at     int64
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.at >= p.size {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.size-p.at)]
	n, err := p.reader.ReadAt(b, p.at)
	p.at += int64(n)
	if n == len(b) || errors.Is(err, io.EOF) && n > 0 {
		err = nil
	}
	return n, err
}

// partView is a run of another view.
type partView struct {
	whole          View
	offset, length int64
}

func (v partView) Size() int64      { return v.length }
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

// subView is the run of length bytes of a view; it must lie in there.
func subView(whole View, offset, length int64) (View, error) {
	if offset < 0 || length < 0 || length > whole.Size() || offset > whole.Size()-length {
		return nil, fmt.Errorf("%w: bytes %d to %d of %d", volume.ErrCorrupt, offset, offset+length, whole.Size())
	}
	if file, stored := whole.(fileView); stored {
		return fileView{snapshot: file.snapshot, offset: file.offset + offset, length: length}, nil
	}
	return partView{whole: whole, offset: offset, length: length}, nil
}

// viewContent reads a whole view that is known to be small.
func viewContent(ctx context.Context, view View) ([]byte, error) {
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

// settledView is a text of which one word is only known when somebody asks for
// the text. Its size does not depend on the word.
type settledView struct {
	segment guardedSegment // from which the text is
	text    []byte
	word    int // where the word's place begins
	length  int // of the place
	settle  func(context.Context) (string, error)
}

func (v settledView) Size() int64      { return int64(len(v.text)) }
func (v settledView) Allocated() int64 { return 0 }

func (v settledView) Open(ctx context.Context) (Reader, error) {
	return v.segment.open(ctx, func() (Reader, error) { return v.complete(ctx) })
}

func (v settledView) complete(ctx context.Context) (Reader, error) {
	word, err := v.settle(ctx)
	if err != nil {
		return nil, err
	}
	text := bytes.Clone(v.text)
	place := text[v.word : v.word+v.length]
	for i := copy(place, word); i < len(place); i++ {
		place[i] = ' '
	}
	return bytesReader(text), nil
}
