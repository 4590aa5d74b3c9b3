package store

import (
	"context"
	"fmt"

	"rvffs/store/idset"
	"rvffs/store/ingest"
	"rvffs/store/state"
	"rvffs/store/vecio"
)

// NewAppender starts to append. Commit or Rollback must be the last that is asked
// of it.
func (s *Store) NewAppender() *ingest.Appender { return s.vectors.NewAppender(state.Origin{}) }

// Ingest appends one batch and commits it. vectors holds the components of all
// vectors one after the other; ids holds one id each, or is nil for ids above all
// that are in use. An id that exists is replaced, also when it was deleted. It is for
// programs that have their vectors in memory; what comes as bytes comes by OpenAppend.
func (s *Store) Ingest(ctx context.Context, ids []uint64, vectors []float32) (ingest.Batch, error) {
	result, err := s.vectors.Batch(ctx, ids, vectors)
	if err != nil {
		return ingest.Batch{}, fmt.Errorf("ingest into store %q: %w", s.Path(), err)
	}
	return result, nil
}

// Delete hides the vectors of the given ids and commits. Ids without a live
// vector are counted and are no error; when all are such, nothing is written. It is for
// programs that have the ids in memory, as Ingest is.
func (s *Store) Delete(ctx context.Context, ids []uint64) (ingest.Deletion, error) {
	result, err := s.vectors.Delete(ctx, idset.Of(ids))
	if err != nil {
		return ingest.Deletion{}, fmt.Errorf("delete from store %q: %w", s.Path(), err)
	}
	return result, nil
}

// OpenAppend starts a stream of vectors. It stays with the file that it was opened on, but
// for Options.ByName: should another take its place, the stream fails with ErrStale. The writer
// lock is not taken before the first complete record. Close must be called.
func (s *Store) OpenAppend(ctx context.Context, options ingest.StreamOptions) (*ingest.AppendStream, error) {
	snapshot := s.Current()
	if err := s.checkWritable(ctx, snapshot); err != nil {
		return nil, fmt.Errorf("append to store %q: %w", s.Path(), err)
	}
	return s.vectors.OpenAppend(s.target(snapshot), options)
}

// OpenDelete starts a stream of ids whose vectors are to be deleted, which stays with its
// file like one of vectors. See ingest.Vectors.OpenDelete.
func (s *Store) OpenDelete(ctx context.Context, format vecio.IDFormat, report func(ingest.DeleteReport)) (*ingest.DeleteStream, error) {
	snapshot := s.Current()
	if err := s.checkWritable(ctx, snapshot); err != nil {
		return nil, fmt.Errorf("delete from store %q: %w", s.Path(), err)
	}
	return s.vectors.OpenDelete(s.target(snapshot), format, report)
}
