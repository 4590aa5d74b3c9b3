package catalog

import (
	"bytes"
	"context"
	"crypto/sha3"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
)

// childOf is the identity of a store derived from a file in its present state.
func childOf(parent []byte, fold bool) lineage.Identity {
	identity := lineage.Identity{FileID: fileID(2), ParentID: fileID(1), Depth: 1}
	if fold {
		identity.ParentHash = lineage.Fold(parent[max(0, len(parent)-lineage.TailSize):])
	} else {
		identity.ParentHash = lineage.Hash(sha3.SumSHAKE256(parent[manifestAt(parent)+segments.HeaderSize:], lineage.HashSize))
	}
	return identity
}

// manifestAt is the offset of the manifest that ends an image of storeImage.
func manifestAt(image []byte) int64 {
	return int64(bytes.LastIndex(image, []byte("SFVR")))
}

// later is the image after one more commit.
func later(image []byte, identity lineage.Identity) []byte {
	manifest := segments.Manifest{
		Dimension: 300, Identity: identity, HasIdentity: true, Epoch: 2,
		Directory: []segments.DirectoryEntry{{SegmentID: 1, PayloadLength: 1200, Type: segments.TypeVec}},
	}
	return appendSegment(bytes.Clone(image), 3, segments.TypeManifest, manifest.Encode())
}

// verification is what identity.json of a store says of its lineage.
func (p *place) verification(full string) lineage.Verification {
	p.Helper()
	identity, err := p.find(full).Store.Identity(context.Background())
	if err != nil {
		p.Fatal(err)
	}
	view := identity.View
	text := make([]byte, view.Size())
	reader, err := view.Open(context.Background())
	if err != nil {
		p.Fatal(err)
	}
	defer reader.Close()
	if n, err := reader.ReadContext(context.Background(), text, 0); n < len(text) {
		p.Fatal(err)
	}
	var shown struct{ Verification lineage.Verification }
	if err := json.Unmarshal(text, &shown); err != nil {
		p.Fatal(err)
	}
	return shown.Verification
}

func TestVerification(t *testing.T) {
	t.Parallel()
	root := lineage.Identity{FileID: fileID(1)}
	parent := storeImage(root)
	place := manifestAt(parent)
	grown := later(parent, root)
	strange := func(change func(*lineage.Identity)) []byte {
		identity := childOf(parent, true)
		change(&identity)
		return storeImage(identity)
	}
	deep := root
	deep.Depth = 7
	nameless := appendSegment(nil, 1, segments.TypeManifest, (&segments.Manifest{Dimension: 300}).Encode())
	type want struct {
		status, method, parent string
		epoch                  uint32 // of the parent's state
		manifest               int64
	}
	for name, test := range map[string]struct {
		parent, child []byte
		want          want
	}{
		"a root":                          {nil, storeImage(root), want{status: "root"}},
		"without identity":                {nil, nameless, want{status: "unknown"}},
		"by the fold of the tail":         {parent, storeImage(childOf(parent, true)), want{"verified", "fold-tail", "a.rvf", 1, place}},
		"by the hash of the manifest":     {parent, storeImage(childOf(parent, false)), want{"verified", "shake256-manifest", "a.rvf", 1, place}},
		"of a parent that has grown":      {grown, storeImage(childOf(parent, true)), want{"verified", "fold-tail", "a.rvf", 1, place}},
		"of the newer state":              {grown, storeImage(childOf(grown, false)), want{"verified", "shake256-manifest", "a.rvf", 2, manifestAt(grown)}},
		"the parent is elsewhere":         {nil, storeImage(childOf(parent, true)), want{status: "parent-missing"}},
		"the depth is not one more":       {parent, strange(func(i *lineage.Identity) { i.Depth = 2 }), want{status: "wrong-depth", parent: "a.rvf"}},
		"the parent is too deep":          {storeImage(deep), strange(func(*lineage.Identity) {}), want{status: "wrong-depth", parent: "a.rvf"}},
		"a hash of no state":              {parent, strange(func(i *lineage.Identity) { i.ParentHash[31]++ }), want{status: "unmatched", parent: "a.rvf"}},
		"no hash":                         {parent, strange(func(i *lineage.Identity) { i.ParentHash = lineage.Hash{} }), want{status: "unmatched", parent: "a.rvf"}},
		"of a state that the file lost":   {parent, storeImage(childOf(grown, true)), want{status: "unmatched", parent: "a.rvf"}},
		"wrong in depth and hash at once": {parent, strange(func(i *lineage.Identity) { i.Depth, i.ParentHash = 0, lineage.Hash{1} }), want{status: "wrong-depth", parent: "a.rvf"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string][]byte{"b.rvf": test.child}
			shownAt := "b.rvf"
			if test.parent != nil {
				files["a.rvf"], shownAt = test.parent, "a.rvf/b.rvf"
			}
			p := newPlace(t, files, Options{})
			got := p.verification(shownAt)
			if string(got.Status) != test.want.status || string(got.Method) != test.want.method || got.Parent != test.want.parent {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			verified := test.want.status == "verified"
			if (got.ParentEpoch != nil) != verified || (got.ParentManifest != nil) != verified ||
				verified && (*got.ParentEpoch != test.want.epoch || *got.ParentManifest != test.want.manifest) {
				t.Errorf("a state of the parent: %+v, want %+v", got, test.want)
			}
			reasoned := test.want.status == "wrong-depth" || test.want.status == "unmatched" || test.want.status == "unknown"
			if (got.Reason != "") != reasoned {
				t.Errorf("the reason is %q", got.Reason)
			}
		})
	}
}

