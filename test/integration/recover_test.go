package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// tailsView is what status.json tells of vectors that no manifest names.
type tailsView struct {
	Tails []struct {
		File       string
		Kept       bool
		Vectors    uint64
		CutVectors uint64 `json:"cut_vectors"`
	}
}

// hasTail checks what the folder of a store tells of its one tail.
func hasTail(t *testing.T, folder, file string, kept bool, vectors uint64) {
	t.Helper()
	tails := must(decode[tailsView](filepath.Join(folder, "status.json")))(t).Tails
	if len(tails) != 1 || tails[0].File != file || tails[0].Kept != kept || tails[0].Vectors != vectors {
		t.Errorf("status.json tells of %+v, want %d vectors in %s, kept %t", tails, vectors, file, kept)
	}
}

// lostEndBytes is more of a manifest's end than recover can prove and put back.
const lostEndBytes = 90

// TestFileThatLostItsEnd cuts the last 90 bytes off a store of 13 MB, which then looks
// empty. Looking at it in all ways changes nothing and tells the number of vectors, an
// append keeps them, and recover brings them back, beside the mount and for everybody.
func TestFileThatLostItsEnd(t *testing.T) {
	t.Parallel()
	const count, dimension = 50_000, 64
	process := peer.Start(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "a.rvf")
	rows := randomRows(1, count, dimension)
	want := numbered(0, rows)
	run(t, program, "create", name, "--dimension", fmt.Sprint(dimension))
	vectors := filepath.Join(t.TempDir(), "vectors.f32")
	if err := os.WriteFile(vectors, rawRows(rows...), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, program, "import", name, vectors)
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, name)
	if err := os.Truncate(name, int64(len(whole)-lostEndBytes)); err != nil {
		t.Fatal(err)
	}
	verifyFails := func(text string) {
		t.Helper()
		got := try(t, program, "verify", name)
		if got.code != 1 || !strings.Contains(got.stdout, text) {
			t.Errorf("verify: exit status %d: %s", got.code, got.stdout)
		}
	}

	m := serve(t, dir)
	hasTail(t, m.path("a.rvf"), "a.rvf", false, count)
	verifyFails(fmt.Sprintf("%d vectors stand behind the newest manifest", count))
	verifyFails("rvffs recover " + name)
	if log := m.log(); !strings.Contains(log, fmt.Sprintf(`"vectors":%d`, count)) {
		t.Errorf("log: %s", log)
	}
	if text := run(t, program, "status", name); !strings.Contains(text, fmt.Sprint(count)) {
		t.Errorf("status: %s", text)
	}
	if text := run(t, program, "recover", "--list", name); !strings.Contains(text, fmt.Sprintf("%d vectors would be recovered", count)) {
		t.Errorf("list: %s", text)
	}
	if err := unix.Rmdir(m.path("a.rvf")); err != unix.ENOTEMPTY {
		t.Errorf("rmdir: %v", err)
	}
	if got := readFile(t, name); !bytes.Equal(got, whole[:len(whole)-lostEndBytes]) || len(names(t, dir)) != 1 {
		t.Error("looking changed something")
	}

	added := numbered(count, randomRows(2, 3, dimension)) // handed out behind the lost ones
	pourRaw(t, m, "a.rvf", [][]float32{added[count], added[count+1], added[count+2]})
	hasTail(t, m.path("a.rvf"), "a.rvf.tail-0", true, count)
	verifyFails(fmt.Sprintf("%d vectors stood behind the manifest of epoch 0, and are kept in a.rvf.tail-0", count))
	if err := fileHolds(name, added); err != nil {
		t.Error(err)
	}
	if shown := names(t, m.Point); len(shown) != 1 {
		t.Errorf("the mount shows %v", shown)
	}
	if info := must(os.Stat(name + ".tail-0"))(t); info.Mode() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	for _, made := range []string{"b.rvf.tail-1", "a.rvf.tail-0"} {
		if err := os.Mkdir(m.path(made), 0o755); !errors.Is(err, unix.EINVAL) {
			t.Errorf("mkdir %s: %v", made, err)
		}
	}
	if err := os.WriteFile(m.path("a.rvf", "ctl"), []byte("compact\n"), 0); err != nil {
		t.Error(err)
	}
	// The tail goes where its store goes.
	if err := os.Mkdir(m.path("folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(m.path("a.rvf"), m.path("folder", "b.rvf")); err != nil {
		t.Fatal(err)
	}
	name = m.backing("folder", "b.rvf")
	if got := names(t, m.backing("folder")); fmt.Sprint(got) != "[b.rvf b.rvf.tail-0]" {
		t.Errorf("the folder holds %v", got)
	}

	if text := run(t, program, "recover", name); !strings.Contains(text, fmt.Sprintf("%d vectors recovered", count)) {
		t.Errorf("recover: %s", text)
	}
	want.put(added)
	soon(t, m, filepath.Join("folder", "b.rvf"))
	if err := errors.Join(fileHolds(name, want), engineHolds(name, want)); err != nil {
		t.Error(err)
	}
	opened := must(process.OpenReadonly(name))(t)
	if status := must(opened.Status())(t); status.TotalVectors != len(want) {
		t.Errorf("the reference runtime counts %d vectors, want %d", status.TotalVectors, len(want))
	}
	for _, id := range []uint64{0, count / 2, count - 1, count + 2} {
		if found := must(opened.Query(want[id], 1))(t); len(found) != 1 || found[0].ID != id || found[0].Distance != 0 {
			t.Errorf("the reference runtime finds %v for %d", found, id)
		}
	}
	run(t, program, "verify", name)
	if tails := must(decode[tailsView](m.path("folder", "b.rvf", "status.json")))(t).Tails; len(tails) > 0 {
		t.Errorf("status.json still tells of %+v", tails)
	}
	if got := names(t, m.backing("folder")); fmt.Sprint(got) != "[b.rvf]" {
		t.Errorf("the folder holds %v", got)
	}
	if text := run(t, program, "recover", name); !strings.Contains(text, "nothing to recover") {
		t.Errorf("recover again: %s", text)
	}
}

