package store

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// wireVectors is the payload of a vector segment of the wire dialect with one block
// whose ids are written as differences.
func wireVectors(dimension int, ids []uint64, component func(row, column int) float32) []byte {
	const start = 64
	payload := binary.LittleEndian.AppendUint32(nil, 1)
	payload = binary.LittleEndian.AppendUint32(payload, start)
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(ids)))
	payload = binary.LittleEndian.AppendUint16(payload, uint16(dimension))
	payload = append(payload, make([]byte, start-len(payload))...)
	for column := range dimension {
		for row := range ids {
			payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(component(row, column)))
		}
	}
	payload = append(payload, 1, 0, 0)
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(ids)))
	previous := uint64(0)
	for _, id := range ids {
		payload = binary.AppendUvarint(payload, id-previous)
		previous = id
	}
	return append(payload, 0, 0, 0, 0)
}

// snapshotOf is a state of a file that holds vector segments with these payloads and
// nothing else.
func snapshotOf(t *testing.T, dialect segments.Dialect, manifest segments.Manifest, payloads ...[]byte) (*state.Snapshot, volume.File) {
	t.Helper()
	files := volumes.New()
	file, err := files.Create("a.rvf", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	for i, payload := range payloads {
		encoded := encodedSegment(segments.TypeVec, uint64(i+1), payload)
		if _, err := file.WriteAt(encoded, end); err != nil {
			t.Fatal(err)
		}
		manifest.Directory = append(manifest.Directory, segments.DirectoryEntry{
			SegmentID: uint64(i + 1), Offset: end, PayloadLength: uint64(len(payload)), Type: segments.TypeVec,
		})
		end += int64(len(encoded))
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	found := &segments.State{Dialect: dialect, Manifest: &manifest, End: end, Clean: true}
	return state.NewSnapshot(state.AdoptBacking(state.Location{Files: files, Name: "a.rvf"}, file, info, state.BackingOptions{}), found, time.Now()), file
}

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
		wireVectors(dimension, ascending(1, 5000), component),
		wireVectors(dimension, ascending(9001, 3000), component), // begins within the first one's
	}
	whole, _ := snapshotOf(t, segments.DialectWire, manifest, payloads...)
	if err := checkVectorViews(whole, rand.New(rand.NewPCG(6, 6))); err != nil {
		t.Error(err)
	}
	// What is lost cannot be counted here: nothing is shown rather than too little.
	snapshot, file := snapshotOf(t, segments.DialectWire, manifest, payloads...)
	if _, err := file.WriteAt([]byte{0}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := VectorFile(context.Background(), snapshot, vecio.FileNPY); !errors.Is(err, volume.ErrCorrupt) {
		t.Errorf("a damaged segment: %v", err)
	}
}

// runtimeVectors is the payload of a vector segment of dimension 1.
func runtimeVectors(ids ...uint64) []byte {
	prefix := segments.EncodeVecPrefix(1, uint32(len(ids)))
	payload := prefix[:]
	for i, id := range ids {
		payload = appendFloat(binary.LittleEndian.AppendUint64(payload, id), float32(i)+0.25)
	}
	return payload
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
		snapshot, _ := snapshotOf(t, segments.DialectRuntime, segments.Manifest{Dimension: 1, TotalVectors: 3}, runtimeVectors(1, 2, 3))
		change(&snapshot.Manifest().Directory[0])
		if view, err := VectorFile(context.Background(), snapshot, vecio.FileJSONL); !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("%s: %v, %v", name, view, err)
		}
	}
}

