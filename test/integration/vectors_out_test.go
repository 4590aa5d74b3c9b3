package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/store"
	"rvffs/store/storetest"
	"rvffs/test/integration/rawfile"
)

// demandNumpy skips the test where Debian's numpy is missing.
func demandNumpy(t testing.TB) {
	t.Helper()
	demand(t, "numpy", exec.Command("/usr/bin/python3", "-c", "import numpy").Run())
}

// python runs a script, which gets the arguments, with Debian's Python.
func python(t testing.TB, script string, arguments ...string) string {
	t.Helper()
	return run(t, "/usr/bin/python3", append([]string{"-c", script}, arguments...)...)
}

// newVectors makes a store of random vectors with the engine; ids of nil are given
// by the store.
func newVectors(t testing.TB, path string, dimension int, ids []uint64, rows [][]float32) {
	t.Helper()
	created := must(store.Create(context.Background(), filepath.Base(path), store.CreateOptions{Dimension: dimension}, store.Options{Shelf: storetest.Shelf(t, path)}))(t)
	var flat []float32
	for _, row := range rows {
		flat = append(flat, row...)
	}
	var err error
	if len(rows) > 0 {
		_, err = created.Ingest(context.Background(), ids, flat)
	}
	if err := errors.Join(err, created.Close()); err != nil {
		t.Fatal(err)
	}
}

// readEverything compares every file of vectors with rows and ids. Its arguments
// are, for each store: the folder, a file of the rows, one of the ids, the
// dimension, and "text" if the files in text are to be read too.
const readEverything = `
import csv, json, os, struct, sys
import numpy as np
def read_everything(folder, want, ids, d, text):
    i = np.fromfile(ids, '<u8')
    x = np.fromfile(want, '<f4').reshape(len(i), d)
    def same(what, got, want=x):
        assert got.shape == want.shape, (folder, what, got.shape, want.shape)
        assert got.dtype == want.dtype and got.tobytes() == want.tobytes(), (folder, what)
    path = lambda name: os.path.join(folder, name)
    same('npy', np.load(path('vectors.npy')))
    if len(x):
        mapped = np.load(path('vectors.npy'), mmap_mode='r')
        same('mapped', mapped)
        same('one row', np.array(mapped[len(x) // 2]), x[len(x) // 2])
    same('ids', np.load(path('ids.npy')), i)
    same('f32', np.fromfile(path('vectors.f32'), '<f4').reshape(len(x), d))
    fvecs = np.fromfile(path('vectors.fvecs'), '<i4').reshape(len(x), d + 1)
    assert (fvecs[:, 0] == d).all()
    same('fvecs', np.ascontiguousarray(fvecs[:, 1:]).view('<f4'))
    data = open(path('vectors.fbin'), 'rb').read()
    assert struct.unpack('<II', data[:8]) == (len(x), d)
    same('fbin', np.frombuffer(data[8:], '<f4').reshape(len(x), d))
    data = open(path('vectors.safetensors'), 'rb').read()
    length, = struct.unpack('<Q', data[:8])
    header, data = json.loads(data[8:8 + length]), data[8 + length:]
    assert length % 8 == 0 and sorted(t['data_offsets'] for t in header.values()) == [[0, 8 * len(x)], [8 * len(x), len(data)]], header
    def tensor(name, dtype, kind):
        assert header[name]['dtype'] == dtype
        begin, end = header[name]['data_offsets']
        return np.frombuffer(data[begin:end], kind).reshape(header[name]['shape'])
    same('safetensors', tensor('vectors', 'F32', '<f4'))
    same('safetensors, ids', tensor('ids', 'U64', '<u8'), i)
    for n in sorted({0, len(x) // 3, len(x) - 1}) if len(x) else []:
        same('by id', np.fromfile(path('by-id/%d.f32' % i[n]), '<f4'), x[n])
        one = json.load(open(path('by-id/%d.json' % i[n])))
        assert one['id'] == i[n], one['id']
        same('by id, JSON', np.array(one['vector'], '<f4'), x[n])
    if text:
        lines = [json.loads(line) for line in open(path('vectors.jsonl'))]
        assert [line['id'] for line in lines] == i.tolist()
        same('jsonl', np.array([line['vector'] for line in lines], '<f4').reshape(len(x), d))
        table = list(csv.reader(open(path('vectors.csv'))))
        assert len({len(line) for line in open(path('vectors.csv'), 'rb').readlines()[1:]}) <= 1 and b' ' not in open(path('vectors.csv'), 'rb').read()
        assert table[0] == ['id'] + ['v%d' % c for c in range(d)]
        assert [int(row[0]) for row in table[1:]] == i.tolist()
        same('csv', np.array([row[1:] for row in table[1:]], '<f4').reshape(len(x), d))
        if len(x):
            same('csv, numpy', np.loadtxt(path('vectors.csv'), dtype='<f4', delimiter=',', skiprows=1, ndmin=2)[:, 1:].copy())
for folder, want, ids, d, text in zip(*[iter(sys.argv[1:])] * 5):
    read_everything(folder, want, ids, int(d), text == 'text')
`

