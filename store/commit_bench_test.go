package store

import (
	"context"
	"path/filepath"
	"testing"

	"rvffs/store/storetest"
)

// BenchmarkCommitOfOneVector measures the smallest durable commit.
func BenchmarkCommitOfOneVector(b *testing.B) {
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 384}, Options{Shelf: storetest.Shelf(b, filepath.Join(b.TempDir(), "a.rvf"))})
	if err != nil {
		b.Fatal(err)
	}
	vector := make([]float32, 384)
	for b.Loop() {
		if _, err := s.Ingest(context.Background(), nil, vector); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
