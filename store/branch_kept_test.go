package store

import (
	"errors"
	"testing"

	"rvffs/store/volume"
)

// away runs use while the store of a name is found by nobody.
func (g *grove) away(name string, use func()) {
	s := g.stores[name]
	delete(g.stores, name)
	use()
	g.stores[name] = s
}

// TestRewritesWithoutTheParentKeepWhatBranchesShow: who rewrites a branch while nobody finds
// its parent does not know what the branches of it inherit, and keeps it.
func TestRewritesWithoutTheParentKeepWhatBranchesShow(t *testing.T) {
	t.Parallel()
	compact := func(g *grove) {
		t.Helper()
		if _, err := g.stores["1.rvf"].Compact(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for name, change := range map[string]func(g *grove){
		"as it was": compact,
		"twice":     func(g *grove) { compact(g); g.reopen("1.rvf"); compact(g) },
		"grown and overwritten": func(g *grove) {
			g.bring("1.rvf", []uint64{2, 5, 50, 60}, 7, 7, 8, 8, 9, 9, 6, 6) // inherited, its own, and new
			compact(g)
		},
		"with deletions": func(g *grove) {
			remove(g.t, g.stores["1.rvf"], 3, 50)
			delete(g.hold["1.rvf"], 3)
			delete(g.hold["1.rvf"], 50)
			compact(g)
			g.bring("1.rvf", []uint64{3}, 5, 5)
			compact(g)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGrove(t)
			g.bring("0.rvf", run(0, 6), 0, 1, 1, 1, 2, 1, 3, 1, 4, 1, 5, 1)
			g.branch("0.rvf", "1.rvf")
			g.bring("1.rvf", []uint64{5, 50}, 55, 1, 50, 1)
			remove(g.t, g.stores["1.rvf"], 1)
			delete(g.hold["1.rvf"], 1)
			g.branch("1.rvf", "2.rvf")
			g.bring("2.rvf", []uint64{70}, 70, 1)
			g.branch("2.rvf", "3.rvf")
			g.away("0.rvf", func() {
				change(g)
				err := shows(t, g.stores["2.rvf"])
				if errors.Is(err, volume.ErrStale) {
					err = shows(t, g.stores["2.rvf"]) // what it has shown was rewritten
				}
				if !errors.Is(err, volume.ErrCorrupt) {
					t.Errorf("%v", err)
				}
			})
			all := func(when string) {
				t.Helper()
				for name := range g.stores {
					g.reopen(name)
					g.check(name)
					if found := verify(t, g.stores[name].Current()); found.Damages > 0 {
						t.Errorf("%s: %s: %s", when, name, describeFindings(found))
					}
				}
			}
			all("the parent is back")
			compact(g)
			all("rewritten with the parent")
			g.bring("0.rvf", run(0, 6), make([]float32, 12)...)
			if _, err := g.stores["0.rvf"].Compact(t.Context()); err != nil {
				t.Error(err)
			}
			compact(g)
			all("the parent was rewritten, too")
		})
	}
}
