package lineage

import (
	"cmp"
	"slices"
)

// Claim is what one file says of itself.
type Claim struct {
	Name     string    // by which the file is known; no other has it
	Identity *Identity // nil when the file has none
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
	carriers map[FileID][]int32 // in order of name
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
			slices.SortFunc(x.carriers[id], func(a, b int32) int { return cmp.Compare(claims[a].Name, claims[b].Name) })
		}
	}
	return x
}

// Name is the name of a file.
func (x *Index) Name(file int32) string { return x.claims[file].Name }

// Carriers are the files that carry an id, in order of name: more than one when a file
// was copied. The caller does not change the list.
func (x *Index) Carriers(id FileID) []int32 { return x.carriers[id] }

// Candidates are the files of which one may be a store's parent, in the order in which
// they are to be asked: by rank, then those of the right depth, then by name.
func (x *Index) Candidates(of Identity, rank func(file int32) int) []int32 {
	candidates := slices.Clone(x.carriers[of.ParentID])
	if len(candidates) < 2 {
		return candidates
	}
	contradicts := func(file int32) int {
		if CheckLink(of, *x.claims[file].Identity) != nil {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(candidates, func(a, b int32) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(contradicts(a), contradicts(b)))
	})
	return candidates
}

// Cyclic reports whether a store is its own ancestor: the way up from it leads back to it,
// whichever of several files of one id it takes, and ends nowhere.
func (x *Index) Cyclic(of Identity) bool {
	seen := map[FileID]bool{of.FileID: true}
	itself := false
	for waiting := []FileID{of.ParentID}; len(waiting) > 0; {
		id := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		if seen[id] {
			itself = itself || id == of.FileID
			continue
		}
		seen[id] = true
		if len(x.carriers[id]) == 0 {
			return false
		}
		for _, carrier := range x.carriers[id] {
			above := x.claims[carrier].Identity
			if above.IsRoot() {
				return false
			}
			waiting = append(waiting, above.ParentID)
		}
	}
	return itself
}
