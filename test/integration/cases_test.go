package integration

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"rvffs/test/integration/rawfile"
)

// inputCase is a file of a kind that people bring, and what it must give.
type inputCase struct {
	// dimensions of the stores that it is written to, 0 for a new one.
	dimensions []int
	// refused is what append.log says of it, a regular expression; if it is empty, the
	// file is taken and so many vectors are in the store, with these ids.
	refused string
	vectors int
	ids     []uint64 // from 0 upward, unless they are given
}

// inputCases are all of them, by their path in the folder of cases.
var inputCases = map[string]inputCase{
	"01-pandas-index/named.csv":                     {dimensions: []int{4, 0}, refused: `column 1 has no name.*index=False`},
	"02-pandas-index-numbered/numbered.csv":         {dimensions: []int{4, 0}, refused: `column 1 has no name`},
	"03-pandas-noindex-numbered/numbered.csv":       {dimensions: []int{4, 0}, vectors: 5},
	"04-r-write-csv/write.csv":                      {dimensions: []int{4, 0}, refused: `column 1 has no name.*row\.names=FALSE`},
	"05-id-by-other-name/doc_id.csv":                {dimensions: []int{4, 0}, refused: `column 1, "doc_id", is neither "id" nor a component`},
	"05-id-by-other-name/label.csv":                 {dimensions: []int{4, 0}, refused: `column 1, "label", is neither`},
	"05-id-by-other-name/Unnamed_0.csv":             {dimensions: []int{4, 0}, refused: `column 1, "Unnamed: 0", is neither`},
	"06-decimal-comma/first-row-only-fractions.csv": {dimensions: []int{4, 0}, refused: `line 1, .*has a decimal comma`},
	"06-decimal-comma/header.csv":                   {dimensions: []int{4, 0}, refused: `line 2, .*has a decimal comma`},
	"07-openai-json/response.json":                  {dimensions: []int{4, 0}, refused: `object`},
	"07-openai-json/embedding-int-id.jsonl":         {dimensions: []int{4, 0}, vectors: 5},
	"08-vectordb-exports/pinecone.jsonl":            {dimensions: []int{4, 0}, refused: `id|values`},
	"08-vectordb-exports/qdrant-int-payload.jsonl":  {dimensions: []int{4, 0}, refused: `payload`},
	"08-vectordb-exports/chroma.json":               {dimensions: []int{4, 0}, refused: `ids`},
	"08-vectordb-exports/milvus.json":               {dimensions: []int{4, 0}, refused: `rows`},
	"09-word-vectors/w2v.txt":                       {dimensions: []int{0}, refused: `word vectors`},
	"09-word-vectors/glove.txt":                     {dimensions: []int{0}, refused: `word vectors`},
	"09-word-vectors/w2v.bin":                       {dimensions: []int{0}, refused: `word vectors`},
	"10-node2vec/noheader.emb":                      {dimensions: []int{4, 0}, refused: `5 columns|counts up`},
	"11-fbin/d1.fbin":                               {dimensions: []int{1}, vectors: 7},
	"11-fbin/small.u8bin":                           {dimensions: []int{128, 0}, vectors: 1000},
	"12-ivecs/groundtruth.ivecs":                    {dimensions: []int{100}, refused: `look like int32`},
	"13-raw-dtypes/from-list-float64.bin":           {dimensions: []int{384}, refused: `look like float64.*vectors\.append\.f32`},
	"13-raw-dtypes/float16.bin":                     {dimensions: []int{384}, refused: `look like float16`},
	"13-raw-dtypes/uint8.bin":                       {dimensions: []int{384}, refused: `look like bytes`},
	"13-raw-dtypes/float32.bin":                     {dimensions: []int{384}, vectors: 100},
	"14-containers/sift.tar":                        {dimensions: []int{128, 0}, refused: `tar archive`},
	"14-containers/emb4.safetensors":                {dimensions: []int{4, 0}, vectors: 5},
	"14-containers/array-p0.pickle":                 {dimensions: []int{384, 0}, refused: `pickled by Python`},
	"14-containers/faiss.index":                     {dimensions: []int{384, 0}, refused: `FAISS`},
	"14-containers/lfs-pointer.npy":                 {dimensions: []int{4, 0}, refused: `Git LFS`},
	"15-npy/descr-f4.npy":                           {dimensions: []int{4, 0}, vectors: 5},
	"15-npy/uint8.npy":                              {dimensions: []int{4, 0}, vectors: 5},
	"16-text-oddities/na-first.csv":                 {dimensions: []int{4, 0}, refused: `line 1, .*"NA", is a missing value`},
	"16-text-oddities/fortran-exp-then-plain.csv":   {dimensions: []int{4, 0}, refused: `line 1, .*exponent of Fortran`},
	"16-text-oddities/list-cell.csv":                {dimensions: []int{4, 0}, vectors: 5},
	"16-text-oddities/pgvector.csv":                 {dimensions: []int{4, 0}, vectors: 5},
}

