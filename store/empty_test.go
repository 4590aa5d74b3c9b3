package store

import (
	"errors"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// TestBranchesAreNotEmpty: a branch holds what it shows, whoever has it in his file. It can
// be removed, and its type set, when it shows nothing any more, and not while its filter
// cannot be read.
func TestBranchesAreNotEmpty(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 3), make([]float32, 6)...)
	s := g.branch("0.rvf", "1.rvf")
	refused := func(when string) {
		t.Helper()
		if err := s.Remove(t.Context(), s.shelf); !errors.Is(err, volume.ErrNotEmpty) {
			t.Fatalf("%s: it is removed: %v", when, err)
		}
		if err := s.SetDerivationType(t.Context(), lineage.Merge); !errors.Is(err, volume.ErrNotEmpty) {
			t.Errorf("%s: its type is set: %v", when, err)
		}
	}
	refused("at first")
	remove(t, s, 0, 1)
	refused("with one vector")
	remove(t, s, 2)
	if err := s.SetDerivationType(t.Context(), lineage.Merge); err != nil {
		t.Error(err)
	}
	if entry, named := s.Current().LastOf(segments.TypeMembership); !named {
		t.Error("the filter is gone")
	} else {
		flip(t, s, entry.Offset+segments.HeaderSize+0x28)
	}
	g.reopen("1.rvf")
	s = g.stores["1.rvf"]
	refused("with a filter that is damaged")

	second := g.branch("0.rvf", "2.rvf")
	remove(t, second, 0, 1, 2)
	if err := second.Remove(t.Context(), second.shelf); err != nil {
		t.Error(err)
	}
	_, foreign := newBranch(t, true)
	closedAtEnd(t, foreign)
	if err := foreign.Remove(t.Context(), filelog.Shelf{Files: filelog.FilesOf(foreign.shelf)}); !errors.Is(err, volume.ErrNotEmpty) {
		t.Errorf("one whose filter names what it hides: %v", err)
	}
}