// TestNumpyReadsVectorFiles lets numpy, json and csv read every file of vectors, of
// many dimensions and numbers of rows.
func TestNumpyReadsVectorFiles(t *testing.T) {
	t.Parallel()
	demandNumpy(t)
	dir, expected := t.TempDir(), t.TempDir()
	type shape struct{ dimension, rows int }
	shapes := []shape{{1, 100_000}, {3, 100_000}}
	for _, dimension := range []int{1, 2, 3, 16, 384, 1536, 65535} {
		for _, rows := range []int{0, 1, 2} {
			shapes = append(shapes, shape{dimension, rows})
		}
	}
	shapes = append(shapes, shape{16, 300}, shape{384, 50})
	for _, s := range shapes {
		name := fmt.Sprintf("%d-%d", s.dimension, s.rows)
		rows := randomRows(uint64(s.rows), s.rows, s.dimension)
		ids := make([]uint64, s.rows)
		for i := range ids {
			ids[i] = uint64(i*7919%s.rows) * 3
			if i == s.rows-1 {
				ids[i] = math.MaxUint64
			}
		}
		newVectors(t, filepath.Join(dir, name+".rvf"), s.dimension, ids, rows)
		writeFile(t, filepath.Join(expected, name+".f32"), rawRows(rows...))
		writeFile(t, filepath.Join(expected, name+".u64"), must(binary.Append(nil, binary.LittleEndian, ids))(t))
	}
	m := serve(t, dir)
	for _, s := range shapes {
		name := fmt.Sprintf("%d-%d", s.dimension, s.rows)
		text := "text"
		if s.rows > 1000 {
			text = "binary"
		}
		python(t, readEverything, m.path(name+".rvf", "vectors"), filepath.Join(expected, name+".f32"),
			filepath.Join(expected, name+".u64"), fmt.Sprint(s.dimension), text)
	}
}

// TestVectorFilesWithoutDimension: a store that nothing was ever written to shows
// empty files.
func TestVectorFilesWithoutDimension(t *testing.T) {
	t.Parallel()
	demandNumpy(t)
	m := serve(t, t.TempDir())
	if err := os.Mkdir(m.path("new.rvf"), 0o755); err != nil {
		t.Fatal(err)
	}
	python(t, `import numpy, sys
assert numpy.load(sys.argv[1] + '/vectors.npy').shape == (0, 0)
assert numpy.load(sys.argv[1] + '/ids.npy').shape == (0,)
for name, want in {'vectors.f32': b'', 'vectors.fvecs': b'', 'vectors.fbin': bytes(8), 'vectors.jsonl': b'', 'vectors.csv': b'id\n'}.items():
    assert open(sys.argv[1] + '/' + name, 'rb').read() == want, name
`, m.path("new.rvf", "vectors"))
}