// deleteCases are files of ids for a store whose ids are 0 to 9: those that they leave.
var deleteCases = map[string][]uint64{
	"18-deletes/int32-three.bin": nil, "18-deletes/float64.bin": nil, "18-deletes/bom.txt": {0, 3, 4, 5, 6, 7, 8, 9},
}

// imageCases are compute images, with the file of a store into which they go.
var imageCases = map[string]string{"52-images/zboot-arm64": "kernel/image", "52-images/btf.o": "ebpf/program.o"}

const wireCase = "60-wire-root/minimal.rvf"

// writeCases makes a file of each kind with values of its own.
const writeCases = `
import io, os, pickle, struct, sys, tarfile
import numpy as np
random = np.random.default_rng(10)
def write(name, content):
    path = os.path.join(sys.argv[1], name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, 'wb').write(content.encode() if isinstance(content, str) else content)
rows = random.standard_normal((5, 4)).astype('<f4')
text = [['%.6f' % v for v in row] for row in rows]
lists = ['[' + ', '.join(row) + ']' for row in text]
def table(head, ids=None, sep=','):
    return ''.join(sep.join(line) + '\n' for line in [head] * bool(head) + [([str(ids[i])] if ids else []) + row for i, row in enumerate(text)])
names = ['v0', 'v1', 'v2', 'v3']
write('01-pandas-index/named.csv', table([''] + names, range(5)))
write('02-pandas-index-numbered/numbered.csv', table(['', '0', '1', '2', '3'], range(5)))
write('03-pandas-noindex-numbered/numbered.csv', table(['0', '1', '2', '3']))
write('04-r-write-csv/write.csv', table(['""', '"V1"', '"V2"', '"V3"', '"V4"'], ['"%d"' % i for i in range(1, 6)]))
for name in 'doc_id', 'label', 'Unnamed: 0':
    write('05-id-by-other-name/%s.csv' % name.replace(': ', '_'), table([name] + names, range(500, 505)))
comma = lambda s: s.replace('.', ',')
write('06-decimal-comma/first-row-only-fractions.csv', comma(';'.join(text[0])) + '\n1;2;3;4\n5;6;7;8\n')
write('06-decimal-comma/header.csv', comma(table(names, sep=';')))
write('07-openai-json/response.json', '{"object": "list", "data": [%s]}' % ', '.join('{"object": "embedding", "index": %d, "embedding": %s}' % p for p in enumerate(lists)))
lines = lambda form: ''.join(form % p + '\n' for p in enumerate(lists))
write('07-openai-json/embedding-int-id.jsonl', lines('{"id": %d, "embedding": %s}'))
write('08-vectordb-exports/pinecone.jsonl', lines('{"id": "%d", "values": %s, "metadata": {"a": 1}}'))
write('08-vectordb-exports/qdrant-int-payload.jsonl', lines('{"id": %d, "vector": %s, "payload": {"city": "X"}}'))
write('08-vectordb-exports/chroma.json', '{"ids": ["a", "b"], "embeddings": [%s, %s]}' % tuple(lists[:2]))
write('08-vectordb-exports/milvus.json', '{"rows": [%s]}' % ', '.join('{"id": %d, "vector": %s}' % p for p in enumerate(lists)))
words = ['in', 'for', '.', 'with', 'is']
glove = ''.join(' '.join([w] + row) + '\n' for w, row in zip(words, text))
write('09-word-vectors/glove.txt', glove)
write('09-word-vectors/w2v.txt', '5 4\n' + glove)
write('09-word-vectors/w2v.bin', b'5 4\n' + b''.join(w.encode() + b' ' + row.tobytes() + b'\n' for w, row in zip(words, rows)))
write('10-node2vec/noheader.emb', table(None, range(1, 6), ' '))
write('11-fbin/d1.fbin', struct.pack('<II', 7, 1) + random.standard_normal(7).astype('<f4').tobytes())
write('11-fbin/small.u8bin', struct.pack('<II', 1000, 128) + random.integers(0, 127, (1000, 128)).astype('u1').tobytes())
ivecs = random.integers(0, 1000000, (20, 101)).astype('<i4'); ivecs[:, 0] = 100
write('12-ivecs/groundtruth.ivecs', ivecs.tobytes())
large = random.standard_normal((100, 384)).astype('<f4'); large /= np.linalg.norm(large, axis=1, keepdims=True)
write('13-raw-dtypes/float32.bin', large.tobytes())
write('13-raw-dtypes/from-list-float64.bin', np.array(large.tolist()).tobytes())
write('13-raw-dtypes/float16.bin', large.astype('<f2').tobytes())
write('13-raw-dtypes/uint8.bin', random.integers(0, 120, (100, 384)).astype('u1').tobytes())
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode='w') as out:
    entry = tarfile.TarInfo('sift/base.fvecs'); entry.size = large.nbytes
    out.addfile(entry, io.BytesIO(large.tobytes()))
write('14-containers/sift.tar', archive.getvalue())
head = b'{"embeddings":{"dtype":"F32","shape":[5,4],"data_offsets":[0,80]}}      '
write('14-containers/emb4.safetensors', struct.pack('<Q', len(head)) + head + rows.tobytes())
write('14-containers/array-p0.pickle', pickle.dumps(large, 0))
write('14-containers/faiss.index', b'IxF2' + struct.pack('<iqqqBiQ', 384, 100, 1 << 20, 1 << 20, 1, 1, large.size) + large.tobytes())
write('14-containers/lfs-pointer.npy', 'version https://git-lfs.github.com/spec/v1\noid sha256:' + 'a5' * 32 + '\nsize 54321\n')
def npy(descr, values):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': (5, 4), }" % descr
    return b'\x93NUMPY\1\0' + struct.pack('<H', 118) + head.ljust(117).encode() + b'\n' + values.tobytes()
write('15-npy/descr-f4.npy', npy('f4', rows))
write('15-npy/uint8.npy', npy('|u1', random.integers(0, 256, (5, 4)).astype('u1')))
write('16-text-oddities/na-first.csv', 'NA,NA,NA,NA\n' + table(None))
write('16-text-oddities/fortran-exp-then-plain.csv', '2.5D-02,1.0D-01,3.0D+02,4.0D-02\n0.75,0.5,0.25,1\n')
write('16-text-oddities/list-cell.csv', 'id,embedding\n' + lines('%d,"%s"'))
write('16-text-oddities/pgvector.csv', 'id,embedding\n' + lines('%d,"%s"').replace(', ', ','))
write('18-deletes/int32-three.bin', np.array([1, 2, 3], '<i4').tobytes())
write('18-deletes/float64.bin', np.array([1, 2], '<f8').tobytes())
write('18-deletes/bom.txt', b'\xef\xbb\xbf1\n2\n')
import gzip
code = random.bytes(5000); packed = gzip.compress(b'ARM64 code' + code)
write('52-images/zboot-arm64', b'MZ\0\0zimg' + struct.pack('<II8x', 64, len(packed)) + b'gzip'.ljust(40, b'\0') + packed)
write('52-images/btf.o', b'\x7fELF\2\1\1' + bytes(9) + struct.pack('<HHIQQQIHHHHHH', 1, 247, 1, 0, 0, 64, 0, 64, 0, 0, 64, 1, 0) + bytes(64))
`

