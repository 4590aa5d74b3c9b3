package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// finding is what a test expects: a severity and a part of the text.
type finding struct {
	severity Severity
	text     string
}

func verify(t *testing.T, snapshot *state.Snapshot) Verification {
	t.Helper()
	result, err := VerifySnapshot(context.Background(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// wantFindings compares all findings, in their order.
func wantFindings(t *testing.T, got Verification, want ...finding) {
	t.Helper()
	counts := map[Severity]int{}
	same := len(got.Findings) == len(want)
	for i, found := range got.Findings {
		counts[found.Severity]++
		same = same && found.Severity == want[i].severity && strings.Contains(found.Text, want[i].text)
	}
	if !same {
		t.Errorf("findings %s, want %v", describeFindings(got), want)
	}
	if counts[Damage] != got.Damages || counts[Note] != got.Notes {
		t.Errorf("%d damages and %d notes counted, findings %s", got.Damages, got.Notes, describeFindings(got))
	}
}

func describeFindings(v Verification) string {
	var text strings.Builder
	for _, found := range v.Findings {
		fmt.Fprintf(&text, "\n%s: %s", found.Severity, found.Text)
	}
	return text.String()
}

// changeFile works on the bytes of a store behind its back.
func changeFile(t *testing.T, s *Store, change func(filelog.File) error) {
	t.Helper()
	file, err := filelog.FilesOf(s.shelf).Open(s.Path(), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(change(file), file.Close()); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, s *Store, offset int64) {
	t.Helper()
	changeFile(t, s, func(file filelog.File) error {
		var b [1]byte
		if err := volume.ReadFull(file, b[:], offset); err != nil {
			return err
		}
		b[0] ^= 0x20
		_, err := file.WriteAt(b[:], offset)
		return err
	})
}

// reopenStore reads the store's file anew.
func reopenStore(t *testing.T, s *Store) *state.Snapshot {
	t.Helper()
	again, err := OpenReadOnly(context.Background(), s.Path(), Options{Shelf: s.shelf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	})
	return again.Current()
}

// crafted makes a store file of the given segments and opens it.
func crafted(t *testing.T, content newFileContent) *state.Snapshot {
	t.Helper()
	files := volumes.New()
	content.manifest.Dimension = 2
	content.manifest.HasIdentity, content.manifest.Identity = true, lineage.Identity{FileID: lineage.FileID{1}}
	if err := writeNew(context.Background(), filelog.Shelf{Files: files}, "a.rvf", content); err != nil {
		t.Fatal(err)
	}
	return reopenStore(t, &Store{shelf: filelog.Shelf{Files: files}, file: filelog.New(filelog.Place{Files: files, Name: "a.rvf"}, volume.LogOptions{})})
}

// busyStore holds merged, replaced and deleted vectors, of some forty commits.
func busyStore(t *testing.T) *Store {
	t.Helper()
	s := newStore(t)
	for i := range 40 {
		bring(t, s, []uint64{uint64(i % 30)}, float32(i), 1)
	}
	if _, err := s.Delete(context.Background(), []uint64{3}); err != nil {
		t.Fatal(err)
	}
	return s
}

// deadOffset is where the first segment of a type stands that nothing names.
func deadOffset(t *testing.T, snapshot *state.Snapshot, kind segments.Type) int64 {
	t.Helper()
	live := map[int64]bool{}
	for _, entry := range snapshot.Live() {
		live[entry.Offset] = true
	}
	offset := int64(-1)
	if err := snapshot.Backing().With(t.Context(), func(file volume.Bytes) error {
		return snapshot.In(file).Walk(func(segment segments.Segment) error {
			if offset < 0 && segment.Type == kind && !live[segment.Offset] {
				offset = segment.Offset
			}
			return nil
		})
	}); err != nil || offset < 0 {
		t.Fatal(offset, err)
	}
	return offset
}

func rawSegment(kind segments.Type, payload string) []byte {
	header := segments.Header{
		Version: 1, Type: kind, ID: 99, PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash([]byte(payload)),
	}.Encode()
	return append(header[:], payload...)
}

func TestVerifyIntactStore(t *testing.T) {
	t.Parallel()
	s := busyStore(t)
	got := verify(t, reopenStore(t, s))
	wantFindings(t, got)
	if got.Witnesses != 41 || got.TotalStored != 30 || got.Dead == 0 || got.Live != len(s.Current().Live()) || got.Unverified != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	wantFindings(t, verify(t, reopenStore(t, s)))
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := VerifySnapshot(canceled, s.Current()); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestVerifyFlippedByte(t *testing.T) {
	t.Parallel()
	damaged := finding{Damage, "the payload is not what its content hash says"}
	cases := map[string]struct {
		offset func(*testing.T, *state.Snapshot) int64
		want   []finding
	}{
		"live vectors": {
			func(_ *testing.T, s *state.Snapshot) int64 { return s.Vectors()[0].Offset + segments.HeaderSize + 20 },
			[]finding{damaged},
		},
		"dead vectors": {
			func(t *testing.T, s *state.Snapshot) int64 {
				return deadOffset(t, s, segments.TypeVec) + segments.HeaderSize + 20
			},
			[]finding{{Note, damaged.text}},
		},
		"older manifest": {
			func(t *testing.T, s *state.Snapshot) int64 {
				return deadOffset(t, s, segments.TypeManifest) + segments.HeaderSize
			},
			[]finding{{Note, damaged.text}},
		},
		"newest manifest": {
			func(_ *testing.T, s *state.Snapshot) int64 { return s.State().Segment.Offset + segments.HeaderSize },
			[]finding{{Damage, "the store shows the state before it"}},
		},
		"earlier witness entry": {
			func(t *testing.T, s *state.Snapshot) int64 {
				return deadOffset(t, s, segments.TypeWitness) + segments.HeaderSize + 15
			},
			[]finding{{Damage, "the entry is damaged"}, {Damage, "the audit chain is broken"}},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := busyStore(t)
			flip(t, s, test.offset(t, s.Current()))
			got := verify(t, reopenStore(t, s))
			if name == "newest manifest" { // what stands behind the former state is told too
				got.Findings, got.Notes = slicesWithout(got.Findings, Note), 0
			}
			wantFindings(t, got, test.want...)
		})
	}
}

func slicesWithout(findings []Finding, severity Severity) []Finding {
	var kept []Finding
	for _, found := range findings {
		if found.Severity != severity {
			kept = append(kept, found)
		}
	}
	return kept
}

func TestVerifyDamagedHeaderOfLiveVectors(t *testing.T) {
	t.Parallel()
	s := busyStore(t)
	snapshot := s.Current()
	flip(t, s, snapshot.Vectors()[0].Offset)
	got := verify(t, snapshot)
	if got.Damages == 0 || !strings.Contains(got.Findings[0].Text, "vec segment") || *got.Findings[0].Offset != snapshot.Vectors()[0].Offset {
		t.Errorf("findings %s", describeFindings(got))
	}
}

func TestVerifyCutFile(t *testing.T) {
	t.Parallel()
	s := busyStore(t)
	snapshot := s.Current()
	cut := func(size int64) {
		changeFile(t, s, func(file filelog.File) error { return file.Truncate(size) })
	}
	cut(snapshot.Size() - 10)
	if got := verify(t, snapshot); got.Damages == 0 || !strings.Contains(describeFindings(got), "the file ends here") {
		t.Errorf("known state: %s", describeFindings(got))
	}
	again := reopenStore(t, s)
	got := verify(t, again)
	if got.Damages != 0 || again.Epoch() != snapshot.Epoch()-1 || !strings.Contains(describeFindings(got), "bytes behind the committed end") {
		t.Errorf("epoch %d: %s", again.Epoch(), describeFindings(got))
	}
	cut(40)
	if _, err := OpenReadOnly(context.Background(), s.Path(), Options{Shelf: s.shelf}); !errors.Is(err, volume.ErrNotStore) {
		t.Errorf("40 bytes: %v", err)
	}
}

func TestVerifyUnknownSegments(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	named := volume.NewSegment{Type: 0xF7, Payload: []byte("of a vendor")}
	if err := writeNew(context.Background(), filelog.Shelf{Files: files}, "a.rvf", newFileContent{manifest: &segments.Manifest{}, before: []volume.NewSegment{named}}); err != nil {
		t.Fatal(err)
	}
	s := &Store{shelf: filelog.Shelf{Files: files}, file: filelog.New(filelog.Place{Files: files, Name: "a.rvf"}, volume.LogOptions{})}
	old := finding{Note, "from before identities"}
	wantFindings(t, verify(t, reopenStore(t, s)), old, finding{Note, "vendor type 0xf7, 11 bytes, named"})

	// A second manifest forgets it, and a third kind follows that.
	forgetful := string((&segments.Manifest{Epoch: 1}).Encode())
	changeFile(t, s, func(file filelog.File) error {
		info, err := file.Describe()
		if err == nil {
			_, err = file.WriteAt(append(rawSegment(segments.TypeManifest, forgetful), rawSegment(0x77, "?")...), info.Size)
		}
		return err
	})
	wantFindings(t, verify(t, reopenStore(t, s)), old,
		finding{Note, "vendor type 0xf7, 11 bytes, unnamed"}, finding{Note, "unknown type 0x77, 1 bytes, behind the newest manifest"})
}

func TestVerifyContradictions(t *testing.T) {
	t.Parallel()
	vec := func(dimension uint16, count uint32, length int) volume.NewSegment {
		prefix := segments.EncodeVecPrefix(dimension, count)
		return volume.NewSegment{Type: segments.TypeVec, Payload: append(prefix[:], make([]byte, length)...)}
	}
	witness := func(previous lineage.Hash) volume.NewSegment {
		return volume.NewSegment{Type: segments.TypeWitness, Payload: segments.Witness{Action: []byte("ingest"), Previous: previous}.Encode()}
	}
	cases := map[string]struct {
		content newFileContent
		want    []finding
	}{
		"count over the payload": {
			newFileContent{manifest: &segments.Manifest{TotalVectors: 2}, before: []volume.NewSegment{vec(2, 2, 16)}},
			[]finding{{Damage, "vec segment 1"}},
		},
		"another dimension": {
			newFileContent{manifest: &segments.Manifest{}, before: []volume.NewSegment{vec(3, 1, 20)}},
			[]finding{{Note, "1 rows of dimension 3 are left out"}},
		},
		"wrong total": {
			newFileContent{manifest: &segments.Manifest{TotalVectors: 7}, before: []volume.NewSegment{vec(2, 1, 16)}},
			[]finding{{Note, "counts 7 vectors, 1 are stored"}},
		},
		"deleted ids that are not stored": {
			newFileContent{manifest: &segments.Manifest{TotalVectors: 1, Deleted: []uint64{0, 5}}, before: []volume.NewSegment{vec(2, 1, 16)}},
			[]finding{{Note, "1 of 2 deleted ids"}},
		},
		"broken chain": {
			newFileContent{manifest: &segments.Manifest{}, before: []volume.NewSegment{witness(lineage.Hash{}), witness(lineage.Hash{9})}},
			[]finding{{Damage, "the audit chain is broken"}},
		},
		"outside of the file": {
			newFileContent{manifest: &segments.Manifest{Directory: []segments.DirectoryEntry{
				{SegmentID: 1, Offset: 1 << 40, PayloadLength: 5, Type: segments.TypeMeta},
			}}},
			[]finding{{Damage, "meta segment 1"}},
		},
		"one inside another": {
			newFileContent{
				manifest: &segments.Manifest{Directory: []segments.DirectoryEntry{
					{SegmentID: 99, Offset: segments.HeaderSize, PayloadLength: 5, Type: segments.TypeMeta},
				}},
				before: []volume.NewSegment{{Type: segments.TypeHot, Payload: rawSegment(segments.TypeMeta, "inner")}},
			},
			[]finding{{Damage, "begins within the segment before it"}},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFindings(t, verify(t, crafted(t, test.content)), test.want...)
		})
	}
}
