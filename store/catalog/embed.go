package catalog

import (
	"context"

	"rvffs/store"
)

// EmbedStream is a stream that keeps its store open.
type EmbedStream struct {
	*store.EmbedStream
	end func()
}

// OpenEmbed starts to take the bytes of something that is to be embedded, in the place
// of something that is not cut to nothing yet if over is set.
func (s *Store) OpenEmbed(ctx context.Context, part store.EmbedPart, over bool) (*EmbedStream, error) {
	engine, _, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	inner, err := engine.OpenEmbed(ctx, part, store.EmbedOptions{Compress: s.catalog.options.CompressImages, Uncut: over})
	if err == nil {
		err = s.allowStream(ctx, inner)
	}
	if err != nil {
		s.release()
		return nil, err
	}
	return &EmbedStream{EmbedStream: inner, end: s.began(inner)}, nil
}

// Close ends the stream and lets the store go.
func (e *EmbedStream) Close(ctx context.Context) error {
	defer e.end()
	return e.EmbedStream.Close(ctx)
}
