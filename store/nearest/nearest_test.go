package nearest

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"rvffs/segments"
)

var metrics = []segments.Metric{segments.L2, segments.InnerProduct, segments.Cosine}

// dimensions lie around the widths of the registers.
var dimensions = []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 384, 385}

// encode lays rows out as a store does, each behind idBytes of something else, and
// begins at an odd address.
func encode(rows [][]float32, ids []uint64) Block {
	const idBytes = 8
	if len(rows) == 0 {
		return Block{Stride: 1}
	}
	stride := idBytes + 4*len(rows[0])
	text := make([]byte, 1, 1+len(rows)*stride)
	for i, row := range rows {
		text = binary.LittleEndian.AppendUint64(text, ids[i])
		for _, value := range row {
			text = binary.LittleEndian.AppendUint32(text, math.Float32bits(value))
		}
	}
	return Block{IDs: ids, Vectors: text[1+idBytes:], Stride: stride}
}

// brute is the answer without any kernel: every exact distance, sorted.
func brute(metric segments.Metric, b Block, q Query) []Neighbor {
	s := newSearch(q)
	var all []Neighbor
	for i, id := range b.IDs {
		if q.Excluding && id == q.Without {
			continue
		}
		row := b.Vectors[i*b.Stride:][:4*len(q.Vector)]
		all = append(all, Neighbor{id, exactDistance(metric, q.Vector, s.norm, row)})
	}
	slices.SortFunc(all, compareNeighbors)
	return all[:min(q.K, len(all))]
}

// sameNeighbors reports whether two answers are one bit for bit.
func sameNeighbors(a, b []Neighbor) bool {
	return slices.EqualFunc(a, b, func(a, b Neighbor) bool {
		return a.ID == b.ID && (math.Float64bits(a.Distance) == math.Float64bits(b.Distance) || a.Distance != a.Distance && b.Distance != b.Distance)
	})
}

// searchIn lets workers look at the rows in parts.
func searchIn(metric segments.Metric, k kernel, b Block, queries []Query, workers, perPart int) [][]Neighbor {
	all := make([]*Worker, workers)
	for i := range all {
		all[i] = newWorker(metric, queries, k)
	}
	for first := 0; first < len(b.IDs); first += perPart {
		end := min(first+perPart, len(b.IDs))
		part := Block{IDs: b.IDs[first:end], Vectors: b.Vectors[first*b.Stride:], Stride: b.Stride}
		all[(first/perPart)%workers].Scan(part, nil)
	}
	return Answers(all)
}

// shapes of data that searches get wrong.
var shapes = map[string]func(source *rand.Rand, count, dimension int) [][]float32{
	"random": func(source *rand.Rand, count, dimension int) [][]float32 {
		return rowsOf(count, dimension, func(int, int) float32 { return 2*source.Float32() - 1 })
	},
	"clustered": func(source *rand.Rand, count, dimension int) [][]float32 {
		return rowsOf(count, dimension, func(i, j int) float32 { return float32((i%5)*(j%3)) + source.Float32()/1000 })
	},
	"equal": func(_ *rand.Rand, count, dimension int) [][]float32 {
		return rowsOf(count, dimension, func(i, j int) float32 { return float32(i%3) * float32(j+1) })
	},
	"zero": func(_ *rand.Rand, count, dimension int) [][]float32 {
		return rowsOf(count, dimension, func(int, int) float32 { return 0 })
	},
	// Apart by the last bits of a float32 only: no sum in float32 can tell them
	// apart.
	"near": func(source *rand.Rand, count, dimension int) [][]float32 {
		return rowsOf(count, dimension, func(_, j int) float32 {
			return math.Float32frombits(math.Float32bits(1000+float32(j)) + source.Uint32N(3))
		})
	},
	// Sums of squares beyond float32, or lost below it.
	"huge": func(source *rand.Rand, count, dimension int) [][]float32 {
		return rowsOf(count, dimension, func(i, _ int) float32 { return (2*source.Float32() - 1) * float32(math.Pow(10, float64(i%39))) })
	},
	"tiny": func(source *rand.Rand, count, dimension int) [][]float32 {
		return rowsOf(count, dimension, func(i, _ int) float32 { return (2*source.Float32() - 1) * float32(math.Pow(10, -float64(i%46))) })
	},
	"not finite": func(source *rand.Rand, count, dimension int) [][]float32 {
		odd := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
		return rowsOf(count, dimension, func(i, j int) float32 {
			if i%3 == 0 && j == i%dimension {
				return odd[i/3%3]
			}
			return source.Float32()
		})
	},
}

