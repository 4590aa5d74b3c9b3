package search

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"rvffs/store/nearest"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Bounds of a search. They keep what it holds in memory within a few megabytes for
// each core, however large the store is.
const (
	// MaxNeighbors is the most neighbors that one query can ask for.
	MaxNeighbors = 65536
	// MaxAnswers bounds the neighbors of all queries of a call together.
	MaxAnswers = 1 << 18
	// queriesPerPass and answersPerPass bound what one pass over the vectors looks
	// for; more queries take several passes.
	queriesPerPass = 1024
	answersPerPass = 1 << 17
)

// Query is one question for the nearest vectors.
type Query struct {
	// Vector is what is looked for; nil means the stored vector of ID, which is
	// then left out of the answer.
	Vector []float32
	ID     uint64
	// K is how many neighbors are wanted, 1 to MaxNeighbors.
	K int
}

// Neighbor is one live vector and its distance by the store's metric: the squared
// distance for l2, minus the product for ip, one minus the cosine for cosine.
type Neighbor = nearest.Neighbor

// Nearest finds for each query the K nearest live vectors, exactly: the smallest
// distances in float64, equal ones by ascending id, NaN last. Up to 1024 queries
// share one pass over the vectors on all cores. The first call on a snapshot may
// have to look at all ids before.
//
// It fails with ErrInput for a query that cannot be answered, ErrTooLarge for more
// than MaxAnswers neighbors together, ErrNotFound for an id that is not stored,
// ErrStale when the snapshot's file is gone.
func Nearest(ctx context.Context, s rows.Sources, queries []Query) ([][]Neighbor, error) {
	if err := checkQueries(s, queries); err != nil {
		return nil, err
	}
	if s.Dimension() == 0 {
		return nearestOfNone(s, queries)
	}
	var answers [][]Neighbor
	err := withRowsOf(ctx, s, func(in rows.Readings, live *rows.Live) error {
		scan, err := newScan(s, in, live)
		if err != nil {
			return err
		}
		for first := 0; first < len(queries); {
			count := sharePass(queries[first:])
			found, err := scan.nearest(ctx, queries[first:first+count])
			if err != nil {
				return err
			}
			answers = append(answers, found...)
			first += count
		}
		return nil
	})
	return answers, err
}

// withRowsOf runs use while the files and their live rows are held.
func withRowsOf(ctx context.Context, s rows.Sources, use func(rows.Readings, *rows.Live) error) error {
	return s.With(ctx, state.Looking, func(in rows.Readings) error {
		return rows.With(ctx, s, func(live *rows.Live) error { return use(in, live) })
	})
}

// nearestOfNone answers while no vector has fixed the dimension.
func nearestOfNone(s rows.Sources, queries []Query) ([][]Neighbor, error) {
	for _, query := range queries {
		if query.Vector == nil {
			return nil, fmt.Errorf("search: id %d: %w", query.ID, volume.ErrNotFound)
		}
	}
	return make([][]Neighbor, len(queries)), nil
}

// sharePass is how many of the queries, at least one, are answered together.
func sharePass(queries []Query) int {
	wanted := 0
	for i, query := range queries {
		wanted += query.K
		if i == queriesPerPass || i > 0 && wanted > answersPerPass {
			return i
		}
	}
	return len(queries)
}

func checkQueries(s rows.Sources, queries []Query) error {
	if !s.Metric().Known() {
		return fmt.Errorf("search: %w: the store's metric is %s", volume.ErrInput, s.Metric())
	}
	wanted := 0
	for i, query := range queries {
		if err := checkQuery(s, query); err != nil {
			return fmt.Errorf("search: query %d: %w", i, err)
		}
		wanted += query.K
		if wanted > MaxAnswers {
			return fmt.Errorf("search: %w: more than %d neighbors asked for at once", volume.ErrTooLarge, MaxAnswers)
		}
	}
	return nil
}

func checkQuery(s rows.Sources, query Query) error {
	if query.K < 1 || query.K > MaxNeighbors {
		return fmt.Errorf("%w: %d neighbors, where 1 to %d can be asked for", volume.ErrInput, query.K, MaxNeighbors)
	}
	if query.Vector == nil {
		return nil
	}
	if dimension := s.Dimension(); dimension != 0 && len(query.Vector) != dimension {
		return fmt.Errorf("%w: %d values where the dimension is %d", volume.ErrInput, len(query.Vector), dimension)
	}
	for i, value := range query.Vector {
		if math.IsNaN(float64(value)) || math.IsInf(float64(value), 0) {
			return fmt.Errorf("%w: value %d is not finite", volume.ErrInput, i)
		}
	}
	return nil
}

// nearest answers queries in one pass.
func (s *scan) nearest(ctx context.Context, queries []Query) ([][]Neighbor, error) {
	sought, err := s.resolve(ctx, queries)
	if err != nil {
		return nil, err
	}
	const perAnswer = 2 * 16 // in a list that grows
	memory := s.sources.Memory().Charge()
	if err := memory.Await(ctx, int64(perAnswer*s.workers*wantedNeighbors(s.sources, queries))); err != nil {
		return nil, err
	}
	defer memory.Free()
	workers := make([]*nearest.Worker, s.workers)
	for i := range workers {
		workers[i] = nearest.NewWorker(s.sources.Metric(), sought)
	}
	err = s.each(ctx, func(worker int, segment *rows.LiveSegment, first int, block nearest.Block) {
		workers[worker].Scan(block, func(row int) bool { return segment.IsLive(uint64(first + row)) })
	})
	if err != nil {
		return nil, err
	}
	return nearest.Answers(workers), nil
}

// resolve replaces stored ids by their vectors.
func (s *scan) resolve(ctx context.Context, queries []Query) ([]nearest.Query, error) {
	sought := make([]nearest.Query, len(queries))
	for i, query := range queries {
		sought[i] = nearest.Query{Vector: query.Vector, K: query.K}
		if query.Vector != nil {
			continue
		}
		vector, err := s.stored(ctx, query.ID)
		if err != nil {
			return nil, fmt.Errorf("search: id %d: %w", query.ID, err)
		}
		sought[i].Vector, sought[i].Without, sought[i].Excluding = vector, query.ID, true
	}
	return sought, nil
}

// stored reads the live vector with an id.
func (s *scan) stored(ctx context.Context, id uint64) ([]float32, error) {
	number, err := s.live.Find(ctx, s.in.For(state.Giving), id)
	if err != nil {
		return nil, err
	}
	segment, row, err := s.live.Locate(number)
	if err != nil {
		return nil, err
	}
	block, err := s.read(ctx, s.newBuffer(1), segment, int(row), 1)
	if err != nil {
		return nil, volume.AsCorrupt(err)
	}
	vector := decodeVector(block.Vectors, s.sources.Dimension())
	if slices.ContainsFunc(vector, func(value float32) bool { return value-value != 0 }) {
		return nil, fmt.Errorf("%w: its vector has values that are not finite", volume.ErrInput)
	}
	return vector, nil
}

// decodeVector reads dimension little-endian float32.
func decodeVector(encoded []byte, dimension int) []float32 {
	vector := make([]float32, dimension)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(encoded[4*i:]))
	}
	return vector
}
