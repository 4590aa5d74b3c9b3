package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/search"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// grove are stores that find each other by their ids, and what each of them holds.
type grove struct {
	t      *testing.T
	files  *volumes.Files
	stores map[string]*Store
	hold   map[string]map[uint64][]float32
	depth  map[string]int
}

func newGrove(t *testing.T) *grove {
	g := &grove{t: t, files: volumes.New(), stores: map[string]*Store{}, hold: map[string]map[uint64][]float32{}, depth: map[string]int{}}
	s, err := Create(t.Context(), "0.rvf", CreateOptions{Dimension: 2}, g.options())
	if err != nil {
		t.Fatal(err)
	}
	g.add("0.rvf", s, map[uint64][]float32{}, 0)
	return g
}

func (g *grove) options() Options {
	return Options{Shelf: filelog.Shelf{Files: g.files}, Parents: g.parents, Branches: g.branches}
}

// branches finds the stores of which a store is the parent among those that are open.
func (g *grove) branches(_ context.Context, of BranchesOf) (found FoundBranches, err error) {
	for name, s := range g.stores {
		if s.ParentID() == of.Parent {
			found.Files = append(found.Files, BranchFile{FileID: s.FileID(), Name: name, Use: func(_ context.Context, use func(*Store) error) error { return use(s) }})
		}
	}
	return found, nil
}

// parents finds the stores of the parent's id among those that are open.
func (g *grove) parents(_ context.Context, branch lineage.Identity, _ string) iter.Seq2[BranchParent, error] {
	return func(yield func(BranchParent, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(g.stores)) {
			s := g.stores[name]
			parent := BranchParent{Name: name, Use: func(_ context.Context, use func(*Store) error) error { return use(s) }}
			if s.FileID() == branch.ParentID && !yield(parent, nil) {
				return
			}
		}
	}
}

func (g *grove) add(name string, s *Store, holds map[uint64][]float32, depth int) {
	g.stores[name], g.hold[name], g.depth[name] = s, holds, depth
	g.t.Cleanup(func() {
		if err := g.stores[name].Close(); err != nil {
			g.t.Error(err)
		}
	})
}

// branch makes a branch and opens it.
func (g *grove) branch(parent, name string) *Store {
	g.t.Helper()
	if err := g.stores[parent].Derive(g.t.Context(), name, DeriveOptions{Content: ContentBranch}); err != nil {
		g.t.Fatal(err)
	}
	s, err := Open(g.t.Context(), name, g.options())
	if err != nil {
		g.t.Fatal(err)
	}
	g.add(name, s, maps.Clone(g.hold[parent]), g.depth[parent]+1)
	return s
}

// reopen opens a store of which nothing is known any more.
func (g *grove) reopen(name string) {
	g.t.Helper()
	if err := g.stores[name].Close(); err != nil {
		g.t.Fatal(err)
	}
	s, err := Open(g.t.Context(), name, g.options())
	if err != nil {
		g.t.Fatal(err)
	}
	g.stores[name] = s
}

// bring stores vectors.
func (g *grove) bring(name string, ids []uint64, vectors ...float32) {
	g.t.Helper()
	bring(g.t, g.stores[name], ids, vectors...)
	for i, id := range ids {
		g.hold[name][id] = vectors[2*i : 2*i+2]
	}
}

// differences lists the ids of which two stores have other vectors.
func differences(got, want map[uint64][]float32) (ids []uint64) {
	for id := range got {
		if !slices.Equal(got[id], want[id]) {
			ids = append(ids, id)
		}
	}
	for id := range want {
		if got[id] == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// check compares what a store shows with what it holds.
func (g *grove) check(name string) {
	g.t.Helper()
	s := g.stores[name]
	if got := contents(g.t, s); !maps.EqualFunc(got, g.hold[name], slices.Equal) {
		g.t.Fatalf("%s of depth %d shows %d, want %d: %v", name, g.depth[name], len(got), len(g.hold[name]), differences(got, g.hold[name]))
	}
	of := sourcesOf(g.t, s)
	if count, err := rows.Count(g.t.Context(), of); err != nil || count != uint64(len(g.hold[name])) {
		g.t.Fatalf("%s counts %d vectors, %v; want %d", name, count, err, len(g.hold[name]))
	}
	if err := rowstest.Check(of, rand.New(rand.NewPCG(1, 1))); err != nil {
		g.t.Fatalf("%s: %v", name, err)
	}
	if len(g.hold[name]) == 0 {
		return
	}
	answers, err := search.Nearest(g.t.Context(), of, []search.Query{{Vector: []float32{1, 1}, K: len(g.hold[name]) + 1}})
	if err != nil || len(answers[0]) != len(g.hold[name]) {
		g.t.Fatalf("%s: a search finds %d vectors, %v; want %d", name, len(answers[0]), err, len(g.hold[name]))
	}
}

// TestBranchesAgainstAModel: stores at random depth change in any order, and each shows
// what it was made with and what was done to it, and nothing of what is done to others.
func TestBranchesAgainstAModel(t *testing.T) {
	t.Parallel()
	histories := int(numberFrom(t, "RVFFS_BRANCH_HISTORIES", 12)) // of 160 operations each
	if testing.Short() {
		histories = 3
	}
	for seed := range histories {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(seed), 8))
			g := newGrove(t)
			for range 160 {
				name := slices.Sorted(maps.Keys(g.stores))[random.IntN(len(g.stores))]
				g.step(random, name)
				g.check(name)
			}
			for name := range g.stores {
				g.check(name)
			}
		})
	}
}

