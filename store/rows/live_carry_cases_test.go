package rows_test

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// shortFiles are files that are too short for some reads, for a while.
type shortFiles struct {
	filelog.FileSystem
	short func(length int, offset int64) bool // nil: for none
}

type shortFile struct {
	filelog.File
	files *shortFiles
}

func (f *shortFiles) Open(path string, write bool) (filelog.File, error) {
	file, err := f.FileSystem.Open(path, write)
	return shortFile{file, f}, err
}

func (f *shortFiles) Create(path string, perm os.FileMode) (filelog.File, error) {
	file, err := f.FileSystem.Create(path, perm)
	return shortFile{file, f}, err
}

func (f shortFile) ReadAt(p []byte, offset int64) (int, error) {
	if f.files.short != nil && f.files.short(len(p), offset) {
		return 0, nil
	}
	return f.File.ReadAt(p, offset)
}

// carriedFile is a file of some segments, and states that name some of them.
type carriedFile struct {
	t       *testing.T
	at      filelog.Place
	files   *shortFiles
	pool    *state.Snapshot // which names all
	backing *state.Backing
	ids     [][]uint64 // of each segment
}

// from counts up.
func from(first uint64, count int) []uint64 {
	ids := make([]uint64, count)
	for i := range ids {
		ids[i] = first + uint64(i)
	}
	return ids
}

func newCarriedFile(t *testing.T, ids ...[]uint64) *carriedFile {
	f := &carriedFile{t: t, files: &shortFiles{FileSystem: volumes.New()}, ids: ids}
	f.at = filelog.Place{Files: f.files, Name: "a.rvf"}
	var payloads [][]byte
	for _, one := range ids {
		payloads = append(payloads, rowstest.Vectors(2, one, make([]float32, 2*len(one))))
	}
	f.pool, _ = rowstest.SnapshotAt(t, f.at, state.BackingOptions{}, segments.DialectRuntime, segments.Manifest{Dimension: 2}, payloads...)
	f.backing = f.pool.Backing()
	return f
}

// forgotten is the same file, of which nothing is known.
func (f *carriedFile) forgotten() *carriedFile {
	f.t.Helper()
	file, err := f.files.Open(f.at.Name, false)
	if err != nil {
		f.t.Fatal(err)
	}
	info, err := file.Describe()
	if err != nil {
		f.t.Fatal(err)
	}
	other := *f
	other.backing = state.NewBacking(filelog.NewGeneration(f.at, file, info), func() string { return f.at.Name }, state.BackingOptions{})
	return &other
}

// look finds the live rows of a state that names these segments and describes them. Counted
// says that somebody has counted its ids.
func (f *carriedFile) look(counted bool, named ...int) (*rows.Live, string) {
	f.t.Helper()
	manifest := segments.Manifest{Dimension: 2}
	stored := idset.New()
	for _, i := range named {
		manifest.Directory = append(manifest.Directory, f.pool.Vectors()[i])
		stored.Add(f.ids[i])
	}
	manifest.TotalVectors = stored.Len()
	snapshot := state.NewSnapshot(f.backing, &segments.State{Dialect: segments.DialectRuntime, Manifest: &manifest, End: f.pool.Size()}, time.Now())
	if counted {
		snapshot.CountedIDs(stored.Len())
	}
	live, done, err := rows.Hold(f.t.Context(), rows.Of(snapshot))
	if err != nil {
		f.t.Fatal(err)
	}
	defer done()
	return live, live.Describe()
}

// TestNothingIsCarriedOnFromWhatCouldNotBeRead: rows of which something could not be read are
// found anew in the next state, when the file is whole again. What could not be read may be
// the ids alone, or what is read first: the file was short after the one, or before the other.
func TestNothingIsCarriedOnFromWhatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	const beginning = 100 // bytes that outlines of segments read at a time, at most
	var once atomic.Bool
	for name, short := range map[string]func(length int) bool{
		"ids":        func(length int) bool { return length > beginning },
		"beginnings": func(length int) bool { return length <= beginning },
		"all":        func(int) bool { return true },
		"once":       func(int) bool { return !once.Swap(true) },
		"nothing":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const many = 400 // more than are read along with others
			f := newCarriedFile(t, from(0, many), from(many/2, many), from(10*many, 10))
			second := f.pool.Vectors()[1]
			if short != nil {
				f.files.short = func(length int, offset int64) bool {
					return offset >= second.Offset && offset < second.Offset+int64(second.PayloadLength) && short(length)
				}
			}
			before, _ := f.look(false, 0, 1)
			f.files.short = nil
			next, got := f.look(false, 0, 1, 2)
			if _, want := f.forgotten().look(false, 0, 1, 2); got != want {
				t.Errorf("%s\nand anew:\n%s", got, want)
			}
			if carried := next.FollowsFrom(before); carried != (short == nil) {
				t.Errorf("carried on: %t", carried)
			}
		})
	}
}

// TestRowsRiseWhenWhatReplacedThemLeaves, although as many ids came as the segment has rows
// that took its place.
func TestRowsRiseWhenWhatReplacedThemLeaves(t *testing.T) {
	t.Parallel()
	f := newCarriedFile(t, from(0, 10), from(0, 10), from(10, 10))
	f.look(true, 0, 1)
	_, got := f.look(true, 0, 2)
	if _, want := f.forgotten().look(true, 0, 2); got != want {
		t.Errorf("%s\nand anew:\n%s", got, want)
	}
}

// TestNothingIsCarriedOnFromAnotherFile, as the one that a compaction has made, although its
// segments stand where those of the other stood.
func TestNothingIsCarriedOnFromAnotherFile(t *testing.T) {
	t.Parallel()
	f := newCarriedFile(t, from(0, 10), from(5, 10))
	f.look(true, 0, 1)
	other := newCarriedFile(t, from(0, 10), from(100, 10))
	if _, got := other.look(true, 0, 1); !strings.HasPrefix(got, "20 rows,") {
		t.Errorf("all of 20 rows live, but not to it:\n%s", got)
	}
}
