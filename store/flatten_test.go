package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// TestFlattenedBranchesNeedNobody: all that a branch showed is its own then, whatever
// becomes of its parent, and it still says whose child it is.
func TestFlattenedBranchesNeedNobody(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 6), slices.Repeat([]float32{1, 2}, 6)...)
	hash, err := g.stores["0.rvf"].Current().ParentHash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := g.branch("0.rvf", "1.rvf")
	g.bring("1.rvf", []uint64{2, 9}, 5, 5, 9, 9)
	for _, id := range []uint64{3, 9} {
		remove(t, s, id)
		delete(g.hold["1.rvf"], id)
	}
	g.bring("0.rvf", []uint64{50}, 1, 1) // so that the bytes by which others know it are others
	if _, err := s.Flatten(t.Context()); err != nil {
		t.Fatal(err)
	}
	parent := g.stores["0.rvf"]
	delete(g.stores, "0.rvf")
	g.check("1.rvf")
	g.reopen("1.rvf")
	g.check("1.rvf")
	s = g.stores["1.rvf"]
	g.stores["0.rvf"] = parent
	if s.Current().IsBranch() || len(s.Current().OfType(segments.TypeMembership)) > 0 {
		t.Error("it is a branch still")
	}
	identity, _ := s.Identity()
	record, known, err := s.Current().Derivation(t.Context())
	origin, _ := record.Origin()
	if err != nil || !known || identity.ParentID != parent.FileID() || identity.ParentHash != hash || record.ParentHash != hash || origin.Start != lineage.StartCopy {
		t.Errorf("%+v, %+v, %v", identity, record, err)
	}
	if found := verify(t, s.Current()); found.Damages > 0 {
		t.Error(describeFindings(found))
	}
	if err := parent.CheckBranches(t.Context()); err != nil {
		t.Errorf("the parent still has branches: %v", err)
	}
	if _, err := s.Flatten(t.Context()); !errors.Is(err, volume.ErrInput) {
		t.Errorf("a store that is no branch is flattened: %v", err)
	}
}

// TestFlattenBesideWriters: what is brought, overwritten and deleted while the branch is
// being flattened is as it is in a branch.
func TestFlattenBesideWriters(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 100), make([]float32, 200)...)
	s := g.branch("0.rvf", "1.rvf")
	flat, err := flatOf(t.Context(), s.Current(), sourcesOf(t, s))
	if err != nil {
		t.Fatal(err)
	}
	begun := false
	flat.Sources = func(ctx context.Context, base *state.Snapshot) (rows.Sources, error) {
		if !begun {
			begun = true
			g.bring("1.rvf", []uint64{5, 200}, 5, 5, 6, 6)
			for _, id := range []uint64{7, 5, 8} {
				remove(t, s, id)
				delete(g.hold["1.rvf"], id)
			}
			g.bring("1.rvf", []uint64{8}, 8, 8)
		}
		return s.Sources(ctx, base)
	}
	if _, err := s.compactor.Flatten(t.Context(), flat); err != nil || !begun || s.Current().IsBranch() {
		t.Fatalf("%v, writers came: %v", err, begun)
	}
	g.check("1.rvf")
	g.reopen("1.rvf")
	g.check("1.rvf")
}

// TestCrashesOfFlatten: whatever a crash leaves, the branch shows what it showed, and a
// writer gets on.
func TestCrashesOfFlatten(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 40), make([]float32, 80)...)
	s := g.branch("0.rvf", "1.rvf")
	g.bring("1.rvf", []uint64{5, 200}, 5, 5, 6, 6)
	remove(t, s, 7)
	delete(g.hold["1.rvf"], 7)
	from := g.files.Changes()
	if _, err := s.Flatten(t.Context()); err != nil {
		t.Fatal(err)
	}
	flat, states := 0, 0
	g.files.Crashes(from, everyState(), func(what string, c volumes.Crash) {
		left := &grove{t: t, files: g.files.State(c), stores: map[string]*Store{}}
		for name := range left.files.Names {
			if strings.HasSuffix(name, ".lock") {
				left.files.Age(name, time.Minute)
			}
		}
		for _, name := range []string{"0.rvf", "1.rvf"} {
			opened, err := Open(t.Context(), name, left.options())
			if err != nil {
				t.Fatalf("%s: %s: %v", what, name, err)
			}
			left.stores[name] = opened
		}
		branch := left.stores["1.rvf"]
		states++
		if !branch.Current().IsBranch() {
			flat++
		}
		if got := contents(t, branch); !maps.EqualFunc(got, g.hold["1.rvf"], slices.Equal) {
			t.Fatalf("%s: after change %d, torn at %d: %d vectors, %v", what, c.After, c.Torn, len(got), differences(got, g.hold["1.rvf"]))
		}
		if _, err := branch.Ingest(t.Context(), []uint64{900}, []float32{1, 2}); err != nil || len(contents(t, branch)) != len(g.hold["1.rvf"])+1 {
			t.Fatalf("%s: the next commit: %v", what, err)
		}
		for _, opened := range left.stores {
			if err := opened.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
	if flat == 0 || flat == states {
		t.Errorf("of %d states %d are of a flattened branch", states, flat)
	}
}
