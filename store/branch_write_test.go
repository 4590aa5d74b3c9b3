package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// mapOf is the copy-on-write map of a branch.
func mapOf(t *testing.T, s *Store) *segments.CowMap {
	t.Helper()
	branch, err := s.Current().Branch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return branch.Map
}

// TestCommitsToABranchNameItsParentAnew: by the parent's present bytes, as long as that shows
// the same; by the former ones, by which nobody opens the branch, as soon as it does not.
func TestCommitsToABranchNameItsParentAnew(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 10), make([]float32, 20)...)
	s := g.branch("0.rvf", "1.rvf")
	foldNow := func() lineage.Hash {
		content := g.files.Content("0.rvf")
		return lineage.Fold(content[max(0, len(content)-lineage.TailSize):])
	}
	named := func() lineage.Hash {
		identity, _ := s.Identity()
		if m := mapOf(t, s); m.BaseHash != identity.ParentHash || m.ParentPath != "0.rvf" {
			t.Errorf("%+v of %+v", m, identity)
		}
		return identity.ParentHash
	}
	if named() != foldNow() {
		t.Error("a new branch names other bytes")
	}
	grow := func(what string, change func()) {
		t.Helper()
		change()
		if named() == foldNow() {
			t.Errorf("%s: the parent has the bytes it had", what)
		}
		for range 2 {
			g.bring("1.rvf", []uint64{100}, 1, 1)
			if named() != foldNow() {
				t.Errorf("%s: a commit names other bytes than the parent's", what)
			}
		}
		if maps := s.Current().OfType(segments.TypeCowMap); len(maps) != 1 {
			t.Errorf("%s: %d maps are named", what, len(maps))
		}
		g.check("1.rvf")
	}
	grow("new ids", func() { g.bring("0.rvf", run(10, 3), make([]float32, 6)...) })
	grow("the same vectors again", func() { g.bring("0.rvf", run(4, 2), 0, 0, 0, 0) })
	grow("a compaction", func() {
		if _, err := g.stores["0.rvf"].Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	before := named()
	g.bring("0.rvf", run(4, 1), 9, 9)
	g.bring("1.rvf", []uint64{101}, 1, 1)
	if named() != before {
		t.Error("the branch names bytes of a parent that shows another vector")
	}
	g.check("1.rvf")
	if found := verify(t, s.Current()); found.Damages > 0 {
		t.Error(describeFindings(found))
	}
}

// TestEmptyChildrenBecomeBranches, and none that has something, or another parent.
func TestEmptyChildrenBecomeBranches(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	parent := g.stores["0.rvf"]
	if err := parent.Derive(t.Context(), "1.rvf", DeriveOptions{Type: lineage.Filter}); err != nil {
		t.Fatal(err)
	}
	g.bring("0.rvf", run(0, 10), make([]float32, 20)...)
	s, err := Open(t.Context(), "1.rvf", g.options())
	if err != nil {
		t.Fatal(err)
	}
	g.add("1.rvf", s, map[uint64][]float32{}, 1)
	if err := parent.BecomeBranch(t.Context(), s, "1.rvf", "0.rvf"); !errors.Is(err, volume.ErrInput) && !errors.Is(err, volume.ErrNotEmpty) {
		t.Errorf("a parent of its child: %v", err)
	}
	for range 2 {
		if err := s.BecomeBranch(t.Context(), parent, "0.rvf", "1.rvf"); err != nil {
			t.Fatal(err)
		}
	}
	if record, known, err := s.Current().Derivation(t.Context()); err != nil || !known || record.Type != lineage.Filter {
		t.Errorf("the type is lost: %+v, %v", record, err)
	}
	for id := range uint64(10) {
		g.hold["1.rvf"][id] = []float32{0, 0}
	}
	g.check("1.rvf")
	g.bring("0.rvf", run(3, 1), 5, 5)
	if _, err := parent.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.check("1.rvf")
	if err := parent.Derive(t.Context(), "2.rvf", DeriveOptions{}); err != nil {
		t.Fatal(err)
	}
	full, err := Open(t.Context(), "2.rvf", g.options())
	if err != nil {
		t.Fatal(err)
	}
	g.add("2.rvf", full, map[uint64][]float32{}, 1)
	g.bring("2.rvf", run(0, 1), 1, 1)
	if err := full.BecomeBranch(t.Context(), parent, "0.rvf", "2.rvf"); !errors.Is(err, volume.ErrNotEmpty) {
		t.Errorf("a child with vectors: %v", err)
	}
}

// TestRewritesKeepNoMoreThanBranchesNeed: of each state the rows that are others now, for as
// long as a branch shows it; and the list says which branches there are.
func TestRewritesKeepNoMoreThanBranchesNeed(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	parent := g.stores["0.rvf"]
	g.bring("0.rvf", run(0, 1000), make([]float32, 2000)...)
	branch := g.branch("0.rvf", "1.rvf")
	g.bring("0.rvf", run(10, 5), slices.Repeat([]float32{7}, 10)...)
	remove(t, parent, 20, 21)
	delete(g.hold["0.rvf"], 20)
	delete(g.hold["0.rvf"], 21)
	compact := func() int64 {
		t.Helper()
		if _, err := parent.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		return parent.Current().Size()
	}
	for range 3 {
		size := compact()
		if rows := int64(998 * segments.RowSize(2)); size > rows+4096 {
			t.Errorf("%d bytes for %d of vectors and 7 kept ones", size, rows)
		}
		g.check("0.rvf")
		g.check("1.rvf")
		kept := parent.Current().OfType(segments.TypeKeptState)
		listed, err := listedBranches(t.Context(), parent.Current())
		if len(kept) != 1 || err != nil || len(listed) != 1 || listed[0].FileID != branch.FileID() || listed[0].Name != "1.rvf" {
			t.Errorf("%d states are kept, %+v are listed, %v", len(kept), listed, err)
		}
		if found := verify(t, parent.Current()); found.Damages > 0 {
			t.Error(describeFindings(found))
		}
	}
	if err := parent.CheckBranches(t.Context()); !errors.Is(err, ErrHasBranches) || !bytes.Contains([]byte(err.Error()), []byte("1.rvf")) {
		t.Errorf("with a branch: %v", err)
	}
	// Whoever removes it tells the parent.
	delete(g.stores, "1.rvf")
	id := branch.FileID()
	if err := errors.Join(branch.Close(), g.files.Remove("1.rvf"), release(parent, id, "1.rvf")); err != nil {
		t.Fatal(err)
	}
	if err := parent.CheckBranches(t.Context()); err != nil {
		t.Error(err)
	}
	compact()
	if left := slices.Concat(parent.Current().OfType(segments.TypeKeptState), parent.Current().OfType(segments.TypeBranches)); len(left) > 0 {
		t.Errorf("%d segments are left of a branch that is gone", len(left))
	}
	g.stores["1.rvf"] = parent // which the end closes
}

// release lets go of a branch that was removed.
func release(parent *Store, id lineage.FileID, names ...string) error {
	kept, err := parent.ReleaseBranch(context.Background(), id, names...)
	if kept != "" {
		err = errors.Join(err, fmt.Errorf("it is kept as %q", kept))
	}
	return err
}

// TestBranchesThatLieElsewhereAreListed before anybody could miss them.
func TestBranchesThatLieElsewhereAreListed(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	parent := g.stores["0.rvf"]
	g.bring("0.rvf", run(0, 10), make([]float32, 20)...)
	if err := parent.Derive(t.Context(), "1.rvf", DeriveOptions{Content: ContentBranch, ParentPath: "../0.rvf", ListedAs: "far/1.rvf"}); err != nil {
		t.Fatal(err)
	}
	listed, err := listedBranches(t.Context(), parent.Current())
	if err != nil || len(listed) != 1 || listed[0].Name != "far/1.rvf" {
		t.Errorf("%+v, %v", listed, err)
	}
	g.reopen("0.rvf") // nothing is known of it but what the file says
	parent = g.stores["0.rvf"]
	g.bring("0.rvf", run(0, 1), 5, 5)
	if _, err := parent.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), "1.rvf", g.options())
	if err != nil {
		t.Fatal(err)
	}
	holds := map[uint64][]float32{}
	for id := range uint64(10) {
		holds[id] = []float32{0, 0}
	}
	g.add("1.rvf", s, holds, 1)
	g.check("1.rvf")
	content := g.files.Content("0.rvf")
	if fold := lineage.Fold(content[max(0, len(content)-lineage.TailSize):]); mapOf(t, s).BaseHash == fold {
		t.Error("the parent was changed, and the branch knows it as it is")
	}
}
