package lineage

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestCyclicOfAny compares the answer with that of whoever walks every way up, for many
// small families in which ids recur.
func TestCyclicOfAny(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	said := map[bool]int{}
	rounds := 5000
	if testing.Short() {
		rounds = 500
	}
	for range rounds {
		claims := make([]Claim, 1+random.IntN(9))
		for i := range claims {
			claims[i] = claim(fmt.Sprint(i), 1+byte(random.IntN(6)), byte(random.IntN(8)), 1)
		}
		x := NewIndex(claims)
		for _, of := range claims {
			want := cyclicByWalk(x, *of.Identity)
			said[want]++
			if got := x.Cyclic(*of.Identity); got != want {
				t.Fatalf("%v among %v: %t", of.Identity, claims, got)
			}
		}
	}
	if said[true] < rounds/5 || said[false] < rounds/5 {
		t.Errorf("the families are of one kind: %v", said)
	}
}

// cyclicByWalk reports whether a store is its own ancestor, walking all ways up as far as the store
// itself.
func cyclicByWalk(x *Index, of Identity) bool {
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
		if len(x.Carriers(id)) == 0 {
			return false
		}
		for _, carrier := range x.Carriers(id) {
			above := x.claims[carrier].Identity
			if above.IsRoot() {
				return false
			}
			waiting = append(waiting, above.ParentID)
		}
	}
	return itself
}

// TestCyclicIsCheap asks of each store in long chains, circles and among many copies.
func TestCyclicIsCheap(t *testing.T) {
	t.Parallel()
	many := 20_000
	if testing.Short() {
		many = 2000
	}
	id := func(n int) FileID { return FileID{byte(n), byte(n >> 8), byte(n >> 16), 1} }
	for name, parent := range map[string]func(int) (FileID, FileID){
		"a chain":  func(i int) (FileID, FileID) { return id(i + 1), id(i) },
		"a circle": func(i int) (FileID, FileID) { return id(i), id((i + 1) % many) },
		"copies":   func(i int) (FileID, FileID) { return id(i % 2), id(1 - i%2) },
	} {
		claims := make([]Claim, many)
		for i := range claims {
			identity := Identity{Depth: 1}
			identity.FileID, identity.ParentID = parent(i)
			claims[i] = Claim{Name: fmt.Sprint(i), Identity: &identity}
		}
		x := NewIndex(claims)
		began := time.Now()
		for _, claim := range claims {
			if got := x.Cyclic(*claim.Identity); got != (name != "a chain") {
				t.Fatalf("%s: %t", name, got)
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %v for %d stores", name, took, many)
		}
	}
}
