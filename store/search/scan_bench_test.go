package search

import (
	"fmt"
	"testing"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
)

// BenchmarkSegments searches very many segments, and one.
func BenchmarkSegments(b *testing.B) {
	const count, dimension = 100_000, 8
	for _, parts := range []int{count, 1} {
		payloads := make([][]byte, parts)
		for i := range payloads {
			ids := make([]uint64, count/parts)
			for row := range ids {
				ids[row] = uint64(i*len(ids) + row)
			}
			payloads[i] = rowstest.Vectors(dimension, ids, make([]float32, len(ids)*dimension))
		}
		snapshot, _ := rowstest.Snapshot(b, segments.DialectRuntime, segments.Manifest{Dimension: dimension, TotalVectors: count}, payloads...)
		b.Run(fmt.Sprintf("%d segments", parts), func(b *testing.B) {
			for b.Loop() {
				if _, err := Nearest(b.Context(), rows.Of(snapshot), []Query{{Vector: make([]float32, dimension), K: 10}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
