package lineage

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
)

// claim is a file of a name, an id, the id of its parent and a depth.
func claim(name string, id, parent byte, depth uint32) Claim {
	return Claim{Name: name, Identity: &Identity{FileID: FileID{id}, ParentID: FileID{parent}, Depth: depth}}
}

// chooseFirst chooses the first by name.
func chooseFirst(_ int, candidates []int32) (int32, bool) { return candidates[0], true }

// none lets nobody be a parent.
func none(int, []int32) (int32, bool) { return 0, false }

func TestForest(t *testing.T) {
	t.Parallel()
	deep := []Claim{}
	for i := range byte(7) {
		deep = append(deep, claim(fmt.Sprint(i), i+1, i, uint32(i)))
	}
	upward := slices.Clone(deep)
	slices.Reverse(upward)
	for name, test := range map[string]struct {
		claims  []Claim
		choose  Choose
		parents map[string]string // of those that are children
		others  map[string]standing
		copies  map[byte]string // the names of those with an id, of which there are several
	}{
		"nothing": {choose: chooseFirst},
		"a root":  {claims: []Claim{claim("a", 1, 0, 0)}, choose: chooseFirst, others: map[string]standing{"a": standingRoot}},
		"no identity": {
			claims: []Claim{{Name: "a"}, claim("b", 2, 1, 1)}, choose: chooseFirst,
			others: map[string]standing{"a": standingRoot, "b": standingOrphan},
		},
		"generations": {
			claims: []Claim{claim("c", 3, 2, 2), claim("b", 2, 1, 1), claim("a", 1, 0, 0), claim("d", 4, 1, 1)}, choose: chooseFirst,
			parents: map[string]string{"c": "b", "b": "a", "d": "a"}, others: map[string]standing{"a": standingRoot},
		},
		"an orphan and its child": {
			claims: []Claim{claim("b", 2, 1, 1), claim("c", 3, 2, 2)}, choose: chooseFirst,
			parents: map[string]string{"c": "b"}, others: map[string]standing{"b": standingOrphan},
		},
		"copies of a parent and of a child": {
			claims: []Claim{claim("z", 1, 0, 0), claim("y", 2, 1, 1), claim("a", 1, 0, 0), claim("x", 2, 1, 1)}, choose: chooseFirst,
			parents: map[string]string{"x": "a", "y": "a"}, others: map[string]standing{"a": standingRoot, "z": standingRoot},
			copies: map[byte]string{1: "az", 2: "xy"},
		},
		"nobody may be the parent": {
			claims: []Claim{claim("a", 1, 0, 0), claim("b", 2, 1, 1)}, choose: none,
			others: map[string]standing{"a": standingRoot, "b": standingRefused},
		},
		"its own parent": {claims: []Claim{claim("a", 1, 1, 1)}, choose: chooseFirst, others: map[string]standing{"a": standingLoop}},
		"a copy of one that is its own parent": {
			claims: []Claim{claim("a", 1, 1, 1), claim("b", 1, 1, 1)}, choose: chooseFirst, copies: map[byte]string{1: "ab"},
			others: map[string]standing{"a": standingLoop, "b": standingLoop},
		},
		"a loop, and who descends from it": {
			claims: []Claim{claim("d", 4, 1, 9), claim("a", 1, 3, 1), claim("b", 2, 1, 2), claim("c", 3, 2, math.MaxUint32)}, choose: chooseFirst,
			parents: map[string]string{"d": "a"}, others: map[string]standing{"a": standingLoop, "b": standingLoop, "c": standingLoop},
		},
		"of no id": {
			claims: []Claim{claim("a", 0, 0, 0), claim("b", 0, 1, 1), claim("c", 3, 0, 1)}, choose: chooseFirst,
			others: map[string]standing{"a": standingRoot, "b": standingOrphan, "c": standingRoot},
		},
		"too deep": {
			claims: deep, choose: chooseFirst,
			parents: map[string]string{"1": "0", "2": "1", "3": "2", "5": "4", "6": "5"},
			others:  map[string]standing{"0": standingRoot, "4": standingDeep},
		},
		"too deep, from below": {
			claims: upward, choose: chooseFirst,
			parents: map[string]string{"1": "0", "2": "1", "3": "2", "5": "4", "6": "5"},
			others:  map[string]standing{"0": standingRoot, "4": standingDeep},
		},
		// The depth that a store claims is for the verdict; the place goes by ids.
		"contradictions of depth": {
			claims: []Claim{claim("a", 1, 0, 7), claim("b", 2, 1, 0)}, choose: chooseFirst,
			parents: map[string]string{"b": "a"}, others: map[string]standing{"a": standingRoot},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Grow(test.claims, 4, test.choose)
			if len(f.claims) != len(test.parents)+len(test.others) {
				t.Errorf("%d files", len(f.claims))
			}
			for i := range int32(len(f.claims)) {
				parent, below := f.Parent(i)
				if want, child := test.parents[f.Name(i)]; child != below || below && f.Name(parent) != want {
					t.Errorf("%s is below %s (%t), want %q", f.Name(i), f.Name(parent), below, want)
				} else if !child && f.standing[i] != test.others[f.Name(i)] {
					t.Errorf("%s: standing %d, want %d", f.Name(i), f.standing[i], test.others[f.Name(i)])
				}
			}
			for id := range byte(9) {
				var names string
				for _, file := range f.Carriers(FileID{id}) {
					names += f.Name(file)
				}
				if want, copied := test.copies[id]; copied && names != want || !copied && len(names) > 1 {
					t.Errorf("id %d is carried by %q, want %q", id, names, want)
				}
			}
		})
	}
}

