package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// TestVectorViewsOfRandomStores builds stores of many shapes and compares every
// file of vectors with what the snapshot visits.
func TestVectorViewsOfRandomStores(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct{ dimension, batch, batches int }{
		{1, 1500, 3}, {2, 20, 12}, {3, 7, 5}, {16, 100, 4}, {384, 12, 3}, {1536, 3, 2}, {65535, 1, 1},
	} {
		for _, scattered := range []bool{false, true} {
			if scattered && shape.batch == 1 {
				continue // there is no order to lose
			}
			t.Run(fmt.Sprintf("%d, %v", shape.dimension, scattered), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(uint64(shape.dimension), 5))
				s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: shape.dimension}, Options{Shelf: filelog.Shelf{Files: volumes.New()}, TurnWait: -1})
				if err != nil {
					t.Fatal(err)
				}
				ctx := context.Background()
				check := func(what string) {
					t.Helper()
					snapshot, err := s.Snapshot(ctx)
					if err == nil {
						err = rowstest.Check(rows.Of(snapshot), random)
					}
					if err == nil {
						// The same file as another process finds it.
						var other *Store
						if other, err = OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: s.shelf}); err == nil {
							err = errors.Join(rowstest.Check(rows.Of(other.Current()), random), other.Close())
						}
					}
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
				}
				check("empty")
				highest := uint64(shape.batch * shape.batches)
				for batch := range shape.batches {
					count := 1 + random.IntN(shape.batch)
					ids := make([]uint64, count)
					for i := range ids {
						ids[i] = uint64(batch*shape.batch + i)
						if scattered {
							ids[i] = random.Uint64N(highest)
						}
					}
					vectors := make([]float32, count*shape.dimension)
					for i := range vectors {
						vectors[i] = float32(random.NormFloat64())
					}
					if _, err := s.Ingest(ctx, ids, vectors); err != nil {
						t.Fatal(err)
					}
					if batch == 0 || batch == shape.batches-1 {
						check(fmt.Sprintf("batch %d", batch))
					}
					if batch%3 == 1 {
						gone := make([]uint64, 1+random.IntN(shape.batch/2+1))
						for i := range gone {
							gone[i] = random.Uint64N(highest)
						}
						if _, err := s.Delete(ctx, gone); err != nil {
							t.Fatal(err)
						}
						check("deleted")
					}
				}
				if _, err := s.Compact(ctx); err != nil {
					t.Fatal(err)
				}
				check("compacted")
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// countedFiles counts the bytes that are read.
type countedFiles struct {
	*volumes.Files
	bytes, reads int64
}

type countedFile struct {
	filelog.File
	files *countedFiles
}

func (c *countedFiles) Open(path string, write bool) (filelog.File, error) {
	file, err := c.Files.Open(path, write)
	return &countedFile{file, c}, err
}

func (f *countedFile) ReadAt(p []byte, offset int64) (int, error) {
	f.files.bytes += int64(len(p))
	f.files.reads++
	return f.File.ReadAt(p, offset)
}

