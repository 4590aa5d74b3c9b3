package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRestore brings a backup back by the programs that people use.
func TestRestore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ needs, script string }{
		"cp":           {"", `cp "$1/b.rvf" "$2"`},
		"cp -p":        {"", `cp -p "$1/b.rvf" "$2"; test "$(stat -c %Y "$3/b.rvf")" = "$(stat -c %Y "$1/b.rvf")"`},
		"cp of a mode": {"", `chmod 600 "$1/b.rvf"; cp "$1/b.rvf" "$2"; test "$(stat -c %a "$3/b.rvf")" = 600`},
		"mv":           {"", `mv "$1/b.rvf" "$2"; test ! -e "$1/b.rvf"`},
		"install":      {"", `install -m 640 "$1/b.rvf" "$2"; test "$(stat -c %a "$3/b.rvf")" = 640`},
		"dd":           {"", `dd if="$1/b.rvf" of="$2/b.rvf" bs=1000 2>/dev/null`},
		"rsync":        {"rsync", `rsync -a "$1/b.rvf" "$2/"`},
		"rsync again":  {"rsync", `rsync -a "$1/" "$2"; ! rsync -a "$1/" "$2" 2> /dev/null`},
		"scp":          {"scp", `scp -qp -S "$5" "$1/b.rvf" here:"$2"`},
		"sftp":         {"sftp", `printf '%s\n' "put $1/b.rvf $2/b.rvf.filepart" "rename $2/b.rvf.filepart $2/b.rvf" | sftp -q -b - -S "$5" here`},
		"GNOME":        {"gio", `gio copy "$1/b.rvf" "$2"`},
		"shutil":       {"/usr/bin/python3", `/usr/bin/python3 -c 'import shutil, sys; shutil.copy2(*sys.argv[1:])' "$1/b.rvf" "$2"`},
		"twice":        {"", `cp -p "$1/b.rvf" "$2/incoming/"; cp -p "$1/b.rvf" "$2/incoming/"; test "$(getfattr --only-values -n user.rvf.result "$2/incoming/b.rvf" | jq -r .store)" = b.rvf`},
		"rclone":       {"rclone", `export RCLONE_CONFIG=/dev/null; rclone copy "$1/b.rvf" "$2/incoming/"; rclone copy "$1/b.rvf" "$2/incoming/"`},
		"tar":          {"tar", `tar c -C "$1" b.rvf | tar x -C "$2"`},
		"in parts":     {"", `cp "$1/b.rvf" "$2/b.rvf.part"; mv "$2/b.rvf.part" "$2/b.rvf"`},
		"by incoming":  {"", `cp "$1/b.rvf" "$2/incoming/"`},
		"raw":          {"", `cp "$2/store.rvf/raw" "$1/c.rvf"; "$4" derive "$1/c.rvf" "$1/d.rvf"; rm "$1/c.rvf" "$1/d.rvf"; cp "$1/b.rvf" "$2"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.needs != "" {
				demandProgram(t, test.needs)
			}
			m := smallStore(t)
			saved := t.TempDir()
			run(t, "cp", m.path("store.rvf", "raw"), filepath.Join(saved, "b.rvf"))
			run(t, "touch", "-d", "2024-05-06 07:08:09", filepath.Join(saved, "b.rvf"))
			want := readFile(t, filepath.Join(saved, "b.rvf"))
			shell(t, test.script, saved, m.Point, m.Dir, program, fakeSSH(t))
			if got := strings.Join(names(t, m.Point), " "); got != "b.rvf store.rvf" {
				t.Errorf("the mount shows %q", got)
			}
			if got := strings.Join(names(t, m.Dir), " "); got != "b.rvf store.rvf" {
				t.Errorf("the backing folder has %q", got)
			}
			if !bytes.Equal(readFile(t, m.path("b.rvf", "raw")), want) {
				t.Error("the restored store is another one")
			}
			run(t, "cp", writeFile(t, filepath.Join(saved, "more"), jsonLines(2)), m.path("b.rvf", "vectors.append"))
		})
	}
}

// TestRestoreRefused: what is no whole store is refused and leaves nothing, and nothing is
// replaced.
func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	saved := t.TempDir()
	whole := readFile(t, m.path("store.rvf", "raw"))
	flipped := bytes.Clone(whole)
	flipped[bytes.Index(whole, rawRows([]float32{4, 5, 6}))] ^= 1
	for name, content := range map[string][]byte{"half": whole[:len(whole)/2], "flipped": flipped, "text": []byte("hello"), "nothing": {0}} {
		file := writeFile(t, filepath.Join(saved, name+".rvf"), content)
		wantRefusal(t, try(t, "cp", file, m.Point), syscall.EINVAL)
		wantRefusal(t, try(t, "cp", file, m.path("incoming")), syscall.EINVAL)
		wantRefusal(t, try(t, "rsync", "-a", file, m.Point), syscall.EBADMSG)
	}
	if log := m.log(); !strings.Contains(log, "not a whole store: it is damaged") || strings.Contains(log, "rvffs-tmp") {
		t.Errorf("the log says\n%s", log)
	}
	// An empty file is none either, however it comes, and does not stay.
	wantRefusal(t, try(t, "cp", "/dev/null", m.path("x.rvf")), syscall.EINVAL)
	wantRefusal(t, try(t, "touch", m.path("x.rvf")), syscall.EINVAL)
	run(t, "touch", m.path("x.rvf.part"))
	wantRefusal(t, try(t, "mv", m.path("x.rvf.part"), m.path("x.rvf")), syscall.EBADMSG)
	run(t, "rm", m.path("x.rvf.part"))
	shell(t, `sleep 0.3 > "$1" & true; wait`, m.path("x.rvf"))
	eventually(t, "the empty file is gone", func() error {
		if got := strings.Join(names(t, m.Point), " "); got != "store.rvf" {
			return fmt.Errorf("the mount shows %q", got)
		}
		return nil
	})
	if log := m.log(); !strings.Contains(log, "not a whole store: it is empty") {
		t.Errorf("the log says\n%s", log)
	}
	file := writeFile(t, filepath.Join(saved, "store.rvf"), whole)
	wantRefusal(t, try(t, "cp", file, m.path("store.rvf")), syscall.EEXIST)
	if got := try(t, "cp", file, m.Point); got.code == 0 || !strings.Contains(got.stderr, "cannot overwrite directory") {
		t.Errorf("cp over a store says %q", got.stderr)
	}
	wantRefusal(t, try(t, "cp", file, m.path("x.txt")), syscall.EPERM)
	if got := strings.Join(names(t, m.Point), " "); got != "store.rvf" {
		t.Errorf("the mount shows %q", got)
	}
	if got := strings.Join(names(t, m.Dir), " "); got != "store.rvf" {
		t.Errorf("the backing folder has %q", got)
	}
}

// TestRestoreIsAllOrNothing: of a killed writer, and of a disk that is full, nothing stays.
func TestRestoreIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, to := range []string{".", "incoming"} {
		m := serve(t, smallDisk(t, 2<<20))
		to = m.path(to)
		run(t, "mkdir", m.path("store.rvf"))
		run(t, "cp", writeFile(t, filepath.Join(t.TempDir(), "lines"), jsonLines(50_000)), m.path("store.rvf", "vectors.append"))
		saved := filepath.Join(t.TempDir(), "b.rvf")
		run(t, "cp", m.path("store.rvf", "raw"), saved)
		before := readFile(t, m.backing("store.rvf"))

		writer := exec.Command("bash", "-c", `exec > "$1"; cat "$2"; echo there >&2; exec sleep 100`, "bash", filepath.Join(to, "b.rvf"), saved)
		said := must(writer.StderrPipe())(t)
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := said.Read(make([]byte, 100)); err != nil {
			t.Error(err)
		}
		writer.Process.Kill()
		writer.Wait()
		eventually(t, "the file is gone", func() error {
			if _, err := os.Lstat(filepath.Join(to, "b.rvf")); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("it is there: %v", err)
			}
			return nil
		})

		// There is room for it once, which is enough: what has come becomes the store. For
		// a second one there is none.
		run(t, "cp", saved, to)
		if !bytes.Equal(readFile(t, m.backing("b.rvf")), before) {
			t.Error("the restored store is another one")
		}
		wantRefusal(t, try(t, "cp", saved, filepath.Join(to, "c.rvf")), syscall.ENOSPC)
		wantRefusal(t, try(t, "rsync", "-a", saved, filepath.Join(to, "c.rvf")), syscall.ENOSPC)
		if got := strings.Join(names(t, m.Dir), " "); got != "b.rvf store.rvf" {
			t.Errorf("the backing folder has %q", got)
		}
		if !bytes.Equal(readFile(t, m.backing("store.rvf")), before) {
			t.Error("the store has changed")
		}
	}
}

// TestRestoreOfATree: a folder of views is none, and one line says so for each store; a
// folder of store files is copied as it is.
func TestRestoreOfATree(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	saved := t.TempDir()
	run(t, "cp", "-a", m.path("store.rvf"), filepath.Join(saved, "copy.rvf"))
	for _, line := range [][]string{{"cp", "-a"}, {"cp", "-r"}, {"mv"}, {"rsync", "-a"}} {
		got := try(t, line[0], append(line[1:], filepath.Join(saved, "copy.rvf"), m.Point)...)
		wantRefusal(t, got, syscall.EPERM)
		if lines := strings.Count(got.stderr, "\n"); lines > 3 {
			t.Errorf("%v says %d lines", line, lines)
		}
	}
	// Over the store itself each file that shows something says so, which cp goes on after, and
	// nothing else does. Nothing changes: not even what was dropped comes a second time.
	again := newDropping(t)
	run(t, "cp", "-p", again.file("ten.csv"), again.file("hundred.f32"), again.in())
	tree := filepath.Join(t.TempDir(), "store.rvf")
	run(t, "cp", "-a", again.path("store.rvf"), tree)
	again.stop()
	again.mount = serve(t, again.Dir)
	before := readFile(t, again.backing("store.rvf"))
	got := try(t, "cp", "-a", tree, again.Point)
	if lines := strings.Count(got.stderr, "\n"); got.code == 0 || lines > 26 || strings.Contains(got.stderr, "preserv") {
		t.Errorf("cp -a over the store: exit status %d, %d lines\n%s", got.code, lines, got.stderr)
	}
	if !bytes.Equal(readFile(t, again.backing("store.rvf")), before) {
		t.Error("the store has changed")
	}
	files := filepath.Join(saved, "files", "team")
	if err := os.MkdirAll(files, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", m.path("store.rvf", "raw"), filepath.Join(files, "one.rvf"))
	run(t, "cp", "-a", filepath.Dir(files)+"/.", m.Point)
	if got := strings.Join(names(t, m.Dir), " "); got != "store.rvf team" {
		t.Errorf("the backing folder has %q", got)
	}
	readFile(t, m.path("team", "one.rvf", "manifest.json"))
}

// TestIncomingMakesStores named after the files that are put into the topmost folder's
// drop folder.
func TestIncomingMakesStores(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	files := t.TempDir()
	in := m.path("incoming")
	run(t, "cp", writeFile(t, filepath.Join(files, "a.jsonl"), jsonLines(5)), in)
	run(t, "rsync", "-a", writeFile(t, filepath.Join(files, "B.csv"), []byte("1,2\n3,4\n")), writeFile(t, filepath.Join(files, "c"), jsonLines(7)), in)
	for name, want := range map[string]statusView{"a.rvf": {LiveVectors: 5, Dimension: 3}, "B.rvf": {LiveVectors: 2, Dimension: 2}, "c.rvf": {LiveVectors: 7, Dimension: 3}} {
		got := must(decode[statusView](m.path(name, "status.json")))(t)
		if got.LiveVectors != want.LiveVectors || got.Dimension != want.Dimension {
			t.Errorf("%s is %+v", name, got)
		}
	}
	wantRefusal(t, try(t, "cp", writeFile(t, filepath.Join(files, "store.csv"), []byte("1,2\n")), in), syscall.EEXIST)
	wantRefusal(t, try(t, "cp", writeFile(t, filepath.Join(files, "raw.f32"), rawRows([]float32{1, 2, 3})), in), syscall.EINVAL)
	if got := string(readFile(t, filepath.Join(in, "raw.f32.error"))); !strings.Contains(got, "--dimension") || strings.Contains(got, "rvffs-tmp") {
		t.Errorf("the reason is %q", got)
	}
	wantRefusal(t, try(t, "cp", writeFile(t, filepath.Join(files, "bad.csv"), []byte("1,2\n1\n")), in), syscall.EINVAL)
	if got := strings.Join(names(t, m.Dir), " "); got != "B.rvf a.rvf c.rvf store.rvf" {
		t.Errorf("the backing folder has %q", got)
	}

	// A receipt goes with its store, and the same file makes it again.
	run(t, "rm", m.backing("a.rvf"))
	eventually(t, "the receipt is gone", func() error {
		if got := strings.Join(names(t, in), " "); got != "B.csv bad.csv.error c raw.f32.error store.csv.error" {
			return fmt.Errorf("the folder has %q", got)
		}
		return nil
	})
	run(t, "rsync", "-a", filepath.Join(files, "a.jsonl"), filepath.Join(files, "B.csv"), in)
	readFile(t, m.path("a.rvf", "manifest.json"))

	// A folder of that name in the backing directory stays what it is.
	if err := os.Mkdir(m.backing("incoming"), 0o755); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the plain folder is shown", func() error {
		if entries, err := os.ReadDir(in); err != nil || len(entries) > 0 {
			return fmt.Errorf("%v, %v", entries, err)
		}
		return nil
	})
	wantRefusal(t, try(t, "cp", filepath.Join(files, "c"), in), syscall.EPERM)
	run(t, "mkdir", filepath.Join(in, "d.rvf"))
	if _, err := os.Stat(m.backing("incoming", "d.rvf")); err != nil {
		t.Error(err)
	}
}

// TestRestoreOfOthers makes stores that belong to those who restore, where they may.
func TestRestoreOfOthers(t *testing.T) {
	t.Parallel()
	demandUsers(t)
	dir := publicFolder(t)
	ownFolder(t, filepath.Join(dir, "hers"), alice, 0o755)
	makeStore(t, filepath.Join(dir, "one.rvf"), 3, []float32{1, 2, 3})
	m := servePublic(t, dir)
	saved := publicFolder(t)
	run(t, "cp", m.path("one.rvf", "raw"), filepath.Join(saved, "b.rvf"))
	wantRefusal(t, tryAs(t, alice, "cp", filepath.Join(saved, "b.rvf"), m.Point), syscall.EACCES)
	wantRefusal(t, tryAs(t, alice, "cp", filepath.Join(saved, "b.rvf"), m.path("incoming")), syscall.EACCES)
	wantRefusal(t, tryAs(t, bob, "cp", filepath.Join(saved, "b.rvf"), m.path("hers")), syscall.EACCES)
	if got := tryAs(t, alice, "cp", filepath.Join(saved, "b.rvf"), m.path("hers")); got.code != 0 {
		t.Error(got.stderr)
	}
	if info, err := os.Stat(filepath.Join(dir, "hers", "b.rvf")); err != nil || info.Sys().(*syscall.Stat_t).Uid != alice {
		t.Errorf("the store is %+v, %v", info, err)
	}
	if got := strings.Join(names(t, filepath.Join(dir, "hers")), " "); got != "b.rvf" {
		t.Errorf("her folder has %q", got)
	}
}

// TestRestoreRightAfterRemoval: when rvffs rm of a file behind a mount has returned, the mount
// shows nothing there any more, and what is copied to the name is the store again. Who asks for
// something in the folder of a store that somebody else has removed has its names looked up anew.
func TestRestoreRightAfterRemoval(t *testing.T) {
	t.Parallel()
	m, backup := serve(t, t.TempDir()), t.TempDir()
	parent, child := m.backing("p.rvf"), m.backing("c.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, model{1: {1, 2}})
	run(t, program, "derive", "--copy", parent, child)
	for _, file := range []string{parent, child} {
		run(t, "cp", file, backup)
	}
	for _, name := range []string{"p.rvf", "c.rvf"} {
		saved, shown := filepath.Join(backup, name), m.path(name)
		for range 20 {
			awaitFile(t, filepath.Join(shown, "status.json"))
			shell(t, `"$1" rm --force "$2"; cp "$3" "$4"; test -f "$2"`, program, m.backing(name), saved, shown)
		}
		awaitFile(t, filepath.Join(shown, "status.json"))
		run(t, "rm", m.backing(name))
		if err := os.WriteFile(filepath.Join(shown, "other"), nil, 0o644); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file in the folder of %s, which is gone: %v", name, err)
		}
		run(t, "cp", saved, shown)
	}
	run(t, program, "verify", parent, child)
}
