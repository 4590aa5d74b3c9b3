package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"rvffs/store/volume"
)

// IngestResult tells what a batch became.
type IngestResult struct {
	Accepted uint64 // vectors
	Epoch    uint32
}

// Ingest appends one batch and commits it. vectors holds the components of all
// vectors one after the other; ids holds one id each, or is nil for ids above all
// that are in use. An id that exists is replaced, also when it was deleted.
func (s *Store) Ingest(ctx context.Context, ids []uint64, vectors []float32) (IngestResult, error) {
	result, err := s.ingest(ctx, ids, vectors)
	if err != nil {
		return IngestResult{}, fmt.Errorf("ingest into store %q: %w", s.Path(), err)
	}
	return result, nil
}

func (s *Store) ingest(ctx context.Context, ids []uint64, vectors []float32) (IngestResult, error) {
	rows := make([]byte, 0, 4*len(vectors))
	for i, component := range vectors {
		if math.IsNaN(float64(component)) || math.IsInf(float64(component), 0) {
			return IngestResult{}, fmt.Errorf("%w: component %d is %v", volume.ErrInput, i, component)
		}
		rows = binary.LittleEndian.AppendUint32(rows, math.Float32bits(component))
	}
	appender := s.NewAppender()
	if err := appender.Append(ctx, ids, rows); err != nil {
		return IngestResult{}, errors.Join(err, appender.Rollback())
	}
	epoch, count, err := appender.Commit()
	return IngestResult{Accepted: count, Epoch: epoch}, err
}
