package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/storetest"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// contents collects the live vectors of a store.
func contents(t *testing.T, s *Store) map[uint64][]float32 {
	t.Helper()
	return contentsOf(t, sourcesOf(t, s))
}

// sourcesOf are those of the newest state, wherever a compaction has put them.
func sourcesOf(t *testing.T, s *Store) (of rows.Sources) {
	t.Helper()
	err := s.withNewest(t.Context(), func(newest *state.Snapshot) (err error) {
		of, err = s.Sources(t.Context(), newest)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return of
}

// ownContents are the live vectors that stand in a store's own file.
func ownContents(t *testing.T, s *Store) map[uint64][]float32 {
	t.Helper()
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return contentsOf(t, rows.Of(snapshot))
}

func contentsOf(t *testing.T, of rows.Sources) map[uint64][]float32 {
	t.Helper()
	found := map[uint64][]float32{}
	err := rowstest.Visit(context.Background(), of, func(ids []uint64, rows []byte) error {
		width := len(rows) / len(ids)
		for i, id := range ids {
			if _, twice := found[id]; twice {
				return fmt.Errorf("id %d visited twice", id)
			}
			vector := make([]float32, width/4)
			for c := range vector {
				vector[c] = math.Float32frombits(binary.LittleEndian.Uint32(rows[i*width+4*c:]))
			}
			found[id] = vector
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// auditChain walks the whole file of a snapshot and judges every entry of its audit chain.
func auditChain(ctx context.Context, s *state.Snapshot) (entries []state.WitnessDescription, err error) {
	var charge memory.Charge
	err = s.With(ctx, state.Judging, func(reading *state.Reading) error {
		chain := state.NewAuditChain(reading, &charge)
		return reading.Walk(func(segment segments.Segment) error {
			if segment.Type != segments.TypeWitness {
				return nil
			}
			described, err := chain.Next(segment)
			entries = append(entries, described)
			return err
		})
	})
	return entries, err
}

func sameContents(t *testing.T, got, want map[uint64][]float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d vectors, want %d", len(got), len(want))
	}
	for id, vector := range want {
		if fmt.Sprint(got[id]) != fmt.Sprint(vector) {
			t.Errorf("vector %d is %v, want %v", id, got[id], vector)
		}
	}
}

// closedAtEnd is a store that the test's end closes.
func closedAtEnd(t *testing.T, s *Store) *Store {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newStore creates a store of dimension 2 that the test's end closes.
func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2, Metric: segments.Cosine}, Options{Shelf: storetest.Shelf(t, filepath.Join(t.TempDir(), "a.rvf"))})
	if err != nil {
		t.Fatal(err)
	}
	return closedAtEnd(t, s)
}

// appendRows encodes vectors, given one after the other, as a VEC payload holds them.
func appendRows(payload []byte, ids []uint64, vectors []byte) []byte {
	width := len(vectors) / len(ids)
	for i, id := range ids {
		payload = binary.LittleEndian.AppendUint64(payload, id)
		payload = append(payload, vectors[i*width:(i+1)*width]...)
	}
	return payload
}

func bring(t *testing.T, s *Store, ids []uint64, vectors ...float32) ingest.Batch {
	t.Helper()
	result, err := s.Ingest(context.Background(), ids, vectors)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestLastWriteWinsAndDeletedIDsReturn(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := context.Background()
	bring(t, s, nil, 1, 2, 3, 4, 5, 6)          // ids 0, 1, 2
	bring(t, s, []uint64{1, 9}, 30, 40, 90, 91) // replaces 1
	deleted, err := s.Delete(ctx, []uint64{2, 77, 9, 9})
	if err != nil || deleted.Deleted != 2 || deleted.Missing != 1 {
		t.Fatalf("delete: %+v, %v", deleted, err)
	}
	bring(t, s, []uint64{9}, 7, 8) // returns
	bring(t, s, nil, 10, 11)       // id 10
	want := map[uint64][]float32{0: {1, 2}, 1: {30, 40}, 9: {7, 8}, 10: {10, 11}}
	check := func() {
		t.Helper()
		sameContents(t, contents(t, s), want)
		status, err := s.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if status.LiveVectors != 4 {
			t.Errorf("status %+v", status)
		}
	}
	check()
	if got := s.Current().Manifest().TotalVectors; got != 5 {
		t.Errorf("total_vectors %d, want 5 distinct ids", got)
	}
	reopened, err := OpenReadOnly(context.Background(), filepath.Base(s.file.Path()), Options{Shelf: storetest.Shelf(t, s.file.Path())})
	if err != nil {
		t.Fatal(err)
	}
	sameContents(t, contents(t, reopened), want)
	if err := reopened.Close(); err != nil {
		t.Error(err)
	}
	result, err := s.Compact(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", result)
	check()
	bring(t, s, nil, 12, 13)
	want[11] = []float32{12, 13}
	sameContents(t, contents(t, s), want)
	witnesses, err := auditChain(ctx, s.Current())
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range witnesses {
		if entry.Verdict != map[bool]state.AuditVerdict{true: state.AuditStart, false: state.AuditLinked}[i == 0] {
			t.Errorf("entry %d: %+v", i, entry)
		}
	}
}

func TestKernelIsKeptByCompactionAndReplaced(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := context.Background()
	bring(t, s, nil, 1, 2)
	images := [][]byte{bytes.Repeat([]byte("first"), 1000), bytes.Repeat([]byte("second"), 300_000)}
	for _, image := range images {
		if _, err := s.EmbedKernel(ctx, bytes.NewReader(image), int64(len(image)), compute.KernelConfig{Cmdline: "console=ttyS0"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []string{"embedded", "compacted"} {
		views, err := compute.KindOf(segments.TypeKernel).Files(ctx, s.Current())
		if err != nil || len(views.Files) != 4 {
			t.Fatalf("%s: %v, %v", step, views, err)
		}
		if got := readView(t, views.Files[0].View); !bytes.Equal(got, images[1]) {
			t.Errorf("%s: image of %d bytes differs", step, len(got))
		}
		if _, err := s.Compact(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func readView(t *testing.T, view state.View) []byte {
	t.Helper()
	reader, err := view.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, view.Size())
	if n, err := reader.ReadContext(context.Background(), content, 0); int64(n) != view.Size() {
		t.Fatal(n, err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	return content
}

// emptyStore is a store without vectors, of two components, among files in memory.
func emptyStore(t testing.TB) (*volumes.Files, *Store) {
	t.Helper()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	return files, s
}

// alone are the options of who opens a store among files in memory and waits for no other writer.
func alone(files *volumes.Files) Options {
	return Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1}
}

// openAlone opens a store so.
func openAlone(t *testing.T, files *volumes.Files, name string) *Store {
	t.Helper()
	s, err := Open(context.Background(), name, alone(files))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// derivedStore is an empty store, p.rvf, that was derived from another.
func derivedStore(t *testing.T) (*volumes.Files, *Store) {
	t.Helper()
	files, root := emptyStore(t)
	if err := root.Derive(t.Context(), "p.rvf", DeriveOptions{}); err != nil {
		t.Fatal(err)
	}
	return files, openAlone(t, files, "p.rvf")
}
