package search

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/throttle"
)

// manyRows is a state of several reads per worker, in two segments.
func manyRows(t *testing.T, count, dimension int) (*state.Snapshot, []float32) {
	t.Helper()
	source := rand.New(rand.NewPCG(1, 2))
	vectors := make([]float32, count*dimension)
	for i := range vectors {
		vectors[i] = source.Float32()
	}
	ids := make([]uint64, count)
	for i := range ids {
		ids[i] = uint64(i)
	}
	half := count / 2
	manifest := segments.Manifest{Dimension: uint16(dimension), TotalVectors: uint64(count)}
	snapshot, _ := rowstest.Snapshot(t, segments.DialectRuntime, manifest,
		rowstest.Vectors(dimension, ids[:half], vectors[:half*dimension]), rowstest.Vectors(dimension, ids[half:], vectors[half*dimension:]))
	return snapshot, vectors
}

// TestWorkersCannotBeSeen compares the answers of one worker with those of many.
func TestWorkersCannotBeSeen(t *testing.T) {
	t.Parallel()
	const dimension = 64
	snapshot, vectors := manyRows(t, 8000, dimension)
	queries := []Query{{Vector: vectors[:dimension], K: 100}, {ID: 77, K: 3}, {Vector: vectors[dimension : 2*dimension], K: 9000}}
	answer := func(workers int) (answers [][]Neighbor) {
		err := withRowsOf(t.Context(), rows.Of(snapshot), func(in rows.Readings, live *rows.Live) error {
			scan, err := newScan(rows.Of(snapshot), in, live)
			if err != nil {
				return err
			}
			scan.workers = workers
			answers, err = scan.nearest(context.Background(), queries)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return answers
	}
	alone := answer(1)
	if len(alone[2]) != 8000 {
		t.Errorf("%d neighbors, want all 8000", len(alone[2]))
	}
	for _, workers := range []int{2, 5, 16} {
		for i, got := range answer(workers) {
			if !slices.Equal(got, alone[i]) {
				t.Errorf("query %d: %d workers find something else than one", i, workers)
			}
		}
	}
}

// TestSearchesThatWaitCanBeGivenUp: who waits for his turn to read need not stay.
func TestSearchesThatWaitCanBeGivenUp(t *testing.T) {
	const dimension = 4
	snapshot, vectors := manyRows(t, 8, dimension)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var taken []*throttle.Lane
	for range passesAtOnce {
		pass, err := passes.Enter(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, pass)
	}
	_, err := Nearest(ctx, rows.Of(snapshot), []Query{{Vector: vectors[:dimension], K: 10}})
	for _, pass := range taken {
		pass.Leave()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a search that waits for its turn ended with %v", err)
	}
}

func TestPassesAreBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ queries, k, want int }{
		{1, MaxNeighbors, 1}, {5, 10, 5}, {queriesPerPass, 10, queriesPerPass}, {queriesPerPass + 1, 10, queriesPerPass},
		{4, MaxNeighbors, answersPerPass / MaxNeighbors},
	} {
		if got := sharePass(slices.Repeat([]Query{{K: test.k}}, test.queries)); got != test.want {
			t.Errorf("%d queries for %d neighbors: %d share a pass, want %d", test.queries, test.k, got, test.want)
		}
	}
}
