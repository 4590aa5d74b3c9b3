package catalog

import (
	"context"
	"sync"

	"rvffs/store"
)

// EmbedStream is a stream that keeps its store open.
type EmbedStream struct {
	*store.EmbedStream
	store *Store
	ended sync.Once
}

// OpenEmbed starts to take the bytes of something that is to be embedded.
func (s *Store) OpenEmbed(ctx context.Context, part store.EmbedPart) (*EmbedStream, error) {
	engine, _, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	inner, err := engine.OpenEmbed(ctx, part, store.EmbedOptions{Compress: s.catalog.options.CompressImages})
	if err == nil {
		err = s.allowStream(ctx, inner)
	}
	if err != nil {
		s.release()
		return nil, err
	}
	return &EmbedStream{EmbedStream: inner, store: s}, nil
}

// Close ends the stream and lets the store go.
func (e *EmbedStream) Close(ctx context.Context) error {
	defer e.ended.Do(e.store.release)
	return e.EmbedStream.Close(ctx)
}
