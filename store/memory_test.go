package store

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/vecio"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// scatteredStore has count vectors under ids that follow no rule, half of which are
// replaced once.
func scatteredStore(t *testing.T, files *volumes.Files, count int) {
	t.Helper()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 1}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	ids, vectors := make([]uint64, count), make([]float32, count)
	for i := range ids {
		ids[i], vectors[i] = random.Uint64()>>8, random.Float32()
	}
	if _, err := s.Ingest(t.Context(), ids, vectors); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ingest(t.Context(), ids[:count/2], vectors[count/2:]); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAnswersDoNotDependOnMemory: what is pushed out is found again and says the
// same, and what never fits is refused.
func TestAnswersDoNotDependOnMemory(t *testing.T) {
	t.Parallel()
	const count = 40_000
	files := volumes.New()
	scatteredStore(t, files, count)
	open := func(bytes int64) (*Store, *memory.Budget) {
		budget := memory.NewBudget(bytes)
		s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, Memory: budget})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s, budget
	}
	little, budget := open(64 << 10)
	if _, err := rows.File(t.Context(), rows.Of(little.Current()), vecio.FileNPY); !errors.Is(err, memory.ErrNever) {
		t.Errorf("live rows in too little memory: %v", err)
	}
	if _, err := little.Status(t.Context()); !errors.Is(err, memory.ErrNever) {
		t.Errorf("ids in too little memory: %v", err)
	}
	if _, err := little.Ingest(t.Context(), nil, []float32{1}); !errors.Is(err, memory.ErrNever) {
		t.Errorf("a vector without an id in too little memory: %v", err)
	}
	if _, err := little.Compact(t.Context()); !errors.Is(err, memory.ErrNever) {
		t.Errorf("a compaction in too little memory: %v", err)
	}
	if u := budget.Usage(); u.Used != 0 {
		t.Errorf("after refusals: %+v", u)
	}

	s, budget := open(4 << 20)
	var before []byte
	for round := range 3 {
		status, err := s.Status(t.Context())
		if err != nil || status.LiveVectors != count {
			t.Fatalf("round %d: %+v, %v", round, status, err)
		}
		view, err := rows.File(t.Context(), rows.Of(s.Current()), vecio.FileNPY)
		if err != nil {
			t.Fatal(err)
		}
		content, err := contentOf(view)
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && !bytes.Equal(content, before) {
			t.Errorf("round %d: other vectors", round)
		}
		before = content
		if u := budget.Usage(); u.Used == 0 || u.Used != u.Cached || u.Peak > u.Limit {
			t.Errorf("round %d: %+v", round, u)
		}
		others := budget.Charge()
		if err := others.Set(4 << 20); err != nil {
			t.Errorf("round %d: what nobody uses stays: %v", round, err)
		}
		if _, err := view.Open(t.Context()); !errors.Is(err, memory.ErrNone) {
			t.Errorf("round %d: opened without memory: %v", round, err)
		}
		others.Free()
	}
	runtime.KeepAlive(s)
}

// TestSetOfIDsKnowsItsSize compares what a set says of itself with what it takes.
func TestSetOfIDsKnowsItsSize(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for name, id := range map[string]func(i int) uint64{
		"in a row":  func(i int) uint64 { return uint64(i) },
		"scattered": func(int) uint64 { return random.Uint64() },
		"pairs":     func(i int) uint64 { return uint64(i/2*1000 + i%2) },
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		set := idset.New()
		for i := range 500_000 {
			set.Insert(id(i))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		took, said := int64(after.HeapAlloc)-int64(before.HeapAlloc), set.Bytes()
		if slack := took/5 + 256<<10; said > took+slack || said < took-slack {
			t.Errorf("%s: %d bytes, it says %d", name, took, said)
		}
		runtime.KeepAlive(set)
	}
}