// TestFileWithoutAnyManifest is a folder with error.txt, which says what helps, and a
// store again afterwards.
func TestFileWithoutAnyManifest(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "a.rvf")
	want := numbered(5, randomRows(1, 100, 4))
	run(t, program, "create", name, "--dimension", "4", "--metric", "cosine")
	withVectors(t, name, want)
	engineCompact(t, name) // the only manifest stands at the end now
	whole := readFile(t, name)
	if err := os.Truncate(name, int64(len(whole)-lostEndBytes)); err != nil {
		t.Fatal(err)
	}
	m := serve(t, dir)
	if text := string(readFile(t, m.path("a.rvf", "error.txt"))); !strings.Contains(text, "rvffs recover --list a.rvf ") {
		t.Errorf("error.txt: %s", text)
	}
	if got := try(t, program, "verify", name); got.code != 1 || !strings.Contains(got.stdout, "rvffs recover --list "+name+" ") {
		t.Errorf("verify: exit status %d: %s", got.code, got.stdout)
	}
	if text := run(t, program, "recover", "--list", name); !strings.Contains(text, "up to 100 vectors would be recovered, into a new store") {
		t.Errorf("list: %s", text)
	}
	var listed struct{ Tails []struct{ Recovered uint64 } }
	text := run(t, program, "recover", "--list", "--json", name)
	if err := json.Unmarshal([]byte(text), &listed); err != nil || len(listed.Tails) != 1 || listed.Tails[0].Recovered != 100 {
		t.Errorf("list: %v: %s", err, text)
	}
	if !bytes.Equal(readFile(t, name), whole[:len(whole)-lostEndBytes]) || len(names(t, dir)) != 1 {
		t.Error("looking changed something")
	}
	if text := run(t, program, "recover", name); !strings.Contains(text, "100 vectors recovered") {
		t.Errorf("recover: %s", text)
	}
	soon(t, m, "a.rvf")
	agree(t, "rebuilt", process, m, "a.rvf", want)
	if metric := must(rawfile.Read(name))(t).Newest().MetricName(); metric != "cosine" {
		t.Errorf("the distance became %s", metric)
	}
	run(t, program, "verify", name)
	if got := names(t, dir); fmt.Sprint(got) != "[a.rvf]" {
		t.Errorf("left: %v", got)
	}
	for _, empty := range []string{"", "not a store at all"} {
		other := filepath.Join(t.TempDir(), "b.rvf")
		if err := os.WriteFile(other, []byte(empty), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := try(t, program, "recover", other); got.code != 1 || string(readFile(t, other)) != empty {
			t.Errorf("recover of %q: exit status %d: %s", empty, got.code, got.stdout)
		}
	}
}

