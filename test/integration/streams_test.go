package integration

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rvffs/test/integration/rawfile"
)

// TestChildrenClose lets a shell open a stream and its children write and close it:
// each hears what its own close says. The scripts' exit status is that of the child
// which is meant. Each script ends with a command behind the one that matters, for a
// shell becomes its last one.
func TestChildrenClose(t *testing.T) {
	t.Parallel()
	demandProgram(t, "dash")
	demandProgram(t, "python3")
	inputs := t.TempDir()
	for name, content := range map[string][]byte{
		"row": rawRows([]float32{7, 8, 9}), "half": rawRows([]float32{7, 8, 9}, []float32{1, 1, 1})[:18], "rest": rawRows([]float32{7, 8, 9}, []float32{1, 1, 1})[18:],
		"nan": rawRows([]float32{1, 2, float32(math.NaN())}), "table": []byte("1,2,3\n4,5,6"), "object": []byte(`{"id":70,"vector":[1,2,3]}`),
		"image1": image[:5000], "image2": image[5000:], "header": []byte(`{"arch": "none"}`),
	} {
		writeFile(t, filepath.Join(inputs, name), content)
	}
	// killed writes a file to its standard output and kills itself before it closes.
	const killed = `killed() { python3 -c 'import os, sys; os.write(1, open(sys.argv[1], "rb").read()); os.kill(os.getpid(), 9)' "$1"; }; `
	for _, test := range []struct {
		name, file, script string
		fails              bool
		added              model // to dimension3
		gone               uint64
	}{
		{name: "rows", file: "vectors.append", script: `cat row > F`, added: model{3: {7, 8, 9}}},
		{name: "a row cut off", file: "vectors.append", script: `cat half > F`, fails: true},
		{name: "a bad row", file: "vectors.append", script: `cat nan > F`, fails: true},
		{name: "a table without its last line feed", file: "vectors.append", script: `cat table > F`, added: model{3: {1, 2, 3}, 4: {4, 5, 6}}},
		{name: "an object without a line feed", file: "vectors.append", script: `cat object > F`, added: model{70: {1, 2, 3}}},
		{name: "two programs", file: "vectors.append", script: `{ cat row && cat row; } > F`, added: model{3: {7, 8, 9}, 4: {7, 8, 9}}},
		{name: "two programs, a row cut in two", file: "vectors.append", script: `{ ! cat half && cat rest; } > F`, added: model{3: {7, 8, 9}, 4: {1, 1, 1}}},
		{name: "a line cut in two", file: "vectors.append", script: `{ ! /usr/bin/printf 1,2 && /usr/bin/printf ',3\n'; } > F`, added: model{3: {1, 2, 3}}},
		{name: "the second is bad", file: "vectors.append", script: `{ cat row && ! cat nan; } > F`, added: model{3: {7, 8, 9}}},
		{name: "nothing after a failure", file: "vectors.append", script: `{ ! cat nan && cat row; } > F`, fails: true},
		{name: "killed within a row", file: "vectors.append", script: killed + `{ killed half || cat rest; } > F`, fails: true, added: model{3: {7, 8, 9}}},
		{name: "a row cut off, of a shell that ends so", file: "vectors.append", script: `exec > F; cat half`, fails: true},
		{name: "a row cut off, of a shell that ends well", file: "vectors.append", script: `exec > F; ! cat half`, added: model{3: {7, 8, 9}}},
		{name: "a row cut in two, of a shell that fails", file: "vectors.append", script: `exec > F; ! cat half && cat rest && false`, fails: true, added: model{3: {7, 8, 9}, 4: {1, 1, 1}}},
		{name: "a child that only lets go", file: "vectors.append", script: `python3 -c 'import os
os.write(1, b"1,2,3")
child = os.fork()
if child == 0:
    os.close(1)
    os._exit(0)
os.waitpid(child, 0)
os.write(1, b".5\n")
os.close(1)' > F`, added: model{3: {1, 2, 3.5}}},
		{name: "ids", file: "vectors.delete", script: `/usr/bin/printf 2 > F`, gone: 2},
		{name: "a number cut in two", file: "vectors.delete", script: `{ /usr/bin/printf '77 0' && /usr/bin/printf 2; } > F`, gone: 2},
		{name: "the number of another", file: "vectors.delete", script: `{ /usr/bin/printf '77 2' && /usr/bin/printf 2; } > F`},
		{name: "a child that lets go of ids", file: "vectors.delete", script: `python3 -c 'import os
os.write(1, b"2")
child = os.fork()
if child == 0:
    os.close(1)
    os._exit(0)
os.waitpid(child, 0)
os.write(1, b"2\n")
os.close(1)' > F`},
		{name: "no ids", file: "vectors.delete", script: `echo abc | cat > F`, fails: true},
		{name: "ids not closed", file: "vectors.delete", script: `/usr/bin/printf '[1,2' > F`, fails: true},
		{name: "a command", file: "ctl", script: `/usr/bin/printf flush > F`},
		{name: "half a command", file: "ctl", script: `/usr/bin/printf flu > F`, fails: true},
		{name: "a command cut in two", file: "ctl", script: `{ ! /usr/bin/printf flu && /usr/bin/printf sh; } > F`},
	} {
		for _, shell := range []string{"dash", "bash"} {
			t.Run(shell+", "+test.name, func(t *testing.T) {
				t.Parallel()
				m := smallStore(t)
				script := strings.ReplaceAll(test.script, "F", m.path("store.rvf", test.file))
				got := try(t, shell, "-c", `cd "$1"; `+script+`; status=$?; : ; exit $status`, shell, inputs)
				if (got.code != 0) != test.fails {
					t.Errorf("exit status %d: %s", got.code, got.stderr)
				}
				want := model{}
				want.put(dimension3)
				want.put(test.added)
				delete(want, test.gone)
				// The shell itself waits for no close.
				eventually(t, "the store holds what came", func() error { return fileHolds(m.backing("store.rvf"), want) })
			})
		}
	}
	for _, test := range []struct {
		name, part, script string
		fails              bool
		image              []byte
	}{
		{"whole", "kernel/image", `cat image1 > F`, false, image[:5000]},
		{"in two pieces", "kernel/image", `{ cat image1 && cat image2; } > F`, false, image},
		{"killed on the way", "kernel/image", killed + `{ cat image1 && killed image2; } > F`, true, []byte("good")},
		{"a bad header", "kernel/header.json", `cat header > F`, true, []byte("good")},
		{"ended without a close", "kernel/image", `python3 -c 'import os; os.write(1, b"new"); os._exit(0)' > F`, false, []byte("new")},
		{"failed without a close", "kernel/image", `{ python3 -c 'import os; os.write(1, b"new"); os._exit(1)' > F; }`, true, []byte("good")},
		{"too much", "kernel/cmdline", `head -c 70000 /dev/zero > F`, true, []byte("good")},
	} {
		for _, shell := range []string{"dash", "bash"} {
			t.Run(shell+", image "+test.name, func(t *testing.T) {
				t.Parallel()
				m := newImageMount(t)
				if err := os.WriteFile(m.path("a.rvf", "kernel", "image"), []byte("good"), 0); err != nil {
					t.Fatal(err)
				}
				script := strings.ReplaceAll(test.script, "F", m.path("a.rvf", test.part))
				got := try(t, shell, "-c", `cd "$1"; `+script+`; status=$?; : ; exit $status`, shell, inputs)
				if (got.code != 0) != test.fails {
					t.Errorf("exit status %d: %s", got.code, got.stderr)
				}
				if err := expectBytes(m.path("a.rvf", "kernel", "image"), test.image); err != nil {
					t.Error(err)
				}
				m.stop()
				epochs := uint32(2)
				if test.fails {
					epochs = 1
				}
				if file := must(rawfile.Read(m.backing("a.rvf")))(t); file.Newest().Epoch != epochs {
					t.Errorf("epoch %d, want %d", file.Newest().Epoch, epochs)
				}
			})
		}
	}
}

