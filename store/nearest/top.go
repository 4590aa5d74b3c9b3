package nearest

import (
	"math"
	"slices"
)

// top keeps the k best neighbors that it was offered: a heap with the worst of
// them in front.
type top struct {
	k    int
	heap []Neighbor
}

// bound is a distance above which nothing can enter any more.
func (t *top) bound() float64 {
	if len(t.heap) < t.k || math.IsNaN(t.heap[0].Distance) {
		return math.Inf(1)
	}
	return t.heap[0].Distance
}

// offer takes n if it is among the best and reports whether it did.
func (t *top) offer(n Neighbor) bool {
	if len(t.heap) < t.k {
		t.heap = append(t.heap, n)
		t.rise(len(t.heap) - 1)
		return true
	}
	if t.k == 0 || compareNeighbors(n, t.heap[0]) >= 0 {
		return false
	}
	t.heap[0] = n
	t.sink()
	return true
}

func (t *top) rise(at int) {
	for at > 0 {
		above := (at - 1) / 2
		if compareNeighbors(t.heap[at], t.heap[above]) <= 0 {
			return
		}
		t.heap[at], t.heap[above] = t.heap[above], t.heap[at]
		at = above
	}
}

func (t *top) sink() {
	for at := 0; ; {
		worst := at
		for child := 2*at + 1; child <= 2*at+2 && child < len(t.heap); child++ {
			if compareNeighbors(t.heap[child], t.heap[worst]) > 0 {
				worst = child
			}
		}
		if worst == at {
			return
		}
		t.heap[at], t.heap[worst] = t.heap[worst], t.heap[at]
		at = worst
	}
}

// sorted gives what was kept, the nearest first, and forgets it.
func (t *top) sorted() []Neighbor {
	kept := t.heap
	t.heap = nil
	slices.SortFunc(kept, compareNeighbors)
	return kept
}
