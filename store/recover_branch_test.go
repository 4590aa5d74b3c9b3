package store

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/recovery"
	volumes "rvffs/store/volume/memory"
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

// TestRecoverListsBranchesAgain cuts a parent at every byte of the commit by which it lists a branch.
// As long as the list is whole the branch is listed again, so that a compaction keeps what it shows.
func TestRecoverListsBranchesAgain(t *testing.T) {
	t.Parallel()
	files, parent := emptyStore(t)
	bring(t, parent, nil, make([]float32, 20)...)
	before := parent.Current().State().End
	if err := parent.Derive(t.Context(), "far.rvf", DeriveOptions{Content: ContentBranch, ListedAs: "elsewhere/far.rvf"}); err != nil {
		t.Fatal(err)
	}
	want, err := listedBranches(t.Context(), parent.Current())
	if err = errors.Join(err, parent.Close()); err != nil || len(want) != 1 {
		t.Fatalf("%+v, %v", want, err)
	}
	whole := bytes.Clone(files.Content("a.rvf"))
	walker := segments.NewWalker(bytes.NewReader(whole), before, int64(len(whole)))
	for walker.Next() && walker.Segment().Type != segments.TypeBranches {
	}
	for size := walker.Segment().End(); size < int64(len(whole)); size++ {
		left := volumes.New()
		putFile(t, left, "a.rvf", whole[:size])
		s := openAlone(t, left, "a.rvf")
		listed, err := s.Recover(t.Context(), recovery.Options{List: true})
		if err != nil || len(listed) != 1 || listed[0].Listed != 1 {
			t.Fatalf("cut to %d of %d: %+v, %v", size, len(whole), listed, err)
		}
		results, err := s.Recover(t.Context(), recovery.Options{})
		if err != nil || len(results) != 1 || results[0].Listed != 1 || !results[0].Gone {
			t.Fatalf("cut to %d of %d: %+v, %v", size, len(whole), results, err)
		}
		if got, err := listedBranches(t.Context(), s.Current()); err != nil || !slices.Equal(got, want) {
			t.Fatalf("cut to %d of %d: %+v is listed, want %+v: %v", size, len(whole), got, want, err)
		}
		if again, err := s.Recover(t.Context(), recovery.Options{}); err != nil || len(again) > 0 {
			t.Fatalf("again: %+v, %v", again, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRecoverLeavesKeptVectorsOut cuts the end of a compacted parent, with its only manifest. What it
// had kept for a branch, which was replaced or deleted since, does not come back as its own; and
// where nothing tells any more what that is, it is said.
func TestRecoverLeavesKeptVectorsOut(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	parent := g.stores["0.rvf"]
	bring(t, parent, run(0, 10), make([]float32, 20)...)
	g.branch("0.rvf", "1.rvf")
	bring(t, parent, []uint64{6}, 60, 1)
	remove(t, parent, 3, 4)
	if _, err := parent.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := contents(t, parent)
	whole := bytes.Clone(g.files.Content("0.rvf"))
	begins, ends := int64(0), int64(0) // of the state that is kept
	for _, entry := range parent.Current().OfType(segments.TypeKeptState) {
		begins, ends = entry.Offset, entry.Offset+int64(entry.PayloadLength)+segments.HeaderSize
	}
	for size := begins + segments.HeaderSize + 1; size < int64(len(whole))-lineage.IdentitySize-4; size++ {
		left := volumes.New()
		putFile(t, left, "0.rvf", whole[:size])
		if err := Rebuild(t.Context(), "0.rvf", new(segments.L2), alone(left)); err != nil {
			t.Fatalf("cut to %d of %d: %v", size, len(whole), err)
		}
		s := openAlone(t, left, "0.rvf")
		results, err := s.Recover(t.Context(), recovery.Options{})
		if err != nil || len(results) != 1 {
			t.Fatalf("cut to %d of %d: %+v, %v", size, len(whole), results, err)
		}
		unsure := slices.ContainsFunc(results[0].Doubts, func(d recovery.Doubt) bool { return d.Reason == recovery.DoubtFormer })
		if got := contents(t, s); unsure != (size < ends) || !unsure && len(differences(got, want)) > 0 {
			t.Fatalf("cut to %d of %d, where the state that is kept ends at %d: %s: %v, want %v", size, len(whole), ends, describeRecovery(results[0]), got, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
