package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/search"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

func at(id uint64, distance float64) search.Neighbor {
	return search.Neighbor{ID: id, Distance: distance}
}

// distanceOf is the plain definition of the metrics.
func distanceOf(metric segments.Metric, a, b []float32) float64 {
	var difference, product, squareA, squareB float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		difference += (x - y) * (x - y)
		product += x * y
		squareA += x * x
		squareB += y * y
	}
	switch norms := math.Sqrt(squareA) * math.Sqrt(squareB); {
	case metric == segments.L2:
		return difference
	case metric == segments.InnerProduct:
		return -product
	case norms < 0x1p-23:
		return 1
	default:
		return 1 - product/norms
	}
}

// expectNeighbors compares an answer with all distances to the vectors of a map.
// Of neighbors whose distances differ by rounding only, the order may be any.
func expectNeighbors(metric segments.Metric, stored map[uint64][]float32, query search.Query, got []search.Neighbor) error {
	vector := query.Vector
	if vector == nil {
		vector = stored[query.ID]
	}
	want := map[uint64]float64{}
	for id, row := range stored {
		if query.Vector != nil || id != query.ID {
			want[id] = distanceOf(metric, vector, row)
		}
	}
	var sorted []float64
	for _, distance := range want {
		sorted = append(sorted, distance)
	}
	slices.Sort(sorted)
	if len(got) != min(query.K, len(sorted)) {
		return fmt.Errorf("%d neighbors of %d, where %d were asked for", len(got), len(sorted), query.K)
	}
	close := func(a, b float64) bool { return math.Abs(a-b) <= 1e-12*max(1, math.Abs(a)) }
	seen := map[uint64]bool{}
	for i, neighbor := range got {
		own, known := want[neighbor.ID]
		switch {
		case !known || seen[neighbor.ID]:
			return fmt.Errorf("id %d is not stored, or found twice", neighbor.ID)
		case !close(neighbor.Distance, own):
			return fmt.Errorf("id %d is at %v, want %v", neighbor.ID, neighbor.Distance, own)
		case !close(neighbor.Distance, sorted[i]):
			return fmt.Errorf("neighbor %d is id %d at %v, where one is at %v", i, neighbor.ID, neighbor.Distance, sorted[i])
		case i > 0 && (neighbor.Distance < got[i-1].Distance || neighbor.Distance == got[i-1].Distance && neighbor.ID < got[i-1].ID):
			return fmt.Errorf("%v stands behind %v", neighbor, got[i-1])
		}
		seen[neighbor.ID] = true
	}
	return nil
}

// searched compares a search, by a vector and by an id, with the model of a random
// history.
func (h *history) searched(snapshot *state.Snapshot) error {
	queries := []search.Query{{Vector: []float32{500, 500}, K: len(h.mark.model) + 10}}
	for id := range h.mark.model {
		queries = append(queries, search.Query{ID: id, K: 3})
		break
	}
	answers, err := search.Nearest(context.Background(), rows.Of(snapshot), queries)
	for i := 0; err == nil && i < len(queries); i++ {
		err = expectNeighbors(snapshot.Metric(), h.mark.model, queries[i], answers[i])
	}
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return nil
}

// randomVectors makes rows of few different values, so that there are ties.
func randomVectors(source *rand.Rand, count, dimension int) []float32 {
	vectors := make([]float32, count*dimension)
	for i := range vectors {
		vectors[i] = float32(source.IntN(7) - 3)
	}
	return vectors
}