func rowsOf(count, dimension int, value func(i, j int) float32) [][]float32 {
	rows := make([][]float32, count)
	for i := range rows {
		rows[i] = make([]float32, dimension)
		for j := range rows[i] {
			rows[i][j] = value(i, j)
		}
	}
	return rows
}

// finite reports whether a row can be searched for.
func finite(row []float32) bool {
	return !slices.ContainsFunc(row, func(value float32) bool { return value-value != 0 })
}

// TestEveryKernelFindsTheExactAnswer compares with all exact distances, bit for
// bit, whatever the kernel and however the rows are dealt out.
func TestEveryKernelFindsTheExactAnswer(t *testing.T) {
	t.Parallel()
	for shape, build := range shapes {
		for _, metric := range metrics {
			t.Run(fmt.Sprintf("%s %s", shape, metric), func(t *testing.T) {
				t.Parallel()
				for _, dimension := range dimensions {
					source := rand.New(rand.NewPCG(uint64(dimension), 1))
					const count = 120
					rows := build(source, count, dimension)
					ids := make([]uint64, count)
					for i, at := range source.Perm(count) {
						ids[i] = uint64(at) * 3
					}
					block := encode(rows, ids)
					queries := []Query{{Vector: make([]float32, dimension), K: 7}}
					for i := 0; i < count && len(queries) < 5; i += 37 {
						if finite(rows[i]) {
							queries = append(queries, Query{Vector: rows[i], K: 1 + i/7, Without: ids[i], Excluding: i%2 == 0})
						}
					}
					want := make([][]Neighbor, len(queries))
					for i, query := range queries {
						want[i] = brute(metric, block, query)
					}
					for _, k := range kernels {
						for _, deal := range []struct{ workers, perPart int }{{1, count}, {3, 11}} {
							got := searchIn(metric, k, block, queries, deal.workers, deal.perPart)
							for i := range queries {
								if !sameNeighbors(got[i], want[i]) {
									t.Fatalf("%s, dimension %d, %d workers, query %d:\n got %v\nwant %v", k.name, dimension, deal.workers, i, got[i], want[i])
								}
							}
						}
					}
				}
			})
		}
	}
}

// TestDistancesAreRight compares with sums in 200 bits.
func TestDistancesAreRight(t *testing.T) {
	t.Parallel()
	for shape, build := range shapes {
		if shape == "not finite" {
			continue
		}
		for _, dimension := range dimensions {
			rows := build(rand.New(rand.NewPCG(uint64(dimension), 2)), 8, dimension)
			block := encode(rows, make([]uint64, len(rows)))
			query := rows[3]
			search := newSearch(Query{Vector: query})
			for i, row := range rows {
				encoded := block.Vectors[i*block.Stride:][:4*dimension]
				for _, metric := range metrics {
					got := exactDistance(metric, query, search.norm, encoded)
					want, scale := oracle(metric, query, row)
					if !(math.Abs(got-want) <= 1e-13*float64(dimension+8)*scale) {
						t.Errorf("%s, %s, dimension %d, row %d: %v, want %v", shape, metric, dimension, i, got, want)
					}
				}
			}
		}
	}
}

func TestCosinesStayInTheirRange(t *testing.T) {
	t.Parallel()
	source := rand.New(rand.NewPCG(1, 6))
	for range 500 {
		row := shapes["random"](source, 1, 5)[0]
		factor := 3 + source.Float32()
		same, opposite := make([]float32, 5), make([]float32, 5)
		for i, value := range row {
			same[i], opposite[i] = value*factor, -value*factor
		}
		block := encode([][]float32{same, opposite, {0, 0, 0, 0, 0}}, []uint64{1, 2, 3})
		got := brute(segments.Cosine, block, Query{Vector: row, K: 3})
		if got[0].ID != 1 || got[0].Distance < 0 || got[1] != (Neighbor{3, 1}) || got[2].Distance > 2 {
			t.Fatalf("%v times %v: %v", row, factor, got)
		}
	}
}

