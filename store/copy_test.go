package store

import (
	"context"
	"errors"
	"maps"
	"testing"

	"rvffs/lineage"
	"rvffs/store/idset"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// opened opens a store of the same shelf.
func opened(t *testing.T, beside *Store, name string) *Store {
	t.Helper()
	s, err := OpenReadOnly(t.Context(), name, Options{Shelf: beside.shelf})
	if err != nil {
		t.Fatal(err)
	}
	return closedAtEnd(t, s)
}

// TestCopiesHaveTheVectors: a copy holds what its parent shows, or what of that was chosen,
// and says in its record how it came about.
func TestCopiesHaveTheVectors(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	bring(t, s, run(0, 40), make([]float32, 80)...)
	bring(t, s, []uint64{3, 1 << 60, 41}, 1, 2, 3, 4, 5, 6)
	remove(t, s, 5, 6)
	all := contents(t, s)
	chosen := maps.Clone(all)
	maps.DeleteFunc(chosen, func(id uint64, _ []float32) bool { return id != 3 && id != 1<<60 })
	for name, test := range map[string]struct {
		options DeriveOptions
		want    map[uint64][]float32
	}{
		"all.rvf":    {DeriveOptions{Content: ContentCopy, Type: lineage.Snapshot}, all},
		"chosen.rvf": {DeriveOptions{Content: ContentCopy, Type: lineage.Filter, IDs: idset.Of([]uint64{3, 5, 1 << 60, 777})}, chosen},
		"none.rvf":   {DeriveOptions{Content: ContentCopy, IDs: idset.Of([]uint64{777})}, nil},
	} {
		if err := s.Derive(t.Context(), name, test.options); err != nil {
			t.Fatal(err)
		}
		child := opened(t, s, name)
		sameContents(t, contents(t, child), test.want)
		record, known, err := child.Current().Derivation(t.Context())
		origin, _ := record.Origin()
		if err != nil || !known || record.Type != test.options.Type || origin.Start != lineage.StartCopy {
			t.Errorf("%s: the record says %+v, %v", name, record, err)
		}
		verdict, err := JudgeLineage(t.Context(), child.Current(), Relatives{Parents: []ParentFile{{Name: "a.rvf", Use: func(_ context.Context, use func(*state.Snapshot) error) error { return use(s.Current()) }}}})
		if err != nil || verdict.Verification.Status != lineage.StatusVerified {
			t.Errorf("%s is judged as %+v, %v", name, verdict, err)
		}
	}
	if err := s.Derive(t.Context(), "all.rvf", DeriveOptions{Content: ContentCopy}); !errors.Is(err, volume.ErrExists) {
		t.Errorf("a name that is taken: %v", err)
	}
	refused := errors.New("no")
	doubting := DeriveOptions{Content: ContentCopy, IDs: idset.Of([]uint64{1}), Doubt: func(found, all uint64) error { return refused }}
	if err := s.Derive(t.Context(), "refused.rvf", doubting); !errors.Is(err, refused) {
		t.Errorf("a list that is doubted: %v", err)
	}
	ctx, leave := context.WithCancel(t.Context())
	left := DeriveOptions{Content: ContentCopy, Copied: func(uint64, uint64) { leave() }}
	if err := s.Derive(ctx, "left.rvf", left); !errors.Is(err, context.Canceled) {
		t.Errorf("a copy for which nobody waits: %v", err)
	}
	names, err := filelog.FilesOf(s.shelf).Siblings("a.rvf")
	if err != nil || len(names) != 4 {
		t.Errorf("besides there are %q, %v", names, err)
	}
}

// TestCopiesOfDamageAreRefused: the hash of a copy must not be that of the damage.
func TestCopiesOfDamageAreRefused(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	bring(t, s, run(0, 40), make([]float32, 80)...)
	entry := s.Current().Vectors()[0]
	files.Names["a.rvf"].Content[entry.Offset+100] ^= 1
	err := s.Derive(t.Context(), "b.rvf", DeriveOptions{Content: ContentCopy})
	if _, made := files.Names["b.rvf"]; !errors.Is(err, volume.ErrCorrupt) || made {
		t.Errorf("%v, made: %t", err, made)
	}
}

// TestCopiesAreWholeOrAbsent enumerates what a crash may leave of a copy.
func TestCopiesAreWholeOrAbsent(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	bring(t, s, run(0, 40), make([]float32, 80)...)
	want := contents(t, s)
	from := files.Changes()
	if err := s.Derive(t.Context(), "b.rvf", DeriveOptions{Content: ContentCopy}); err != nil {
		t.Fatal(err)
	}
	made := files.Changes()
	every := 1
	if testing.Short() {
		every = 7
	}
	files.Crashes(from, every, func(what string, c volumes.Crash) {
		left := files.State(c)
		child, err := OpenReadOnly(context.Background(), "b.rvf", Options{Shelf: filelog.Shelf{Files: left}})
		if err != nil {
			if _, there := left.Names["b.rvf"]; there || c.After >= made {
				t.Errorf("%s after %d changes: %v", what, c.After, err)
			}
			return
		}
		sameContents(t, contents(t, child), want)
		if err := child.Close(); err != nil {
			t.Error(err)
		}
	})
}
