package store

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store/recovery"
)

// TestRecoverDeletionsOfABranch cuts a branch at every byte of a commit that deletes vectors of its
// own, of its parent, and of both. Where all that lists them is whole they are deleted again, and
// nothing is left to decide upon. Where it is not, all are there, and it is said.
func TestRecoverDeletionsOfABranch(t *testing.T) {
	t.Parallel()
	for what, between := range map[string]func(g *grove){
		"nothing between": func(*grove) {},
		"the parent grows": func(g *grove) {
			bring(g.t, g.stores["0.rvf"], []uint64{30}, 3, 3) // the map names other bytes of it by then
		},
		"the parent loses them": func(g *grove) { remove(g.t, g.stores["0.rvf"], 4) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			g := newGrove(t)
			bring(t, g.stores["0.rvf"], run(0, 10), make([]float32, 20)...)
			branch := g.branch("0.rvf", "1.rvf")
			bring(t, branch, []uint64{3, 20, 21}, 3, 3, 2, 0, 2, 1)
			between(g)
			all := slices.Sorted(maps.Keys(contents(t, branch)))
			before := branch.Current().State().End
			remove(t, branch, 3, 4, 20)
			left := slices.Sorted(maps.Keys(contents(t, branch)))
			whole := bytes.Clone(g.files.Content("1.rvf"))
			var begins, filtered, ends int64 // of what says which are deleted
			walker := segments.NewWalker(bytes.NewReader(whole), before, int64(len(whole)))
			for walker.Next() {
				if kind := walker.Segment().Type; kind == segments.TypeJournal || kind == segments.TypeMembership {
					begins, ends = cmp.Or(begins, walker.Segment().Offset), walker.Segment().End()
					filtered = cmp.Or(filtered, ends)
				}
			}
			for size := before; size < int64(len(whole)); size++ {
				for name := range g.files.Names {
					if strings.HasPrefix(name, "1.rvf.") {
						delete(g.files.Names, name) // what was kept of the last cut
					}
				}
				g.replace("1.rvf", whole[:size])
				branch := g.stores["1.rvf"]
				results, err := branch.Recover(t.Context(), recovery.Options{})
				if err != nil {
					t.Fatalf("cut to %d of %d to %d: %v", size, before, len(whole), err)
				}
				for _, r := range results {
					if doubtful := len(r.Doubts) > 0; doubtful == r.Gone || doubtful && (size <= begins || size >= ends) {
						t.Fatalf("cut to %d of %d to %d: %s", size, before, len(whole), describeRecovery(r))
					}
				}
				want := all
				if size >= ends {
					want = left
				}
				told := len(results) > 0 && slices.ContainsFunc(results[0].Doubts, func(d recovery.Doubt) bool { return d.Reason == recovery.DoubtHidden })
				if told != (size >= filtered && size < ends) {
					t.Fatalf("cut to %d of %d to %d: %+v", size, before, len(whole), results)
				}
				if got := slices.Sorted(maps.Keys(contents(t, branch))); !slices.Equal(got, want) {
					t.Fatalf("cut to %d of %d to %d: %v, want %v", size, before, len(whole), got, want)
				}
				if found := verify(t, branch.Current()); found.Damages > 0 {
					t.Fatalf("cut to %d of %d to %d: %s", size, before, len(whole), describeFindings(found))
				}
			}
		})
	}
}