// oracle is a distance, and the size of the terms that it was made of.
func oracle(metric segments.Metric, a, b []float32) (distance, scale float64) {
	number := func(v float32) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(float64(v)) }
	sum := func(term func(x, y *big.Float) *big.Float) *big.Float {
		total := number(0)
		for i := range a {
			total.Add(total, term(number(a[i]), number(b[i])))
		}
		return total
	}
	square := func(x, _ *big.Float) *big.Float { return new(big.Float).Mul(x, x) }
	squareB := func(_, y *big.Float) *big.Float { return new(big.Float).Mul(y, y) }
	product := func(x, y *big.Float) *big.Float { return new(big.Float).Mul(x, y) }
	norms := new(big.Float).Mul(new(big.Float).Sqrt(sum(square)), new(big.Float).Sqrt(sum(squareB)))
	size, _ := norms.Float64()
	switch metric {
	case segments.L2:
		distance, _ = sum(func(x, y *big.Float) *big.Float {
			difference := new(big.Float).Sub(x, y)
			return difference.Mul(difference, difference)
		}).Float64()
		return distance, distance
	case segments.InnerProduct:
		distance, _ = sum(product).Float64()
		return -distance, size
	}
	if size < 0x1p-23 {
		return 1, 1
	}
	cosine, _ := new(big.Float).Quo(sum(product), norms).Float64()
	return 1 - cosine, 1
}

// TestKernelsKeepTheirErrorBounds checks what productTooFar and
// angleTooFar rely on.
func TestKernelsKeepTheirErrorBounds(t *testing.T) {
	t.Parallel()
	const count = 3
	for _, k := range kernels {
		for _, dimension := range append(dimensions, 4096, 65535) {
			source := rand.New(rand.NewPCG(uint64(dimension), 3))
			for _, spread := range []float64{1, 1e15, 1e-18, 1e-22} {
				rows := rowsOf(count, dimension, func(int, int) float32 { return float32((source.Float64() + 0.1) * spread) })
				block := encode(rows, make([]uint64, len(rows)))
				query := newSearch(Query{Vector: rows[0]})
				differences, dots, norms := make([]float32, count), make([]float32, count), make([]float32, count)
				k.squares(rows[0], block.Vectors, block.Stride, differences)
				k.products(rows[0], block.Vectors, block.Stride, dots, norms)
				for i := range rows {
					encoded := block.Vectors[i*block.Stride:][:4*dimension]
					difference := squares(rows[0], encoded)
					product, square := products(rows[0], encoded)
					for what, pair := range map[string][2]float64{
						"difference": {float64(differences[i]), difference}, "product": {float64(dots[i]), product}, "square": {float64(norms[i]), square},
					} {
						if math.Abs(pair[0]-pair[1]) > query.slack*pair[1]+query.faint {
							t.Errorf("%s, dimension %d, %g: %s of row %d is %v, want %v", k.name, dimension, spread, what, i, pair[0], pair[1])
						}
					}
				}
			}
		}
	}
}

func TestRowsThatDoNotExistAreNotFound(t *testing.T) {
	t.Parallel()
	block := encode([][]float32{{1}, {2}, {3}, {4}, {5}}, []uint64{10, 20, 30, 40, 50})
	worker := NewWorker(segments.L2, []Query{{Vector: []float32{0}, K: 2}, {Vector: []float32{5}, K: 9, Without: 40, Excluding: true}})
	worker.Scan(block, func(row int) bool { return row != 0 && row != 4 })
	got := Answers([]*Worker{worker})
	want := [][]Neighbor{{{20, 4}, {30, 9}}, {{30, 4}, {20, 9}}}
	for i := range want {
		if !sameNeighbors(got[i], want[i]) {
			t.Errorf("query %d: %v, want %v", i, got[i], want[i])
		}
	}
}

