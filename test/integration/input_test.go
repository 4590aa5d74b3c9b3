package integration

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// dimension3 are the vectors of the store that the tests of bad input write to.
var dimension3 = model{1: {1, 2, 3}, 2: {4, 5, 6}}

// smallStore mounts a folder with one store of dimension 3, store.rvf.
func smallStore(t testing.TB, flags ...string) *mount {
	t.Helper()
	builder := rawfile.NewBuilder("small", 3).Vec(dimension3).Manifest()
	return serve(t, folder(t, map[string][]byte{"store.rvf": builder.Bytes}), flags...)
}

// TestBadInput writes what no store can take. Every time the program must learn
// it, the store must stay as it was, and append.log must say where it went
// wrong.
func TestBadInput(t *testing.T) {
	t.Parallel()
	good := rawRows([]float32{7, 8, 9})
	wrongHash := rawfile.EncodeSegment(rawfile.TypeVec, 1, rawfile.EncodeVec(3, model{9: {7, 8, 9}}))
	wrongHash[len(wrongHash)-1] ^= 1
	for name, bad := range map[string]struct {
		input []byte
		// line or offset of the bad record, as append.log must tell it; an offset
		// below 0 stands for any.
		line, offset int64
		// atWrite tells that the bad record is whole, so that the write itself
		// must fail: shells do not look at close.
		atWrite bool
	}{
		"raw with a row cut off":    {input: append(slices.Clone(good), 1, 2, 3, 4, 5), offset: 12},
		"raw shorter than a row":    {input: []byte{0, 1, 2, 3, 0xff}, offset: 0},
		"raw with NaN":              {input: rawRows([]float32{7, 8, 9}, []float32{1, float32(math.NaN()), 3}), offset: 12, atWrite: true},
		"raw with infinity":         {input: rawRows([]float32{1, 2, float32(math.Inf(-1))}), offset: 0, atWrite: true},
		"JSON of wrong dimension":   {input: []byte("[1,2,3]\n[4,5,6]\n[7,8]\n[1,2,3]\n"), line: 3, atWrite: true},
		"JSON with a number's id":   {input: []byte(`{"id":"five","vector":[1,2,3]}` + "\n"), line: 1, atWrite: true},
		"JSON with a negative id":   {input: []byte("[1,2,3]\n" + `{"id":-5,"vector":[1,2,3]}` + "\n"), line: 2, atWrite: true},
		"JSON without a vector":     {input: []byte(`{"id":5}` + "\n"), line: 1, atWrite: true},
		"JSON with text for number": {input: []byte(`[1,2,"3"]` + "\n"), line: 1, atWrite: true},
		"JSON with NaN":             {input: []byte("[1,2,NaN]\n"), line: 1, atWrite: true},
		"JSON over the f32 range":   {input: []byte("[1,2,1e39]\n"), line: 1, atWrite: true},
		"JSON with garbage after":   {input: []byte("[1,2,3]\n[4,5,6]\n}}}}\n"), line: 3, atWrite: true},
		"JSON cut off":              {input: []byte("[1,2,3]\n" + `{"id":9,"vector":[1,2`), line: 2},
		"text":                      {input: []byte("hello, world\n"), line: 1, atWrite: true},
		"segment with a wrong hash": {input: wrongHash, offset: 0, atWrite: true},
		"segment cut off":           {input: wrongHash[:len(wrongHash)-3], offset: 0},
		"segment of wrong dimension": {
			input:  rawfile.EncodeSegment(rawfile.TypeVec, 1, rawfile.EncodeVec(2, model{9: {7, 8}})),
			offset: 0, atWrite: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := smallStore(t)
			before := readFile(t, m.backing("store.rvf"))
			stream := m.path("store.rvf", "vectors.append")

			opened := must(os.OpenFile(stream, os.O_WRONLY, 0))(t)
			_, writeErr := opened.Write(bad.input)
			closeErr := opened.Close()
			if bad.atWrite {
				wantErrno(t, "write", writeErr, syscall.EINVAL)
			} else if writeErr == nil {
				wantErrno(t, "close", closeErr, syscall.EINVAL)
			} else {
				wantErrno(t, "write", writeErr, syscall.EINVAL)
			}

			eventually(t, "append.log tells of the stream", func() error {
				if log := appendLog(t, m.path("store.rvf")); len(log) == 0 {
					return errors.New("it is empty")
				}
				return nil
			})
			last := appendLog(t, m.path("store.rvf"))[0]
			if last.Error == "" || last.Accepted != 0 {
				t.Errorf("append.log: %+v, want an error and nothing accepted", last)
			}
			switch {
			case bad.line > 0 && last.Line != bad.line:
				t.Errorf("append.log names line %d, want %d: %s", last.Line, bad.line, last.Error)
			case bad.line == 0 && bad.offset >= 0 && (last.Offset == nil || *last.Offset != bad.offset):
				t.Errorf("append.log names offset %v, want %d: %s", last.Offset, bad.offset, last.Error)
			case last.Line == 0 && last.Offset == nil:
				t.Errorf("append.log names no place: %s", last.Error)
			}

			source := writeFile(t, filepath.Join(t.TempDir(), "bad"), bad.input)
			for program, script := range map[string]string{
				"cp": `cp "$1" "$2"`, "cat": `cat "$1" > "$2"`, "dd": `dd if="$1" of="$2" bs=64K conv=notrunc`, "tee": `tee "$2" < "$1"`,
			} {
				t.Run(program, func(t *testing.T) { wantRefusal(t, tryShell(t, script, source, stream), syscall.EINVAL) })
			}
			if got := readFile(t, m.backing("store.rvf")); !bytes.HasPrefix(got, before) {
				t.Error("bytes that were committed have changed")
			}
			if err := fileHolds(m.backing("store.rvf"), dimension3); err != nil {
				t.Errorf("the store changed: %v", err)
			}

			if err := pour(stream, good); err != nil {
				t.Errorf("good input after bad: %v", err)
			}
			want := model{3: {7, 8, 9}}
			want.put(dimension3)
			if err := fileHolds(m.backing("store.rvf"), want); err != nil {
				t.Errorf("good input after bad: %v", err)
			}
		})
	}
}