// ownCases is a folder with a file of each kind.
func ownCases(t *testing.T) string {
	t.Helper()
	demandNumpy(t)
	cases := t.TempDir()
	run(t, "/usr/bin/python3", "-c", writeCases, cases)
	if err := os.MkdirAll(filepath.Dir(filepath.Join(cases, wireCase)), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(cases, wireCase), wireFile([][]float32{{1, 2}, {3, 4}}, make([]byte, 32)))
	return cases
}

// TestCases takes a file of each kind that people bring through the mount, by several ways.
func TestCases(t *testing.T) {
	t.Parallel()
	checkCases(t, ownCases(t))
}

// TestBroughtCases does the same with files of others, which are not everywhere, and
// looks whether their list says what is expected here.
func TestBroughtCases(t *testing.T) {
	t.Parallel()
	cases := sharedFolder(t, "cases")
	reader := csv.NewReader(bytes.NewReader(bytes.SplitN(readFile(t, filepath.Join(cases, "INDEX.tsv")), []byte("later\n"), 2)[1]))
	reader.Comma, reader.LazyQuotes, reader.FieldsPerRecord = '\t', true, -1
	counted := regexp.MustCompile(`^(\d+) vectors`)
	for _, line := range must(reader.ReadAll())(t) {
		path, says := line[0], line[2]
		input, known := inputCases[path]
		_, deletes := deleteCases[path]
		_, image := imageCases[path]
		switch count := counted.FindStringSubmatch(says); {
		case !known && !deletes && !image && path != wireCase:
			t.Errorf("%s: nothing here looks at it", path)
		case known && regexp.MustCompile("^refused|: refused").MatchString(says) != (input.refused != ""):
			t.Errorf("%s: the list says %q", path, says)
		case count != nil && count[1] != strconv.Itoa(input.vectors):
			t.Errorf("%s: the list says %q", path, says)
		}
	}
	checkCases(t, cases)
}

