package store

import (
	"context"
	"math/rand/v2"
	"testing"

	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/vecio"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// TestAppendsCarryLiveRowsOn: a state that only new ids were added to does not have
// its ids read again.
func TestAppendsCarryLiveRowsOn(t *testing.T) {
	t.Parallel()
	counted := &countedFiles{Files: volumes.New()}
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 1}, Options{Shelf: filelog.Shelf{Files: counted}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	ids := rand.New(rand.NewPCG(1, 1)).Perm(50_000)
	scattered := make([]uint64, len(ids))
	for i, id := range ids {
		scattered[i] = uint64(id)
	}
	for range 2 { // each row is replaced
		if _, err := s.Ingest(ctx, scattered, make([]float32, len(scattered))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := rows.Count(ctx, rows.Of(s.Current())); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		bring(t, s, nil, 1, 2)
	}
	counted.bytes = 0
	count, err := rows.Count(ctx, rows.Of(s.Current()))
	if err != nil || count != 50_006 || counted.bytes > 0 {
		t.Errorf("%d vectors, %v, %d bytes read", count, err, counted.bytes)
	}
	if err := rowstest.Check(rows.Of(s.Current()), rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestMergedSegmentsKeepTheirDeadRows merges segments whose live rows are known: the
// rows have new places afterwards.
func TestMergedSegmentsKeepTheirDeadRows(t *testing.T) {
	t.Parallel()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 1}, Options{Shelf: filelog.Shelf{Files: volumes.New()}})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(2, 2))
	segmentsBefore, merged := 0, false
	for i := range 3 * log.MergeWidth {
		id := uint64(i % 5)
		if i%log.MergeWidth >= log.MergeWidth-2 {
			id = uint64(1000 + i) // only new ids, so that knowledge is handed on
		}
		bring(t, s, []uint64{id}, float32(i))
		if err := rowstest.Check(rows.Of(s.Current()), random); err != nil {
			t.Fatalf("after %d commits: %v", i+1, err)
		}
		count := len(s.Current().Vectors())
		merged = merged || count < segmentsBefore
		segmentsBefore = count
	}
	if !merged {
		t.Error("nothing was merged")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestDeadRowsAreNotReadAlong: rows that nobody wants cost nothing where there are
// many of them.
func TestDeadRowsAreNotReadAlong(t *testing.T) {
	t.Parallel()
	const dimension, count = 16, 20_000
	counted := &countedFiles{Files: volumes.New()}
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: dimension}, Options{Shelf: filelog.Shelf{Files: counted}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := s.Ingest(ctx, nil, make([]float32, count*dimension)); err != nil {
		t.Fatal(err)
	}
	var gone []uint64
	for id := range uint64(count) {
		if id%1000 != 7 {
			gone = append(gone, id)
		}
	}
	if _, err := s.Delete(ctx, gone); err != nil {
		t.Fatal(err)
	}
	view, err := rows.File(ctx, rows.Of(s.Current()), vecio.FileF32)
	if err != nil {
		t.Fatal(err)
	}
	counted.bytes = 0
	if _, err := contentOf(view); err != nil || view.Size() != 20*4*dimension || counted.bytes > 2*view.Size() {
		t.Errorf("%d bytes read for %d, %v", counted.bytes, view.Size(), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
