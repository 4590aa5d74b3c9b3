package rows_test

import (
	"fmt"
	"testing"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/vecio"
)

// segmented is a state of count rows in so many segments.
func segmented(b *testing.B, count, parts, dimension int) *state.Snapshot {
	b.Helper()
	payloads := make([][]byte, parts)
	for i := range payloads {
		ids := make([]uint64, count/parts)
		for row := range ids {
			ids[row] = uint64(i*len(ids) + row)
		}
		payloads[i] = rowstest.Vectors(dimension, ids, make([]float32, len(ids)*dimension))
	}
	snapshot, _ := rowstest.Snapshot(b, segments.DialectRuntime, segments.Manifest{Dimension: uint16(dimension), TotalVectors: uint64(count)}, payloads...)
	return snapshot
}

// BenchmarkRows finds the live rows of very many segments and of one, shows them as a
// file, and finds one by its id.
func BenchmarkRows(b *testing.B) {
	const count, dimension = 100_000, 8
	for _, parts := range []int{count, 1} {
		snapshot := segmented(b, count, parts, dimension)
		of := rows.Of(snapshot)
		view, err := rows.File(b.Context(), of, vecio.FileNPY)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("find/%d segments", parts), func(b *testing.B) {
			for b.Loop() {
				if _, err := rows.Count(b.Context(), rows.Of(snapshot.Renewed())); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("read/%d segments", parts), func(b *testing.B) {
			b.SetBytes(view.Size())
			content := make([]byte, 1<<20)
			for b.Loop() {
				reader, err := view.Open(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				for at := int64(0); at < view.Size(); at += int64(len(content)) {
					_, _ = reader.ReadContext(b.Context(), content, at)
				}
				_ = reader.Close()
			}
		})
		b.Run(fmt.Sprintf("id/%d segments", parts), func(b *testing.B) {
			for b.Loop() {
				if _, err := rows.ByID(b.Context(), of, count/2, vecio.FileF32); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