// TestNearestAgreesWithAMap searches stores of several histories: ids in order and
// not, replaced, deleted, added again, compacted, in few and many segments.
func TestNearestAgreesWithAMap(t *testing.T) {
	t.Parallel()
	for _, metric := range []segments.Metric{segments.L2, segments.InnerProduct, segments.Cosine} {
		for _, ordered := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s ordered=%t", metric, ordered), func(t *testing.T) {
				t.Parallel()
				ctx := context.Background()
				for _, dimension := range []int{1, 3, 17, 100} {
					source := rand.New(rand.NewPCG(uint64(dimension), uint64(metric)))
					s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: dimension, Metric: metric}, Options{Shelf: filelog.Shelf{Files: volumes.New()}})
					if err != nil {
						t.Fatal(err)
					}
					stored := map[uint64][]float32{}
					for step := range 14 {
						switch {
						case step%5 == 4:
							var gone []uint64
							for id := range stored {
								if source.IntN(3) == 0 {
									gone = append(gone, id)
									delete(stored, id)
								}
							}
							_, err = s.Delete(ctx, gone)
						case step == 11:
							_, err = s.Compact(ctx)
						default:
							ids := make([]uint64, 1+source.IntN(60))
							vectors := randomVectors(source, len(ids), dimension)
							for i := range ids {
								ids[i] = uint64(1000*step + i)
								if !ordered {
									ids[i] = source.Uint64N(150)
								}
								stored[ids[i]] = vectors[i*dimension : (i+1)*dimension]
							}
							_, err = s.Ingest(ctx, ids, vectors)
						}
						if err != nil {
							t.Fatal(err)
						}
						snapshot := s.Current()
						queries := []search.Query{{Vector: randomVectors(source, 1, dimension), K: 5}, {Vector: make([]float32, dimension), K: 1 + step*20}}
						for id := range stored {
							queries = append(queries, search.Query{ID: id, K: 1 + source.IntN(30)})
							if len(queries) == 6 {
								break
							}
						}
						for range 2 { // while nothing is known of the snapshot, and then
							answers, err := search.Nearest(ctx, rows.Of(snapshot), queries)
							if err != nil {
								t.Fatalf("dimension %d, step %d: %v", dimension, step, err)
							}
							for i, query := range queries {
								if err := expectNeighbors(metric, stored, query, answers[i]); err != nil {
									t.Fatalf("dimension %d, step %d, query %d: %v", dimension, step, i, err)
								}
							}
						}
						if _, err := search.Nearest(ctx, rows.Of(snapshot), []search.Query{{ID: 1 << 50, K: 1}}); !errors.Is(err, volume.ErrNotFound) {
							t.Fatalf("an id that is not stored: %v", err)
						}
					}
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// manyRows makes a store of several reads per worker, in two segments.
func manyRows(t testing.TB, files filelog.FileSystem, count, dimension int) (*Store, []float32) {
	t.Helper()
	s, err := Create(context.Background(), "many.rvf", CreateOptions{Dimension: dimension}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	source := rand.New(rand.NewPCG(1, 2))
	vectors := make([]float32, count*dimension)
	for i := range vectors {
		vectors[i] = source.Float32()
	}
	half := count / 2 * dimension
	for _, part := range [][]float32{vectors[:half], vectors[half:]} {
		if _, err := s.Ingest(context.Background(), nil, part); err != nil {
			t.Fatal(err)
		}
	}
	return s, vectors
}

// countingFiles counts the bytes that are read.
type countingFiles struct {
	*volumes.Files
	read  atomic.Int64
	began func() // at each read
}

type countingFile struct {
	filelog.File
	files *countingFiles
}

func (c *countingFiles) Open(name string, write bool) (filelog.File, error) {
	file, err := c.Files.Open(name, write)
	return countingFile{file, c}, err
}

func (c *countingFiles) Create(name string, perm os.FileMode) (filelog.File, error) {
	file, err := c.Files.Create(name, perm)
	return countingFile{file, c}, err
}

func (f countingFile) ReadAt(p []byte, offset int64) (int, error) {
	if f.files.began != nil {
		f.files.began()
	}
	f.files.read.Add(int64(len(p)))
	return f.File.ReadAt(p, offset)
}

// TestQueriesShareOnePass counts what is read for many queries, first while nothing
// is known of the snapshot.
func TestQueriesShareOnePass(t *testing.T) {
	t.Parallel()
	const dimension = 64
	files := &countingFiles{Files: volumes.New()}
	s, vectors := manyRows(t, files, 8000, dimension)
	queries := make([]search.Query, 300)
	for i := range queries {
		queries[i] = search.Query{Vector: vectors[i*dimension : (i+1)*dimension], K: 10}
	}
	for time := range 2 {
		files.read.Store(0)
		if _, err := search.Nearest(context.Background(), rows.Of(s.Current()), queries); err != nil {
			t.Fatal(err)
		}
		if read, size := files.read.Load(), s.Current().Size(); read > size+size/50 {
			t.Errorf("search %d read %d bytes of a file of %d", time, read, size)
		}
	}
	files.read.Store(0)
	if _, err := search.Nearest(context.Background(), rows.Of(s.Current()), []search.Query{{ID: 5000, K: 10}}); err != nil {
		t.Fatal(err)
	}
	if read, size := files.read.Load(), s.Current().Size(); read > size+512<<10 {
		t.Errorf("a search by id read %d bytes of a file of %d", read, size)
	}
}

// TestSearchesEndWhenNobodyWaits takes the wish back in the middle of a pass.
func TestSearchesEndWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	const dimension = 64
	files := &countingFiles{Files: volumes.New()}
	s, vectors := manyRows(t, files, 20000, dimension)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var reads atomic.Int64
	files.began = func() {
		if reads.Add(1) == 9 {
			cancel()
		}
	}
	_, err := search.Nearest(ctx, rows.Of(s.Current()), []search.Query{{Vector: vectors[:dimension], K: 10}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the search ended with %v", err)
	}
	if begun := reads.Load(); begun > 9+64 {
		t.Errorf("%d reads, of which the ninth was the last that somebody waited for", begun)
	}
}

func TestQueriesThatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if answers, err := search.Nearest(context.Background(), rows.Of(s.Current()), []search.Query{{Vector: []float32{1, 2}, K: 3}}); err != nil || len(answers) != 1 || len(answers[0]) != 0 {
		t.Errorf("an empty store answers %v, %v", answers, err)
	}
	bring(t, s, []uint64{1}, 3, 4)
	for what, test := range map[string]struct {
		queries []search.Query
		want    error
	}{
		"too few neighbors":  {[]search.Query{{ID: 1}}, volume.ErrInput},
		"too many neighbors": {[]search.Query{{ID: 1, K: search.MaxNeighbors + 1}}, volume.ErrInput},
		"another dimension":  {[]search.Query{{Vector: []float32{1}, K: 1}}, volume.ErrInput},
		"no dimension":       {[]search.Query{{Vector: []float32{}, K: 1}}, volume.ErrInput},
		"not a number":       {[]search.Query{{Vector: []float32{1, float32(math.NaN())}, K: 1}}, volume.ErrInput},
		"infinite":           {[]search.Query{{Vector: []float32{float32(math.Inf(-1)), 0}, K: 1}}, volume.ErrInput},
		"unknown id":         {[]search.Query{{ID: 1, K: 1}, {ID: 2, K: 1}}, volume.ErrNotFound},
		"too many answers":   {slices.Repeat([]search.Query{{ID: 1, K: search.MaxNeighbors}}, search.MaxAnswers/search.MaxNeighbors+1), volume.ErrTooLarge},
	} {
		if _, err := search.Nearest(context.Background(), rows.Of(s.Current()), test.queries); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", what, err, test.want)
		}
	}
}