func checkCases(t *testing.T, cases string) {
	for path, want := range inputCases {
		t.Run(strings.ReplaceAll(path, "/", " "), func(t *testing.T) {
			t.Parallel()
			checkInput(t, filepath.Join(cases, path), want)
		})
	}
	for path, left := range deleteCases {
		t.Run(strings.ReplaceAll(path, "/", " "), func(t *testing.T) {
			t.Parallel()
			m := serve(t, folder(t, map[string][]byte{"a.rvf": rawfile.NewBuilder("a", 1).Bytes}))
			shell(t, `seq 0 9 > "$1"`, m.path("a.rvf", "vectors.append"))
			got := try(t, "cp", filepath.Join(cases, path), m.path("a.rvf", "vectors.delete"))
			if left == nil {
				wantRefusal(t, got, syscall.EINVAL)
				left = []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
			} else if got.code != 0 {
				t.Error(got.stderr)
			}
			if ids := idsIn(t, m.backing("a.rvf")); !slices.Equal(ids, left) {
				t.Errorf("the ids %d are left, want %d", ids, left)
			}
		})
	}
	for path, name := range imageCases {
		t.Run(strings.ReplaceAll(path, "/", " "), func(t *testing.T) {
			t.Parallel()
			m := newImageMount(t)
			run(t, "cp", filepath.Join(cases, path), m.path("a.rvf", name))
			run(t, "cmp", filepath.Join(cases, path), m.path("a.rvf", name))
			run(t, program, "verify", m.backing("a.rvf"))
		})
	}
	t.Run(strings.ReplaceAll(wireCase, "/", " "), func(t *testing.T) {
		t.Parallel()
		content := readFile(t, filepath.Join(cases, wireCase))
		m := serve(t, folder(t, map[string][]byte{"a.rvf": content}))
		status := must(decode[map[string]any](m.path("a.rvf", "status.json")))(t)
		if status["dialect"] != "wire" || status["read_only"] != true {
			t.Errorf("status.json: %v", status)
		}
		wantRefusal(t, tryShell(t, `echo '[1, 2]' > "$1"`, m.path("a.rvf", "vectors.append")), syscall.EROFS)
		if !bytes.Equal(readFile(t, m.backing("a.rvf")), content) {
			t.Error("the file has changed")
		}
		// It can be read as a whole, also by those who have it checked before.
		for _, m := range []*mount{m, serve(t, m.Dir, "--verify", "first")} {
			for range 2 {
				if !bytes.Equal(readFile(t, m.path("a.rvf", "raw")), content) {
					t.Error("raw is not the file")
				}
			}
		}
		if said := try(t, program, "verify", m.backing("a.rvf")).stdout; !strings.Contains(said, "the root at the end of the file names no manifest") || strings.Contains(said, "magic") || strings.Contains(said, "no segment") {
			t.Errorf("verify says %s", said)
		}
	})
}