// TestEchoOfBadRecord uses the shell's own echo, which does not look at close.
func TestEchoOfBadRecord(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	wantRefusal(t, tryShell(t, `echo '[1,2]' > "$1"`, m.path("store.rvf", "vectors.append")), syscall.EINVAL)
	shell(t, `echo '[1,2,3]' > "$1"`, m.path("store.rvf", "vectors.append"))
}

// TestStreamRules checks what a stream demands of its writer's system calls.
func TestStreamRules(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	stream := m.path("store.rvf", "vectors.append")
	row := rawRows([]float32{7, 8, 9})
	open := func() *os.File { return must(os.OpenFile(stream, os.O_WRONLY, 0))(t) }
	holds := func(moment string, want model) {
		t.Helper()
		if err := fileHolds(m.backing("store.rvf"), want); err != nil {
			t.Errorf("%s: %v", moment, err)
		}
	}
	want := model{}
	want.put(dimension3)

	// A process that another test begins has copies of what is open here until it executes its
	// program, and as it closes them whole records are committed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	file := open()
	if err := file.Truncate(0); err != nil {
		t.Errorf("truncation to 0: %v", err)
	}
	if _, err := file.Write(row); err != nil {
		t.Error(err)
	}
	wantErrno(t, "truncation to less than what came", file.Truncate(5), syscall.EINVAL)
	_, err := file.Write(row)
	wantErrno(t, "a write after that", err, syscall.EINVAL)
	wantErrno(t, "its close", file.Close(), syscall.EINVAL)
	holds("after refused calls", want)

	file = open()
	for id := uint64(3); id < 5; id++ {
		if _, err := file.Write(row); err != nil {
			t.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			t.Errorf("fsync: %v", err)
		}
		want[id] = []float32{7, 8, 9}
		holds("after fsync of an open stream", want)
	}
	if _, err := file.Write(row[:5]); err != nil {
		t.Fatal(err)
	}
	wantErrno(t, "fsync inside a row", file.Sync(), syscall.EINVAL)
	if _, err := file.Write(row[5:]); err != nil {
		t.Errorf("the rest of a row: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	want[5] = []float32{7, 8, 9}
	holds("after a row in two pieces", want)

	if got, err := os.ReadFile(stream); err != nil || len(got) > 0 {
		t.Errorf("reading the stream gave %q, %v; want the end of the file", got, err)
	}
	if err := pour(stream); err != nil {
		t.Errorf("nothing written: %v", err)
	}
	holds("after empty streams", want)
}

// TestIDs lets ids come explicitly, be given out, and be used again.
func TestIDs(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	want := model{2: {9, 9, 9}, 1: {1, 2, 3}, 40: {1, 1, 1}, 41: {2, 2, 2}, 42: {3, 3, 3}}
	text := `{"id":40,"vector":[1,1,1]}
{"id":2,"vector":[4,4,4]}
{"id":2,"vector":[9,9,9]}
`
	shell(t, `printf %s "$1" > "$2"`, text, m.path("store.rvf", "vectors.append"))
	shell(t, `echo '[[2,2,2],[3,3,3]]' > "$1"`, m.path("store.rvf", "vectors.append"))
	if err := fileHolds(m.backing("store.rvf"), want); err != nil {
		t.Error(err)
	}
}

// TestFormatsByName writes through the streams whose name forces a format.
func TestFormatsByName(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	// These twelve bytes are one row of raw f32 and, to a reader of text, a
	// broken JSON line.
	row := []byte("[1,2,3,4,5,6")
	wantRefusal(t, tryShell(t, `cat > "$1" <<< "$2"`, m.path("store.rvf", "vectors.append.jsonl"), string(row)), syscall.EINVAL)
	if err := pour(m.path("store.rvf", "vectors.append.f32"), row); err != nil {
		t.Fatal(err)
	}
	segment := rawfile.EncodeSegment(rawfile.TypeVec, 1, rawfile.EncodeVec(3, model{9: {7, 8, 9}}))
	if err := pour(m.path("store.rvf", "vectors.append.rvf"), segment); err != nil {
		t.Fatal(err)
	}
	file := must(rawfile.Read(m.backing("store.rvf")))(t)
	got := file.Vectors()
	if !bytes.Equal(rawRows(got[3]), row) || !slices.Equal(got[9], []float32{7, 8, 9}) || len(got) != 4 {
		t.Errorf("the store holds %v", got)
	}
}

// TestStoreAsInput appends one store to another.
func TestStoreAsInput(t *testing.T) {
	t.Parallel()
	source := rawfile.NewBuilder("source", 3)
	source.Vec(model{10: {1, 1, 1}, 11: {2, 2, 2}}).Manifest().Vec(model{12: {3, 3, 3}}).Manifest()
	m := smallStore(t)
	path := writeFile(t, filepath.Join(t.TempDir(), "source.rvf"), source.Bytes)
	run(t, "cp", path, m.path("store.rvf", "vectors.append"))
	want := model{10: {1, 1, 1}, 11: {2, 2, 2}, 12: {3, 3, 3}}
	want.put(dimension3)
	if err := fileHolds(m.backing("store.rvf"), want); err != nil {
		t.Error(err)
	}
}

// TestWaysOfWriting appends the same rows with each program that people use.
func TestWaysOfWriting(t *testing.T) {
	t.Parallel()
	rows := randomRows(3, 101, 3)
	for name, way := range map[string]struct{ needs, script string }{
		"> with cat":             {"bash", `cat "$1" > "$3"`},
		">> with cat":            {"bash", `cat "$1" >> "$3"`},
		"two files, one cat":     {"bash", `cat "$2"/first "$2"/second > "$3"`},
		"two cats, one opening":  {"bash", `{ cat "$2"/first; cat "$2"/second; } > "$3"`},
		"two cats, cut in a row": {"bash", `{ head -c 1001 "$1" || :; tail -c +1002 "$1"; } > "$3"`},
		"cp":                     {"cp", `cp "$1" "$3"`},
		"cp -p":                  {"cp", `cp -p "$1" "$3"`},
		"dd bs=7":                {"dd", `dd if="$1" of="$3" bs=7 status=none`},
		"dd bs=1000, appending":  {"dd", `dd if="$1" of="$3" bs=1000 oflag=append conv=notrunc status=none`},
		"dd conv=fsync":          {"dd", `dd if="$1" of="$3" bs=480 conv=fsync status=none`},
		"tee":                    {"tee", `tee "$3" < "$1" > /dev/null`},
		"tee -a":                 {"tee", `tee -a "$3" < "$1" > /dev/null`},
		"rsync":                  {"rsync", `rsync --inplace "$1" "$3"`},
		"python, small pieces": {"python3", `python3 -c 'import sys
data = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "wb", buffering=0) as out:
    for at in range(0, len(data), 5):
        out.write(data[at:at + 5])' "$1" "$3"`},
		"python, buffered, r+b": {"python3", `python3 -c 'import sys
with open(sys.argv[2], "r+b") as out:
    out.write(open(sys.argv[1], "rb").read())
    assert out.tell() == 1212' "$1" "$3"`},
		"numpy": {"", `/usr/bin/python3 -c 'import sys, numpy
numpy.fromfile(sys.argv[1], dtype="<f4").reshape(-1, 3).tofile(sys.argv[2])' "$1" "$3"`},
		"jq": {"jq", `jq -n -c '[inputs] | _nwise(3)' < "$2"/numbers > "$3"`},
		"python, JSON lines": {"python3", `python3 -c 'import sys, json, struct
data = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "w") as out:
    for row in struct.iter_unpack("<3f", data):
        print(json.dumps(row), file=out)' "$1" "$3"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "numpy" {
				demand(t, "numpy", exec.Command("/usr/bin/python3", "-c", "import numpy").Run())
			} else if way.needs != "" {
				demandProgram(t, way.needs)
			}
			m := smallStore(t)
			inputs := t.TempDir()
			all := rawRows(rows...)
			writeFile(t, filepath.Join(inputs, "first"), all[:600])
			writeFile(t, filepath.Join(inputs, "second"), all[600:])
			var numbers bytes.Buffer
			for _, row := range rows {
				fmt.Fprintln(&numbers, row[0], row[1], row[2])
			}
			writeFile(t, filepath.Join(inputs, "numbers"), numbers.Bytes())
			source := writeFile(t, filepath.Join(inputs, "rows"), all)
			shell(t, way.script, source, inputs, m.path("store.rvf", "vectors.append"))
			want := numbered(3, rows)
			want.put(dimension3)
			if err := fileHolds(m.backing("store.rvf"), want); err != nil {
				t.Error(err)
			}
			if err := folderShows(m.path("store.rvf"), m.backing("store.rvf")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTwoWritersAtOnce lets several programs append at the same time: all rows
// arrive, those of each in their order.
func TestTwoWritersAtOnce(t *testing.T) {
	t.Parallel()
	const writers, count = 4, 500
	m := smallStore(t)
	var group sync.WaitGroup
	for writer := range writers {
		var rows [][]float32
		for i := range count {
			rows = append(rows, []float32{float32(writer), float32(i), 1})
		}
		source := writeFile(t, filepath.Join(t.TempDir(), "rows"), rawRows(rows...))
		group.Go(func() {
			command := exec.Command("dd", "if="+source, "of="+m.path("store.rvf", "vectors.append"), "bs=600", "conv=notrunc")
			if text, err := command.CombinedOutput(); err != nil {
				t.Errorf("writer %d: %v\n%s", writer, err, text)
			}
		})
	}
	group.Wait()
	got := must(rawfile.Read(m.backing("store.rvf")))(t).Vectors()
	if len(got) != len(dimension3)+writers*count {
		t.Errorf("%d vectors arrived, want %d", len(got)-len(dimension3), writers*count)
	}
	next := [writers]float32{}
	for _, id := range model(got).ids()[len(dimension3):] {
		writer, place := int(got[id][0]), got[id][1]
		if place != next[writer] {
			t.Fatalf("writer %d: row %v stands where row %v belongs", writer, place, next[writer])
		}
		next[writer]++
	}
}

// TestKilledWriter kills a program in the middle of a row: its whole rows stay.
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	demandProgram(t, "python3")
	m := smallStore(t)
	writer := exec.Command("python3", "-c", `import sys, struct
out = open(sys.argv[1], "wb", buffering=0)
for i in range(10):
    out.write(struct.pack("<3f", i, i, i))
out.write(b"12345")
print("written", flush=True)
sys.stdin.read()`, m.path("store.rvf", "vectors.append"))
	input := must(writer.StdinPipe())(t)
	defer input.Close()
	output := must(writer.StdoutPipe())(t)
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "written\n" {
		t.Fatalf("the writer said %q, %v", line, err)
	}
	if err := fileHolds(m.backing("store.rvf"), dimension3); err != nil {
		t.Errorf("before anything was committed: %v", err)
	}
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	writer.Wait()
	want := model{}
	for i := range uint64(10) {
		want[3+i] = []float32{float32(i), float32(i), float32(i)}
	}
	want.put(dimension3)
	eventually(t, "the killed writer's rows are there", func() error { return fileHolds(m.backing("store.rvf"), want) })
}

// TestExecWithOpenStream starts programs while a stream is open. The kernel
// closes the child's copy in the middle of execve, and whoever asks about that
// child then waits for it: the daemon must not.
func TestExecWithOpenStream(t *testing.T) {
	t.Parallel()
	demandProgram(t, "python3")
	m := smallStore(t)
	run(t, "python3", "-c", `import os, struct, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CLOEXEC)
for i in range(20):
    os.write(out, struct.pack("<3f", i, i, i)[:7])
    os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
    os.write(out, struct.pack("<3f", i, i, i)[7:])
    os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
os.close(out)`, m.path("store.rvf", "vectors.append"))
	want := model{}
	for i := range uint64(20) {
		want[3+i] = []float32{float32(i), float32(i), float32(i)}
	}
	want.put(dimension3)
	if err := fileHolds(m.backing("store.rvf"), want); err != nil {
		t.Error(err)
	}
}

// TestPeersLock writes beside the reference runtime's lock, live and left
// behind.
func TestPeersLock(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	process := peer.Start(t)
	store := must(process.Open(m.backing("store.rvf")))(t)
	source := writeFile(t, filepath.Join(t.TempDir(), "row"), rawRows([]float32{7, 8, 9}))
	wantRefusal(t, try(t, "dd", "if="+source, "of="+m.path("store.rvf", "vectors.append"), "conv=notrunc"), syscall.EBUSY)
	if err := fileHolds(m.backing("store.rvf"), dimension3); err != nil {
		t.Errorf("beside the lock: %v", err)
	}
	if err := folderShows(m.path("store.rvf"), m.backing("store.rvf")); err != nil {
		t.Errorf("reading beside the lock: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, "dd", "if="+source, "of="+m.path("store.rvf", "vectors.append"), "conv=notrunc", "status=none")
	want := model{3: {7, 8, 9}}
	want.put(dimension3)
	if err := fileHolds(m.backing("store.rvf"), want); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

// TestNamesThatExist makes folders where something stands already.
func TestNamesThatExist(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	run(t, "mkdir", m.path("store.rvf", "child.rvf"))
	for _, name := range []string{
		"store.rvf", "store.rvf/child.rvf", "store.rvf/manifest.json", "store.rvf/segments", "store.rvf/raw",
		"store.rvf/vectors.append", "store.rvf/vectors.append.rvf", "store.rvf/vectors.delete.u64", ".rvffs", "incoming", "store.rvf/incoming",
	} {
		wantRefusal(t, try(t, "mkdir", m.path(name)), syscall.EEXIST)
	}
	if got := names(t, m.Dir); !slices.Equal(got, []string{"child.rvf", "store.rvf"}) {
		t.Errorf("the backing folder holds %v", got)
	}
}

// TestNamesThatCannotBe makes stores under names that mean something else, or
// nothing.
func TestNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	for _, name := range []string{
		"store.rvf/notes.txt", "store.rvf/x.rvf.lock", "store.rvf/x.rvffs-tmp", "x.rvf.lock", "x.rvffs-tmp",
		"store.rvf/vectors.append.rvdna", "store.rvf/vectors.delete.rvf", "store.rvf/metadata.append.rvf",
		"store.rvf/metadata", "store.rvf/where", "store.rvf/.rvffs", "store.rvf/.git", "x.rvf.tail-1",
	} {
		wantErrno(t, "mkdir "+name, os.Mkdir(m.path(name), 0o755), syscall.EINVAL)
	}
	for _, name := range []string{strings.Repeat("a", 252) + ".rvf", "store.rvf/" + strings.Repeat("a", 252) + ".rvf"} {
		wantErrno(t, "mkdir of a long name", os.Mkdir(m.path(name), 0o755), syscall.ENAMETOOLONG)
	}
	for _, name := range []string{"store.rvf/ünï cødé.rvf", "store.rvf/it's a \"child\".RVDNA"} {
		run(t, "mkdir", m.path(name))
		linked(t, m, filepath.Base(name), name)
	}
}

// TestBrokenFiles shows each file that is no store as a folder with an
// explanation, and all others as if nothing were.
func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	noise := randomRows(1, 100, 100)
	headerOnly := rawfile.NewBuilder("header", 3).Bytes[:rawfile.HeaderSize]
	hugeLength := rawfile.EncodeSegment(rawfile.TypeManifest, 1, []byte("short"))
	for i := 16; i < 24; i++ {
		hugeLength[i] = 0xff
	}
	broken := map[string][]byte{
		"random.rvf": rawRows(noise...), "empty.rvdna": {}, "short.rvtext": []byte("SFVR"), "zeros.rvgraph": make([]byte, 5000),
		"header.rvvis": headerOnly, "huge.rvf": hugeLength,
		"manifest.rvf": rawfile.EncodeSegment(rawfile.TypeManifest, 1, []byte("no manifest at all, yet the hash is right")),
	}
	files := map[string][]byte{"good.rvf": rawfile.NewBuilder("good", 3).Vec(dimension3).Manifest().Bytes}
	for name, data := range broken {
		files[name] = data
	}
	m := serve(t, folder(t, files))
	for name, data := range broken {
		if got := names(t, m.path(name)); !slices.Equal(got, []string{"error.txt"}) {
			t.Errorf("%s lists %v", name, got)
		}
		if text := run(t, "cat", m.path(name, "error.txt")); len(strings.TrimSpace(text)) == 0 {
			t.Errorf("%s: error.txt says nothing", name)
		}
		if try(t, "mkdir", m.path(name, "child.rvf")).code == 0 {
			t.Errorf("%s: a child of a broken store was made", name)
		}
		if got := readFile(t, m.backing(name)); !bytes.Equal(got, data) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	shell(t, `echo '{"id":3,"vector":[7,8,9]}' > "$1"`, m.path("good.rvf", "vectors.append"))
	want := model{3: {7, 8, 9}}
	want.put(dimension3)
	if err := fileHolds(m.backing("good.rvf"), want); err != nil {
		t.Errorf("the good store: %v", err)
	}
	if err := folderShows(m.path("good.rvf"), m.backing("good.rvf")); err != nil {
		t.Errorf("the good store: %v", err)
	}

	writeFile(t, m.backing("random.rvf"), files["good.rvf"])
	eventually(t, "a file that was mended is shown", func() error {
		return folderShows(m.path("random.rvf"), m.backing("random.rvf"))
	})
}

// TestForbidden does to the views what nobody may do.
func TestForbidden(t *testing.T) {
	t.Parallel()
	builder := rawfile.NewBuilder("forbidden", 3).Vec(dimension3).Kernel([]byte("image"), "x", false).Manifest()
	m := serve(t, folder(t, map[string][]byte{"store.rvf": builder.Bytes}))
	before := readFile(t, m.backing("store.rvf"))
	store := m.path("store.rvf")
	segment := filepath.Join("segments", must(rawfile.Parse(builder.Bytes))(t).Live()[0].Name())

	_, err := os.Stat(filepath.Join(store, "error.txt"))
	wantErrno(t, "error.txt of a good store", err, syscall.ENOENT)
	for _, view := range []string{"manifest.json", "identity.bin", "status.json", "raw", "vectors.append", "append.log", segment, "kernel/image"} {
		path := filepath.Join(store, view)
		wantErrno(t, "unlink "+view, syscall.Unlink(path), syscall.EPERM)
		wantErrno(t, "link "+view, os.Link(path, filepath.Join(store, "other")), syscall.EPERM)
		if err := os.Rename(path, filepath.Join(store, "other")); err == nil {
			t.Errorf("%s was renamed", view)
		}
	}
	for _, view := range []string{"manifest.json", "raw", segment} {
		wantErrno(t, "truncate "+view, os.Truncate(filepath.Join(store, view), 0), syscall.EPERM)
	}
	for _, name := range []string{"new", "manifest.json.bak", ".hidden", "segments/new.seg", "new.rvf"} {
		_, err := os.OpenFile(filepath.Join(store, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		wantErrno(t, "creating "+name, err, syscall.EPERM)
		wantErrno(t, "a symlink "+name, os.Symlink("raw", filepath.Join(store, name)), syscall.EPERM)
	}
	for _, name := range []string{"segments", "kernel"} {
		wantErrno(t, "rmdir "+name, syscall.Rmdir(filepath.Join(store, name)), syscall.EPERM)
		wantErrno(t, "mkdir in "+name, os.Mkdir(filepath.Join(store, name, "x.rvf"), 0o755), syscall.EPERM)
	}
	wantErrno(t, "rmdir of a store with vectors", syscall.Rmdir(store), syscall.ENOTEMPTY)
	for _, name := range []string{"sub/child.rvf", "nowhere.rvf/child.rvf"} {
		wantErrno(t, "mkdir "+name, os.Mkdir(filepath.Join(store, name), 0o755), syscall.ENOENT)
	}
	if !bytes.Equal(readFile(t, m.backing("store.rvf")), before) {
		t.Error("the store file has changed")
	}
	if got := names(t, m.Dir); !slices.Equal(got, []string{"store.rvf"}) {
		t.Errorf("the backing folder holds %v", got)
	}
}

// TestRmdirOfStores removes empty stores only.
func TestRmdirOfStores(t *testing.T) {
	t.Parallel()
	empty := rawfile.NewBuilder("empty", 3)
	gone := rawfile.NewBuilder("gone", 3).Vec(dimension3)
	gone.Deleted = []uint64{1, 2}
	m := serve(t, folder(t, map[string][]byte{
		"empty.rvf":   empty.Bytes,
		"parent.rvf":  rawfile.NewBuilder("parent", 3).Bytes,
		"child.rvf":   rawfile.NewBuilder("parent", 3).Child("child").Bytes,
		"kernel.rvf":  rawfile.NewBuilder("kernel", 3).Kernel([]byte("image"), "", false).Manifest().Bytes,
		"vectors.rvf": rawfile.NewBuilder("vectors", 3).Vec(dimension3).Manifest().Bytes,
		"deleted.rvf": gone.Manifest().Bytes,
		"unknown.rvf": rawfile.NewBuilder("unknown", 3).Segment(0xf7, []byte("?")).Manifest().Bytes,
	}))
	for _, name := range []string{"parent.rvf", "kernel.rvf", "vectors.rvf", "unknown.rvf"} {
		wantRefusal(t, try(t, "rmdir", m.path(name)), syscall.ENOTEMPTY)
		if _, err := os.Stat(m.backing(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"empty.rvf", "parent.rvf/child.rvf", "parent.rvf"} {
		run(t, "rmdir", m.path(name))
		if _, err := os.Lstat(m.path(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still shown: %v", name, err)
		}
		if _, err := os.Stat(m.backing(filepath.Base(name))); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still in the backing folder: %v", name, err)
		}
	}
}

// TestReadOnlyMount writes to a mount that was made for reading.
func TestReadOnlyMount(t *testing.T) {
	t.Parallel()
	m := smallStore(t, "-o", "ro")
	before := readFile(t, m.backing("store.rvf"))
	for what, err := range map[string]error{
		"append":          pour(m.path("store.rvf", "vectors.append"), rawRows([]float32{1, 2, 3})),
		"derive":          os.Mkdir(m.path("store.rvf", "child.rvf"), 0o755),
		"mkdir":           os.Mkdir(m.path("new.rvf"), 0o755),
		"mkdir of folder": os.Mkdir(m.path("new"), 0o755),
		"rmdir":           syscall.Rmdir(m.path("store.rvf")),
		"rename":          os.Rename(m.path("store.rvf"), m.path("other.rvf")),
		"unlink":          syscall.Unlink(m.path("store.rvf", "raw")),
		"chmod":           os.Chmod(m.path("store.rvf"), 0o700),
	} {
		wantErrno(t, what, err, syscall.EROFS)
	}
	if err := folderShows(m.path("store.rvf"), m.backing("store.rvf")); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(readFile(t, m.backing("store.rvf")), before) {
		t.Error("the store file has changed")
	}
	if got := names(t, m.Dir); !slices.Equal(got, []string{"store.rvf"}) {
		t.Errorf("the backing folder holds %v", got)
	}
}

// TestBadRecordInTheShell: a shell's own printf shows what write(2) says of a record
// that is whole in itself, and never asks close(2).
func TestBadRecordInTheShell(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	before := readFile(t, m.backing("store.rvf"))
	for file, records := range map[string][]string{
		"vectors.append": {`1,2,x\n`, `1,,3\n`, `1,2,1e39\n`, `id,v0,v1,v2\n1.0,2,3,4\n`, `{}\n`, `["a"]\n`, `[[]]\n`, `1,2\n`, `[1,2]`, `{"id":1}`, `[x]`, `[[1,2,3],[4]`, `1,2\n3`, `hello\nworld`},
		"vectors.delete": {`abc\n`, `1.5\n`, `0 -1\n`, `[a]`, `{"a":1}`, `12\nab\n`},
	} {
		for _, sh := range []string{"bash", "dash"} {
			for _, record := range records {
				t.Run(sh+" "+record, func(t *testing.T) {
					got := try(t, sh, "-c", `printf "$1" > "$2"`, sh, record, m.path("store.rvf", file))
					if got.code == 0 || sh == "bash" && !strings.Contains(got.stderr, "Invalid argument") {
						t.Errorf("exit status %d, standard error %q", got.code, got.stderr)
					}
				})
			}
		}
	}
	if after := readFile(t, m.backing("store.rvf")); !bytes.Equal(before, after) {
		t.Error("the store has changed")
	}
	shell(t, `{ echo v0,v1,v2; echo 1,2,3; echo 4,5,6; } > "$1"; printf '[7,8,9]' > "$1"`, m.path("store.rvf", "vectors.append"))
	if got := string(readFile(t, m.path("store.rvf", "vectors", "ids.npy"))); !strings.Contains(got, "(5,)") {
		t.Errorf("%q: want five ids", got)
	}
}
