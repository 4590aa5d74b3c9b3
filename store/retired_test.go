package store

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/log"
	"rvffs/store/state"
)

// ofType counts the segments of a type that a walk through a snapshot's file finds.
func ofType(t *testing.T, s *state.Snapshot, kind segments.Type) (count int) {
	t.Helper()
	err := s.With(t.Context(), state.Judging, func(in *state.Reading) error {
		return in.Walk(func(segment segments.Segment) error {
			if segment.Type == kind {
				count++
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// shown are the bytes of views that show segments as they stand in the file.
func shown(t *testing.T, s *state.Snapshot) map[string][]byte {
	t.Helper()
	bytesOf := map[string][]byte{}
	read := func(name string, view state.View) {
		reader, err := view.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(io.NewSectionReader(state.ReaderAt(context.Background(), reader), 0, view.Size()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bytesOf[name] = content
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	read("raw", s.Raw())
	folder, err := s.Segments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range folder.Len() {
		name, _ := folder.Name(i)
		view, _ := folder.Find(name)
		read(name, view)
	}
	return bytesOf
}

// TestWhatIsReplacedIsRetired: nobody finds an image by its type who looks through the file
// after it was replaced or removed, and to who reads a former state nothing has changed, in
// this process or another.
func TestWhatIsReplacedIsRetired(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	embedKernel(t, s, noise(500), compute.KernelConfig{})
	bring(t, s, []uint64{1}, 1, 2)
	other, err := Open(t.Context(), s.Path(), Options{Shelf: s.shelf})
	if err != nil {
		t.Fatal(err)
	}
	first, theirs := s.Current(), other.Current()
	fold, err := first.Fold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := shown(t, first)
	embedKernel(t, s, noise(600), compute.KernelConfig{})
	second := s.Current()
	if _, err := s.RemoveImages(t.Context(), "kernel", ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		snapshot *state.Snapshot
		kernels  int
		image    []byte
	}{{first, 1, noise(500)}, {theirs, 1, noise(500)}, {second, 1, noise(600)}, {s.Current(), 0, nil}} {
		if got := ofType(t, want.snapshot, segments.TypeKernel); got != want.kernels {
			t.Errorf("in epoch %d %d kernels are found, want %d", want.snapshot.Epoch(), got, want.kernels)
		}
		if got, err := kernelImage(want.snapshot); want.image != nil && (err != nil || !bytes.Equal(got, want.image)) {
			t.Errorf("in epoch %d the kernel has %d bytes, want %d, %v", want.snapshot.Epoch(), len(got), len(want.image), err)
		}
	}
	for name, snapshot := range map[string]*state.Snapshot{"this": first, "the other": theirs} {
		if !maps.EqualFunc(shown(t, snapshot), before, bytes.Equal) {
			t.Errorf("%s process shows a former state otherwise than before", name)
		}
		if again, err := snapshot.Fold(t.Context()); err != nil || again != fold {
			t.Errorf("in %s process the fold of a former state is another one, %v", name, err)
		}
	}
	// Children of other programs, and their branches, name that state by its fold.
	if history, err := s.Current().History(t.Context(), lineage.Descent{Hash: fold}); err != nil || history.Held == nil || history.Held.Epoch != first.Epoch() {
		t.Errorf("the former state is told as %+v, %v", history.Held, err)
	}
	if found, err := s.Current().Pinned(t.Context(), state.Pin{Hash: fold}); err != nil || found.Epoch() != first.Epoch() {
		t.Errorf("the former state is not found as branches name it: %v", err)
	}
	problems, err := s.Verify(t.Context())
	if err != nil || slices.ContainsFunc(problems.Findings, func(f Finding) bool { return f.Severity == Damage }) {
		t.Errorf("%+v, %v", problems.Findings, err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

// TestWhatOthersLeaveIsRetired: an image that no manifest names, and that can be found, is
// retired when one of its type is replaced.
func TestWhatOthersLeaveIsRetired(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	embedKernel(t, s, noise(500), compute.KernelConfig{})
	old := s.Current().OfType(segments.TypeKernel)[0]
	embedKernel(t, s, noise(600), compute.KernelConfig{})
	err := s.log.Alone(t.Context(), 0, func(session *log.Session) error {
		return session.Repair(t.Context(), s.Current(), log.Repair{Offset: old.Offset + segments.TypeOffset, Bytes: []byte{byte(old.Type)}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ofType(t, s.Current(), segments.TypeKernel); got != 2 {
		t.Fatalf("%d kernels are found, so this tests nothing", got)
	}
	embedKernel(t, s, noise(700), compute.KernelConfig{})
	if got := ofType(t, s.Current(), segments.TypeKernel); got != 1 {
		t.Errorf("%d kernels are found", got)
	}
}
