package rows_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"rvffs/store/rows"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/rows/rowstest"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

func TestVectorViewsOfTheWireDialect(t *testing.T) {
	t.Parallel()
	const dimension = 5
	component := func(row, column int) float32 { return float32(100*column+row) + 0.5 }
	ascending := func(first uint64, count int) []uint64 {
		ids := make([]uint64, count)
		for i := range ids {
			ids[i] = first + 3*uint64(i)
		}
		return ids
	}
	manifest := segments.Manifest{Dimension: dimension, TotalVectors: 9000, Deleted: []uint64{4, 12_001}}
	payloads := [][]byte{
		rowstest.WireVectors(dimension, ascending(1, 5000), component),
		rowstest.WireVectors(dimension, ascending(9001, 3000), component), // begins within the first one's
	}
	whole, _ := rowstest.Snapshot(t, segments.DialectWire, manifest, payloads...)
	if err := rowstest.Check(rows.Of(whole), rand.New(rand.NewPCG(6, 6))); err != nil {
		t.Error(err)
	}
	// What is lost cannot be counted here: nothing is shown rather than too little.
	snapshot, file := rowstest.Snapshot(t, segments.DialectWire, manifest, payloads...)
	if _, err := file.WriteAt([]byte{0}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := rows.File(context.Background(), rows.Of(snapshot), vecio.FileNPY); !errors.Is(err, volume.ErrCorrupt) {
		t.Errorf("a damaged segment: %v", err)
	}
}

// TestHostileDirectories: what a directory claims is checked before it is believed.
func TestHostileDirectories(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*segments.DirectoryEntry){
		"beyond the end":  func(e *segments.DirectoryEntry) { e.Offset = 1 << 40 },
		"before the file": func(e *segments.DirectoryEntry) { e.Offset = -64 },
		"too long":        func(e *segments.DirectoryEntry) { e.PayloadLength = math.MaxUint64 },
		"a little longer": func(e *segments.DirectoryEntry) { e.PayloadLength++ },
	} {
		snapshot, _ := rowstest.Snapshot(t, segments.DialectRuntime, segments.Manifest{Dimension: 1, TotalVectors: 3}, runtimeVectors(1, 2, 3))
		change(&snapshot.Manifest().Directory[0])
		if view, err := rows.File(context.Background(), rows.Of(snapshot), vecio.FileJSONL); !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("%s: %v, %v", name, view, err)
		}
	}
}

// TestSegmentNamedTwice: its rows are shown once.
func TestSegmentNamedTwice(t *testing.T) {
	t.Parallel()
	snapshot, _ := rowstest.Snapshot(t, segments.DialectRuntime, segments.Manifest{Dimension: 1, TotalVectors: 6}, runtimeVectors(1, 2, 3))
	directory := &snapshot.Manifest().Directory
	*directory = append(*directory, (*directory)[0])
	if err := rowstest.Check(rows.Of(snapshot), rand.New(rand.NewPCG(6, 6))); err != nil {
		t.Error(err)
	}
}

// TestVectorsAreFoundInAnyOrder finds each id where ids ascend with gaps, where
// they do not ascend, and where there is no room to keep their order.
func TestVectorsAreFoundInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ids  []uint64
		room int64
	}{
		"ascending":          {[]uint64{2, 3, 9, 10, 500}, rows.SortedRows},
		"ascending, no room": {[]uint64{2, 3, 9, 10, 500}, 0},
		"scattered":          {[]uint64{9, 2, 500, 3, 10}, rows.SortedRows},
		"scattered, no room": {[]uint64{9, 2, 500, 3, 10}, 0},
		"twice":              {[]uint64{9, 2, 500, 9, 10, 2}, rows.SortedRows},
		"twice, no room":     {[]uint64{9, 2, 500, 9, 10, 2}, 0},
	} {
		snapshot, _ := rowstest.Snapshot(t, segments.DialectRuntime, segments.Manifest{Dimension: 1, TotalVectors: 4}, runtimeVectors(7, 9, 1000), runtimeVectors(c.ids...))
		live, done, err := rows.Hold(context.Background(), rows.Of(snapshot))
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		live.LeaveRoom(c.room)
		for range 2 {
			if err := rowstest.Check(rows.Of(snapshot), rand.New(rand.NewPCG(6, 6))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, id := range []uint64{0, 1, 4, 8, 11, 501, 1001} {
				if _, err := rows.ByID(context.Background(), rows.Of(snapshot), id, vecio.FileF32); !errors.Is(err, volume.ErrNotFound) {
					t.Errorf("%s: vector %d: %v", name, id, err)
				}
			}
		}
	}
}

// runtimeVectors is the payload of a vector segment of dimension 1.
func runtimeVectors(ids ...uint64) []byte {
	vectors := make([]float32, len(ids))
	for i := range vectors {
		vectors[i] = float32(i) + 0.25
	}
	return rowstest.Vectors(1, ids, vectors)
}

// TestCommitsDoNotWaitForReadersOfIDs: who follows a commit that nobody waits for any more
// leaves a table of ids to those who are at work with it, and it is right all the same.
func TestCommitsDoNotWaitForReadersOfIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		manifest := segments.Manifest{Dimension: 1, TotalVectors: 2}
		snapshot, _ := rowstest.Snapshot(t, segments.DialectRuntime, manifest, rowstest.Vectors(1, []uint64{3, 5}, []float32{1, 2}))
		gone, leave := context.WithCancel(t.Context())
		leave()
		table := rows.NewIDTable()
		var charge memory.Charge
		err := table.At(t.Context(), snapshot, func(*idset.Set) error {
			table.Extend(gone, snapshot, snapshot, idset.Of([]uint64{7}))
			table.Replace(gone, snapshot, idset.Of([]uint64{7}), &charge)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = table.At(t.Context(), snapshot, func(stored *idset.Set) error {
			if got := stored.Ascending(); !slices.Equal(got, []uint64{3, 5}) {
				t.Errorf("the ids are %d", got)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
