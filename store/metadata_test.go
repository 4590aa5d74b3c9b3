package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// title is a value of field 0.
func title(text string) segments.MetaMembers {
	return segments.MetaMembers(nil).With(0, append([]byte{byte(segments.MetaString), byte(len(text)), 0, 0, 0}, text...))
}

var titles = []segments.MetaField{{ID: 0, Kind: segments.MetaString, Name: "title"}}

func encodedMeta(t testing.TB, m *segments.Meta) []byte {
	t.Helper()
	payload, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// metaSnapshotOf states records with the id as the title.
func metaSnapshotOf(t testing.TB, generation uint64, ids ...uint64) []byte {
	t.Helper()
	m := &segments.Meta{Snapshot: true, Generation: generation, Schema: titles}
	for _, id := range ids {
		m.Records = append(m.Records, segments.MetaRecord{ID: id, Members: title(fmt.Sprint(id))})
	}
	return encodedMeta(t, m)
}

// storeWithMeta makes a store of vectors 1 to 4 in which META segments with these
// payloads are named.
func storeWithMeta(t testing.TB, files filelog.FileSystem, payloads ...[]byte) *Store {
	t.Helper()
	return openWithMeta(t, Options{Shelf: filelog.Shelf{Files: files}}, payloads...)
}

func openWithMeta(t testing.TB, options Options, payloads ...[]byte) *Store {
	t.Helper()
	content := newFileContent{manifest: &segments.Manifest{Dimension: 1, TotalVectors: 4}}
	vec := segments.EncodeVecPrefix(1, 4)
	content.before = append(content.before, volume.NewSegment{Type: segments.TypeVec, Payload: appendRows(vec[:], []uint64{1, 2, 3, 4}, make([]byte, 16))})
	for _, payload := range payloads {
		content.before = append(content.before, volume.NewSegment{Type: segments.TypeMeta, Payload: payload})
	}
	if err := writeNew(context.Background(), options.Shelf, "m.rvf", content); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), "m.rvf", options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// metaParts are the META segments that the newest manifest names, in its order; nil for
// one that nobody can read.
func metaParts(t testing.TB, s *Store) []*segments.Meta {
	t.Helper()
	snapshot := s.Current()
	var parts []*segments.Meta
	err := snapshot.With(context.Background(), state.Judging, func(reading *state.Reading) error {
		for _, entry := range snapshot.OfType(segments.TypeMeta) {
			payload, err := reading.ReadSegment(entry, segments.MaxMetaBytes)
			if err != nil {
				return err
			}
			part, err := segments.ParseMeta(payload)
			if err != nil {
				part = nil
			}
			parts = append(parts, part)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// readers is what a program comes to that reads metadata as the format says: it goes
// back to the newest snapshot, demands that the generations follow one another, and
// that each record has a vector.
func readers(t testing.TB, s *Store) map[uint64]string {
	t.Helper()
	snapshot := s.Current()
	var parts []*segments.Meta
	for _, part := range slices.Backward(metaParts(t, s)) {
		if part == nil {
			continue
		}
		parts = append(parts, part)
		if part.Snapshot {
			break
		}
	}
	slices.Reverse(parts)
	found := map[uint64]string{}
	for i, part := range parts {
		if (i == 0) != part.Snapshot || i > 0 && part.Generation != parts[i-1].Generation+1 || i > 64 {
			t.Fatalf("segment %d of %d has generation %d", i, len(parts), part.Generation)
		}
		for _, record := range part.Records {
			switch {
			case record.Gone:
				delete(found, record.ID)
			case len(record.Members) > 0:
				for _, value := range record.Members.All() {
					found[record.ID] = string(value[5:])
				}
			}
		}
	}
	live := map[uint64]bool{}
	if err := rowstest.Visit(context.Background(), rows.Of(snapshot), func(ids []uint64, _ []byte) error {
		for _, id := range ids {
			live[id] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for id := range found {
		if !live[id] {
			t.Errorf("epoch %d: a record of %d, which has no vector", snapshot.Epoch(), id)
		}
	}
	return found
}

func wantRecords(t *testing.T, s *Store, ids ...uint64) {
	t.Helper()
	found := readers(t, s)
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, ids) {
		t.Errorf("epoch %d: records of %d, want %d", s.Current().Epoch(), got, ids)
	}
	for id, text := range found {
		if text != fmt.Sprint(id) {
			t.Errorf("record of %d says %q", id, text)
		}
	}
}

func deleteIDs(t *testing.T, s *Store, ids ...uint64) {
	t.Helper()
	if _, err := s.Delete(context.Background(), ids); err != nil {
		t.Fatal(err)
	}
}

// A record goes with its vector, in the same commit, and stays when the vector is
// written again.
func TestRecordsGoWithTheirVectors(t *testing.T) {
	t.Parallel()
	s := storeWithMeta(t, volumes.New(), metaSnapshotOf(t, 3, 1, 2, 3))
	wantRecords(t, s, 1, 2, 3)
	bring(t, s, []uint64{2, 9}, 7, 8)
	wantRecords(t, s, 1, 2, 3)
	before := len(metaParts(t, s))
	deleteIDs(t, s, 4, 9)
	if now := len(metaParts(t, s)); now != before {
		t.Errorf("%d META segments where %d were, though no record had to go", now, before)
	}
	deleteIDs(t, s, 2)
	wantRecords(t, s, 1, 3)
	bring(t, s, []uint64{2}, 7)
	wantRecords(t, s, 1, 3)
	wantFindings(t, verify(t, s.Current()), finding{Note, "from before identities"})
}

// Records that others left behind go with the next commit, whatever that brings.
func TestRecordsWithoutVectorsAreRepaired(t *testing.T) {
	t.Parallel()
	for name, commit := range map[string]func(*testing.T, *Store){
		"vectors":    func(t *testing.T, s *Store) { bring(t, s, []uint64{50}, 1) },
		"a deletion": func(t *testing.T, s *Store) { deleteIDs(t, s, 4) },
		"an image":   func(t *testing.T, s *Store) { _ = write(t, s, compute.PartKernelImage, noise(100)) },
		"a compaction": func(t *testing.T, s *Store) {
			if _, err := s.Compact(context.Background()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storeWithMeta(t, volumes.New(), metaSnapshotOf(t, 1, 1, 77))
			wantFindings(t, verify(t, s.Current()), finding{Note, "from before identities"}, finding{Damage, "metadata of 1 vectors that are not stored or deleted, the first of them 77"})
			commit(t, s)
			wantRecords(t, s, 1)
			wantFindings(t, verify(t, s.Current()), finding{Note, "from before identities"})
		})
	}
}

// What cannot be read hides no vector, is copied by a compaction, and is followed by
// a snapshot as soon as a record has to go.
func TestUnreadableMetadata(t *testing.T) {
	t.Parallel()
	delta := func(generation, id uint64) []byte {
		return encodedMeta(t, &segments.Meta{Generation: generation, Schema: titles, Records: []segments.MetaRecord{{ID: id, Members: title(fmt.Sprint(id))}}})
	}
	broken := []byte("no metadata at all")
	for _, c := range []struct {
		name     string
		payloads [][]byte
		before   []uint64 // records as our reader counts them
		gap      bool
		kept     int // segments besides the snapshot after a compaction
	}{
		{"a gap in the generations", [][]byte{metaSnapshotOf(t, 1, 1), delta(2, 2), delta(4, 3)}, []uint64{1, 2}, true, 0},
		{"damage between deltas", [][]byte{metaSnapshotOf(t, 1, 1), broken, delta(3, 3)}, []uint64{1}, true, 1},
		{"damage before a snapshot", [][]byte{broken, metaSnapshotOf(t, 1, 1), delta(2, 2)}, []uint64{1, 2}, false, 1},
		{"another kind under a number", [][]byte{metaSnapshotOf(t, 1, 1), encodedMeta(t, &segments.Meta{Generation: 2, Schema: []segments.MetaField{{Kind: segments.MetaBool, Name: "title"}}})}, []uint64{1}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := storeWithMeta(t, volumes.New(), c.payloads...)
			gap := slices.ContainsFunc(verify(t, s.Current()).Findings, func(f Finding) bool { return strings.Contains(f.Text, "a gap in its generations") })
			if gap != c.gap {
				t.Errorf("gap %v, want %v", gap, c.gap)
			}
			deleteIDs(t, s, 1)
			wantRecords(t, s, slices.DeleteFunc(slices.Clone(c.before), func(id uint64) bool { return id == 1 })...)
			if got := s.Current().HasContent(); !got {
				t.Error("the vectors are hidden")
			}
			if _, err := s.Compact(context.Background()); err != nil {
				t.Fatal(err)
			}
			wantRecords(t, s, slices.DeleteFunc(slices.Clone(c.before), func(id uint64) bool { return id == 1 })...)
			if got := len(metaParts(t, s)); got != c.kept+1 {
				t.Errorf("%d META segments after a compaction, want %d", got, c.kept+1)
			}
		})
	}
}

// Without any snapshot nobody knows the records: all is kept as it is.
func TestMetadataWithoutASnapshotAreKept(t *testing.T) {
	t.Parallel()
	draft, lone := []byte("a draft that nobody reads"), encodedMeta(t, &segments.Meta{Generation: 2, Records: []segments.MetaRecord{{ID: 1}}})
	s := storeWithMeta(t, volumes.New(), draft, lone)
	deleteIDs(t, s, 1)
	if _, err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	var kept [][]byte
	if err := s.Current().With(context.Background(), state.Judging, func(reading *state.Reading) error {
		for _, entry := range s.Current().OfType(segments.TypeMeta) {
			payload, err := reading.ReadPayload(entry)
			if err != nil {
				return err
			}
			kept = append(kept, payload)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(kept) != 2 || !bytes.Equal(kept[0], draft) || !bytes.Equal(kept[1], lone) {
		t.Errorf("kept %q", kept)
	}
}

// A snapshot is written before readers meet more deltas than they take, and the
// segments before it stay named.
func TestDeltasAreBounded(t *testing.T) {
	t.Parallel()
	ids := make([]uint64, 100)
	for i := range ids {
		ids[i] = uint64(i + 1)
	}
	s := storeWithMeta(t, volumes.New(), metaSnapshotOf(t, 1, ids...))
	bring(t, s, ids, make([]float32, len(ids))...)
	for i := range 70 {
		deleteIDs(t, s, ids[i])
		wantRecords(t, s, ids[i+1:]...)
	}
	parts := metaParts(t, s)
	if got := len(parts); got != 71 {
		t.Errorf("%d META segments are named after 70 commits, want 71", got)
	}
	deltas := 0
	for _, part := range parts {
		if deltas++; part.Snapshot {
			deltas = 0
		}
	}
	if deltas > 32 {
		t.Errorf("%d deltas behind the last snapshot", deltas)
	}
}

// TestMetadataModel does what users do, in random order, and looks after each step,
// and after opening the file anew, with the eyes of a program that obeys metadata.
func TestMetadataModel(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	files := volumes.New()
	s := storeWithMeta(t, files, metaSnapshotOf(t, 1, 1, 2, 3, 4))
	records := map[uint64]bool{1: true, 2: true, 3: true, 4: true}
	live := map[uint64]bool{1: true, 2: true, 3: true, 4: true}
	for step := range 400 {
		id := random.Uint64N(40)
		switch random.IntN(8) {
		case 0, 1:
			bring(t, s, []uint64{id}, 1)
			live[id] = true
		case 2, 3:
			deleteIDs(t, s, id, id+1)
			for _, gone := range []uint64{id, id + 1} {
				delete(live, gone)
				delete(records, gone)
			}
		case 4:
			if _, err := s.Compact(context.Background()); err != nil {
				t.Fatal(err)
			}
		case 5:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			var err error
			if s, err = Open(context.Background(), "m.rvf", Options{Shelf: filelog.Shelf{Files: files}}); err != nil {
				t.Fatal(err)
			}
		default: // another program gives a vector a record
			if !live[id] {
				break
			}
			generation := uint64(0)
			for _, part := range metaParts(t, s) {
				generation = max(generation, part.Generation)
			}
			generation++
			addSegment(t, s, volume.NewSegment{Type: segments.TypeMeta, Payload: encodedMeta(t, &segments.Meta{
				Generation: generation, Schema: titles, Records: []segments.MetaRecord{{ID: id, Members: title(fmt.Sprint(id))}},
			})})
			records[id] = true
		}
		wantRecords(t, s, slices.Sorted(maps.Keys(records))...)
		if t.Failed() {
			t.Fatalf("at step %d", step)
		}
	}
}

// addSegment commits one more segment, as a program would that knows its type.
func addSegment(t *testing.T, s *Store, small volume.NewSegment) {
	t.Helper()
	session, err := s.log.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	e := session.Extent(volume.ExtentSpec{Type: small.Type, Flags: small.Flags, Length: int64(len(small.Payload))})
	if err = e.Write(context.Background(), small.Payload); err == nil {
		e.Complete()
		_, err = session.Commit(context.Background(), log.Change{Added: []volume.Extent{e}})
	}
	if err = errors.Join(err, session.End()); err != nil {
		t.Fatal(err)
	}
}

// After a crash at any moment of a deletion, vector and record are both there or
// both gone.
func TestCrashStatesOfMetadata(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s := storeWithMeta(t, files, metaSnapshotOf(t, 1, 1, 2, 3))
	from := files.Changes()
	deleteIDs(t, s, 2)
	if _, err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	all := func(int) bool { return true }
	for after := from; after <= files.Changes(); after++ {
		for _, lost := range []func(int) bool{nil, all} {
			state := files.State(volumes.Crash{After: after, Torn: -1, Lost: lost})
			opened, err := Open(context.Background(), "m.rvf", Options{Shelf: filelog.Shelf{Files: state}})
			if err != nil {
				t.Fatalf("after %d changes: %v", after, err)
			}
			got := slices.Sorted(maps.Keys(readers(t, opened)))
			if !slices.Equal(got, []uint64{1, 2, 3}) && !slices.Equal(got, []uint64{1, 3}) {
				t.Errorf("after %d changes: records of %d", after, got)
			}
		}
	}
}

// TestMetadataAreCharged: hundreds of thousands of records in a few megabytes take
// many times as much memory. Where there is not so much, nothing happens, and where
// there is, no more is taken.
func TestMetadataAreCharged(t *testing.T) {
	t.Parallel()
	const count = 200_000
	whole := &segments.Meta{Snapshot: true, Generation: 1, Schema: titles}
	for id := range uint64(count) {
		record := segments.MetaRecord{ID: id + 1}
		if id < 4 {
			record.Members = title(fmt.Sprint(id + 1))
		}
		whole.Records = append(whole.Records, record)
	}
	payload := encodedMeta(t, whole)
	for _, c := range []struct {
		limit             int64
		deletes, compacts bool
	}{{8 << 20, false, false}, {20 << 20, true, false}, {96 << 20, true, true}} {
		t.Run(fmt.Sprint(c.limit>>20, " MiB"), func(t *testing.T) {
			t.Parallel()
			budget := memory.NewBudget(c.limit)
			s := openWithMeta(t, Options{Shelf: filelog.Shelf{Files: volumes.New()}, Memory: budget}, payload)
			_, err := s.Delete(t.Context(), []uint64{1})
			if c.deletes && err != nil || !c.deletes && !errors.Is(err, memory.ErrNever) {
				t.Errorf("delete: %v", err)
			}
			_, err = s.Compact(t.Context())
			if c.compacts && err != nil || !c.compacts && !errors.Is(err, memory.ErrNever) {
				t.Errorf("compact: %v", err)
			}
			if usage := budget.Usage(); usage.Peak > c.limit || usage.Used != usage.Cached {
				t.Errorf("%+v", usage)
			}
			left := uint64(4)
			if c.deletes {
				left--
				wantRecords(t, s, 2, 3, 4) // the others have no vectors
			}
			if status, err := s.Status(t.Context()); err != nil || status.LiveVectors != left {
				t.Errorf("%d vectors, want %d, %v", status.LiveVectors, left, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