// TestSumsThatOverflowOnTheirWay has terms of which the first make a sum infinite in
// float32 that the last bring back, all in one lane of every kernel.
func TestSumsThatOverflowOnTheirWay(t *testing.T) {
	t.Parallel()
	const lanes = 64
	query, row := make([]float32, 5*lanes), make([]float32, 5*lanes)
	for i, sign := range []float32{-1, -1, 1, 1, 1} {
		query[i*lanes], row[i*lanes] = 3e20*sign, 1e18
	}
	block := encode([][]float32{make([]float32, 5*lanes), row}, []uint64{1, 2})
	for _, metric := range []segments.Metric{segments.InnerProduct, segments.Cosine} {
		for _, k := range kernels {
			got := searchIn(metric, k, block, []Query{{Vector: query, K: 1}}, 1, 1)[0]
			if len(got) != 1 || got[0].ID != 2 {
				t.Errorf("%s, %s: %v, want id 2", k.name, metric, got)
			}
		}
	}
}

// TestFewRowsAreComparedExactly keeps the kernels useful: on ordinary data nearly
// all rows must be ruled out without an exact distance.
func TestFewRowsAreComparedExactly(t *testing.T) {
	t.Parallel()
	const count, dimension, k = 20000, 64, 10
	source := rand.New(rand.NewPCG(1, 4))
	block := encode(shapes["random"](source, count, dimension), make([]uint64, count))
	for _, metric := range metrics {
		compared := 0
		worker := NewWorker(metric, []Query{{Vector: shapes["random"](source, 1, dimension)[0], K: k}})
		worker.Scan(block, func(int) bool { compared++; return true })
		if expected := k * math.Log(count); float64(compared) > 3*expected {
			t.Errorf("%s: %d of %d rows were compared exactly, about %.0f should be", metric, compared, count, expected)
		}
	}
}

func TestTopKeepsTheBest(t *testing.T) {
	t.Parallel()
	source := rand.New(rand.NewPCG(1, 5))
	values := []float64{0, 1, 1, 2, math.Inf(1), math.Inf(-1), math.NaN()}
	for range 300 {
		all := make([]Neighbor, source.IntN(40))
		kept := top{k: 1 + source.IntN(12)}
		for i := range all {
			all[i] = Neighbor{source.Uint64N(30), values[source.IntN(len(values))]}
			kept.offer(all[i])
		}
		slices.SortFunc(all, compareNeighbors)
		want := all[:min(kept.k, len(all))]
		if got := kept.sorted(); !sameNeighbors(got, want) {
			t.Fatalf("kept %v of %v", got, all)
		}
	}
}

// FuzzKernels takes any bytes for rows.
func FuzzKernels(f *testing.F) {
	f.Add([]byte("some rows of bytes that are no numbers in particular"), uint8(2), uint8(0), uint8(3))
	f.Add(slices.Repeat([]byte{0, 0, 0x80, 0x7f}, 40), uint8(5), uint8(1), uint8(2))
	f.Add(slices.Repeat([]byte{1, 0, 0, 0, 0xff, 0xff, 0x7f, 0x7f}, 40), uint8(17), uint8(2), uint8(4))
	f.Fuzz(func(t *testing.T, text []byte, width, kind, k uint8) {
		dimension, metric := 1+int(width)%70, metrics[int(kind)%len(metrics)]
		var rows [][]float32
		for ; len(text) >= 4*dimension; text = text[4*dimension:] {
			row := make([]float32, dimension)
			for j := range row {
				row[j] = elementAt(text, j)
			}
			rows = append(rows, row)
		}
		if len(rows) < 2 || !finite(rows[0]) {
			return
		}
		ids := make([]uint64, len(rows))
		for i := range ids {
			ids[i] = uint64(i)
		}
		block, query := encode(rows, ids), Query{Vector: rows[0], K: 1 + int(k)%20}
		want := brute(metric, block, query)
		for _, k := range kernels {
			if got := searchIn(metric, k, block, []Query{query}, 1, len(rows))[0]; !sameNeighbors(got, want) {
				t.Fatalf("%s, %s: %v, want %v", k.name, metric, got, want)
			}
		}
	})
}