// TestNonFiniteVectorsInText: what a store holds because its mount allowed it is
// written as Python's json and numpy read it.
func TestNonFiniteVectorsInText(t *testing.T) {
	t.Parallel()
	demandNumpy(t)
	builder := rawfile.NewBuilder("odd", 3).Vec(model{1: {float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}}).Manifest()
	m := serve(t, folder(t, map[string][]byte{"odd.rvf": builder.Bytes}))
	python(t, `import json, math, numpy, sys
for got in json.loads(open(sys.argv[1] + '/vectors.jsonl').read())['vector'], numpy.loadtxt(sys.argv[1] + '/vectors.csv', delimiter=',', skiprows=1)[1:]:
    assert math.isnan(got[0]) and got[1] == math.inf and got[2] == -math.inf, got
`, m.path("odd.rvf", "vectors"))
}

// TestPlainProgramsReadVectorFiles reads pieces and copies with programs that know
// nothing of vectors.
func TestPlainProgramsReadVectorFiles(t *testing.T) {
	t.Parallel()
	const count, dimension = 3000, 24
	rows := randomRows(9, count, dimension)
	dir := t.TempDir()
	newVectors(t, filepath.Join(dir, "store.rvf"), dimension, nil, rows)
	engineDelete(t, filepath.Join(dir, "store.rvf"), 5, 700, 2999)
	m := serve(t, dir)
	vectors, copies := m.path("store.rvf", "vectors"), t.TempDir()
	if got := strings.Fields(shell(t, `ls "$1"; ls "$1/by-id"`, vectors)); len(got) != 9 {
		t.Errorf("the folder lists %q", got)
	}
	shell(t, `cp -r "$1/." "$2"; for f in "$2"/*.*; do cmp "$f" "$1/${f##*/}"; done`, vectors, copies)
	shell(t, `
for file in vectors.npy ids.npy vectors.f32 vectors.fvecs vectors.fbin vectors.safetensors vectors.jsonl vectors.csv; do
	size=$(stat -c %s "$1/$file")
	test "$size" = "$(stat -c %s "$2/$file")"
	for block in 1 7 4096 65537; do
		skip=$((RANDOM * 7 % size))
		cmp <(dd if="$1/$file" bs=$block iflag=skip_bytes,count_bytes skip=$skip count=100000 status=none) \
			<(tail -c +$((skip + 1)) "$2/$file" | head -c 100000)
	done
done`, vectors, copies)
	if got := strings.TrimSpace(shell(t, `wc -l < "$1/vectors.jsonl"; wc -l < "$1/vectors.csv"`, vectors)); got != "2997\n2998" {
		t.Errorf("%q lines", got)
	}
	for _, line := range []string{shell(t, `tail -n 1 "$1/vectors.jsonl"`, vectors), string(readFile(t, filepath.Join(vectors, "by-id", "2998.json")))} {
		var row struct {
			ID     uint64    `json:"id"`
			Vector []float32 `json:"vector"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.ID != 2998 || !bytes.Equal(rawRows(row.Vector), rawRows(rows[2998])) {
			t.Errorf("the last line is %q: %v", line, err)
		}
	}
	for _, name := range []string{"5.json", "3000.f32", "007.json", "+7.f32", "7", "7.npy", "x.json", "18446744073709551616.f32"} {
		_, err := os.Stat(filepath.Join(vectors, "by-id", name))
		wantErrno(t, name, err, syscall.ENOENT)
	}
	wantErrno(t, "create", os.WriteFile(filepath.Join(vectors, "more.npy"), nil, 0o644), syscall.EPERM)
	wantErrno(t, "remove", os.Remove(filepath.Join(vectors, "vectors.npy")), syscall.EPERM)
	wantErrno(t, "truncate", os.Truncate(filepath.Join(vectors, "vectors.npy"), 0), syscall.EPERM)
}

// TestMappedVectorsStayAtTheirEpoch compares a mapped array page by page, with the
// page cache and without, while another process appends, replaces and deletes
// vectors and has the store compacted.
func TestMappedVectorsStayAtTheirEpoch(t *testing.T) {
	t.Parallel()
	demandNumpy(t)
	const count, dimension = 20_000, 16
	rows := randomRows(4, count, dimension)
	dir := t.TempDir()
	newVectors(t, filepath.Join(dir, "store.rvf"), dimension, nil, rows)
	expected := writeFile(t, filepath.Join(t.TempDir(), "rows"), rawRows(rows...))
	m := serve(t, dir)
	const writer = `import json, numpy as np, sys
folder = sys.argv[1]
for n in range(12):
    with open(folder + '/vectors.append', 'wb') as f:
        np.full((100, 16), n, '<f4').tofile(f)
    with open(folder + '/vectors.append', 'w') as f:
        f.write(json.dumps({'id': 10_000 + n, 'vector': [n] * 16}) + '\n')
    with open(folder + '/vectors.delete', 'w') as f:
        f.write('%d\n' % n)
    if n % 4 == 2:
        with open(folder + '/ctl', 'w') as f:
            f.write('compact\n')
`
	python(t, `import mmap, numpy as np, os, subprocess, sys
folder, want, writer = sys.argv[1], np.fromfile(sys.argv[2], '<f4').reshape(-1, 16), sys.argv[3]
name = folder + '/vectors/vectors.npy'
fd = os.open(name, os.O_RDONLY)
pages = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
expected = pages[:128] + want.tobytes()
assert len(pages) == len(expected)
array = np.load(name, mmap_mode='r')
def check():
    for at in range(0, len(expected), mmap.PAGESIZE):
        assert pages[at:at + mmap.PAGESIZE] == expected[at:at + mmap.PAGESIZE], at
    assert (array == want).all()
check()
other = subprocess.Popen([sys.executable, '-c', writer, folder])
while True:
    ended = other.poll() is not None
    check()
    pages.madvise(mmap.MADV_DONTNEED)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    if ended:
        break
check()
assert other.returncode == 0
now = np.load(name, mmap_mode='r')
assert now.shape == (len(want) + 12 * 100 - 12, 16), now.shape
assert (now[0] == want[12]).all() and not np.isin(want[10_000:10_012], now).all(axis=1).any()
assert (now[-1] == 11).all()
`, m.path("store.rvf"), expected, writer)
}

// TestDeleteThroughTheMount writes ids in each format.
func TestDeleteThroughTheMount(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct{ script, format string }{
		"text":           {`printf '3\n5 7, 1000\n' > "$1/vectors.delete"`, "ids txt"},
		"no line end":    {`printf '3 5 7 1000' > "$1/vectors.delete"`, "ids txt"},
		"JSON":           {`echo '[3,5,7,1000]' > "$1/vectors.delete"`, "ids json"},
		"JSON lines":     {`printf '{"id":%d}\n' 3 5 7 1000 > "$1/vectors.delete"`, "ids json"},
		"binary":         {`printf '\3\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\350\3\0\0\0\0\0\0' > "$1/vectors.delete"`, "ids u64"},
		"text, forced":   {`seq -w 3 2 7 | tee -a "$1/vectors.delete.txt" > /dev/null; echo 1000 > "$1/vectors.delete.txt"`, "ids txt"},
		"binary, forced": {`printf '\3\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\350\3\0\0\0\0\0\0' | dd of="$1/vectors.delete.u64" bs=3 status=none`, "ids u64"},
		"numpy": {`/usr/bin/python3 -c 'import numpy, sys
numpy.save(sys.argv[1], numpy.array([3, 5, 7, 1000], "<u8"))' "$2/ids.npy"
cp "$2/ids.npy" "$1/vectors.delete"`, "ids npy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "numpy" {
				demandNumpy(t)
			}
			want := numbered(0, randomRows(1, 10, 2))
			m := serve(t, folder(t, map[string][]byte{"store.rvf": rawfile.NewBuilder("delete", 2).Vec(want).Manifest().Bytes}))
			shell(t, way.script, m.path("store.rvf"), t.TempDir())
			want.remove(3, 5, 7)
			// tee and the shell have closed; the last close of a process that is
			// just ending may still be on its way.
			eventually(t, "the vectors are gone", func() error { return engineHolds(m.backing("store.rvf"), want) })
			var deleted, missing uint64
			for line := range bytes.Lines(readFile(t, m.path("store.rvf", "append.log"))) {
				var entry struct {
					Format           string
					Deleted, Missing uint64
				}
				if err := json.Unmarshal(line, &entry); err != nil || entry.Format != way.format {
					t.Errorf("append.log says %q: %v", line, err)
				}
				deleted, missing = deleted+entry.Deleted, missing+entry.Missing
			}
			if deleted != 3 || missing != 1 {
				t.Errorf("append.log tells of %d deleted and %d missing", deleted, missing)
			}
			if got := len(readFile(t, m.path("store.rvf", "vectors", "ids.npy"))); got != 128+8*7 {
				t.Errorf("ids.npy has %d bytes", got)
			}
		})
	}
}

// TestBadIDsDeleteNothing: the write that completes a bad id fails, and append.log
// says where it stands.
func TestBadIDsDeleteNothing(t *testing.T) {
	t.Parallel()
	want := numbered(0, randomRows(1, 10, 2))
	m := serve(t, folder(t, map[string][]byte{"store.rvf": rawfile.NewBuilder("delete", 2).Vec(want).Manifest().Bytes}))
	wantRefusal(t, tryShell(t, `printf '1\n2\nthree\n4\n' > "$1"`, m.path("store.rvf", "vectors.delete")), syscall.EINVAL)
	wantRefusal(t, tryShell(t, `echo 12x > "$1"`, m.path("store.rvf", "vectors.delete")), syscall.EINVAL)
	wantRefusal(t, tryShell(t, `printf '[1,2' | dd of="$1" status=none`, m.path("store.rvf", "vectors.delete")), syscall.EINVAL)
	if err := engineHolds(m.backing("store.rvf"), want); err != nil {
		t.Error(err)
	}
	eventually(t, "append.log tells of all three", func() error {
		lines := appendLog(t, m.path("store.rvf"))
		if len(lines) < 3 {
			return fmt.Errorf("%d lines", len(lines))
		}
		if lines[0].Line != 3 || lines[0].Offset == nil || *lines[0].Offset != 4 {
			t.Errorf("the first line is %+v", lines[0])
		}
		return nil
	})
	readOnly := serve(t, m.Dir, "--read-only")
	_, err := os.OpenFile(readOnly.path("store.rvf", "vectors.delete"), os.O_WRONLY, 0)
	wantErrno(t, "open in a read-only mount", err, syscall.EROFS)
}

// TestVectorsGoRoundByCommand exports a store, imports it into others and deletes
// from them, with the commands alone.
func TestVectorsGoRoundByCommand(t *testing.T) {
	t.Parallel()
	const dimension = 5
	dir := t.TempDir()
	rows := randomRows(8, 40, dimension)
	first := filepath.Join(dir, "first.rvf")
	newVectors(t, first, dimension, nil, rows)
	want := numbered(0, rows)
	for name, script := range map[string]string{
		"raw":             `"$1" export "$2" -f f32 -o "$4/raw.f32"; "$1" import "$3" "$4/raw.f32"`,
		"JSON lines":      `"$1" export "$2" --format jsonl --output "$4/all.jsonl"; "$1" import "$3" "$4/all.jsonl"`,
		"JSON lines, out": `"$1" export "$2" -f jsonl | "$1" import "$3" -`,
	} {
		second := filepath.Join(dir, strings.ReplaceAll(name, " ", "")+".rvf")
		newVectors(t, second, dimension, nil, nil)
		shell(t, script, program, first, second, t.TempDir())
		if err := engineHolds(second, want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var told struct {
		Vectors, Deleted, Missing uint64
		Bytes                     int64
	}
	out := filepath.Join(dir, "out.npy")
	if err := json.Unmarshal([]byte(run(t, program, "export", first, "--json", "-o", out)), &told); err != nil || told.Vectors != 40 || told.Bytes != 128+40*4*dimension {
		t.Errorf("export tells %+v, %v", told, err)
	}
	if err := json.Unmarshal([]byte(run(t, program, "delete", first, "1", "2,3", "99", "--json")), &told); err != nil || told.Deleted != 3 || told.Missing != 1 {
		t.Errorf("delete tells %+v, %v", told, err)
	}
	shell(t, `echo '[4,5]' | "$1" delete "$2" -`, program, first)
	want.remove(1, 2, 3, 4, 5)
	if err := engineHolds(first, want); err != nil {
		t.Error(err)
	}
	for what, arguments := range map[string][]string{
		"no such store":    {"import", filepath.Join(dir, "absent.rvf"), out},
		"no such input":    {"import", first, filepath.Join(dir, "absent.npy")},
		"no such format":   {"export", first, "-f", "xlsx"},
		"a bad id":         {"delete", first, "6", "x"},
		"no such folder":   {"export", first, "-o", filepath.Join(dir, "absent", "out.npy")},
		"JSON and vectors": {"export", first, "--json"},
	} {
		if got := try(t, program, arguments...); got.code == 0 || !strings.HasPrefix(got.stderr, "rvffs: ") || got.stdout != "" {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if err := engineHolds(first, want); err != nil {
		t.Errorf("after what failed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "absent.rvf")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("import made a store: %v", err)
	}
}

// TestVectorFilesOfADamagedStore: what a damaged segment does not hold can be read,
// the rest is an I/O error, and sizes stay.
func TestVectorFilesOfADamagedStore(t *testing.T) {
	t.Parallel()
	builder := rawfile.NewBuilder("damaged", 1)
	for batch := range uint64(3) {
		builder.Vec(numbered(40_000*batch, randomRows(batch, 40_000, 1)))
	}
	builder.Manifest()
	file := must(rawfile.Parse(builder.Bytes))(t)
	m := serve(t, folder(t, map[string][]byte{"store.rvf": builder.Bytes}))
	readFile(t, m.path("store.rvf", "manifest.json"))
	backing := must(os.OpenFile(m.backing("store.rvf"), os.O_WRONLY, 0))(t)
	if _, err := backing.WriteAt([]byte{0x0e}, int64(file.Live()[1].Offset)+5); err != nil { // its type
		t.Fatal(err)
	}
	if err := backing.Close(); err != nil {
		t.Fatal(err)
	}
	opened := must(os.Open(m.path("store.rvf", "vectors", "vectors.f32")))(t)
	defer opened.Close()
	if info := must(opened.Stat())(t); info.Size() != 480_000 {
		t.Errorf("%d bytes", info.Size())
	}
	// What the kernel reads at once fails at once: it shall read single pages.
	if err := unix.Fadvise(int(opened.Fd()), 0, 0, unix.FADV_RANDOM); err != nil {
		t.Fatal(err)
	}
	for row, want := range map[int64]error{0: nil, 38_000: nil, 40_000: syscall.EIO, 79_999: syscall.EIO, 82_000: nil, 119_999: nil} {
		if _, err := opened.ReadAt(make([]byte, 4), 4*row); !errors.Is(err, want) {
			t.Errorf("row %d: %v, want %v", row, err, want)
		}
	}
}
