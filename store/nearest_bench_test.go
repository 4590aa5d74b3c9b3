package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/search"
	"rvffs/store/storetest"
	"rvffs/store/volume"
)

// BenchmarkNearest searches 200,000 vectors of dimension 384 in the page cache, on
// all cores, beside plain passes over the same file that only read it.
func BenchmarkNearest(b *testing.B) {
	const count, dimension = 200_000, 384
	for _, metric := range []segments.Metric{segments.L2, segments.InnerProduct, segments.Cosine} {
		s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: dimension, Metric: metric}, Options{Shelf: storetest.Shelf(b, filepath.Join(b.TempDir(), "a.rvf")), Durability: DurableNone})
		if err != nil {
			b.Fatal(err)
		}
		source := rand.New(rand.NewPCG(1, 1))
		vectors := make([]float32, 20_000*dimension)
		for i := range vectors {
			vectors[i] = 2*source.Float32() - 1
		}
		for range count / 20_000 {
			if _, err := s.Ingest(context.Background(), nil, vectors); err != nil {
				b.Fatal(err)
			}
			vectors[0]++
		}
		snapshot := s.Current()
		if metric == segments.L2 {
			b.Run("read only", func(b *testing.B) {
				b.SetBytes(snapshot.Size())
				for b.Loop() {
					if err := snapshot.Backing().With(b.Context(), readAll(snapshot.Size())); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		for _, queries := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("%s/%d", metric, queries), func(b *testing.B) {
				asked := make([]search.Query, queries)
				for i := range asked {
					asked[i] = search.Query{Vector: make([]float32, dimension), K: 10}
					for j := range asked[i].Vector {
						asked[i].Vector[j] = 2*source.Float32() - 1
					}
				}
				b.SetBytes(snapshot.Size())
				for b.Loop() {
					if _, err := search.Nearest(context.Background(), rows.Of(snapshot), asked); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// readAll reads a file with all cores, as much at a time as a search does.
func readAll(size int64) func(volume.Bytes) error {
	return func(file volume.Bytes) error {
		var next atomic.Int64
		var workers sync.WaitGroup
		problems := make([]error, runtime.GOMAXPROCS(0))
		for i := range problems {
			workers.Go(func() {
				const piece = 256 << 10 // as a search reads
				buffer := make([]byte, piece)
				for problems[i] == nil {
					at := next.Add(piece) - piece
					if at >= size {
						return
					}
					problems[i] = volume.ReadFull(file, buffer[:min(piece, size-at)], at)
				}
			})
		}
		workers.Wait()
		for _, err := range problems {
			if err != nil {
				return err
			}
		}
		return nil
	}
}