// withVectors appends vectors through the command.
func withVectors(t *testing.T, name string, vectors model) {
	t.Helper()
	if reason := importInto(name, vectors.jsonLines(t)); reason != "" {
		t.Fatal(reason)
	}
}

// TestRecoverAsksForWhatIsDoubtful goes through the flags of the command.
func TestRecoverAsksForWhatIsDoubtful(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "a.rvf")
	run(t, program, "create", name, "--dimension", "2")
	withVectors(t, name, model{1: {1, 1}, 2: {2, 2}})
	withVectors(t, name, model{2: {2, 9}, 3: {3, 9}, 4: {4, 9}})
	file := must(rawfile.Read(name))(t)
	vec := file.Manifests[1].Offset // the newest manifest that is left
	end := 0
	for _, segment := range file.Segments {
		if segment.Offset > vec && segment.Type == rawfile.TypeVec {
			end = segment.End()
		}
	}
	if err := os.Truncate(name, int64(end-1)); err != nil {
		t.Fatal(err)
	}
	withVectors(t, name, model{2: {2, 5}})
	try1 := func(want int, arguments ...string) string {
		t.Helper()
		got := try(t, program, append([]string{"recover", name}, arguments...)...)
		if got.code != want {
			t.Errorf("recover %v: exit status %d, want %d: %s%s", arguments, got.code, want, got.stdout, got.stderr)
		}
		return got.stdout
	}
	if text := try1(1); !strings.Contains(text, "2 vectors of a segment that was cut") || !strings.Contains(text, "--cut") || !strings.Contains(text, "tail-1 stays") {
		t.Errorf("recover: %s", text)
	}
	if text := try1(1, "--cut"); !strings.Contains(text, "1 vectors whose ids the store has stored or deleted since (2)") {
		t.Errorf("recover --cut: %s", text)
	}
	if err := fileHolds(name, model{1: {1, 1}, 2: {2, 5}, 3: {3, 9}}); err != nil {
		t.Error(err)
	}
	if text := try1(0, "--cut", "--overwrite"); !strings.Contains(text, "tail-1 is gone") {
		t.Errorf("recover --overwrite: %s", text)
	}
	if err := fileHolds(name, model{1: {1, 1}, 2: {2, 9}, 3: {3, 9}}); err != nil {
		t.Error(err)
	}
	run(t, program, "verify", name)
}

