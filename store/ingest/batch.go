package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"rvffs/store/state"
	"rvffs/store/volume"
)

// Batch tells what became of vectors that came at once.
type Batch struct {
	Accepted uint64 // vectors
	Epoch    uint32
}

// Batch appends vectors and commits them: the components of all of them one after the
// other, and one id each, or nil for ids above all that are in use. An id that exists is
// replaced, also when it was deleted.
func (v *Vectors) Batch(ctx context.Context, ids []uint64, components []float32) (Batch, error) {
	rows := make([]byte, 0, 4*len(components))
	for i, component := range components {
		if math.IsNaN(float64(component)) || math.IsInf(float64(component), 0) {
			return Batch{}, fmt.Errorf("%w: component %d is %v", volume.ErrInput, i, component)
		}
		rows = binary.LittleEndian.AppendUint32(rows, math.Float32bits(component))
	}
	appender := v.NewAppender(state.Origin{})
	if err := appender.Append(ctx, ids, rows); err != nil {
		return Batch{}, errors.Join(err, appender.Rollback())
	}
	epoch, count, err := appender.Commit(ctx)
	if err != nil {
		return Batch{}, errors.Join(err, appender.Rollback())
	}
	return Batch{Accepted: count, Epoch: epoch}, nil
}
