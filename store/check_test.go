package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/search"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// vendorType is a type that nobody understands.
const vendorType = segments.Type(0xF7)

// past is what became of vectors of a store.
type past string

const (
	untouched past = "untouched"
	deleted   past = "deleted"
	busy      past = "deleted and replaced"
)

// richFiles holds a store with segments of every kind that a view shows.
func richFiles(t *testing.T, what past) *volumes.Files {
	t.Helper()
	files := volumes.New()
	profile := volume.NewSegment{Type: segments.TypeProfile, Payload: segments.EncodeProfile(lineage.RVText)}
	manifest := &segments.Manifest{Dimension: 2, HasIdentity: true, Identity: lineage.Identity{FileID: lineage.FileID{1}}}
	err := writeNew(context.Background(), filelog.Shelf{Files: files}, "a", newFileContent{manifest: manifest, before: []volume.NewSegment{profile, {Type: vendorType, Payload: noise(300)}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), "a", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	bring(t, s, []uint64{1, 2, 3}, 1, 1, 2, 2, 3, 3)
	bring(t, s, []uint64{4, 5}, 4, 4, 5, 5)
	embedKernel(t, s, noise(2000), compute.KernelConfig{Cmdline: "quiet", Header: segments.KernelHeader{Architecture: segments.KernelUnknown}})
	if err := errors.Join(write(t, s, compute.PartEBPFProgram, noise(500)), write(t, s, compute.PartWASMModule, []byte("\x00asm\x01\x00\x00\x00"))); err != nil {
		t.Fatal(err)
	}
	bring(t, s, []uint64{6}, 6, 6)
	if what == busy {
		bring(t, s, []uint64{2, 7}, 20, 20, 7, 7)
	}
	if what != untouched {
		if _, err := s.Delete(t.Context(), []uint64{4}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return files
}

// copied is a copy of the store's file in which one bit is another.
func copied(t *testing.T, files *volumes.Files, flipped int64) *volumes.Files {
	t.Helper()
	changed := volumes.New()
	file, err := changed.Create("a", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	content := slices.Clone(files.Names["a"].Content)
	if flipped >= 0 {
		content[flipped] ^= 0x20
	}
	if _, err := file.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	return changed
}

// openChecked opens a store of richFiles with a checker of its own.
func openChecked(t *testing.T, files filelog.FileSystem, mode state.VerifyMode) (*Store, *state.Checker) {
	t.Helper()
	return openTold(t, files, mode, nil)
}

// openTold is openChecked for who wants to be told of damage.
func openTold(t *testing.T, files filelog.FileSystem, mode state.VerifyMode, told func(state.DamagedSegment)) (*Store, *state.Checker) {
	t.Helper()
	checker := state.NewChecker(mode)
	s, err := Open(context.Background(), "a", Options{Shelf: filelog.Shelf{Files: files}, Checker: checker, OnDamage: told, TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		checker.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, checker
}

// shownBytes is what reading came to.
type shownBytes struct {
	content []byte
	err     error
}

// everything reads all that a snapshot shows.
func everything(t *testing.T, s *state.Snapshot) map[string]shownBytes {
	t.Helper()
	ctx := t.Context()
	shows := map[string]shownBytes{}
	view := func(name string, view state.View, err error) {
		var content []byte
		if err == nil {
			content, err = state.ViewContent(ctx, view)
		}
		shows[name] = shownBytes{content, err}
	}
	for _, format := range vecio.FileFormats() {
		all, err := rows.File(ctx, rows.Of(s), format)
		view("vectors/"+format.String(), all, err)
	}
	for id := range uint64(9) {
		one, err := rows.ByID(ctx, rows.Of(s), id, vecio.FileJSONL)
		view(fmt.Sprintf("by-id/%d", id), one, err)
	}
	for name, kind := range map[string]segments.Type{"kernel": segments.TypeKernel, "ebpf": segments.TypeEBPF, "wasm": segments.TypeWASM} {
		views, err := viewsOf(s, kind)
		shows[name] = shownBytes{err: err}
		for _, named := range views {
			view(name+"/"+named.Name, named.View, nil)
		}
	}
	all, err := s.Segments(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all.Len() {
		name, _ := all.Name(i)
		one, _ := all.Find(name)
		view("segments/"+name, one, nil)
	}
	view("raw", s.Raw(), nil)
	manifest, err := s.ManifestBinary()
	view("manifest.bin", manifest, err)
	witness, err := s.Witness(ctx)
	view("witness", witness, err)
	profile, err := s.Profile(ctx)
	shows["profile"] = shownBytes{[]byte(profile.String()), err}
	for name, query := range map[string]search.Query{"vector": {Vector: []float32{5, 4}, K: 9}, "id": {ID: 5, K: 3}} {
		answers, err := search.Nearest(ctx, rows.Of(s), []search.Query{query})
		shows["query/"+name] = shownBytes{search.AppendAnswers(nil, answers), err}
	}
	return shows
}

// nothingWrong compares what is shown with what was written: it is that, or an
// error that says that the store is damaged. It returns the names of what failed.
func nothingWrong(t *testing.T, what string, got, want map[string]shownBytes) (failed []string) {
	t.Helper()
	for name, right := range want {
		shown, there := got[name]
		switch {
		case !there: // an image that cannot be read: error.txt says so
			failed = append(failed, name)
		case errors.Is(shown.err, volume.ErrCorrupt):
			failed = append(failed, name)
		case name == "witness" && bytes.Contains(shown.content, []byte(`"damaged"`)):
			failed = append(failed, name)
		case errors.Is(shown.err, volume.ErrNotFound) && errors.Is(right.err, volume.ErrNotFound):
		case shown.err != nil:
			t.Errorf("%s: %s: %v", what, name, shown.err)
		case !bytes.Equal(shown.content, right.content):
			t.Errorf("%s: %s is another: %.200q, it was %.200q", what, name, shown.content, right.content)
		}
	}
	slices.Sort(failed)
	return failed
}

// needs lists what must fail when a segment is damaged, whatever else does.
func needs(entry segments.DirectoryEntry) []string {
	needed := []string{fmt.Sprintf("segments/%06d-%s.seg", entry.SegmentID, entry.Type), "raw"}
	switch entry.Type {
	case segments.TypeVec:
		needed = append(needed, "query/id", "query/vector", "vectors/csv", "vectors/f32", "vectors/fvecs", "vectors/ids", "vectors/jsonl", "vectors/npy")
	case segments.TypeKernel:
		needed = append(needed, "kernel/image", "kernel/cmdline", "kernel/header.json", "kernel/header.bin")
	case segments.TypeEBPF:
		needed = append(needed, "ebpf/program.o", "ebpf/header.json")
	case segments.TypeWASM:
		needed = append(needed, "wasm/module.wasm", "wasm/header.json")
	case segments.TypeProfile:
		needed = append(needed, "profile")
	case segments.TypeWitness:
		needed = append(needed, "witness")
	}
	return needed
}

// TestDamageIsNeverShownAsRight flips one bit in each segment, at its ends and in
// its middle, and reads everything in every mode.
func TestDamageIsNeverShownAsRight(t *testing.T) {
	t.Parallel()
	for _, what := range []past{untouched, deleted, busy} {
		files := richFiles(t, what)
		s, checker := openChecked(t, copied(t, files, -1), state.VerifyFirst)
		want := everything(t, s.Current())
		for name, shown := range want {
			if shown.err != nil && !errors.Is(shown.err, volume.ErrNotFound) {
				t.Errorf("a sound store: %s: %v", name, shown.err)
			}
		}
		status, err := s.Status(t.Context())
		if err != nil || status.CheckedSegments != status.Segments || status.DamagedCount != 0 || status.UnhashedSegments != 0 || status.Verify != "first" {
			t.Errorf("a sound store: %+v, %v", status, err)
		}
		checker.Wait()
		entries := s.Current().Live()
		for _, entry := range entries[:len(entries)-1] { // the manifest's hash is looked at when the store is opened
			length := int64(entry.PayloadLength)
			places := []int64{length / 2}
			if entry.Type == segments.TypeVec { // dimension, count, first id, first vector, last vector
				places = []int64{0, 3, 6, 6 + 8, length - 1}
			}
			for _, at := range places {
				t.Run(fmt.Sprintf("%s/%s@%d+%d", what, entry.Type, entry.Offset, at), func(t *testing.T) {
					t.Parallel()
					flipped := entry.Offset + segments.HeaderSize + at
					checkFirst(t, copied(t, files, flipped), entry, want)
					checkBackground(t, copied(t, files, flipped), entry, want)
					if at == places[0] {
						checkNever(t, copied(t, files, flipped), entry, want)
					}
				})
			}
		}
	}
}

// damageIsKnown looks for a damaged segment where a user would.
func damageIsKnown(t *testing.T, s *Store, entry segments.DirectoryEntry) {
	t.Helper()
	status, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.DamagedCount != 1 || len(status.DamagedSegments) != 1 || status.DamagedSegments[0].Offset != entry.Offset ||
		status.DamagedSegments[0].Type != entry.Type.String() || status.DamagedSegments[0].SegmentID != entry.SegmentID {
		text, _ := json.Marshal(status)
		t.Errorf("the status is %s, want the %s at %d damaged", text, entry.Type, entry.Offset)
	}
	if (status.Damage != "") != (entry.Type == segments.TypeVec) {
		t.Errorf("the status says of the vectors: %q", status.Damage)
	}
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if verification, err := VerifySnapshot(t.Context(), snapshot); err != nil || verification.Damages == 0 {
		t.Errorf("the verification finds %s, %v", describeFindings(verification), err)
	}
}

func checkFirst(t *testing.T, files *volumes.Files, entry segments.DirectoryEntry, want map[string]shownBytes) {
	t.Helper()
	s, _ := openChecked(t, files, state.VerifyFirst)
	for _, round := range []string{"first, at once", "first, then"} {
		snapshot, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		failed := nothingWrong(t, round, everything(t, snapshot), want)
		for _, name := range needs(entry) {
			if !slices.Contains(failed, name) {
				t.Errorf("%s: %s can be read; %v cannot", round, name, failed)
			}
		}
	}
	damageIsKnown(t, s, entry)
}

func checkBackground(t *testing.T, files *volumes.Files, entry segments.DirectoryEntry, want map[string]shownBytes) {
	t.Helper()
	s, checker := openChecked(t, files, state.VerifyBackground)
	before := s.Current()
	goOn := rowstest.HoldChecks(checker)
	everything(t, before)
	held := holdOpen(t, before)
	goOn()
	checker.Wait()
	after, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.Generation() == before.Generation() {
		t.Error("the snapshot from before the verdict still is the newest")
	}
	for what, snapshot := range map[string]*state.Snapshot{"background, anew": after, "background, the same": before} {
		failed := nothingWrong(t, what, everything(t, snapshot), want)
		for _, name := range needs(entry) {
			if !slices.Contains(failed, name) {
				t.Errorf("%s: %s can be read; %v cannot", what, name, failed)
			}
		}
		for name := range want {
			others := strings.HasPrefix(name, "segments/") && name != needs(entry)[0]
			if others && slices.Contains(failed, name) {
				t.Errorf("%s: %s cannot be read", what, name)
			}
		}
	}
	held(t, entry, want)
	damageIsKnown(t, s, entry)
}

// holdOpen opens what is computed from more than it shows, and returns what looks at
// it later.
func holdOpen(t *testing.T, s *state.Snapshot) func(*testing.T, segments.DirectoryEntry, map[string]shownBytes) {
	t.Helper()
	type holding struct {
		name   string
		view   state.View
		reader state.Reader
	}
	var all []holding
	hold := func(name string, view state.View, err error) {
		if err != nil {
			return
		}
		reader, err := view.Open(t.Context())
		if err == nil {
			all = append(all, holding{name, view, reader})
		}
	}
	vectors, err := rows.File(t.Context(), rows.Of(s), vecio.FileF32)
	hold("vectors/f32", vectors, err)
	if kernel, err := viewsOf(s, segments.TypeKernel); err == nil {
		for _, named := range kernel {
			hold("kernel/"+named.Name, named.View, nil)
		}
	}
	return func(t *testing.T, entry segments.DirectoryEntry, want map[string]shownBytes) {
		t.Helper()
		for _, held := range all {
			right := want[held.name].content
			for at := int64(0); at < held.view.Size(); at += 8 {
				got := make([]byte, min(8, held.view.Size()-at))
				_, err := held.reader.ReadContext(context.Background(), got, at)
				if !errors.Is(err, volume.ErrCorrupt) && (at+int64(len(got)) > int64(len(right)) || !bytes.Equal(got, right[at:at+int64(len(got))])) {
					t.Errorf("%s, held open: %x at %d, %v", held.name, got, at, err)
				}
				if err == nil && entry.Type == segments.TypeKernel && strings.HasPrefix(held.name, "kernel/") {
					t.Errorf("%s, held open, can be read", held.name)
				}
			}
			if err := held.reader.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func checkNever(t *testing.T, files *volumes.Files, entry segments.DirectoryEntry, want map[string]shownBytes) {
	t.Helper()
	s, _ := openChecked(t, files, state.VerifyNever)
	shown := everything(t, s.Current())
	for _, name := range needs(entry)[:2] {
		if shown[name].err != nil || len(shown[name].content) != len(want[name].content) {
			t.Errorf("never: %s: %v", name, shown[name].err)
		}
	}
	if status, err := s.Status(t.Context()); err != nil || status.Verify != "never" || status.UncheckedSegments != status.Segments {
		t.Errorf("never: the status is %+v, %v", status, err)
	}
}
