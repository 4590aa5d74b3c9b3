package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rvffs/store"
	"rvffs/store/storetest"
	"rvffs/test/integration/peer"
)

// writeEverything writes random rows with numpy and json in all formats, each with
// the float32 and the ids that a store must then hold. Its arguments are a folder,
// the number of rows, the dimension, and the length in bytes beyond which a file is
// left out.
const writeEverything = `
import json, os, sys
import numpy as np
folder, n, d, most = sys.argv[1], *map(int, sys.argv[2:])
path = lambda name: os.path.join(folder, name)
random = np.random.default_rng(n * 65536 + d)
wide = random.standard_normal((n, d)) * 2.0 ** random.integers(-10, 10, (n, 1))
half, rows, bytes_ = wide.astype('<f2'), wide.astype('<f4'), random.integers(0, 256, (n, d), 'u1')
if rows.size > 2:
    rows.flat[rows.size // 2], rows.flat[-1] = 1e-45, -0.0
ids = random.permutation(n).astype('<u8') * ((2 ** 53 - 1) // max(n, 1))
rows.tofile(path('rows.want'))
half.astype('<f4').tofile(path('half.want'))
wide.astype('<f4').tofile(path('wide.want'))
bytes_.astype('<f4').tofile(path('bytes.want'))
ids.tofile(path('ids'))
np.arange(n, dtype='<u8').tofile(path('numbers'))
np.save(path('half.npy'), half)
np.save(path('rows.npy'), rows)
if 2 * rows.nbytes <= most:
    np.save(path('wide.npy'), wide)
rows.tofile(path('rows.f32'))
def vecs(values):
    table = np.empty((n, 4 + d * values.itemsize), 'u1')
    table[:, :4] = np.array([d], '<i4').view('u1')
    table[:, 4:] = values.view('u1')
    return table
vecs(rows).tofile(path('rows.fvecs'))
vecs(bytes_).tofile(path('bytes.bvecs'))
if 21 * rows.size <= most:
    with open(path('rows.jsonl'), 'w') as out:
        for i, row in zip(ids.tolist(), rows):
            out.write(json.dumps({'id': i, 'vector': row.tolist()}) + '\n')
if 16 * rows.size <= most:
    with open(path('rows.csv'), 'w') as out:
        out.write(','.join(['id'] + ['v%d' % c for c in range(d)]) + '\n')
        form = '%d' + ',%.9g' * d + '\n'
        for i, row in zip(ids.tolist(), rows.tolist()):
            out.write(form % (i, *row))
`

// shape is that of an array.
type shape struct{ rows, dimension int }

// roundTrip is one copy of a file into the stream of an empty store.
type roundTrip struct {
	name   string // of the new store
	source string
	// suffix is that of the name that would force the format.
	suffix string
	// want is the name of the rows that must come out, and ids that of their ids.
	want, ids string
	// blind tells that the format does not tell the dimension.
	blind bool
	// first is set for one trip of those that bring the float32 rows with the same
	// ids. Of many rows only that one is looked at in every way.
	first bool
}

// largestTrip is how long a file may be that a test copies, in bytes.
const largestTrip = 1 << 30

// TestRoundTrips copies, with several programs, every file of vectors of a store,
// and what numpy writes in every format, into new stores, and lets numpy, an
// independent reader and the reference runtime say what arrived.
//
// RVFFS_LONG=1 takes 100,000 rows of every dimension whose files have at most a
// gibibyte.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	demandNumpy(t)
	dimensions := []int{1, 2, 3, 16, 384, 1536, 65535}
	const many = 100_000
	var shapes []shape
	if os.Getenv("RVFFS_LONG") == "1" {
		for _, dimension := range dimensions {
			if 4*dimension*many <= largestTrip {
				shapes = append(shapes, shape{many, dimension})
			}
		}
	} else {
		shapes = append(shapes, shape{many, 1}, shape{3000, 16})
	}
	for _, dimension := range dimensions {
		for _, rows := range []int{2, 1, 0} {
			shapes = append(shapes, shape{rows, dimension})
		}
	}
	for _, s := range shapes {
		t.Run(fmt.Sprintf("%dx%d", s.rows, s.dimension), func(t *testing.T) {
			t.Parallel()
			s.goRound(t)
		})
	}
}

