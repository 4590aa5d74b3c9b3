package nearest

import (
	"math"

	"rvffs/segments"
)

// Query is what is looked for. It must not change while workers use it.
type Query struct {
	// Vector has the dimension of the rows; all values are finite.
	Vector []float32
	// K is how many neighbors are wanted, at least 1.
	K int
	// Without leaves the vector of this id out of the answer, if Excluding.
	Without   uint64
	Excluding bool
}

// Block is a run of rows. Vector i begins at byte i × Stride of Vectors and is as
// long as the queries, in little-endian float32.
type Block struct {
	IDs     []uint64
	Vectors []byte
	Stride  int
}

// Worker looks through blocks for a set of queries. Each goroutine needs its own.
type Worker struct {
	metric   segments.Metric
	kernel   kernel
	searches []search
	sums     [scratch]float32
	norms    [scratch]float32
}

// scratch bounds the rows, and cacheBytes the bytes, that all queries look at
// before the next ones: they stay in the processor's nearest cache meanwhile.
const (
	scratch    = 1024
	cacheBytes = 32 << 10
)

// NewWorker begins a search by metric, with the best kernel of this machine.
func NewWorker(metric segments.Metric, queries []Query) *Worker {
	return newWorker(metric, queries, kernels[0])
}

func newWorker(metric segments.Metric, queries []Query, k kernel) *Worker {
	w := &Worker{metric: metric, kernel: k, searches: make([]search, len(queries))}
	for i, query := range queries {
		w.searches[i] = newSearch(query)
	}
	return w
}

// Scan looks through a block. Rows for which alive is false do not exist; it is
// asked only about those that would come into an answer, and may be nil.
func (w *Worker) Scan(b Block, alive func(row int) bool) {
	if len(w.searches) == 0 {
		return
	}
	perTurn := min(scratch, max(1, cacheBytes/max(b.Stride, 1)))
	for first := 0; first < len(b.IDs); first += perTurn {
		count := min(perTurn, len(b.IDs)-first)
		part := Block{IDs: b.IDs[first : first+count], Vectors: b.Vectors[first*b.Stride:], Stride: b.Stride}
		for i := range w.searches {
			w.scan(&w.searches[i], part, first, alive)
		}
	}
}

// scan compares one query with a few rows, of which the first is row number first
// of its block.
func (w *Worker) scan(s *search, b Block, first int, alive func(row int) bool) {
	sums, norms := w.sums[:len(b.IDs)], w.norms[:len(b.IDs)]
	switch w.metric {
	case segments.L2:
		w.kernel.squares(s.Vector, b.Vectors, b.Stride, sums)
	default:
		w.kernel.products(s.Vector, b.Vectors, b.Stride, sums, norms)
	}
	limit := s.limit(w.metric)
	for i, sum := range sums {
		switch w.metric {
		case segments.L2:
			if sum > limit {
				continue
			}
		case segments.InnerProduct:
			if s.productTooFar(sum, norms[i]) {
				continue
			}
		default:
			if s.angleTooFar(sum, norms[i]) {
				continue
			}
		}
		id := b.IDs[i]
		if s.Excluding && id == s.Without || alive != nil && !alive(first+i) {
			continue
		}
		row := b.Vectors[i*b.Stride:][:4*len(s.Vector)]
		if s.best.offer(Neighbor{ID: id, Distance: exactDistance(w.metric, s.Vector, s.norm, row)}) {
			limit = s.limit(w.metric)
		}
	}
}

// Answers gives what all workers of one search found together, for each query the
// nearest first. The workers are of no use afterwards.
func Answers(workers []*Worker) [][]Neighbor {
	if len(workers) == 0 {
		return nil
	}
	answers := make([][]Neighbor, len(workers[0].searches))
	for i := range answers {
		best := &workers[0].searches[i].best
		for _, w := range workers[1:] {
			for _, n := range w.searches[i].best.heap {
				best.offer(n)
			}
			w.searches[i].best.heap = nil
		}
		answers[i] = best.sorted()
	}
	return answers
}

// search is one worker's part of one query.
type search struct {
	Query
	best  top
	norm  float64 // of the vector
	slack float64
	faint float64
}

func newSearch(q Query) search {
	dimension := len(q.Vector)
	square := 0.0
	for _, value := range q.Vector {
		square += float64(value) * float64(value)
	}
	return search{
		Query: q, best: top{k: q.K}, norm: math.Sqrt(square),
		slack: relativeError(dimension), faint: absoluteError(dimension),
	}
}

// limit is a sum of squares above which a row is too far away. A sum that became
// infinite is at least as large as float32 goes, less its error; where rows of that
// size are near enough the limit is infinite as well.
func (s *search) limit(metric segments.Metric) float32 {
	if metric != segments.L2 {
		return 0
	}
	return float32((s.best.bound() + s.faint) / (1 - s.slack))
}

// productTooFar reports whether a row with this product and this square of its norm,
// as a kernel found them, certainly is not near enough. By the inequality of Cauchy and
// Schwarz the error of the product is at most slack times both norms.
func (s *search) productTooFar(product, square float32) bool {
	if !neverInfinite(product, square) {
		return false
	}
	norm := math.Sqrt((float64(square) + s.faint) / (1 - s.slack))
	return -float64(product)-s.slack*norm*s.norm-s.faint > s.best.bound()
}

// angleTooFar reports whether a row is too far by its angle, as productTooFar does by its
// product. The error of the cosine is that of the product, relative to the norms, and half
// as much again from the norm.
func (s *search) angleTooFar(product, square float32) bool {
	norms := math.Sqrt(float64(square)) * s.norm
	if !neverInfinite(product, square) || square < smallestSquare || norms < 2*smallestNorms {
		return false
	}
	return 1-float64(product)/norms-2*s.slack > s.best.bound()
}

// smallestSquare is a square of a norm of which no part worth the name was too
// small for float32, whatever the dimension.
const smallestSquare = 1e-30

// neverInfinite reports whether these are sums that were never infinite on their way.
func neverInfinite(product, square float32) bool {
	return square <= math.MaxFloat32 && product-product == 0
}