// TestBeginningsOfSegmentsAreKept cuts a file inside an image and inside an acknowledged
// deletion, in which then nothing is whole: somebody is told all the same, nothing is
// cut off unkept, and it stays until somebody lets it go.
func TestBeginningsOfSegmentsAreKept(t *testing.T) {
	t.Parallel()
	kernel := writeFile(t, filepath.Join(t.TempDir(), "kernel"), bytes.Repeat([]byte("image"), 100))
	for what, last := range map[string][]string{"an image": {"embed-kernel", "NAME", kernel}, "a deletion": {"delete", "NAME", "1"}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			name := filepath.Join(dir, "a.rvf")
			run(t, program, "create", name, "--dimension", "2")
			withVectors(t, name, model{1: {1, 1}, 2: {2, 2}})
			committed := must(os.Stat(name))(t).Size()
			last = append([]string{last[0], name}, last[2:]...)
			run(t, program, last...)
			if err := os.Truncate(name, committed+64+9); err != nil {
				t.Fatal(err)
			}
			lost := readFile(t, name)[committed:]
			const told = "1 segments of which only the beginning is there"
			tells := func(code int, arguments ...string) {
				t.Helper()
				if got := try(t, program, arguments...); got.code != code || !strings.Contains(got.stdout, told) {
					t.Errorf("%v: exit status %d, want %d: %s%s", arguments, got.code, code, got.stdout, got.stderr)
				}
			}
			m := serve(t, dir)
			count := func(want uint64) {
				t.Helper()
				found := must(decode[struct {
					Tails []struct {
						CutSegments uint64 `json:"cut_segments"`
					}
				}](m.path("a.rvf", "status.json")))(t).Tails
				if (want == 0) != (len(found) == 0) || want > 0 && found[0].CutSegments != want {
					t.Errorf("status.json tells of %+v, want %d", found, want)
				}
			}
			count(1)
			tells(1, "verify", name)
			tells(0, "recover", "--list", name)
			if err := os.WriteFile(m.path("a.rvf", "vectors.append"), []byte("[3,3]\n"), 0); err != nil {
				t.Error(err)
			}
			count(1)
			if kept := readFile(t, name+".tail-1"); !bytes.HasSuffix(kept, lost) {
				t.Error("what was cut off is not kept")
			}
			tells(1, "verify", name)
			for range 2 {
				tells(1, "recover", name)
				if got := try(t, program, "recover", name); !strings.Contains(got.stdout, "not taken: "+told+": --drop lets them go") {
					t.Errorf("recover: %s", got.stdout)
				}
			}
			run(t, program, "recover", "--drop", name)
			run(t, program, "verify", name)
			soon(t, m, "a.rvf")
			count(0)
			if err := fileHolds(name, model{1: {1, 1}, 2: {2, 2}, 3: {3, 3}}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDamagedHeader mends the header of a segment under a mount that knows of the damage:
// then the vectors are there, and others can be appended.
func TestDamagedHeader(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	name := m.backing("store.rvf")
	var at int64
	for _, segment := range must(rawfile.Read(name))(t).Live() {
		if rawfile.TypeName(segment.Type) == "vec" {
			at = int64(segment.Offset)
		}
	}
	file := must(os.OpenFile(name, os.O_RDWR, 0))(t)
	if _, err := file.WriteAt([]byte{'S' ^ 1}, at); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	row := filepath.Join(t.TempDir(), "row")
	writeFile(t, row, rawRows([]float32{7, 8, 9}))
	if got := tryShell(t, `cat "$1" > "$2"`, row, m.path("store.rvf", "vectors.append")); got.code == 0 {
		t.Error("an append beside a damaged segment succeeds")
	}
	if log := m.log(); !strings.Contains(log, "rvffs recover store.rvf") {
		t.Errorf("log: %s", log)
	}
	if text := run(t, program, "recover", "--list", name); !strings.Contains(text, fmt.Sprintf("header of the vec segment at offset %d would be mended", at)) {
		t.Errorf("list: %s", text)
	}
	if text := run(t, program, "recover", "--json", name); !strings.Contains(text, `"whole": true`) {
		t.Errorf("recover: %s", text)
	}
	run(t, program, "verify", name)
	if got := tryShell(t, `cat "$1" > "$2"`, row, m.path("store.rvf", "vectors.append")); got.code != 0 {
		t.Errorf("an append: %s", got.stderr)
	}
	want := model{3: {7, 8, 9}}
	want.put(dimension3)
	if err := fileHolds(name, want); err != nil {
		t.Error(err)
	}
	if _, err := os.ReadFile(m.path("store.rvf", "vectors", "vectors.npy")); err != nil {
		t.Error(err)
	}
}

// TestRecoverTellsOfALostState of which nothing is left to bring back: what it writes then it says,
// and it writes it once.
func TestRecoverTellsOfALostState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, rows := filepath.Join(dir, "a.rvf"), filepath.Join(dir, "rows.jsonl")
	writeFile(t, rows, []byte("[1,2,3]\n"))
	run(t, program, "create", file, "--dimension", "3")
	run(t, program, "import", file, rows)
	run(t, program, "embed-kernel", file, rows)
	run(t, program, "remove", file, "kernel") // by a commit of that alone
	whole := readFile(t, file)
	cut := whole[:len(whole)-150] // of its manifest
	for _, step := range []struct {
		flag, want string
		changes    bool
	}{
		{"--list", "the state of epoch 3 is lost, and nothing of it is left that could be brought back; the store would tell of that", false},
		{"", "the store tells of that in its epoch 4", true},
		{"", "nothing to recover", false},
		{"--list", "nothing to recover", false},
	} {
		if cut != nil {
			writeFile(t, file, cut)
			cut = nil
		}
		before := readFile(t, file)
		arguments := slices.DeleteFunc([]string{"recover", file, step.flag}, func(word string) bool { return word == "" })
		if text := run(t, program, arguments...); !strings.Contains(text, step.want) {
			t.Errorf("%q prints %q, want %q", arguments, text, step.want)
		}
		if changed := !bytes.Equal(before, readFile(t, file)); changed != step.changes {
			t.Errorf("%q has changed the file: %t", arguments, changed)
		}
	}
}
