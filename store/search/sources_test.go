package search

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// family is a parent of ids 0 to 2999, of which 100 to 199 are deleted, and its child,
// which has replaced 2000 to 3499 and deleted 300 to 399 and 2100 to 2149.
type family struct {
	files     *volumes.Files
	snapshots []*state.Snapshot
	opened    []filelog.File
	of        rows.Sources
	live      map[uint64][]float32
}

func newFamily(t *testing.T, dimension int, parent, child segments.Dialect) family {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 8))
	f := family{files: volumes.New(), live: map[uint64][]float32{}}
	add := func(name string, dialect segments.Dialect, first uint64, counts []int, deleted ...uint64) {
		manifest := segments.Manifest{Dimension: uint16(dimension), Deleted: deleted}
		var payloads [][]byte
		for _, count := range counts {
			var ids []uint64
			var vectors []float32
			for range count {
				vector := make([]float32, dimension)
				for i := range vector {
					vector[i] = random.Float32() - 0.5
				}
				f.live[first] = vector
				ids, vectors = append(ids, first), append(vectors, vector...)
				first++
			}
			if dialect == segments.DialectWire {
				payloads = append(payloads, rowstest.WireVectors(dimension, ids, func(row, column int) float32 { return vectors[row*dimension+column] }))
			} else {
				payloads = append(payloads, rowstest.Vectors(dimension, ids, vectors))
			}
			manifest.TotalVectors += uint64(count)
		}
		for _, id := range deleted {
			delete(f.live, id)
		}
		snapshot, file := rowstest.SnapshotAt(t, filelog.Place{Files: f.files, Name: name}, state.BackingOptions{}, dialect, manifest, payloads...)
		f.snapshots, f.opened = append(f.snapshots, snapshot), append(f.opened, file)
	}
	run := func(first, behind uint64) (ids []uint64) {
		for id := first; id < behind; id++ {
			ids = append(ids, id)
		}
		return ids
	}
	add("parent", parent, 0, []int{1000, 1, 1999}, run(100, 200)...)
	add("child", child, 2000, []int{1499, 1}, append(run(300, 400), run(2100, 2150)...)...)
	var err error
	if f.of, err = rows.Of(f.snapshots[0]).Branch(f.snapshots[1], nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// nearest finds the nearest by the squared distance in the plainest way.
func (f family) nearest(vector []float32, without int, k int) (ids []uint64) {
	distance := map[uint64]float64{}
	for id, other := range f.live {
		if int(id) == without {
			continue
		}
		ids = append(ids, id)
		for i := range vector {
			difference := float64(vector[i]) - float64(other[i])
			distance[id] += difference * difference
		}
	}
	slices.SortFunc(ids, func(a, b uint64) int { return cmp.Compare(distance[a], distance[b]) })
	return ids[:min(k, len(ids))]
}

// TestSearchOfSeveralFiles finds in two files what the plainest way finds.
func TestSearchOfSeveralFiles(t *testing.T) {
	t.Parallel()
	for _, dialects := range [][2]segments.Dialect{
		{segments.DialectRuntime, segments.DialectRuntime}, {segments.DialectWire, segments.DialectRuntime}, {segments.DialectRuntime, segments.DialectWire},
	} {
		t.Run(fmt.Sprint(dialects), func(t *testing.T) {
			t.Parallel()
			searchFamily(t, dialects[0], dialects[1])
		})
	}
}

func searchFamily(t *testing.T, parent, child segments.Dialect) {
	const dimension = 16
	f := newFamily(t, dimension, parent, child)
	random := rand.New(rand.NewPCG(1, 1))
	queries := []Query{{ID: 50, K: 20}, {ID: 2500, K: 20}, {ID: 3499, K: 5000}}
	for range 10 {
		vector := make([]float32, dimension)
		for i := range vector {
			vector[i] = random.Float32() - 0.5
		}
		queries = append(queries, Query{Vector: vector, K: 1 + random.IntN(100)})
	}
	answers, err := Nearest(t.Context(), f.of, queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, query := range queries {
		want := f.nearest(query.Vector, -1, query.K)
		if query.Vector == nil {
			want = f.nearest(f.live[query.ID], int(query.ID), query.K)
		}
		var got []uint64
		for _, neighbor := range answers[i] {
			got = append(got, neighbor.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("query %d: %d neighbors %v, want %d: %v", i, len(got), got[:min(len(got), 20)], len(want), want[:min(len(want), 20)])
		}
	}
	for _, id := range []uint64{150, 350, 2120, 3500} {
		if _, err := Nearest(t.Context(), f.of, []Query{{ID: id, K: 1}}); !errors.Is(err, volume.ErrNotFound) {
			t.Errorf("id %d: %v", id, err)
		}
	}
	text, err := Answer(t.Context(), f.of, []byte(`{"id":2500,"k":3}`))
	if want := string(AppendAnswers(nil, [][]Neighbor{answers[1][:3]})); err != nil || string(text) != want {
		t.Errorf("the answer is %s, %v; want %s", text, err, want)
	}
}

// TestSearchOfADamagedFile: the nearest might be in what cannot be read.
func TestSearchOfADamagedFile(t *testing.T) {
	t.Parallel()
	for damaged := range 2 {
		f := newFamily(t, 4, segments.DialectRuntime, segments.DialectRuntime)
		if _, err := f.opened[damaged].WriteAt([]byte{0}, f.snapshots[damaged].Vectors()[1].Offset); err != nil {
			t.Fatal(err)
		}
		if _, err := Nearest(t.Context(), f.of, []Query{{Vector: make([]float32, 4), K: 1}}); !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("source %d: %v", damaged, err)
		}
	}
}

// TestSearchOfAFileThatIsGone says so.
func TestSearchOfAFileThatIsGone(t *testing.T) {
	t.Parallel()
	for gone, name := range []string{"parent", "child"} {
		f := newFamily(t, 4, segments.DialectRuntime, segments.DialectRuntime)
		if err := errors.Join(f.snapshots[gone].Backing().Release(), f.files.Remove(name)); err != nil {
			t.Fatal(err)
		}
		for _, query := range []Query{{Vector: make([]float32, 4), K: 1}, {ID: 2500, K: 1}} {
			if _, err := Nearest(t.Context(), f.of, []Query{query}); !errors.Is(err, volume.ErrStale) {
				t.Errorf("%s, %s: %v", name, fmt.Sprint(query), err)
			}
		}
	}
}
