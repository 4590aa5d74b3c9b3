package lineage

import "testing"

// TestCandidates: the rank decides, then the depth, then the name.
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
	if got := f.Candidates(Identity{FileID: FileID{3}, ParentID: FileID{9}}, func(int32) int { return 0 }); len(got) != 0 {
		t.Errorf("of an id that nobody carries: %v", got)
	}
	if got := f.Carriers(FileID{1}); f.Name(got[0]) != "a" {
		t.Error("asking for candidates changed the order of those that carry an id")
	}
}
