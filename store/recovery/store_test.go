package recovery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/ingest"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// store is what tails need of one, and no more.
type store struct {
	*Tails
	log     *log.Log
	vectors *ingest.Vectors
}

// newStore makes one of dimension 2 at a.rvf, which it reads through other files, and whose
// log with changes: nil does not.
func newStore(t testing.TB, files *volumes.Files, through filelog.FileSystem, with func(volume.Log) volume.Log) *store {
	t.Helper()
	image, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{
		Dimension: 2, Identity: lineage.Identity{FileID: lineage.FileID{1}}, HasIdentity: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := files.Create("a.rvf", 0o644)
	if err == nil {
		_, err = file.WriteAt(image, 0)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	var where volume.Log = filelog.New(filelog.Place{Files: through, Name: "a.rvf"}, volume.LogOptions{})
	if with != nil {
		where = with(where)
	}
	version, err := where.Open(t.Context(), volume.Known{})
	if err != nil {
		t.Fatal(err)
	}
	s, ids, head := &store{}, rows.NewIDTable(), state.NewHead(where, version, nil, state.BackingOptions{})
	begin := func(ctx context.Context) (*log.Session, error) { return s.log.Begin(ctx) }
	s.Tails = New(Environment{
		File: where, Head: head, IDs: ids, Begin: begin,
		Appender: func() *ingest.Appender { return s.vectors.NewAppender(state.Origin{}) },
	})
	s.vectors = ingest.New(ingest.Environment{Head: head, IDs: ids, Kept: s.HighestID, Begin: begin})
	s.log = log.New(log.Environment{
		File: where, Head: head, Clock: time.Now, Keep: s.Keep, Hooks: []log.Hook{s.vectors},
		Writable:  func(ctx context.Context, s *state.Snapshot) error { return s.Writable(ctx) },
		Published: func(*state.Snapshot) {},
	})
	return s
}

// newest is the newest state.
func (s *store) newest(t testing.TB) *state.Snapshot {
	t.Helper()
	snapshot, err := s.env.Head.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// ingest commits a vector (value, id) for each id.
func (s *store) ingest(t testing.TB, value float32, ids ...uint64) {
	t.Helper()
	var vectors []float32
	for _, id := range ids {
		vectors = append(vectors, value, float32(id))
	}
	if _, err := s.vectors.Batch(t.Context(), ids, vectors); err != nil {
		t.Fatal(err)
	}
}

// content lists the vectors by id, with their first component.
func (s *store) content(t testing.TB) string {
	t.Helper()
	found := map[uint64]float32{}
	err := rowstest.Visit(t.Context(), rows.Of(s.newest(t)), func(ids []uint64, rows []byte) error {
		for i, id := range ids {
			found[id] = math.Float32frombits(binary.LittleEndian.Uint32(rows[i*len(rows)/len(ids):]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, id := range slices.Sorted(maps.Keys(found)) {
		words = append(words, fmt.Sprintf("%d:%v", id, found[id]))
	}
	return strings.Join(words, " ")
}

// leave puts bytes behind the manifest, as a program does that ends before it commits.
func leave(t testing.TB, files *volumes.Files, part []byte) {
	t.Helper()
	file, err := files.Open("a.rvf", true)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Describe()
	if err == nil {
		_, err = file.WriteAt(part, info.Size)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

// keep leaves bytes behind the manifest and lets a writer keep them.
func (s *store) keep(t testing.TB, files *volumes.Files, part []byte) Tail {
	t.Helper()
	leave(t, files, part)
	if _, err := s.vectors.Delete(t.Context(), idset.Of([]uint64{1_000_000})); err != nil {
		t.Fatal(err)
	}
	tails, err := s.Kept(t.Context())
	if err != nil || len(tails) != 1 {
		t.Fatalf("%+v, %v", tails, err)
	}
	return tails[0]
}

// vecSegment is a segment of vectors (value, id), as other programs write it.
func vecSegment(value float32, ids ...uint64) []byte {
	prefix := segments.EncodeVecPrefix(2, uint32(len(ids)))
	payload := prefix[:]
	for _, id := range ids {
		payload = binary.LittleEndian.AppendUint64(payload, id)
		payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(value))
		payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(float32(id)))
	}
	header := segments.Header{Version: 1, Type: segments.TypeVec, ID: 50, PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload)}
	encoded := header.Encode()
	return append(encoded[:], payload...)
}