// step does something to a store.
func (g *grove) step(random *rand.Rand, name string) {
	g.t.Helper()
	some := func(count int) (ids []uint64, vectors []float32) {
		for range count {
			id := random.Uint64N(200)
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
				vectors = append(vectors, random.Float32(), random.Float32())
			}
		}
		return ids, vectors
	}
	switch random.IntN(20) {
	case 0, 1, 9, 10:
		if len(g.stores) < 12 && g.depth[name] < 8 {
			g.branch(name, fmt.Sprintf("%d.rvf", len(g.stores)))
		}
	case 2, 11:
		ids, vectors := some(1 + random.IntN(40))
		g.bring(name, ids, vectors...)
	case 3, 12:
		ids, vectors := some(1)
		g.bring(name, ids, vectors...)
	case 4, 13:
		first := uint64(random.IntN(1000))
		g.bring(name, run(first, 5), make([]float32, 10)...)
	case 5, 14:
		var next uint64
		for id := range g.hold[name] {
			next = max(next, id+1)
		}
		bring(g.t, g.stores[name], nil, 3, 4)
		found := contents(g.t, g.stores[name])
		for id := range found {
			if g.hold[name][id] == nil {
				if id < next {
					g.t.Fatalf("%s: a vector without an id got %d, and %d is there", name, id, next-1)
				}
				g.hold[name][id] = []float32{3, 4}
			}
		}
	case 6, 15:
		g.reopen(name)
	case 7, 16:
		if len(g.hold[name]) > 0 {
			ids := slices.Sorted(maps.Keys(g.hold[name]))
			for range 1 + random.IntN(5) {
				id := ids[random.IntN(len(ids))]
				remove(g.t, g.stores[name], id)
				delete(g.hold[name], id)
			}
		}
	case 8, 17, 18:
		if _, err := g.stores[name].Compact(g.t.Context()); err != nil {
			g.t.Fatal(err)
		}
	case 19:
		if s := g.stores[name]; s.Current().IsBranch() {
			if _, err := s.Flatten(g.t.Context()); err != nil {
				g.t.Fatal(err)
			}
			if s.Current().IsBranch() {
				g.t.Fatalf("%s is a branch still", name)
			}
		}
	}
}

// shows is the error of asking a branch for its vectors.
func shows(t *testing.T, s *Store) error {
	t.Helper()
	snapshot, err := s.Snapshot(t.Context())
	if err == nil {
		_, err = s.Sources(t.Context(), snapshot)
	}
	return err
}

// TestBranchesWithoutTheirParent: where what is inherited cannot be read, nothing is shown
// that could be taken for all, and it is said why.
func TestBranchesWithoutTheirParent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		harm func(g *grove)
		want string
	}{
		"missing": {func(g *grove) { delete(g.stores, "0.rvf") }, "no store of that id is there: they can be read when it is back, or beside the branch"},
		"an older copy": {func(g *grove) {
			older := g.files.Content("0.rvf")
			first := g.stores["0.rvf"].Current().Vectors()[1]
			g.replace("0.rvf", older[:first.Offset])
		}, "it lost its end"},
		"the filter is damaged": {func(g *grove) {
			entry, _ := g.stores["1.rvf"].Current().LastOf(segments.TypeMembership)
			flip(g.t, g.stores["1.rvf"], entry.Offset+segments.HeaderSize+segments.MembershipHeaderSize)
			g.reopen("1.rvf")
		}, "membership filter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGrove(t)
			g.bring("0.rvf", run(0, 3), 1, 1, 2, 2, 3, 3)
			g.bring("0.rvf", run(3, 2), 1, 1, 2, 2)
			g.branch("0.rvf", "1.rvf")
			parent := g.stores["0.rvf"]
			test.harm(g)
			err := shows(t, g.stores["1.rvf"])
			if !errors.Is(err, volume.ErrCorrupt) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			g.stores["0.rvf"] = parent
		})
	}
}

// replace puts other bytes in the place of a store's, and opens it anew.
func (g *grove) replace(name string, content []byte) {
	g.t.Helper()
	if err := g.files.Remove(name); err != nil {
		g.t.Fatal(err)
	}
	file, err := g.files.Create(name, 0o644)
	if err == nil {
		_, err = file.WriteAt(content, 0)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		g.t.Fatal(err)
	}
	g.reopen(name)
}

// TestBranchesOfSnapshots: a snapshot of a branch goes on to show what it has shown.
func TestBranchesOfSnapshots(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 2), 1, 1, 2, 2)
	s := g.branch("0.rvf", "1.rvf")
	before := s.Current()
	of, err := s.Sources(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	g.bring("1.rvf", []uint64{1}, 9, 9)
	g.bring("0.rvf", []uint64{0, 7}, 8, 8, 7, 7)
	var ids []uint64
	err = rowstest.Visit(t.Context(), of, func(some []uint64, _ []byte) error { ids = append(ids, some...); return nil })
	if again, sourcesErr := s.Sources(t.Context(), before); sourcesErr != nil || again.Snapshots()[0] != of.Snapshots()[0] {
		t.Errorf("%v", sourcesErr)
	}
	if err != nil || !slices.Equal(ids, []uint64{0, 1}) {
		t.Errorf("%d, %v", ids, err)
	}
	g.check("1.rvf")
	if s.Current() == before {
		t.Error("no new state")
	}
}
