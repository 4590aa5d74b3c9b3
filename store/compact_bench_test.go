package store

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"rvffs/store/storetest"
)

// BenchmarkCompaction rewrites a store of 256 MiB of which half is dead.
func BenchmarkCompaction(b *testing.B) {
	const dimension, count = 384, 170_000
	ctx := context.Background()
	name := filepath.Join(b.TempDir(), "a.rvf")
	s, err := Create(context.Background(), filepath.Base(name), CreateOptions{Dimension: dimension}, Options{Shelf: storetest.Shelf(b, name)})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Ingest(ctx, nil, make([]float32, dimension*count)); err != nil {
		b.Fatal(err)
	}
	var dead []uint64
	for id := uint64(0); id < count; id += 2 {
		dead = append(dead, id)
	}
	if _, err := s.Delete(ctx, dead); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	image, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(image) / 2))
	for b.Loop() {
		b.StopTimer()
		if err := os.WriteFile(name, image, 0o644); err != nil {
			b.Fatal(err)
		}
		s, err := Open(context.Background(), filepath.Base(name), Options{Shelf: storetest.Shelf(b, name)})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := s.Compact(ctx); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
