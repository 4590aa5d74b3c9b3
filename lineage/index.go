package lineage

import (
	"cmp"
	"slices"
	"sync"
)

// Claim is what one file says of itself.
type Claim struct {
	Name     string    // by which the file is known; no other has it
	Identity *Identity // nil when the file has none
	Born     int64     // when the file was made, in nanoseconds since 1970; 0 where that is not known
}

// id is the id that the file carries, if it does.
func (c Claim) id() (FileID, bool) {
	if c.Identity == nil || c.Identity.FileID.IsZero() {
		return FileID{}, false
	}
	return c.Identity.FileID, true
}

// Index tells which of some files carry which id. Files are told by their places among
// the claims.
type Index struct {
	claims   []Claim
	carriers map[FileID][]int32 // the oldest first

	once    sync.Once        // for what is found out when it is first asked for
	circles map[FileID]int32 // of ids that are each other's ancestors, 0 for none
	endless map[FileID]bool  // ids from which no way up ends
}

// NewIndex makes the index of some files. The lists in it share one array, for mostly
// there is one file to an id.
func NewIndex(claims []Claim) *Index {
	x := &Index{claims: claims}
	counts := make(map[FileID]int32, len(claims))
	total := 0
	for _, claim := range claims {
		if id, known := claim.id(); known {
			counts[id]++
			total++
		}
	}
	x.carriers = make(map[FileID][]int32, len(counts))
	places := make([]int32, total)
	for i, claim := range claims {
		id, known := claim.id()
		if !known {
			continue
		}
		list, begun := x.carriers[id]
		if !begun {
			count := counts[id]
			list, places = places[:0:count], places[count:]
		}
		x.carriers[id] = append(list, int32(i))
	}
	for id, count := range counts {
		if count > 1 {
			slices.SortFunc(x.carriers[id], func(a, b int32) int { return compareAge(claims[a], claims[b]) })
		}
	}
	return x
}

// compareAge has the older file first: a copy is made later than what it is one of, whatever
// its name and its times are. Those of which it is not known come last, and are in order of name.
func compareAge(a, b Claim) int {
	return cmp.Or(cmp.Compare(uint64(a.Born)-1, uint64(b.Born)-1), cmp.Compare(a.Name, b.Name))
}

// Name is the name of a file.
func (x *Index) Name(file int32) string { return x.claims[file].Name }

// Carriers are the files that carry an id, the oldest first: more than one when a file
// was copied. The caller does not change the list.
func (x *Index) Carriers(id FileID) []int32 { return x.carriers[id] }

// Candidates are the files of which one may be a store's parent, in the order in which
// they are to be asked: by rank, then those of the right depth, then the older one. Ranks are
// small numbers.
func (x *Index) Candidates(of Identity, rank func(file int32) int) []int32 {
	candidates := x.carriers[of.ParentID]
	if len(candidates) < 2 {
		return slices.Clone(candidates)
	}
	var ranked [][]int32 // of each rank those of the right depth, and the others
	for _, file := range candidates {
		at := 2 * rank(file)
		if CheckLink(of, *x.claims[file].Identity) != nil {
			at++
		}
		for len(ranked) <= at {
			ranked = append(ranked, nil)
		}
		ranked[at] = append(ranked[at], file)
	}
	return slices.Concat(ranked...)
}

// Cyclic reports whether a store is its own ancestor: the way up from it leads back to it,
// whichever of several files of one id it takes, and ends nowhere.
func (x *Index) Cyclic(of Identity) bool {
	if of.FileID == of.ParentID {
		return true
	}
	x.once.Do(func() { x.findEndless(); x.findCircles() })
	circle := x.circles[of.ParentID]
	return circle != 0 && circle == x.circles[of.FileID] && (x.endless[of.ParentID] || !x.leadsOut(of))
}

// leadsOut reports whether a way up from a store ends that does not lead back to it.
func (x *Index) leadsOut(of Identity) bool {
	seen := map[FileID]bool{of.FileID: true}
	for waiting := []FileID{of.ParentID}; len(waiting) > 0; {
		id := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		if len(x.carriers[id]) == 0 {
			return true
		}
		for _, carrier := range x.carriers[id] {
			above := x.claims[carrier].Identity
			if above.IsRoot() {
				return true
			}
			waiting = append(waiting, above.ParentID)
		}
	}
	return false
}

// findCircles numbers the circles of ids that are each other's ancestors.
func (x *Index) findCircles() {
	x.circles = map[FileID]int32{}
	// Tarjan's way to strong components, without recursion.
	type visit struct {
		id   FileID
		next int // of the files that carry it
	}
	order, low := map[FileID]int32{}, map[FileID]int32{}
	var way []visit
	var open []FileID
	begin := func(id FileID) {
		order[id] = int32(len(order)) + 1
		low[id] = order[id]
		way, open = append(way, visit{id: id}), append(open, id)
	}
	done := map[FileID]bool{}
	for start := range x.carriers {
		if order[start] == 0 {
			begin(start)
		}
		for len(way) > 0 {
			at := &way[len(way)-1]
			if at.next < len(x.carriers[at.id]) {
				above := x.claims[x.carriers[at.id][at.next]].Identity.ParentID
				at.next++
				switch {
				case len(x.carriers[above]) == 0 || done[above]:
				case order[above] == 0:
					begin(above)
				default:
					low[at.id] = min(low[at.id], order[above])
				}
				continue
			}
			id := at.id
			way = way[:len(way)-1]
			if len(way) > 0 {
				below := way[len(way)-1].id
				low[below] = min(low[below], low[id])
			}
			if low[id] < order[id] {
				continue
			}
			first := len(open) - 1
			for open[first] != id {
				first--
			}
			for _, member := range open[first:] {
				done[member] = true
				if len(open[first:]) > 1 {
					x.circles[member] = order[id]
				}
			}
			open = open[:first]
		}
	}
}

// findEndless finds the ids from which no way up ends, neither at a root nor at an id that
// no file carries.
func (x *Index) findEndless() {
	below := map[FileID][]FileID{}
	var ending []FileID
	ends := map[FileID]bool{}
	end := func(id FileID) {
		if !ends[id] {
			ends[id] = true
			ending = append(ending, id)
		}
	}
	for id, files := range x.carriers {
		for _, file := range files {
			above := x.claims[file].Identity.ParentID
			switch {
			case above.IsZero():
				end(id)
			case len(x.carriers[above]) == 0:
				end(above)
				fallthrough
			default:
				below[above] = append(below[above], id)
			}
		}
	}
	for len(ending) > 0 {
		id := ending[len(ending)-1]
		ending = ending[:len(ending)-1]
		for _, child := range below[id] {
			end(child)
		}
		delete(below, id)
	}
	x.endless = map[FileID]bool{}
	for id := range x.carriers {
		if !ends[id] {
			x.endless[id] = true
		}
	}
}
