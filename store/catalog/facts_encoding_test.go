package catalog

import (
	"slices"
	"testing"

	"rvffs/lineage"
)

// TestFactsInNotes: what is found in a file comes back from a note of it, and nothing else does.
func TestFactsInNotes(t *testing.T) {
	t.Parallel()
	identity := lineage.Identity{FileID: lineage.FileID{1, 2}, ParentID: lineage.FileID{3}, ParentHash: lineage.Hash{4}, Depth: 5}
	for bits := range 8 {
		want := fileFacts{isStore: bits&1 != 0, hasIdentity: bits&2 != 0, branch: bits&4 != 0, identity: identity}
		var got fileFacts
		if !got.decode(want.encode()) || got != want {
			t.Errorf("%+v becomes %+v", want, got)
		}
	}
	good := (&fileFacts{identity: identity}).encode()
	for _, bad := range [][]byte{nil, good[1:], append(slices.Clone(good), 0)} {
		if new(fileFacts).decode(bad) {
			t.Errorf("%d bytes are taken for facts", len(bad))
		}
	}
}
