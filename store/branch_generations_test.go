package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/volume"
)

// TestGenerationsOfBranches: each of the generations that may be is found once, however
// many branches show it, and what becomes of the first is known of the last.
func TestGenerationsOfBranches(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 3), 1, 1, 2, 2, 3, 3)
	name := func(generation int) string { return fmt.Sprintf("%d.rvf", generation) }
	for generation := 1; generation <= maxBranches; generation++ {
		g.branch(name(generation-1), name(generation))
	}
	sought := 0
	for generation := range maxBranches + 1 {
		g.reopen(name(generation))
		g.stores[name(generation)].options.Parents = func(ctx context.Context, branch lineage.Identity, path string) iter.Seq2[BranchParent, error] {
			sought++
			return g.parents(ctx, branch, path)
		}
	}
	last := name(maxBranches)
	for range 2 {
		g.check(last)
		if sought != maxBranches {
			t.Fatalf("%d parents are sought, want %d", sought, maxBranches)
		}
	}
	newest := g.stores[last].Current()
	if newest.Outdated() {
		t.Fatal("the last is outdated at first")
	}
	of := sourcesOf(t, g.stores[last])
	of.Snapshots()[0].Displace()
	if !newest.Outdated() || !of.Outdated() {
		t.Error("the last is not outdated when the first is")
	}
}

// TestTooManyGenerations: of the last generation that can be read no branch is made, by no
// way, and nothing is left of it; one of which it is made all the same, by another program,
// says so once, also when those above it are known. After one of them was flattened there can
// be more.
func TestTooManyGenerations(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 3), 1, 1, 2, 2, 3, 3)
	name := func(generation int) string { return fmt.Sprintf("%d.rvf", generation) }
	for generation := 1; generation <= maxBranches; generation++ {
		g.branch(name(generation-1), name(generation))
	}
	last := g.stores[name(maxBranches)]
	refused := func(how string, err error) {
		t.Helper()
		if !errors.Is(err, volume.ErrInput) || !strings.Contains(err.Error(), "flatten") {
			t.Errorf("%s: %v", how, err)
		}
	}
	refused("derive", last.Derive(t.Context(), "one more.rvf", DeriveOptions{Content: ContentBranch}))
	if _, there := g.files.Names["one more.rvf"]; there {
		t.Error("a file was made")
	}
	if err := last.Derive(t.Context(), "child.rvf", DeriveOptions{}); err != nil {
		t.Fatal(err)
	}
	child, err := Open(t.Context(), "child.rvf", g.options())
	if err != nil {
		t.Fatal(err)
	}
	g.add("child.rvf", child, map[uint64][]float32{}, maxBranches+1)
	refused("become one", child.BecomeBranch(t.Context(), last, last.Path(), child.Path()))
	if child.Current().IsBranch() || child.Current().Epoch() != 0 {
		t.Error("the child has become one")
	}

	if err := child.makeBranchOf(t, last); err != nil {
		t.Fatal(err)
	}
	_, foreign := child.Sources(t.Context(), child.Current())
	for _, known := range []bool{true, false} {
		if !known {
			for generation := range maxBranches + 1 {
				g.reopen(name(generation))
			}
			g.reopen("child.rvf")
			child = g.stores["child.rvf"]
			_, foreign = child.Sources(t.Context(), child.Current())
		}
		if !errors.Is(foreign, volume.ErrCorrupt) || strings.Count(foreign.Error(), "a branch of a branch") != 1 || len(foreign.Error()) > 300 {
			t.Errorf("known %t: %v", known, foreign)
		}
	}
	if _, err := g.stores[name(maxBranches)].Flatten(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, vector := range g.hold[name(maxBranches)] {
		g.hold["child.rvf"][id] = vector
	}
	g.reopen("child.rvf")
	g.check("child.rvf")
	g.branch("child.rvf", "and one more.rvf")
	g.check("and one more.rvf")
}

// makeBranchOf makes a branch of an empty child, however many generations are above it.
func (s *Store) makeBranchOf(t *testing.T, parent *Store) error {
	t.Helper()
	newest := parent.Current()
	identity, _ := s.Identity()
	record, err := recordOf(t.Context(), identity, newest, lineage.Clone, lineage.StartBranch)
	if err != nil {
		return err
	}
	fold, err := newest.Fold(t.Context())
	if err != nil {
		return err
	}
	m := segments.NewCowMap(2)
	m.BaseID, m.BaseHash, m.ParentPath = parent.FileID(), fold, parent.Path()
	members := segments.NewMembership(2, true)
	members.AddRun(0, 2)
	session, err := s.log.Begin(t.Context())
	if err != nil {
		return err
	}
	_, err = session.Commit(t.Context(), log.Change{
		Content: branchMaking{[]volume.NewSegment{
			{Type: segments.TypeCowMap, Payload: m.Encode()}, {Type: segments.TypeMembership, Payload: members.Encode()},
		}, fold, newest.Manifest()},
		Actions: []log.Action{log.Lineage(record)},
	})
	return errors.Join(err, session.End())
}

// TestDeepProblemsAreSaidOnce: what is wrong far above a branch is said once, with the name of
// the store that it is the matter of.
func TestDeepProblemsAreSaidOnce(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 3), 1, 1, 2, 2, 3, 3)
	name := func(generation int) string { return fmt.Sprintf("%d.rvf", generation) }
	const generations = 10
	for generation := 1; generation <= generations; generation++ {
		g.branch(name(generation-1), name(generation))
	}
	for generation := range generations + 1 {
		g.reopen(name(generation))
	}
	root := g.stores["0.rvf"]
	delete(g.stores, "0.rvf")
	for _, of := range []int{generations, 1} {
		s := g.stores[name(of)]
		_, err := s.Sources(t.Context(), s.Current())
		if !errors.Is(err, volume.ErrCorrupt) {
			t.Fatal(err)
		}
		if said := err.Error(); strings.Count(said, "cannot be read") != 1 || strings.Count(said, "no store of that id") != 1 || strings.Count(said, `"1.rvf"`) != 1 || strings.Contains(said, `"5.rvf"`) || !strings.Contains(said, fmt.Sprintf("%q", s.Path())) {
			t.Errorf("of generation %d: %s", of, said)
		}
	}
	g.stores["0.rvf"] = root
}
