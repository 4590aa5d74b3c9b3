package nearest

import (
	"cmp"
	"math"
)

// Neighbor is one vector of an answer.
type Neighbor struct {
	ID uint64
	// Distance is the squared distance for l2, minus the product for ip, and one
	// minus the cosine, from 0 to 2, for cosine. Vectors with values that are not
	// finite may have an infinite distance or NaN.
	Distance float64
}

// compareNeighbors orders neighbors: the nearest first, equal distances by id, and what has
// no distance last.
func compareNeighbors(a, b Neighbor) int {
	if aNaN, bNaN := math.IsNaN(a.Distance), math.IsNaN(b.Distance); aNaN != bNaN {
		if aNaN {
			return 1
		}
		return -1
	} else if !aNaN && a.Distance != b.Distance {
		return cmp.Compare(a.Distance, b.Distance)
	}
	return cmp.Compare(a.ID, b.ID)
}
