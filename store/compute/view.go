package compute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// inflatedView is what a compressed view stands for. Nothing is decompressed before
// somebody opens it.
type inflatedView struct {
	key     imageKey
	segment state.GuardedSegment
	stored  state.View
	method  segments.Compression
	size    int64 // decompressed
}

func (v inflatedView) Size() int64 { return v.size }

func (v inflatedView) Open(ctx context.Context) (state.Reader, error) {
	return v.segment.Open(ctx, func() (state.Reader, error) { return v.inflate(ctx) })
}

func (v inflatedView) inflate(ctx context.Context) (state.Reader, error) {
	return openImages.Of(v.key.source).open(ctx, v.key.source.Memory(), v.key, v.size, func(ctx context.Context, target io.Writer) error {
		reader, err := v.stored.Open(ctx)
		if err != nil {
			return err
		}
		source := &pieces{reader: state.ReaderAt(ctx, reader), size: v.stored.Size()}
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

// settledView is a text of which one word is only known when somebody asks for
// the text. Its size does not depend on the word.
type settledView struct {
	segment state.GuardedSegment // from which the text is
	text    []byte
	word    int // where the word's place begins
	length  int // of the place
	settle  func(context.Context) (string, error)
}

func (v settledView) Size() int64 { return int64(len(v.text)) }

func (v settledView) Open(ctx context.Context) (state.Reader, error) {
	return v.segment.Open(ctx, func() (state.Reader, error) { return v.complete(ctx) })
}

func (v settledView) complete(ctx context.Context) (state.Reader, error) {
	word, err := v.settle(ctx)
	if err != nil {
		return nil, err
	}
	text := bytes.Clone(v.text)
	place := text[v.word : v.word+v.length]
	for i := copy(place, word); i < len(place); i++ {
		place[i] = ' '
	}
	return state.TextView(text).Open(ctx)
}