// TestSegmentNamedTwice: its rows are shown once.
func TestSegmentNamedTwice(t *testing.T) {
	t.Parallel()
	snapshot, _ := snapshotOf(t, segments.DialectRuntime, segments.Manifest{Dimension: 1, TotalVectors: 6}, runtimeVectors(1, 2, 3))
	directory := &snapshot.Manifest().Directory
	*directory = append(*directory, (*directory)[0])
	if err := checkVectorViews(snapshot, rand.New(rand.NewPCG(6, 6))); err != nil {
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
		"ascending":          {[]uint64{2, 3, 9, 10, 500}, sortedRows},
		"ascending, no room": {[]uint64{2, 3, 9, 10, 500}, 0},
		"scattered":          {[]uint64{9, 2, 500, 3, 10}, sortedRows},
		"scattered, no room": {[]uint64{9, 2, 500, 3, 10}, 0},
		"twice":              {[]uint64{9, 2, 500, 9, 10, 2}, sortedRows},
		"twice, no room":     {[]uint64{9, 2, 500, 9, 10, 2}, 0},
	} {
		snapshot, _ := snapshotOf(t, segments.DialectRuntime, segments.Manifest{Dimension: 1, TotalVectors: 4}, runtimeVectors(7, 9, 1000), runtimeVectors(c.ids...))
		live, done, err := holdLiveRows(context.Background(), snapshot)
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		live.room.Store(c.room)
		for range 2 {
			if err := checkVectorViews(snapshot, rand.New(rand.NewPCG(6, 6))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, id := range []uint64{0, 1, 4, 8, 11, 501, 1001} {
				if _, err := VectorByID(context.Background(), snapshot, id, vecio.FileF32); !errors.Is(err, volume.ErrNotFound) {
					t.Errorf("%s: vector %d: %v", name, id, err)
				}
			}
		}
	}
}

// TestAppendsCarryLiveRowsOn: a state that only new ids were added to does not have
// its ids read again.
func TestAppendsCarryLiveRowsOn(t *testing.T) {
	t.Parallel()
	counted := &countedFiles{Files: volumes.New()}
	s, err := Create("a.rvf", CreateOptions{Dimension: 1}, Options{Files: counted})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	ids := rand.New(rand.NewPCG(1, 1)).Perm(50_000)
	scattered := make([]uint64, len(ids))
	for i, id := range ids {
		scattered[i] = uint64(id)
	}
	for range 2 { // each row is replaced
		if _, err := s.Ingest(ctx, scattered, make([]float32, len(scattered))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := LiveVectors(ctx, s.Current()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ingest(t, s, nil, 1, 2)
	}
	counted.bytes = 0
	count, err := LiveVectors(ctx, s.Current())
	if err != nil || count != 50_006 || counted.bytes > 0 {
		t.Errorf("%d vectors, %v, %d bytes read", count, err, counted.bytes)
	}
	if err := checkVectorViews(s.Current(), rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestMergedSegmentsKeepTheirDeadRows merges segments whose live rows are known: the
// rows have new places afterwards.
func TestMergedSegmentsKeepTheirDeadRows(t *testing.T) {
	t.Parallel()
	s, err := Create("a.rvf", CreateOptions{Dimension: 1}, Options{Files: volumes.New()})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(2, 2))
	segmentsBefore, merged := 0, false
	for i := range 3 * mergeWidth {
		id := uint64(i % 5)
		if i%mergeWidth >= mergeWidth-2 {
			id = uint64(1000 + i) // only new ids, so that knowledge is handed on
		}
		ingest(t, s, []uint64{id}, float32(i))
		if err := checkVectorViews(s.Current(), random); err != nil {
			t.Fatalf("after %d commits: %v", i+1, err)
		}
		count := len(s.Current().Vectors())
		merged = merged || count < segmentsBefore
		segmentsBefore = count
	}
	if !merged {
		t.Error("nothing was merged")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestDeadRowsAreNotReadAlong: rows that nobody wants cost nothing where there are
// many of them.
func TestDeadRowsAreNotReadAlong(t *testing.T) {
	t.Parallel()
	const dimension, count = 16, 20_000
	counted := &countedFiles{Files: volumes.New()}
	s, err := Create("a.rvf", CreateOptions{Dimension: dimension}, Options{Files: counted})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := s.Ingest(ctx, nil, make([]float32, count*dimension)); err != nil {
		t.Fatal(err)
	}
	var gone []uint64
	for id := range uint64(count) {
		if id%1000 != 7 {
			gone = append(gone, id)
		}
	}
	if _, err := s.Delete(ctx, gone); err != nil {
		t.Fatal(err)
	}
	view, err := VectorFile(ctx, s.Current(), vecio.FileF32)
	if err != nil {
		t.Fatal(err)
	}
	counted.bytes = 0
	if _, err := contentOf(view); err != nil || view.Size() != 20*4*dimension || counted.bytes > 2*view.Size() {
		t.Errorf("%d bytes read for %d, %v", counted.bytes, view.Size(), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