// goRound does all copies of arrays of one shape.
func (s shape) goRound(t *testing.T) {
	inputs, dir := t.TempDir(), t.TempDir()
	long(t, "/usr/bin/python3", "-c", writeEverything, inputs, fmt.Sprint(s.rows), fmt.Sprint(s.dimension), fmt.Sprint(largestTrip))
	ids := must(readUint64(filepath.Join(inputs, "ids")))(t)
	s.build(t, filepath.Join(dir, "source.rvf"), ids, filepath.Join(inputs, "rows.want"))
	m := serve(t, dir)
	trips := s.trips(m.path("source.rvf"), inputs)
	for i, trip := range trips {
		if trip.blind {
			newVectors(t, filepath.Join(dir, trip.name), s.dimension, nil, nil)
		} else if err := os.Mkdir(m.path(trip.name), 0o755); err != nil {
			t.Fatal(err)
		}
		trip.copy(t, m, i+s.rows+s.dimension)
		if s.large() {
			s.check(t, m, inputs, trip)
			if err := os.Remove(m.backing(trip.name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !s.large() {
		s.check(t, m, inputs, trips...)
	}
}

// large reports whether stores of this shape are better looked at one by one.
func (s shape) large() bool { return s.rows*s.dimension > 1_000_000 }

// thorough reports whether what a trip brought is looked at in every way: numpy reads
// all binary files of each.
func (s shape) thorough(trip roundTrip) bool { return trip.first || s.rows*s.dimension < 10_000 }

// build makes the store whose files are copied.
func (s shape) build(t *testing.T, path string, ids []uint64, rows string) {
	created := must(store.Create(context.Background(), filepath.Base(path), store.CreateOptions{Dimension: s.dimension}, store.Options{Shelf: storetest.Shelf(t, path)}))(t)
	if s.rows > 0 {
		if _, err := created.Ingest(t.Context(), ids, floats(readFile(t, rows))); err != nil {
			t.Fatal(err)
		}
	}
	if err := created.Close(); err != nil {
		t.Fatal(err)
	}
}

// trips are all copies that are made of a store and of what numpy wrote.
func (s shape) trips(source, inputs string) []roundTrip {
	var trips []roundTrip
	add := func(writer, source, suffix, want, ids string) {
		name := fmt.Sprintf("%s-%s-%s.rvf", writer, filepath.Base(source), want)
		trip := roundTrip{name: name, source: source, suffix: suffix, want: want + ".want", ids: ids, blind: suffix == ".f32"}
		trip.first = want == "rows" && !slices.ContainsFunc(trips, func(other roundTrip) bool { return other.want == trip.want && other.ids == ids })
		trips = append(trips, trip)
	}
	for _, format := range []struct{ name, suffix, ids string }{
		{"vectors/vectors.npy", ".npy", "numbers"}, {"vectors/vectors.f32", ".f32", "numbers"}, {"vectors/vectors.fvecs", ".fvecs", "numbers"}, {"vectors/vectors.fbin", ".fbin", "numbers"}, {"vectors/vectors.safetensors", ".safetensors", "ids"},
		{"vectors/vectors.jsonl", ".jsonl", "ids"}, {"vectors/vectors.csv", ".csv", "ids"}, {"raw", ".rvf", "ids"},
	} {
		if info, err := os.Stat(filepath.Join(source, format.name)); err == nil && info.Size() <= largestTrip {
			add("ours", filepath.Join(source, format.name), format.suffix, "rows", format.ids)
		}
	}
	for _, format := range []struct{ want, suffix, ids string }{
		{"half", ".npy", "numbers"}, {"rows", ".npy", "numbers"}, {"wide", ".npy", "numbers"}, {"rows", ".f32", "numbers"},
		{"rows", ".fvecs", "numbers"}, {"bytes", ".bvecs", "numbers"}, {"rows", ".jsonl", "ids"}, {"rows", ".csv", "ids"},
	} {
		if path := filepath.Join(inputs, format.want+format.suffix); exists(path) {
			add("numpy", path, format.suffix, format.want, format.ids)
		}
	}
	return trips
}

// exists reports whether there is such a file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// copies are the programs that copy the file $1 into the stream $2, $3 being an odd
// number of bytes.
var copies = []string{
	`cp "$1" "$2"`,
	`dd if="$1" of="$2" bs="$3" conv=notrunc status=none`,
	`cat "$1" > "$2"`,
	`cp -p "$1" "$2"`,
	`tee "$2" < "$1" > /dev/null`,
	`cat "$1" | dd of="$2" obs="$3" ibs=4099 status=none`,
}

// copy pours the file into the store, by the name that forces its format if turn is
// odd.
func (r roundTrip) copy(t *testing.T, m *mount, turn int) {
	t.Helper()
	stream := m.path(r.name, "vectors.append")
	if turn%2 == 1 {
		stream += r.suffix
	}
	block := 1021
	if info, err := os.Stat(r.source); err == nil && info.Size() > 1<<20 {
		block = 262_147
	}
	long(t, "bash", "-euo", "pipefail", "-c", copies[turn/2%len(copies)], "bash", r.source, stream, fmt.Sprint(block))
}

// check lets everybody read what the stores hold.
func (s shape) check(t *testing.T, m *mount, inputs string, trips ...roundTrip) {
	t.Helper()
	arguments := []string{"-c", readEverything}
	for _, trip := range trips {
		dimension, text := s.dimension, "binary"
		if s.rows == 0 && !trip.blind {
			dimension = 0 // nothing came that could fix it
		}
		if s.thorough(trip) && s.rows*s.dimension <= largestTrip/16 {
			text = "text"
		}
		arguments = append(arguments, m.path(trip.name, "vectors"), filepath.Join(inputs, trip.want), filepath.Join(inputs, trip.ids), fmt.Sprint(dimension), text)
	}
	long(t, "/usr/bin/python3", arguments...)
	process := peer.Start(t)
	for _, trip := range trips {
		if !s.thorough(trip) {
			continue
		}
		ids := must(readUint64(filepath.Join(inputs, trip.ids)))(t)
		flat := floats(readFile(t, filepath.Join(inputs, trip.want)))
		want := model{}
		for i, row := range slices.Collect(slices.Chunk(flat, s.dimension)) {
			want[ids[i]] = row
		}
		if err := fileHolds(m.backing(trip.name), want); err != nil {
			t.Errorf("%s: %v", trip.name, err)
		}
		var err error
		if s.rows <= 2 {
			err = peerHolds(process, m.backing(trip.name), want)
		} else {
			err = peerFindsSome(process, m.backing(trip.name), ids, want)
		}
		if err != nil {
			t.Errorf("%s: %v", trip.name, err)
		}
	}
}

// peerFindsSome lets the reference runtime count a store's vectors, list their ids
// and find some of them by themselves.
func peerFindsSome(process *peer.Process, path string, ids []uint64, want model) error {
	opened, err := process.OpenReadonly(path)
	if err != nil {
		return err
	}
	defer opened.Close()
	status, err := opened.Status()
	if err != nil || status.TotalVectors != len(ids) {
		return fmt.Errorf("the peer counts %d vectors, want %d: %v", status.TotalVectors, len(ids), err)
	}
	found, err := opened.Query(want[ids[0]], len(ids)+1)
	if err != nil {
		return err
	}
	got := make([]uint64, len(found))
	for i, neighbor := range found {
		got[i] = neighbor.ID
	}
	slices.Sort(got)
	if !slices.Equal(got, want.ids()) {
		return fmt.Errorf("the peer finds %d ids, not those of the %d vectors", len(got), len(ids))
	}
	random := rand.New(rand.NewPCG(1, uint64(len(ids))))
	var some []uint64
	var rows []float32
	for range 8 {
		id := ids[random.IntN(len(ids))]
		some, rows = append(some, id), append(rows, want[id]...)
	}
	// Others may be equal, where the dimension is 1.
	distances, err := opened.OwnDistances(some, rows, min(len(ids), 1000))
	if err != nil {
		return err
	}
	for i, distance := range distances {
		if distance == nil || *distance != 0 {
			return fmt.Errorf("the peer finds id %d at %v from its own vector", some[i], distance)
		}
	}
	return nil
}

// readUint64 reads a file of little-endian integers.
func readUint64(path string) ([]uint64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	values := make([]uint64, len(data)/8)
	_, err = binary.Decode(data, binary.LittleEndian, values)
	return values, err
}

// long runs a program that must succeed and may take minutes.
func long(t testing.TB, name string, arguments ...string) {
	t.Helper()
	if got := tryFor(t, longPatience, name, arguments...); got.code != 0 {
		t.Fatalf("%s %.300q: exit status %d\n%s", name, arguments, got.code, got.stderr)
	}
}
