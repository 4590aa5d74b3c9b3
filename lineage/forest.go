package lineage

import "slices"

// standing says where a store stands in a forest, and why.
type standing uint8

const (
	// standingRoot: it was derived from none, or says nothing of that.
	standingRoot standing = iota
	// standingChild: below its parent.
	standingChild
	// standingOrphan: no file carries the id that it names as its parent's.
	standingOrphan
	// standingRefused: of the files that carry its parent's id none may be it.
	standingRefused
	// standingLoop: it is its own ancestor, so it stands by itself.
	standingLoop
	// standingDeep: it has too many ancestors, so it stands by itself.
	standingDeep
)

// Choose picks, of the files that carry the id of a child's parent, the one that is the
// parent; false when none may be. The candidates come with the oldest first.
type Choose func(child int, candidates []int32) (parent int32, ok bool)

// Forest is who descends from whom among some files: each stands once, below one parent
// or by itself, and none is its own ancestor, whatever the files claim.
type Forest struct {
	*Index
	parent   []int32 // meaningful for children only
	standing []standing
}

// Grow makes the forest of some files, in which no store has as many ancestors as
// deepest says.
func Grow(claims []Claim, deepest int, choose Choose) *Forest {
	f := &Forest{Index: NewIndex(claims), parent: make([]int32, len(claims)), standing: make([]standing, len(claims))}
	for i := range claims {
		f.adopt(i, choose)
	}
	f.cut(deepest)
	return f
}

// adopt gives a store the parent that is chosen for it.
func (f *Forest) adopt(child int, choose Choose) {
	identity := f.claims[child].Identity
	if identity == nil || identity.IsRoot() {
		return
	}
	candidates := f.carriers[identity.ParentID]
	switch {
	case identity.FileID == identity.ParentID:
		f.standing[child] = standingLoop
	case len(candidates) == 0:
		f.standing[child] = standingOrphan
	default:
		f.standing[child] = standingRefused
		if parent, ok := choose(child, candidates); ok {
			f.parent[child], f.standing[child] = parent, standingChild
		}
	}
}

// cut lets stores that are their own ancestors, and those too deep down, stand by
// themselves.
func (f *Forest) cut(deepest int) {
	const visited = -1                    // its ancestors are being looked at
	depth := make([]int32, len(f.claims)) // 1 for who stands by itself, 0 for not known yet
	var chain []int32                     // from a store up to one whose depth is known
	for i := range f.claims {
		chain = chain[:0]
		at := int32(i)
		for ; depth[at] == 0; at = f.parent[at] {
			if f.standing[at] != standingChild {
				depth[at] = 1
				break
			}
			depth[at] = visited
			chain = append(chain, at)
		}
		if depth[at] == visited {
			// at is its own ancestor: all members of the loop lose their parents.
			for member := at; depth[member] == visited; member = f.parent[member] {
				f.standing[member], depth[member] = standingLoop, 1
			}
		}
		for _, member := range slices.Backward(chain) {
			switch {
			case depth[member] != visited:
			case int(depth[f.parent[member]]) >= deepest:
				f.standing[member], depth[member] = standingDeep, 1
			default:
				depth[member] = depth[f.parent[member]] + 1
			}
		}
	}
}

// Parent is the file below which a store stands; false for one that stands by itself.
func (f *Forest) Parent(file int32) (parent int32, below bool) {
	return f.parent[file], f.standing[file] == standingChild
}

// TooDeep is the parent of a store that stands by itself because it has too many
// ancestors; false for all others.
func (f *Forest) TooDeep(file int32) (parent int32, deep bool) {
	return f.parent[file], f.standing[file] == standingDeep
}