// TestVerificationFollowsTheParent has the parent come, change and go.
func TestVerificationFollowsTheParent(t *testing.T) {
	t.Parallel()
	root := lineage.Identity{FileID: fileID(1)}
	parent := storeImage(root)
	p := newPlace(t, map[string][]byte{"b.rvf": storeImage(childOf(parent, true))}, Options{})
	generations := map[uint64]lineage.Status{}
	shows := func(full string, status lineage.Status) {
		t.Helper()
		if got := p.verification(full); got.Status != status {
			t.Errorf("%+v, want %s", got, status)
		}
		identity, err := p.find(full).Store.Identity(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		generation := identity.Generation
		if former, known := generations[generation]; known && former != status {
			t.Errorf("%s has the generation that %s had", status, former)
		}
		generations[generation] = status
	}
	shows("b.rvf", "parent-missing")
	p.write("a.rvf", parent)
	p.age()
	shows("a.rvf/b.rvf", "verified")
	shows("a.rvf/b.rvf", "verified")
	p.write("new", storeImage(lineage.Identity{FileID: fileID(1), Depth: 3}))
	if err := os.Rename(filepath.Join(p.directory, "new"), filepath.Join(p.directory, "a.rvf")); err != nil {
		t.Fatal(err)
	}
	shows("a.rvf/b.rvf", "wrong-depth") // although the listing still is what it was
	if err := os.Remove(filepath.Join(p.directory, "a.rvf")); err != nil {
		t.Fatal(err)
	}
	p.age()
	shows("b.rvf", "parent-missing")
}

// TestManyCopies: each of a hundred copies names a bounded number of the others, the oldest, and
// tells how many there are.
func TestManyCopies(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for i := range 100 {
		files[fmt.Sprintf("%03d.rvf", i)] = person(1, 0)
	}
	p := newPlace(t, files, Options{})
	identity, err := p.find("050.rvf").Store.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reader, err := identity.View.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var text identityText
	if err := json.NewDecoder(io.NewSectionReader(state.ReaderAt(context.Background(), reader), 0, identity.View.Size())).Decode(&text); err != nil {
		t.Fatal(err)
	}
	var oldest []string
	for _, carrier := range p.catalog.tree.forest.Carriers(fileID(1)) {
		if name := p.catalog.tree.forest.Name(carrier); name != "050.rvf" && len(oldest) < 64 {
			oldest = append(oldest, name)
		}
	}
	if !slices.Equal(text.Copies, oldest) || text.MoreCopies != 35 {
		t.Errorf("%d copies and %d more: %q, want %q", len(text.Copies), text.MoreCopies, text.Copies, oldest)
	}
}