// TestVectorFilesOfPlainStoresReadLittle: without deletions and double ids nothing
// has to be read to know the size, and a read takes about the bytes it brings.
func TestVectorFilesOfPlainStoresReadLittle(t *testing.T) {
	t.Parallel()
	const dimension, count = 64, 20_000
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: dimension}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := s.Ingest(ctx, nil, make([]float32, count/2*dimension)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ingest(ctx, nil, make([]float32, count/2*dimension)); err != nil {
		t.Fatal(err)
	}
	open := func() (*countedFiles, *state.Snapshot) {
		t.Helper()
		counted := &countedFiles{Files: files}
		reader, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: counted}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = reader.Close() })
		counted.bytes, counted.reads = 0, 0
		return counted, reader.Current()
	}
	counted, snapshot := open()
	view, err := rows.File(ctx, rows.Of(snapshot), vecio.FileNPY)
	if err != nil {
		t.Fatal(err)
	}
	if view.Size() < count*dimension*4 || counted.bytes > 1024 {
		t.Errorf("%d bytes read for the size of a file of %d", counted.bytes, view.Size())
	}
	reader, err := view.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	counted.bytes, counted.reads = 0, 0
	if _, err := reader.ReadContext(context.Background(), make([]byte, 1<<20), 1<<20+7); err != nil {
		t.Fatal(err)
	}
	if counted.bytes > 11<<20/10 || counted.reads > 8 {
		t.Errorf("%d bytes in %d reads for one MiB", counted.bytes, counted.reads)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Delete(ctx, []uint64{5, 15_000}); err != nil {
		t.Fatal(err)
	}
	counted, snapshot = open()
	if view, err = rows.File(ctx, rows.Of(snapshot), vecio.FileIDs); err != nil {
		t.Fatal(err)
	}
	if view.Size() != 128+8*(count-2) || counted.bytes > 1024 {
		t.Errorf("%d bytes read for the size of a file of %d, two deleted", counted.bytes, view.Size())
	}
	counted.bytes = 0
	if _, err := rows.ByID(ctx, rows.Of(snapshot), 12_345, vecio.FileF32); err != nil || counted.bytes > 64 {
		t.Errorf("%d bytes read to find a vector: %v", counted.bytes, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestLyingTotalDoesNotDoubleIDs: a manifest that states as many vectors as there
// are rows is not believed when segments overlap or ids do not ascend.
func TestLyingTotalDoesNotDoubleIDs(t *testing.T) {
	t.Parallel()
	for name, batches := range map[string][][]uint64{
		"in two segments":     {{1, 2, 3}, {3, 4, 5}},
		"one behind the next": {{1, 2, 3}, {3}},
		"in one segment":      {{1, 2, 2}},
		"not ascending":       {{1, 9, 4, 9, 12}},
		"descending":          {{9, 9, 1}},
		"between the samples": {{1, 1, 3, 4, 5, 6, 7, 8, 9}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := volumes.New()
			s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 1}, Options{Shelf: filelog.Shelf{Files: files}})
			if err != nil {
				t.Fatal(err)
			}
			count := uint64(0)
			for _, ids := range batches {
				if _, err := s.Ingest(context.Background(), ids, make([]float32, len(ids))); err != nil {
					t.Fatal(err)
				}
				count += uint64(len(ids))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			lie(t, files, func(m *segments.Manifest) { m.TotalVectors = count })
			s, err = OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
			if err != nil {
				t.Fatal(err)
			}
			if s.Current().Manifest().TotalVectors != count {
				t.Fatal("the lie was not told")
			}
			if err := rowstest.Check(rows.Of(s.Current()), rand.New(rand.NewPCG(1, 1))); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// lie appends a manifest that differs from the newest one.
func lie(t *testing.T, files *volumes.Files, change func(*segments.Manifest)) {
	t.Helper()
	file, err := files.Open("a.rvf", true)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Describe()
	if err != nil {
		t.Fatal(err)
	}
	state, err := segments.FindState(file, info.Size, segments.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	manifest := *state.Manifest
	change(&manifest)
	if _, err := file.WriteAt(encodedSegment(segments.TypeManifest, state.Segment.ID+1, manifest.Encode()), state.End); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedSegmentLeavesTheOthersReadable: sizes stay what they were, rows of a
// segment whose header is broken are ErrCorrupt, all others can be read.
func TestDamagedSegmentLeavesTheOthersReadable(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 1}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for batch := range 3 {
		bring(t, s, []uint64{uint64(2 * batch), uint64(2*batch + 1)}, float32(batch), float32(batch))
	}
	entries := s.Current().Vectors()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := files.Open("a.rvf", true)
	if err != nil {
		t.Fatal(err)
	}
	s, err = OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte{0}, entries[1].Offset); err != nil {
		t.Fatal(err)
	}
	snapshot := s.Current()
	view, err := rows.File(ctx, rows.Of(snapshot), vecio.FileF32)
	if err != nil || view.Size() != 24 {
		t.Fatalf("%v, %v", view, err)
	}
	reader, err := view.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for row := range int64(6) {
		_, err := reader.ReadContext(context.Background(), make([]byte, 4), 4*row)
		if damaged := row/2 == 1; damaged != errors.Is(err, volume.ErrCorrupt) || !damaged && err != nil {
			t.Errorf("row %d: %v", row, err)
		}
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	if _, err := rows.ByID(ctx, rows.Of(snapshot), 5, vecio.FileF32); err != nil {
		t.Error(err)
	}
	for _, id := range []uint64{2, 77} { // either may stand in the damaged segment
		if _, err := rows.ByID(ctx, rows.Of(snapshot), id, vecio.FileF32); !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("vector %d: %v", id, err)
		}
	}
	if err := errors.Join(file.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestScanForLiveRowsCanBeGivenUp: a search that was given up fails, and the next
// one begins anew.
func TestScanForLiveRowsCanBeGivenUp(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 1}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	bring(t, s, []uint64{5, 1, 5}, 1, 2, 3)
	reader, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := rows.File(ctx, rows.Of(reader.Current()), vecio.FileF32); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if view, err := rows.File(context.Background(), rows.Of(reader.Current()), vecio.FileF32); err != nil || view.Size() != 8 {
		t.Errorf("%v, %v", view, err)
	}
	if err := errors.Join(reader.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestOpenVectorFileKeepsItsState reads on from a file that was replaced meanwhile.
func TestOpenVectorFileKeepsItsState(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := context.Background()
	bring(t, s, nil, 1, 2, 3, 4, 5, 6)
	view, err := rows.File(ctx, rows.Of(s.Current()), vecio.FileF32)
	if err != nil {
		t.Fatal(err)
	}
	before, err := contentOf(view)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := view.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bring(t, s, []uint64{1}, 7, 8)
	if _, err := s.Delete(ctx, []uint64{0}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	after := make([]byte, len(before))
	if _, err := reader.ReadContext(context.Background(), after, 0); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%x, %v, want %x", after, err, before)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	if view, err = rows.File(ctx, rows.Of(s.Current()), vecio.FileF32); err != nil || view.Size() != 16 {
		t.Errorf("%v, %v after the compaction", view, err)
	}
}
