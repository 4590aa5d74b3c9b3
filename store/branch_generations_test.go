package store

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"rvffs/lineage"
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