// TestNearestInAShortenedFile lets the file lose its end after the manifest was
// believed.
func TestNearestInAShortenedFile(t *testing.T) {
	t.Parallel()
	const dimension = 64
	files := volumes.New()
	s, vectors := manyRows(t, files, 8000, dimension)
	file, err := files.Open("many.rvf", true)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	snapshot := s.Current()
	if err := file.Truncate(snapshot.Size() / 3); err != nil {
		t.Fatal(err)
	}
	if _, err := search.Nearest(context.Background(), rows.Of(snapshot), []search.Query{{Vector: vectors[:dimension], K: 1}}); !errors.Is(err, volume.ErrCorrupt) {
		t.Errorf("searching it: %v, want %v", err, volume.ErrCorrupt)
	}
}

// TestManyQueriesTakeSeveralPasses has more than one pass can hold.
func TestManyQueriesTakeSeveralPasses(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	bring(t, s, []uint64{1, 2, 3}, 1, 0, 0, 1, 1, 1)
	queries := make([]search.Query, 2*1024+5)
	for i := range queries {
		queries[i] = search.Query{ID: uint64(i%3 + 1), K: 1 + i%3}
	}
	queries[7].K, queries[8].K = search.MaxNeighbors, search.MaxNeighbors
	answers, err := search.Nearest(context.Background(), rows.Of(s.Current()), queries)
	if err != nil || len(answers) != len(queries) {
		t.Fatalf("%d answers, %v", len(answers), err)
	}
	for i, query := range queries {
		if err := expectNeighbors(segments.Cosine, map[uint64][]float32{1: {1, 0}, 2: {0, 1}, 3: {1, 1}}, query, answers[i]); err != nil {
			t.Errorf("query %d: %v", i, err)
		}
	}
}

