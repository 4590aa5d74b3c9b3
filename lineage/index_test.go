package lineage

import (
	"fmt"
	"testing"
)

// TestCandidates: the rank decides, then the depth, then the age, then the name.
func TestCandidates(t *testing.T) {
	t.Parallel()
	f := NewIndex([]Claim{
		claim("e", 1, 0, 0), claim("d", 1, 0, 3), claim("c", 1, 0, 0), claim("b", 1, 0, 0), claim("a", 1, 0, 3), claim("x", 2, 1, 1),
	})
	child := Identity{FileID: FileID{2}, ParentID: FileID{1}, Depth: 1}
	for best, want := range map[string]string{"": "bcead", "d": "dbcea", "e": "ebcad"} {
		var got string
		for _, file := range f.Candidates(child, func(file int32) int {
			if f.Name(file) == best {
				return 0
			}
			return 1
		}) {
			got += f.Name(file)
		}
		if got != want {
			t.Errorf("with %q before the others: %s, want %s", best, got, want)
		}
	}
	aged := []Claim{claim("a", 1, 0, 0), claim("b", 1, 0, 0), claim("c", 1, 0, 0), claim("d", 1, 0, 0)}
	aged[1].Born, aged[3].Born = 7, 5
	index := NewIndex(aged)
	var byAge string
	for _, file := range index.Candidates(child, func(int32) int { return 0 }) {
		byAge += index.Name(file)
	}
	if byAge != "dbac" {
		t.Errorf("of files made at different times: %s, want dbac", byAge)
	}
	if got := f.Candidates(Identity{FileID: FileID{3}, ParentID: FileID{9}}, func(int32) int { return 0 }); len(got) != 0 {
		t.Errorf("of an id that nobody carries: %v", got)
	}
	if got := f.Carriers(FileID{1}); f.Name(got[0]) != "a" {
		t.Error("asking for candidates changed the order of those that carry an id")
	}
}

func TestCyclic(t *testing.T) {
	t.Parallel()
	id := func(file, parent byte) *Identity { return &Identity{FileID: FileID{file}, ParentID: FileID{parent}} }
	chain := []*Identity{id(1, 0), id(2, 1), id(3, 2)}
	for name, test := range map[string]struct {
		of     *Identity
		others []*Identity
		want   bool
	}{
		"a root":                          {chain[0], chain, false},
		"a chain":                         {chain[2], chain, false},
		"its end is missing":              {chain[2], chain[1:], false},
		"its own parent":                  {id(1, 1), []*Identity{id(1, 1)}, true},
		"two":                             {id(1, 2), []*Identity{id(1, 2), id(2, 1)}, true},
		"three":                           {id(1, 2), []*Identity{id(1, 2), id(2, 3), id(3, 1)}, true},
		"below two":                       {id(3, 1), []*Identity{id(1, 2), id(2, 1), id(3, 1)}, false},
		"a copy leads out":                {id(1, 2), []*Identity{id(1, 2), id(2, 1), id(2, 0)}, false},
		"a copy of itself leads out":      {id(1, 2), []*Identity{id(1, 2), id(2, 1), id(1, 0)}, true},
		"a copy leads to what is missing": {id(1, 2), []*Identity{id(1, 2), id(2, 1), id(2, 9)}, false},
		"a copy leads to another loop":    {id(1, 2), []*Identity{id(1, 2), id(2, 1), id(2, 8), id(8, 8)}, true},
	} {
		var claims []Claim
		for i, identity := range test.others {
			claims = append(claims, Claim{Name: fmt.Sprint(i), Identity: identity})
		}
		if got := NewIndex(claims).Cyclic(*test.of); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