// TestShellsAreToldByTheWrite: a shell does not look at what close says. So where
// nobody may write, the write says it.
func TestShellsAreToldByTheWrite(t *testing.T) {
	t.Parallel()
	demandProgram(t, "dash")
	m := smallStore(t)
	if err := os.WriteFile(m.path("store.rvf", "kernel", "image"), []byte("good"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(m.backing("store.rvf"), filepath.Join(t.TempDir(), "other")); err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"dash", "bash"} {
		for file, text := range map[string]string{
			"vectors.append": "[4,5,6]", "vectors.delete": "0", "vectors.delete.json": "[0]",
			"kernel/cmdline": "quiet", "kernel/image": "bad", "kernel/header.json": "{}",
		} {
			if got := try(t, shell, "-c", `echo "$2" > "$1"`, shell, m.path("store.rvf", file), text); got.code == 0 {
				t.Errorf("%s: echo %s > %s succeeds", shell, text, file)
			}
		}
	}
}

// sparse makes files with holes: rows of three floats in front, between and behind
// which there are holes.
func sparse(t *testing.T, name string, holesAt ...int64) (path string, content []byte) {
	t.Helper()
	const hole = 768 << 10 // of whole rows
	data := rawRows(randomRows(7, 4096, 3)...)
	path = filepath.Join(t.TempDir(), name)
	file := must(os.Create(path))(t)
	defer file.Close()
	at := int64(0)
	for _, holes := range holesAt {
		at += holes * hole
		if _, err := file.WriteAt(data, at); err != nil {
			t.Fatal(err)
		}
		at += int64(len(data))
	}
	if err := file.Truncate(at + hole); err != nil {
		t.Fatal(err)
	}
	return path, readFile(t, path)
}

// TestSparseSources copies files with holes into streams, and into images in the place
// of none, of a longer and of a shorter one. Every program must leave the file's bytes, or fail
// and change nothing.
func TestSparseSources(t *testing.T) {
	t.Parallel()
	source, content := sparse(t, "source", 0, 1, 0, 2)
	lead, leading := sparse(t, "lead", 3)
	for _, way := range []struct {
		needs, script string
		fails         bool // whole
		failsOver     bool // whole, when there is an image already
	}{
		{needs: "cp", script: `cp "$1" "$2"`},
		{needs: "cp", script: `cp --sparse=always "$1" "$2"`},
		{needs: "cp", script: `cp --sparse=never -p "$1" "$2"`},
		{needs: "dd", script: `dd if="$1" of="$2" bs=4096 conv=sparse status=none`},
		{needs: "dd", script: `dd if="$1" of="$2" bs=4096 conv=sparse,notrunc status=none`, failsOver: true},
		{needs: "rsync", script: `rsync --inplace "$1" "$2"`},
		{needs: "rsync", script: `rsync --inplace --sparse "$1" "$2"`},
		{needs: "rsync", script: `rsync "$1" "$2"`, fails: true},
		{needs: "python3", script: `python3 -c 'import shutil, sys; shutil.copyfile(*sys.argv[1:])' "$1" "$2"`},
		{needs: "python3", script: `python3 -c 'import sys
data = open(sys.argv[1], "rb").read().rstrip(bytes(1))
size = len(open(sys.argv[1], "rb").read())
begin = len(data) - len(data.lstrip(bytes(1)))
with open(sys.argv[2], "wb") as out:
    out.seek(begin)
    out.write(data[begin:])
    out.truncate(size)' "$1" "$2"`},
		{needs: "objcopy", script: `objcopy -I binary -O binary "$1" "$2"`},
		{needs: "tar", script: `tar --sparse -c -C / "${1#/}" | tar -x -O > "$2"`},
	} {
		t.Run(way.script, func(t *testing.T) {
			t.Parallel()
			demandProgram(t, way.needs)
			m := serve(t, folder(t, map[string][]byte{
				"vectors.rvf": rawfile.NewBuilder("vectors", 3).Bytes, "new.rvf": rawfile.NewBuilder("new", 3).Bytes,
				"longer.rvf":  rawfile.NewBuilder("longer", 3).Kernel(bytes.Repeat(image, 1000), "", false).Manifest().Bytes,
				"shorter.rvf": rawfile.NewBuilder("shorter", 3).Kernel([]byte("image"), "", false).Manifest().Bytes,
			}))
			for _, from := range []struct {
				path string
				want []byte
			}{{source, content}, {lead, leading}} {
				before := readFile(t, m.path("vectors.rvf", "vectors", "vectors.f32"))
				got := tryShell(t, way.script, from.path, m.path("vectors.rvf", "vectors.append"))
				want := before
				if !way.fails {
					want = append(bytes.Clone(before), from.want...)
				}
				if (got.code != 0) != way.fails {
					t.Errorf("vectors: exit status %d: %s", got.code, got.stderr)
				}
				if err := expectBytes(m.path("vectors.rvf", "vectors", "vectors.f32"), want); err != nil {
					t.Errorf("vectors: %v", err)
				}
				for _, name := range []string{"new.rvf", "longer.rvf", "shorter.rvf"} {
					target := m.path(name, "kernel", "image")
					before, _ := os.ReadFile(target)
					got := tryShell(t, way.script, from.path, target)
					fails := way.fails || way.failsOver && before != nil
					if (got.code != 0) != fails {
						t.Errorf("%s: exit status %d: %s", name, got.code, got.stderr)
					}
					want := from.want
					if fails {
						want = before
					}
					if after, _ := os.ReadFile(target); !bytes.Equal(after, want) {
						t.Errorf("%s: an image of %d bytes, want %d", name, len(after), len(want))
					}
				}
			}
		})
	}
}

// TestToolsWriteImages lets compiler, linker and their like write where they please.
func TestToolsWriteImages(t *testing.T) {
	t.Parallel()
	demandProgram(t, "clang")
	demandProgram(t, "objcopy")
	demandProgram(t, "ld")
	program := writeFile(t, filepath.Join(t.TempDir(), "prog.c"), []byte(`__attribute__((section("xdp"), used)) int pass(void *ctx) { return 2; }`+"\n"))
	native := writeFile(t, filepath.Join(t.TempDir(), "main.c"), []byte("int shown = 7; int _start(void) { return shown; }\n"))
	for name, test := range map[string]struct{ part, script string }{
		"clang":        {"ebpf/program.o", `clang -O2 -g -target bpf -c "$1" -o "$3"`},
		"objcopy":      {"ebpf/program.o", `clang -O2 -g -target bpf -c "$1" -o "$4" && objcopy -I binary -O binary "$4" "$3"`},
		"objcopy, ELF": {"kernel/image", `clang -g -c "$2" -o "$4" && objcopy --strip-debug "$4" "$3"`},
		"ld":           {"kernel/image", `clang -c "$2" -o "$4" && ld -o "$3" "$4"`},
		"install":      {"kernel/image", `install "$1" "$3"`},
		"python, shuffle": {"kernel/image", `python3 -c 'import os, sys
out = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.ftruncate(out, 300000)
for i in reversed(range(100)):
    os.pwrite(out, bytes([i]) * 1000, 2500 * i)
assert os.pread(out, 3, 2500 * 7 + 998) == bytes([7, 7, 0]), os.pread(out, 3, 2500 * 7 + 998)
assert os.fstat(out).st_size == 300000 == os.lseek(out, 0, os.SEEK_END)
os.ftruncate(out, 200000)
os.close(out)' "$3"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newImageMount(t)
			for round := range 2 { // a new part, and one in the place of another
				target, beside := m.path("a.rvf", test.part), filepath.Join(t.TempDir(), "beside")
				work := filepath.Join(t.TempDir(), "work")
				shell(t, test.script, program, native, beside, work)
				got := tryShell(t, test.script, program, native, target, work)
				if fails := name == "install" && round > 0; (got.code != 0) != fails {
					t.Errorf("round %d: exit status %d: %s", round, got.code, got.stderr)
				}
				if err := expectBytes(target, readFile(t, beside)); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
		})
	}
}

// TestFailedCopyLeavesNothing breaks a copy of 100 MiB off at its end: nothing of it
// stays.
func TestFailedCopyLeavesNothing(t *testing.T) {
	t.Parallel()
	m := smallStore(t, "--flush-interval=1h")
	source := writeFile(t, filepath.Join(t.TempDir(), "rows.f32"), rawRows([]float32{1, 2, 3}))
	file := must(os.OpenFile(source, os.O_WRONLY, 0))(t)
	if _, err := file.WriteAt(rawRows([]float32{1, 2, float32(math.NaN())}), 100<<20/12*12); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{`cp "$1" "$2"`, `cat "$1" > "$2"`, `dd if="$1" of="$2" bs=1M status=none`} {
		wantRefusal(t, tryShell(t, way, source, m.path("store.rvf", "vectors.append.f32")), syscall.EINVAL)
		if err := fileHolds(m.backing("store.rvf"), dimension3); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
	if got := try(t, program, "import", m.backing("store.rvf"), source); got.code == 0 {
		t.Error("import went well")
	}
	if err := fileHolds(m.backing("store.rvf"), dimension3); err != nil {
		t.Errorf("import: %v", err)
	}
}