// idsIn are the ids in a store file, as the independent reader sees them.
func idsIn(t *testing.T, path string) (ids []uint64) {
	t.Helper()
	for id := range must(rawfile.Read(path))(t).Vectors() {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// checkInput writes a file into stores by all ways that programs have.
func checkInput(t *testing.T, file string, want inputCase) {
	files := map[string][]byte{}
	for _, dimension := range want.dimensions {
		if dimension > 0 {
			files["known.rvf"] = rawfile.NewBuilder("known", dimension).Manifest().Bytes
		}
	}
	m := serve(t, folder(t, files))
	ids := want.ids
	for id := range uint64(want.vectors) {
		ids = append(ids, id)
	}
	for _, dimension := range want.dimensions {
		for way, script := range map[string]string{
			"cp": `cp "$1" "$2/vectors.append"`, "cat": `cat "$1" > "$2/vectors.append"`,
			"dd": `dd if="$1" of="$2/vectors.append" bs=7 conv=notrunc status=none`, "drop": `cp "$1" "$2/incoming/brought"`,
		} {
			name := way + ".rvf"
			if dimension > 0 {
				shell(t, `cp "$1/known.rvf" "$1/$2"`, m.Dir, name)
				appears(t, m, name)
			} else {
				run(t, "mkdir", m.path(name))
			}
			before := readFile(t, m.backing(name))
			got := tryShell(t, script, file, m.path(name))
			after := readFile(t, m.backing(name))
			switch {
			case want.refused == "" && got.code != 0:
				t.Errorf("dimension %d, by %s: %s%s", dimension, way, got.stderr, readFile(t, m.path(name, "append.log")))
			case want.refused == "":
				if found := idsIn(t, m.backing(name)); !slices.Equal(found, ids) {
					t.Errorf("dimension %d, by %s: the ids are %d", dimension, way, found)
				}
			default:
				wantRefusal(t, got, syscall.EINVAL)
				if !bytes.Equal(before, after) {
					t.Errorf("dimension %d, by %s: the store has changed", dimension, way)
				}
				said := ""
				if way == "drop" {
					said = string(readFile(t, m.path(name, "incoming", "brought.error")))
				} else {
					said = lastError(t, m.path(name, "append.log"))
				}
				if last := strings.TrimSpace(said); !regexp.MustCompile(want.refused).MatchString(last) {
					t.Errorf("dimension %d, by %s: it is said %s", dimension, way, last)
				}
			}
			if err := os.Remove(m.backing(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
}

// lastError is what the last line of append.log tells of its stream's failure, which the
// writer may learn a moment earlier.
func lastError(t *testing.T, log string) string {
	t.Helper()
	var line struct{ Error string }
	eventually(t, "append.log tells why", func() error {
		text := strings.TrimRight(string(readFile(t, log)), "\n")
		return json.Unmarshal([]byte(text[strings.LastIndexByte(text, '\n')+1:]), &line)
	})
	return line.Error
}
