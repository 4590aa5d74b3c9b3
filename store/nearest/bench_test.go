package nearest

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkScan looks at rows in the processor's cache.
func BenchmarkScan(b *testing.B) {
	for _, dimension := range []int{8, 384} {
		source := rand.New(rand.NewPCG(1, 1))
		count := (256 << 10) / (8 + 4*dimension)
		block := encode(shapes["random"](source, count, dimension), make([]uint64, count))
		query := Query{Vector: shapes["random"](source, 1, dimension)[0], K: 10}
		for _, metric := range metrics {
			for _, k := range kernels {
				b.Run(fmt.Sprintf("%d/%s/%s", dimension, metric, k.name), func(b *testing.B) {
					worker := newWorker(metric, []Query{query}, k)
					b.SetBytes(int64(count * block.Stride))
					for b.Loop() {
						worker.Scan(block, nil)
					}
				})
			}
		}
	}
}
