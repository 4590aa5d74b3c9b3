package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"rvffs/store/nearest"
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
func (s *Snapshot) Nearest(ctx context.Context, queries []Query) ([][]Neighbor, error) {
	if err := s.checkQueries(queries); err != nil {
		return nil, err
	}
	if s.Dimension() == 0 {
		return s.nearestOfNone(queries)
	}
	var answers [][]Neighbor
	err := s.source.with(func(file File) error {
		scan, err := s.newScan(file)
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

// nearestOfNone answers while no vector has fixed the dimension.
func (s *Snapshot) nearestOfNone(queries []Query) ([][]Neighbor, error) {
	for _, query := range queries {
		if query.Vector == nil {
			return nil, fmt.Errorf("search: id %d: %w", query.ID, ErrNotFound)
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

func (s *Snapshot) checkQueries(queries []Query) error {
	if !s.Metric().Known() {
		return fmt.Errorf("search: %w: the store's metric is %s", ErrInput, s.Metric())
	}
	wanted := 0
	for i, query := range queries {
		if err := s.checkQuery(query); err != nil {
			return fmt.Errorf("search: query %d: %w", i, err)
		}
		wanted += query.K
		if wanted > MaxAnswers {
			return fmt.Errorf("search: %w: more than %d neighbors asked for at once", ErrTooLarge, MaxAnswers)
		}
	}
	return nil
}

func (s *Snapshot) checkQuery(query Query) error {
	if query.K < 1 || query.K > MaxNeighbors {
		return fmt.Errorf("%w: %d neighbors, where 1 to %d can be asked for", ErrInput, query.K, MaxNeighbors)
	}
	if query.Vector == nil {
		return nil
	}
	if dimension := s.Dimension(); dimension != 0 && len(query.Vector) != dimension {
		return fmt.Errorf("%w: %d values where the dimension is %d", ErrInput, len(query.Vector), dimension)
	}
	for i, value := range query.Vector {
		if math.IsNaN(float64(value)) || math.IsInf(float64(value), 0) {
			return fmt.Errorf("%w: value %d is not finite", ErrInput, i)
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
	metric := s.snapshot.Metric()
	look := func(known *liveRows) ([]*nearest.Worker, error) {
		workers := make([]*nearest.Worker, s.workers)
		for i := range workers {
			workers[i] = nearest.NewWorker(metric, sought)
		}
		err := s.each(ctx, s.tasks, func(worker int, t task, first int, block nearest.Block) error {
			workers[worker].Scan(block, func(row int) bool { return known.alive(t.segment, first+row, block.IDs[row]) })
			return nil
		})
		return workers, err
	}
	workers, err := whileSurveying(ctx, s, look)
	if err != nil {
		return nil, err
	}
	return nearest.Answers(workers), nil
}

// resolve replaces stored ids by their vectors.
func (s *scan) resolve(ctx context.Context, queries []Query) ([]nearest.Query, error) {
	sought := make([]nearest.Query, len(queries))
	wanted := map[uint64][]float32{}
	for i, query := range queries {
		sought[i] = nearest.Query{Vector: query.Vector, K: query.K}
		if query.Vector == nil {
			wanted[query.ID] = nil
		}
	}
	if len(wanted) == 0 {
		return sought, nil
	}
	if err := s.find(ctx, wanted); err != nil {
		return nil, err
	}
	for i, query := range queries {
		if query.Vector != nil {
			continue
		}
		vector := wanted[query.ID]
		if vector == nil {
			return nil, fmt.Errorf("search: id %d: %w", query.ID, ErrNotFound)
		}
		if slices.ContainsFunc(vector, func(value float32) bool { return value-value != 0 }) {
			return nil, fmt.Errorf("search: id %d: %w: its vector has values that are not finite", query.ID, ErrInput)
		}
		sought[i].Vector, sought[i].Without, sought[i].Excluding = vector, query.ID, true
	}
	return sought, nil
}

// errDisorder ends a survey that met an id which may occur twice.
var errDisorder = errors.New("ids out of order")

// whileSurveying runs a pass over all tasks with what is known of the live rows.
// While nothing is known, the pass finds it out on its way, in the hope that no id
// occurs twice: most stores were written in the order of their ids. If that hope
// fails, all ids are read and the pass begins again.
func whileSurveying[T any](ctx context.Context, s *scan, pass func(*liveRows) (T, error)) (T, error) {
	cache := &s.snapshot.cache.live
	if known := cache.Load(); known != nil {
		return pass(known)
	}
	s.survey = newSurvey(len(s.tasks))
	guess := &liveRows{deleted: idSetOf(s.snapshot.state.Manifest.Deleted)}
	result, err := pass(guess)
	ranges, ordered := s.survey.ranges, err == nil && s.survey.ordered()
	s.survey = nil
	if err != nil && !errors.Is(err, errDisorder) {
		return result, err
	}
	if ordered {
		guess.ranges = ranges
		cache.Store(guess)
		return result, nil
	}
	known := &liveRows{}
	if known.dead, err = s.snapshot.findSuperseded(ctx, s.file, s.entries, nil); err != nil {
		return result, err
	}
	s.survey = newSurvey(len(s.tasks))
	s.survey.tolerant = true
	result, err = pass(known)
	known.ranges = s.survey.ranges
	s.survey = nil
	if err == nil {
		cache.Store(known)
	}
	return result, err
}

// liveRows says which rows of a snapshot are live, and where ids can be.
type liveRows struct {
	deleted *idSet     // if no id occurs twice
	dead    []deadRows // otherwise, for each segment
	ranges  []idRange  // for each task
}

func (l *liveRows) alive(segment, row int, id uint64) bool {
	if l.dead == nil {
		return !l.deleted.contains(id)
	}
	positions := l.dead[segment].positions
	return positions == nil || !positions.contains(uint64(row))
}

// find fills in the vectors of the ids that are stored.
func (s *scan) find(ctx context.Context, wanted map[uint64][]float32) error {
	known := s.snapshot.cache.live.Load()
	if known == nil {
		_, err := whileSurveying(ctx, s, func(*liveRows) (struct{}, error) {
			return struct{}{}, s.each(ctx, s.tasks, func(int, task, int, nearest.Block) error { return nil })
		})
		if err != nil {
			return err
		}
		known = s.snapshot.cache.live.Load()
	}
	ids := make([]uint64, 0, len(wanted))
	for id := range wanted {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var tasks []task
	for _, t := range s.tasks {
		at, _ := slices.BinarySearch(ids, known.ranges[t.number].low)
		if at < len(ids) && ids[at] <= known.ranges[t.number].high {
			tasks = append(tasks, t)
		}
	}
	found := make([]map[uint64][]float32, s.workers)
	err := s.each(ctx, tasks, func(worker int, t task, first int, block nearest.Block) error {
		for i, id := range block.IDs {
			if _, asked := wanted[id]; !asked || !known.alive(t.segment, first+i, id) {
				continue
			}
			if found[worker] == nil {
				found[worker] = map[uint64][]float32{}
			}
			found[worker][id] = decodeVector(block.Vectors[i*block.Stride:], s.snapshot.Dimension())
		}
		return nil
	})
	for _, part := range found {
		for id, vector := range part {
			wanted[id] = vector
		}
	}
	return err
}

// decodeVector reads dimension little-endian float32.
func decodeVector(encoded []byte, dimension int) []float32 {
	vector := make([]float32, dimension)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(encoded[4*i:]))
	}
	return vector
}