// TestNearestOfNonFiniteVectors has rows that only --allow-nonfinite lets in.
func TestNearestOfNonFiniteVectors(t *testing.T) {
	t.Parallel()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 1}, Options{Shelf: filelog.Shelf{Files: volumes.New()}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var vectors []byte
	for _, value := range []float64{math.NaN(), math.Inf(1), 3, 1} {
		vectors = binary.LittleEndian.AppendUint32(vectors, math.Float32bits(float32(value)))
	}
	appender := s.NewAppender()
	if err := appender.Append(context.Background(), []uint64{1, 2, 3, 4}, vectors); err != nil {
		t.Fatal(err)
	}
	if _, _, err := appender.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	answers, err := search.Nearest(context.Background(), rows.Of(s.Current()), []search.Query{{Vector: []float32{0}, K: 9}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":4,"distance":1}` + "\n" + `{"id":3,"distance":9}` + "\n" + `{"id":2,"distance":null}` + "\n" + `{"id":1,"distance":null}` + "\n"
	if got := string(search.AppendAnswers(nil, answers)); got != want {
		t.Errorf("the answer is\n%swant\n%s", got, want)
	}
	if _, err := search.Nearest(context.Background(), rows.Of(s.Current()), []search.Query{{ID: 1, K: 9}}); !errors.Is(err, volume.ErrInput) {
		t.Errorf("searching for NaN: %v", err)
	}
}

// TestReplacedRowsInManyReads replaces and deletes rows that stand far behind the
// first ones that are read, with ids that rise in each segment.
func TestReplacedRowsInManyReads(t *testing.T) {
	t.Parallel()
	const dimension, count = 64, 6000
	for what, change := range map[string]func(s *Store, vectors []float32, stored map[uint64][]float32) error{
		"deleted": func(s *Store, vectors []float32, stored map[uint64][]float32) error {
			delete(stored, 2500)
			delete(stored, 5900)
			_, err := s.Delete(context.Background(), []uint64{2500, 5900})
			return err
		},
		"replaced": func(s *Store, vectors []float32, stored map[uint64][]float32) error {
			replaced := vectors[:2*dimension]
			stored[5900] = replaced[dimension:]
			delete(stored, 2500)
			_, err := s.Ingest(context.Background(), []uint64{2500, 5900}, replaced)
			if err == nil {
				_, err = s.Delete(context.Background(), []uint64{2500})
			}
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, vectors := manyRows(t, volumes.New(), count, dimension)
			stored := map[uint64][]float32{}
			for i := range count {
				stored[uint64(i)] = vectors[i*dimension : (i+1)*dimension]
			}
			former := [][]float32{stored[2500], stored[5900]}
			if err := change(s, vectors, stored); err != nil {
				t.Fatal(err)
			}
			queries := []search.Query{{Vector: former[0], K: 5}, {Vector: former[1], K: count}, {ID: 5899, K: 3}}
			if what == "replaced" {
				queries = append(queries, search.Query{ID: 5900, K: 3})
			}
			for range 2 {
				answers, err := search.Nearest(context.Background(), rows.Of(s.Current()), queries)
				if err != nil {
					t.Fatal(err)
				}
				for i, query := range queries {
					if err := expectNeighbors(segments.L2, stored, query, answers[i]); err != nil {
						t.Errorf("query %d: %v", i, err)
					}
				}
				if _, err := search.Nearest(context.Background(), rows.Of(s.Current()), []search.Query{{ID: 2500, K: 1}}); !errors.Is(err, volume.ErrNotFound) {
					t.Errorf("a deleted id: %v", err)
				}
			}
		})
	}
}

// wireStore makes a store of dimension 2 in the wire dialect: id i at (i, 0).
func wireStore(ids ...uint64) []byte {
	little := binary.LittleEndian
	segment := func(file []byte, kind segments.Type, payload []byte) []byte {
		file = append(file, make([]byte, -len(file)&63)...)
		header := segments.Header{Version: 1, Type: kind, ID: 1, PayloadLength: uint64(len(payload)), ChecksumAlgorithm: segments.ChecksumSHAKE}
		sum := shake256(payload)
		header.ContentHash = [16]byte(sum[:16])
		encoded := header.Encode()
		return append(append(file, encoded[:]...), payload...)
	}
	vectors := little.AppendUint32(nil, 1)
	vectors = little.AppendUint32(vectors, 64)
	vectors = little.AppendUint32(vectors, uint32(len(ids)))
	vectors = little.AppendUint32(vectors, 2)
	vectors = append(vectors, make([]byte, 64-len(vectors))...)
	for _, id := range ids {
		vectors = little.AppendUint32(vectors, math.Float32bits(float32(id)))
	}
	vectors = append(vectors, make([]byte, 4*len(ids))...)
	vectors = append(vectors, 0, 0, 0)
	vectors = little.AppendUint32(vectors, uint32(len(ids)))
	for _, id := range ids {
		vectors = little.AppendUint64(vectors, id)
	}
	vectors = append(vectors, make([]byte, 4)...)
	file := segment(nil, segments.TypeVec, vectors)
	manifestAt := len(file) + -len(file)&63 + segments.HeaderSize

	entry := make([]byte, 64)
	little.PutUint64(entry, 1)
	entry[8] = byte(segments.TypeVec)
	little.PutUint64(entry[24:], uint64(len(vectors)))
	records := append([]byte{1, 0, 64, 0, 0, 0, 0, 0}, entry...)
	root := make([]byte, 4096)
	little.PutUint32(root, 0x52564D30)
	little.PutUint64(root[0x08:], uint64(manifestAt))
	little.PutUint64(root[0x10:], uint64(len(records)))
	little.PutUint64(root[0x18:], uint64(len(ids)))
	little.PutUint16(root[0x20:], 2)
	little.PutUint32(root[0xFFC:], crc32.Checksum(root[:0xFFC], crc32.MakeTable(crc32.Castagnoli)))
	return segment(file, segments.TypeManifest, append(records, root...))
}

func TestNearestInTheWireDialect(t *testing.T) {
	t.Parallel()
	for _, ids := range [][]uint64{{1, 2, 5, 9}, {9, 1, 5, 2}} {
		files := volumes.New()
		file, err := files.Create("a.rvf", 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(wireStore(ids...), 0); err != nil {
			t.Fatal(err)
		}
		s, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.Current().Dialect() != segments.DialectWire {
			t.Fatal("the store is not in the wire dialect")
		}
		answers, err := search.Nearest(context.Background(), rows.Of(s.Current()), []search.Query{{Vector: []float32{6, 0}, K: 3}, {ID: 2, K: 2}})
		if err != nil {
			t.Fatal(err)
		}
		want := [][]search.Neighbor{{at(5, 1), at(9, 9), at(2, 16)}, {at(1, 1), at(5, 9)}}
		for i := range want {
			if !slices.Equal(answers[i], want[i]) {
				t.Errorf("ids %v, query %d: %v, want %v", ids, i, answers[i], want[i])
			}
		}
	}
}
