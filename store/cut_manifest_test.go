package store

import (
	"bytes"
	"testing"

	"rvffs/lineage"
	"rvffs/store/volume/filelog"
)

// TestCutManifestsOfNewStores cuts the end off the only manifest of stores that nobody has written to
// yet. What is missing follows from the rest, and is put back to the byte.
func TestCutManifestsOfNewStores(t *testing.T) {
	t.Parallel()
	const end = lineage.IdentitySize + 4 // of a manifest: the identity, behind what marks it
	for what, derive := range map[string]DeriveOptions{
		"empty":  {},
		"copy":   {Content: ContentCopy},
		"branch": {Content: ContentBranch},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			files, s := derivedStore(t)
			parent := closedAtEnd(t, s)
			bring(t, parent, nil, make([]float32, 20)...)
			if err := parent.Derive(t.Context(), "c.rvf", derive); err != nil {
				t.Fatal(err)
			}
			whole := bytes.Clone(files.Content("c.rvf"))
			for cut := 1; cut <= end; cut++ {
				files.Names["c.rvf"].Content = bytes.Clone(whole[:len(whole)-cut])
				options := Options{Shelf: filelog.Shelf{Files: files}}
				found, err := CutManifest(t.Context(), "c.rvf", options)
				if err != nil || found == nil {
					t.Fatalf("%d bytes cut: nothing is found: %v", cut, err)
				}
				if err := CompleteManifest(t.Context(), "c.rvf", found, options); err != nil {
					t.Fatalf("%d bytes cut: %v", cut, err)
				}
				if !bytes.Equal(files.Content("c.rvf"), whole) {
					t.Fatalf("%d bytes cut: it is not what it was", cut)
				}
			}
		})
	}
}
