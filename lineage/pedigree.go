package lineage

import (
	"cmp"
	"slices"
)

// Pedigree is who descends from whom among stores, by the verdicts on them, in the order
// in which a family tree is drawn: each stands below its parent, and brothers are in order
// of name.
type Pedigree struct {
	Stores []Relative `json:"stores"`
	More   int        `json:"more_stores"` // how many there are that are not told of
	Bad    int        `json:"bad"`         // how many of these contradict themselves or cannot be read
}

// Relative is a store in a pedigree.
type Relative struct {
	Account
	Level  int  `json:"level"` // how many of the others it stands below
	Parent int  `json:"-"`     // its place among the stores; -1 for one that stands below none
	Last   bool `json:"-"`     // of its parent's children
}

// Arrange makes the pedigree of some stores, each of which has another file. Those that
// are their own ancestors stand below none.
func Arrange(accounts []Account) Pedigree {
	places := make(map[string]int, len(accounts))
	for i := range accounts {
		places[accounts[i].File] = i
	}
	const none = -1
	parents := make([]int, len(accounts))
	for i := range accounts {
		parents[i] = none
		if parent, there := places[accounts[i].Verification.Parent]; there && accounts[i].Verification.Status != StatusCycle {
			parents[i] = parent
		}
	}
	cutLoops(parents)
	children := make([][]int, len(accounts))
	var top []int
	for i, parent := range parents {
		if parent == none {
			top = append(top, i)
		} else {
			children[parent] = append(children[parent], i)
		}
	}
	p := Pedigree{Stores: make([]Relative, 0, len(accounts))}
	byName := func(a, b int) int { return cmp.Compare(accounts[a].File, accounts[b].File) }
	type step struct {
		store, parent, level int
		last                 bool
	}
	var waiting []step // the next one is the last
	push := func(stores []int, parent, level int) {
		slices.SortFunc(stores, byName)
		for i, store := range slices.Backward(stores) {
			waiting = append(waiting, step{store, parent, level, i == len(stores)-1})
		}
	}
	push(top, none, 0)
	for len(waiting) > 0 {
		next := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		if accounts[next.store].Bad() {
			p.Bad++
		}
		p.Stores = append(p.Stores, Relative{Account: accounts[next.store], Level: next.level, Parent: next.parent, Last: next.last})
		push(children[next.store], len(p.Stores)-1, next.level+1)
	}
	return p
}

// cutLoops lets those stand below none who are their own ancestors.
func cutLoops(parents []int) {
	const unknown, visited, known = 0, 1, 2
	state := make([]byte, len(parents))
	var way []int
	for i := range parents {
		way = way[:0]
		at := i
		for at >= 0 && state[at] == unknown {
			state[at] = visited
			way = append(way, at)
			at = parents[at]
		}
		for at >= 0 && state[at] == visited {
			state[at] = known
			at, parents[at] = parents[at], -1
		}
		for _, step := range way {
			state[step] = known
		}
	}
}
