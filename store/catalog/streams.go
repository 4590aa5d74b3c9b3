package catalog

import (
	"context"
	"errors"

	"rvffs/store"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// openStream opens a stream of any kind, and keeps the engine open until it is closed.
// A stream that the one for whom it was opened may not write to is closed at once: it is
// bound to a file by then, and to that file the answer is due.
func openStream[S interface {
	Origin() state.Origin
	AfterClose(done func())
	Close(ctx context.Context) error
}](ctx context.Context, s *Store, open func(*store.Store) (S, error)) (stream S, err error) {
	engine, _, err := s.acquire(ctx)
	if err != nil {
		return stream, err
	}
	if stream, err = open(engine); err != nil {
		s.release()
		return stream, err
	}
	stream.AfterClose(s.release)
	if err := s.AllowOf(ctx, volume.Write, stream.Origin()); err != nil {
		return stream, errors.Join(err, stream.Close(ctx))
	}
	return stream, nil
}

// OpenAppend starts a stream of vectors into the store.
func (s *Store) OpenAppend(ctx context.Context, format vecio.Format) (*ingest.AppendStream, error) {
	options := s.catalog.options
	return s.openAppend(ctx, ingest.StreamOptions{Format: format, FlushBytes: options.FlushBytes, FlushInterval: options.FlushInterval}, nil)
}

// openAppend starts a stream of vectors of which the history is told, and told too.
func (s *Store) openAppend(ctx context.Context, options ingest.StreamOptions, told func(ingest.StreamReport)) (*ingest.AppendStream, error) {
	options.AllowNonFinite = s.catalog.options.AllowNonFinite
	options.Report = func(r ingest.StreamReport) {
		s.history.addAppended(r)
		if told != nil {
			told(r)
		}
	}
	return openStream(ctx, s, func(engine *store.Store) (*ingest.AppendStream, error) {
		if err := s.remember(ctx, engine.Current()); err != nil {
			return nil, err
		}
		return engine.OpenAppend(ctx, options)
	})
}

// OpenDelete starts a stream of ids whose vectors are to be deleted.
func (s *Store) OpenDelete(ctx context.Context, format vecio.IDFormat) (*ingest.DeleteStream, error) {
	return openStream(ctx, s, func(engine *store.Store) (*ingest.DeleteStream, error) {
		if err := s.remember(ctx, engine.Current()); err != nil {
			return nil, err
		}
		return engine.OpenDelete(ctx, format, s.history.addDeleted)
	})
}

// OpenEmbed starts to take the bytes of something that is to be embedded, in the place
// of something that is not cut to nothing yet if over is set.
func (s *Store) OpenEmbed(ctx context.Context, part compute.Part, over bool) (*compute.EmbedStream, error) {
	return openStream(ctx, s, func(engine *store.Store) (*compute.EmbedStream, error) {
		stream, err := engine.OpenEmbed(ctx, part, compute.EmbedOptions{Compress: s.catalog.options.CompressImages, Uncut: over, Failed: s.history.fail})
		if errors.Is(err, volume.ErrInput) {
			s.history.fail(engine.Current().Origin(), err)
		}
		return stream, err
	})
}

// Flush commits the whole records of all open streams.
func (s *Store) Flush(ctx context.Context) error {
	if _, err := s.AllowNewest(ctx, volume.Write); err != nil {
		return err
	}
	engine := s.join()
	if engine == nil {
		return nil // and so nobody writes
	}
	defer s.release()
	return engine.CommitStreams(ctx)
}
