package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// TestAppendsCarryLiveRowsOn: a state that only new ids were added to does not have
// its ids read again, but for some of what was added.
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
	if err != nil || count != 50_006 || counted.bytes > 16<<10 {
		t.Errorf("%d vectors, %v, %d bytes read", count, err, counted.bytes)
	}
	if err := rowstest.Check(rows.Of(s.Current()), rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestChangesCarryLiveRowsOn: what a change costs who looks next depends on the change,
// whatever the ids are like, and whoever made it.
func TestChangesCarryLiveRowsOn(t *testing.T) {
	t.Parallel()
	const count, dimension = 30_000, 16
	counting := run(0, count)
	shuffled := slices.Clone(counting)
	random := rand.New(rand.NewPCG(1, 1))
	random.Shuffle(count, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	almost := slices.Clone(counting)
	almost[777], almost[20_001] = 2*count, 3*count
	for name, ids := range map[string][]uint64{"counting": counting, "almost counting": almost, "shuffled": shuffled} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			counted := &countedFiles{Files: volumes.New()}
			options := Options{Shelf: filelog.Shelf{Files: counted}}
			s, err := Create(ctx, "a.rvf", CreateOptions{Dimension: dimension}, options)
			if err != nil {
				t.Fatal(err)
			}
			for part := range slices.Chunk(ids, count/3) {
				if _, err := s.Ingest(ctx, part, make([]float32, len(part)*dimension)); err != nil {
					t.Fatal(err)
				}
			}
			other, err := Open(ctx, "a.rvf", options)
			if err != nil {
				t.Fatal(err)
			}
			look := func() {
				snapshot, err := s.Snapshot(ctx)
				if err == nil {
					_, err = rows.Count(ctx, rows.Of(snapshot))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			remove := func(s *Store, ids ...uint64) {
				if _, err := s.Delete(ctx, ids); err != nil {
					t.Fatal(err)
				}
			}
			vector := make([]float32, dimension)
			// Once somebody has to learn how the ids follow each other.
			remove(s, ids[5])
			look()
			if _, err := rows.ByID(ctx, rows.Of(s.Current()), 1<<50, vecio.FileF32); !errors.Is(err, volume.ErrNotFound) {
				t.Fatal(err)
			}
			for name, change := range map[string]func(){
				"delete":            func() { remove(s, ids[777], ids[11], ids[20_001]) },
				"delete and more":   func() { remove(s, ids[21], ids[22]); remove(s, ids[23]) },
				"overwrite":         func() { bring(t, s, ids[31:32], vector...) },
				"write again":       func() { bring(t, s, ids[5:6], vector...) },
				"append and delete": func() { bring(t, s, []uint64{1 << 40}, vector...); remove(s, 1<<40, ids[51]) },
				"somebody else":     func() { remove(other, ids[61]); bring(t, other, ids[62:63], vector...) },
			} {
				change()
				if _, err := s.Snapshot(ctx); err != nil { // takes notice
					t.Fatal(err)
				}
				counted.bytes = 0
				look()
				if counted.bytes > 32<<10 { // of 2.2 MB
					t.Errorf("%s: %d bytes read", name, counted.bytes)
				}
			}
			if err := rowstest.Check(rows.Of(s.Current()), rand.New(rand.NewPCG(1, 1))); err != nil {
				t.Error(err)
			}
			if err := errors.Join(other.Close(), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVectorsOutOfTheirTurnAreFound: ids that almost count up are no reason to believe that
// they do.
func TestVectorsOutOfTheirTurnAreFound(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Create(ctx, "a.rvf", CreateOptions{Dimension: 1}, Options{Shelf: filelog.Shelf{Files: volumes.New()}})
	if err != nil {
		t.Fatal(err)
	}
	ids := run(0, 1000)
	ids[123] = 5000
	if _, err := s.Ingest(ctx, ids, make([]float32, len(ids))); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[uint64]error{122: nil, 123: volume.ErrNotFound, 124: nil, 5000: nil, 5001: volume.ErrNotFound} {
		if _, err := rows.ByID(ctx, rows.Of(s.Current()), id, vecio.FileF32); !errors.Is(err, want) {
			t.Errorf("vector %d: %v, want %v", id, err, want)
		}
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