// FuzzForest has any files claim anything, and any of the candidates chosen: each file
// stands once, and no way up is longer than allowed.
func FuzzForest(f *testing.F) {
	f.Add([]byte{1, 0, 0, 2, 1, 1, 3, 2, 2}, uint8(3), uint8(0))
	f.Add([]byte{1, 2, 0, 2, 1, 1, 1, 2, 2, 2, 1, 0}, uint8(64), uint8(1))
	f.Add(bytes.Repeat([]byte{1, 1, 1}, 5), uint8(1), uint8(2))
	f.Fuzz(func(t *testing.T, input []byte, deepest, taste uint8) {
		var claims []Claim
		for triple := range slices.Chunk(input, 3) {
			c := Claim{Name: fmt.Sprintf("%05d", len(claims)*7919%10007)}
			if len(triple) == 3 && triple[2] != 255 {
				c = claim(c.Name, triple[0], triple[1], uint32(triple[2]))
			}
			claims = append(claims, c)
		}
		limit := int(deepest%70) + 1
		forest := Grow(claims, limit, func(child int, candidates []int32) (int32, bool) {
			if taste == 255 {
				return 0, false
			}
			return candidates[(child*int(taste)+child)%len(candidates)], true
		})
		children := make(map[int32][]int32)
		for i := range int32(len(claims)) {
			parent, below := forest.Parent(i)
			if !below {
				children[-1] = append(children[-1], i)
				continue
			}
			if claims[i].Identity.ParentID != claims[parent].Identity.FileID {
				t.Fatalf("%d is below %d, whose id it does not name", i, parent)
			}
			children[parent] = append(children[parent], i)
		}
		// From those that stand by themselves every file is reached, once.
		seen := map[int32]bool{}
		level := children[-1]
		for steps := 1; len(level) > 0; steps++ {
			if steps > limit {
				t.Fatalf("%d files stand deeper than %d", len(level), limit)
			}
			var next []int32
			for _, file := range level {
				if seen[file] {
					t.Fatalf("%d stands twice", file)
				}
				seen[file] = true
				next = append(next, children[file]...)
			}
			level = next
		}
		if len(seen) != len(claims) {
			t.Fatalf("%d of %d files stand somewhere", len(seen), len(claims))
		}
		carried := 0
		for id := range 256 {
			files := forest.Carriers(FileID{byte(id)})
			for at, file := range files {
				if claims[file].Identity.FileID != (FileID{byte(id)}) || at > 0 && forest.Name(files[at-1]) >= forest.Name(file) {
					t.Fatalf("files %v carry the id %d", files, id)
				}
			}
			carried += len(files)
		}
		for _, c := range claims {
			if c.Identity != nil && !c.Identity.FileID.IsZero() {
				carried--
			}
		}
		if carried != 0 {
			t.Fatalf("%d files too many carry ids", carried)
		}
	})
}

func BenchmarkForest(b *testing.B) {
	claims := make([]Claim, 100000)
	for i := range claims {
		id := FileID{byte(i), byte(i >> 8), byte(i >> 16), 1}
		claims[i] = Claim{Name: fmt.Sprintf("team%d/%07d.rvf", i%100, i), Identity: &Identity{FileID: id}}
		if i%10 != 0 {
			claims[i].Identity.ParentID, claims[i].Identity.Depth = claims[i/10*10].Identity.FileID, 1
		}
	}
	for b.Loop() {
		Grow(claims, 64, chooseFirst)
	}
}
