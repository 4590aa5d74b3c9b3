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
	"time"

	"golang.org/x/sys/unix"
)

// dropping is a mounted store into whose drop folder programs put files.
type dropping struct {
	t *testing.T
	*mount
	files string // a folder with files of vectors
}

// jsonLines are so many vectors of three components, as text.
func jsonLines(count int) []byte {
	return []byte(strings.Repeat("[1,2,3]\n", count))
}

func newDropping(t *testing.T, flags ...string) *dropping {
	d := &dropping{t, smallStore(t, flags...), t.TempDir()}
	for name, content := range map[string][]byte{
		"one.jsonl": jsonLines(1), "ten.csv": []byte(strings.Repeat("7.5,8.5,9.5\n", 10)), "ten.jsonl": jsonLines(10),
		"hundred.f32": []byte(strings.Repeat(string(rawRows([]float32{0.5, 1.5, 2.5})), 100)), "many.jsonl": jsonLines(200_000),
	} {
		path := writeFile(t, filepath.Join(d.files, name), content)
		at := time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// in is a name in the drop folder.
func (d *dropping) in(names ...string) string {
	return d.path(append([]string{"store.rvf", "incoming"}, names...)...)
}

func (d *dropping) file(name string) string { return filepath.Join(d.files, name) }

// holds checks how many vectors the store has, besides those that it had at first.
func (d *dropping) holds(want int) {
	d.t.Helper()
	status := must(decode[statusView](d.path("store.rvf", "status.json")))(d.t)
	if got := int(status.LiveVectors) - len(dimension3); got != want {
		d.t.Errorf("%d vectors were taken in, want %d", got, want)
	}
}

// has checks the names in the drop folder.
func (d *dropping) has(want ...string) {
	d.t.Helper()
	if got := names(d.t, d.in()); strings.Join(got, " ") != strings.Join(want, " ") {
		d.t.Errorf("the folder has %q, want %q", got, want)
	}
}

// result is what a receipt says.
func (d *dropping) result(name string) string {
	d.t.Helper()
	text := make([]byte, 1000)
	n, err := unix.Getxattr(d.in(name), "user.rvf.result", text)
	if err != nil {
		d.t.Errorf("the receipt of %s: %v", name, err)
	}
	return string(text[:max(n, 0)])
}

// TestIncoming drops files by the programs that people use. Each must be taken in once and
// as a whole, and leave a receipt with which the program is content.
func TestIncoming(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		needs  string // a program
		script string // with the file's folder $1 and the drop folder $2
		want   int    // vectors
		names  []string
	}{
		"cp":           {script: `cp "$1/one.jsonl" "$2"`, want: 1, names: []string{"one.jsonl"}},
		"cp -p twice":  {script: `cp -p "$1/one.jsonl" "$2"; cp -p "$1/one.jsonl" "$2"`, want: 1, names: []string{"one.jsonl"}},
		"cp -a":        {script: `cp -a "$1/." "$2"; test "$(stat -c %Y "$1/ten.csv")" = "$(stat -c %Y "$2/ten.csv")"`, want: 200_121, names: []string{"hundred.f32", "many.jsonl", "one.jsonl", "ten.csv", "ten.jsonl"}},
		"cp -u":        {script: `cp -up "$1/one.jsonl" "$2"; cp -up "$1/one.jsonl" "$2"`, want: 1, names: []string{"one.jsonl"}},
		"mv":           {script: `cp -p "$1/ten.csv" "$1/my.csv"; mv "$1/my.csv" "$2"; test ! -e "$1/my.csv"; test "$(stat -c '%s %Y' "$1/ten.csv")" = "$(stat -c '%s %Y' "$2/my.csv")"`, want: 10, names: []string{"my.csv"}},
		"mv in parts":  {script: `cp "$1/ten.csv" "$2/ten.csv.part"; mv "$2/ten.csv.part" "$2/ten.csv"`, want: 10, names: []string{"ten.csv"}},
		"mv twice":     {script: `for i in 1 2; do cp -p "$1/ten.csv" "$1/my.csv"; mv "$1/my.csv" "$2"; done`, want: 10, names: []string{"my.csv"}},
		"install":      {script: `install -m 600 "$1/hundred.f32" "$2"; test "$(stat -c %a "$2/hundred.f32")" = 600`, want: 100, names: []string{"hundred.f32"}},
		"dd":           {script: `dd if="$1/many.jsonl" of="$2/m.jsonl" bs=64K conv=fsync 2>/dev/null`, want: 200_000, names: []string{"m.jsonl"}},
		"cat":          {script: `cat "$1/one.jsonl" > "$2/a"; cat "$1/one.jsonl" "$1/one.jsonl" | tee "$2/b" > /dev/null`, want: 3, names: []string{"a", "b"}},
		"a group":      {script: `{ cat "$1/one.jsonl"; echo '[4,5,6]'; cat "$1/one.jsonl"; } > "$2/a"; exec 3> "$2/b"; cat "$1/one.jsonl" >&3; cat "$1/one.jsonl" >&3; exec 3>&-`, want: 5, names: []string{"a", "b"}},
		"messages":     {script: `( exec > "$2/a"; cat "$1/one.jsonl"; echo half >&2; cat "$1/one.jsonl" ) 2> /dev/null`, want: 2, names: []string{"a"}},
		"sh":           {needs: "dash", script: `dash -c '{ cat "$1/one.jsonl"; echo "[4,5,6]"; cat "$1/one.jsonl"; } > "$2/a"' dash "$@"`, want: 3, names: []string{"a"}},
		"touch first":  {script: `touch "$2/a"; cat "$1/one.jsonl" >> "$2/a"; touch -d 2020-01-01 "$2/a"; test "$(stat -c %Y "$2/a")" = "$(date -d 2020-01-01 +%s)"`, want: 1, names: []string{"a"}},
		"tar":          {needs: "tar", script: `tar c -C "$1" one.jsonl ten.csv | tar x -C "$2"; tar c -C "$1" one.jsonl ten.csv | tar x -C "$2"`, want: 11, names: []string{"one.jsonl", "ten.csv"}},
		"rsync":        {needs: "rsync", script: `rsync -a "$1/" "$2"; test -z "$(rsync -ai "$1/" "$2" | grep -v "^\.d" || true)"; touch "$1/one.jsonl"; rsync -a "$1/" "$2"`, want: 200_122, names: []string{"hundred.f32", "many.jsonl", "one.jsonl", "ten.csv", "ten.jsonl"}},
		"rsync -X":     {needs: "rsync", script: `setfattr -n user.mine -v x "$1/one.jsonl"; rsync -aX "$1/one.jsonl" "$2"; rsync -aX "$1/one.jsonl" "$2"`, want: 1, names: []string{"one.jsonl"}},
		"rsync -c":     {needs: "rsync", script: `rsync -ac "$1/one.jsonl" "$2"; rsync -ac "$1/one.jsonl" "$2"`, want: 1, names: []string{"one.jsonl"}},
		"rsync remote": {needs: "rsync", script: `rsync -a --no-whole-file --inplace "$1/many.jsonl" "$2"; rsync -a --no-whole-file --inplace "$1/many.jsonl" "$2"`, want: 200_000, names: []string{"many.jsonl"}},
		"rclone":       {needs: "rclone", script: `export RCLONE_CONFIG=/dev/null; rclone copy "$1" "$2"; rclone copy "$1" "$2"; rclone check "$1" "$2" --size-only 2>/dev/null`, want: 200_121, names: []string{"hundred.f32", "many.jsonl", "one.jsonl", "ten.csv", "ten.jsonl"}},
		"scp":          {needs: "scp", script: `scp -qp -S "$3" "$1/ten.csv" here:"$2"; scp -qp -S "$3" "$1/ten.csv" here:"$2"; scp -q -S "$3" "$1/one.jsonl" here:"$2/a"`, want: 11, names: []string{"a", "ten.csv"}},
		"scp -O":       {needs: "scp", script: `scp -qpO -S "$3" "$1/ten.csv" here:"$2"; test "$(stat -c '%s %Y' "$1/ten.csv")" = "$(stat -c '%s %Y' "$2/ten.csv")"`, want: 10, names: []string{"ten.csv"}},
		"sftp":         {needs: "sftp", script: `printf '%s\n' "put -p $1/ten.csv $2/.ten.csv.filepart" "rename $2/.ten.csv.filepart $2/ten.csv" "put $1/one.jsonl $2/a" | sftp -q -b - -S "$3" here`, want: 11, names: []string{"a", "ten.csv"}},
		"GNOME":        {needs: "gio", script: `gio copy -p "$1/ten.csv" "$2"; test "$(stat -c '%s %Y' "$1/ten.csv")" = "$(stat -c '%s %Y' "$2/ten.csv")"; cp "$1/one.jsonl" "$1/mine"; gio move "$1/mine" "$2"; test ! -e "$1/mine"`, want: 11, names: []string{"mine", "ten.csv"}},
		"shutil":       {needs: "/usr/bin/python3", script: `/usr/bin/python3 -c 'import shutil, sys; [f(sys.argv[1] + "/" + name, sys.argv[2]) for f, name in ((shutil.copy, "one.jsonl"), (shutil.copy2, "ten.csv"), (shutil.move, "hundred.f32"))]' "$1" "$2"; test ! -e "$1/hundred.f32"; test -z "$(rsync -ai "$1/ten.csv" "$2")"`, want: 111, names: []string{"hundred.f32", "one.jsonl", "ten.csv"}},
		"numpy":        {needs: "/usr/bin/python3", script: `/usr/bin/python3 -c 'import numpy, sys; numpy.save(sys.argv[1] + "/a.npy", numpy.ones((5, 3), "f4"))' "$2"`, want: 5, names: []string{"a.npy"}},
		"python":       {needs: "/usr/bin/python3", script: `/usr/bin/python3 -c '` + pythonDrops + `' "$1" "$2"`, want: 8, names: []string{"child", "parts", "renamed"}},
		"exec":         {needs: "/usr/bin/python3", script: `/usr/bin/python3 -c '` + pythonExecs + `' "$2"`, want: 5, names: []string{"child", "own"}},
		"background":   {script: soonTaken + `bash -c '( read line; echo "[4,5,6]" ) < <(sleep 0.2; echo go) & echo "[1,2,3]"' > "$2/a"; taken "$2/a"`, want: 2, names: []string{"a"}},
		"a block":      {script: soonTaken + `{ ( read line; echo "[4,5,6]" ) < <(sleep 0.2; echo go) & echo "[1,2,3]"; } > "$2/a"; taken "$2/a"`, want: 2, names: []string{"a"}},
		"siblings":     {script: soonTaken + `( cat "$1/one.jsonl" & ( read line; cat "$1/ten.jsonl" ) < <(sleep 0.2; echo go) & ) > "$2/a"; taken "$2/a"`, want: 11, names: []string{"a"}},
		"two by two":   {script: `( exec > "$2/a"; cat "$1/one.jsonl"; echo half >&2; cat "$1/one.jsonl"; cat "$1/one.jsonl" ) 2> /dev/null`, want: 3, names: []string{"a"}},
		"given away":   {needs: "/usr/bin/python3", script: soonTaken + `/usr/bin/python3 -c 'import subprocess, sys; p = subprocess.Popen(["sh", "-c", "read line; cat \"$0\"", sys.argv[1]], stdin=subprocess.PIPE, stdout=open(sys.argv[2], "wb")); p.communicate(b"go\n")' "$1/ten.jsonl" "$2/a"; taken "$2/a"`, want: 10, names: []string{"a"}},
		"header first": {script: `echo id,v0,v1,v2 > "$2/a.csv"; test "$(cat "$2/a.csv")" = id,v0,v1,v2; printf '8,1,2,3\n9,4,5,6\n' >> "$2/a.csv"; test "$(stat -c %s "$2/a.csv")" = 28`, want: 2, names: []string{"a.csv"}},
		"removed":      {script: `cp "$1/one.jsonl" "$2/a"; rm "$2/a"; cp "$1/one.jsonl" "$2/b"; rm -r "$2"/* ; cp "$1/one.jsonl" "$2/a"`, want: 3, names: []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.needs != "" {
				demandProgram(t, test.needs)
			}
			d := newDropping(t)
			shell(t, test.script, d.files, d.in(), fakeSSH(t))
			d.has(test.names...)
			d.holds(test.want)
			for _, name := range test.names {
				if got := d.result(name); !strings.Contains(got, `"result":"taken"`) {
					t.Errorf("the receipt of %s says %q", name, got)
				}
			}
			if got := names(t, d.Dir); len(got) != 1 {
				t.Errorf("beside the store stand %q", got)
			}
		})
	}
}

// soonTaken defines taken, which waits for the receipt of a file that goes in when the last
// descriptor is gone, of which nobody is told.
const soonTaken = `taken() { for i in $(seq 200); do getfattr -n user.rvf.result "$1" > /dev/null 2>&1 && return 0; sleep 0.05; done; return 1; }; `

// TestIncomingTakesTrees: the files of folders are taken in one by one, and what programs make
// for a while goes again.
func TestIncomingTakesTrees(t *testing.T) {
	t.Parallel()
	tree := []string{"sub", "sub/deep", "sub/deep/b.jsonl", "sub/one.jsonl"}
	for name, test := range map[string]struct {
		needs  string
		script string // with a folder that holds the tree $1 and the drop folder $2
		want   int
		names  []string
	}{
		"cp -r":                 {script: `cp -r "$1/sub" "$2"`, want: 3, names: tree},
		"cp -a twice":           {script: `for i in 1 2; do cp -a "$1/sub" "$2"; done`, want: 3, names: tree},
		"mv":                    {script: `cp -r "$1/sub" "$1/../mine"; mv "$1/../mine" "$2/sub"; test ! -e "$1/../mine"`, want: 3, names: tree},
		"rsync":                 {needs: "rsync", script: `for i in 1 2; do rsync -a "$1/" "$2"; done`, want: 3, names: tree},
		"rsync --delay-updates": {needs: "rsync", script: `for i in 1 2; do rsync -a --delay-updates "$1/" "$2"; done`, want: 3, names: tree},
		"rsync --partial-dir":   {needs: "rsync", script: `rsync -a --partial-dir=.parts "$1/" "$2"`, want: 3, names: tree},
		"tar":                   {needs: "tar", script: `for i in 1 2; do tar c -C "$1" sub | tar x -C "$2"; done`, want: 3, names: tree},
		"rclone":                {needs: "rclone", script: `export RCLONE_CONFIG=/dev/null; for i in 1 2; do rclone copy "$1" "$2"; done`, want: 3, names: tree},
		"shutil":                {needs: "/usr/bin/python3", script: `/usr/bin/python3 -c 'import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])' "$1/sub" "$2/sub"`, want: 3, names: tree},
		"removed":               {script: `cp -r "$1/sub" "$2"; rm -r "$2/sub"; test -z "$(ls -A "$2")"; cp -r "$1/sub" "$2"`, want: 6, names: tree},
		"out of one":            {script: `mkdir "$2/.new"; cp "$1/sub/one.jsonl" "$2/.new/"; test -z "$(getfattr -d "$2/.new/one.jsonl")"; mv "$2/.new/one.jsonl" "$2"; rmdir "$2/.new"`, want: 1, names: []string{"one.jsonl"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.needs != "" {
				demandProgram(t, test.needs)
			}
			d := newDropping(t)
			files := filepath.Join(t.TempDir(), "files")
			if err := os.MkdirAll(filepath.Join(files, "sub", "deep"), 0o755); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(files, "sub", "one.jsonl"), jsonLines(1))
			writeFile(t, filepath.Join(files, "sub", "deep", "b.jsonl"), jsonLines(2))
			shell(t, test.script, files, d.in())
			if got := strings.Split(strings.TrimSpace(run(t, "bash", "-c", `cd "$1"; find . -mindepth 1 | cut -c3- | LC_ALL=C sort`, "bash", d.in())), "\n"); strings.Join(got, " ") != strings.Join(test.names, " ") {
				t.Errorf("the folder has %q, want %q", got, test.names)
			}
			d.holds(test.want)
			if got := names(t, d.Dir); len(got) != 1 {
				t.Errorf("beside the store stand %q", got)
			}
		})
	}
}

// TestIncomingFolders: what cannot be done to folders within says so, and nothing is lost.
func TestIncomingFolders(t *testing.T) {
	t.Parallel()
	d := newDropping(t)
	run(t, "mkdir", d.in("a"), d.in("a", "b"))
	bad := writeFile(t, d.file("bad.csv"), []byte("1,2,3\n1,x,3\n"))
	wantRefusal(t, try(t, "cp", bad, d.in("a", "b")), syscall.EINVAL)
	if got := string(readFile(t, d.in("a", "b", "bad.csv.error"))); !strings.Contains(got, "line 2") {
		t.Errorf("the reason is %q", got)
	}
	wantRefusal(t, try(t, "rmdir", d.in("a", "b")), syscall.ENOTEMPTY)
	wantRefusal(t, try(t, "mv", d.in("a"), d.in("c")), syscall.EPERM)
	wantRefusal(t, try(t, "mkdir", d.in("a")), syscall.EEXIST)
	run(t, "cp", "-r", d.in("a"), d.files)
	run(t, "rm", "-r", d.in("a"))
	run(t, "mkdir", d.in("a"))
	d.has("a")
	d.holds(0)
	// In the topmost folder's a store has the name of its file.
	run(t, "mkdir", d.path("incoming", "x"))
	run(t, "cp", d.file("one.jsonl"), d.path("incoming", "x", "new.jsonl"))
	readFile(t, d.path("new.rvf", "manifest.json"))
	wantRefusal(t, try(t, "cp", d.file("one.jsonl"), d.path("incoming", "new.csv")), syscall.EEXIST)
}

// fakeSSH is a program in the place of ssh, with which the far end of scp and sftp is here.
func fakeSSH(t testing.TB) string {
	t.Helper()
	name := writeFile(t, filepath.Join(t.TempDir(), "ssh"), []byte(`#!/bin/bash
while [[ $1 == -* && $1 != -- ]]; do shift; done
if [[ $1 == -- ]]; then shift; fi
if [[ $2 == sftp ]]; then exec /usr/lib/openssh/sftp-server; fi
shift
exec bash -c "$*"
`))
	if err := os.Chmod(name, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestIncomingByDuckDB writes tables of a database, and one over another.
func TestIncomingByDuckDB(t *testing.T) {
	t.Parallel()
	demandProgram(t, "node")
	_, err := os.Stat("peer/node_modules/@duckdb/node-api")
	demand(t, "DuckDB", err)
	d := newDropping(t)
	root := d.path("incoming")
	query := func(value int) string {
		return fmt.Sprintf("COPY (SELECT i AS id, %d::FLOAT AS x0, i / 2 AS x1, 0.5 AS x2 FROM range(100, 110) t(i)) TO", value)
	}
	arrays := "COPY (SELECT i AS id, [i, 2, 3] AS vector FROM range(200, 205) t(i)) TO"
	lines := []string{
		query(1) + " '" + d.in("a.csv") + "'", query(2) + " '" + d.in("a.csv") + "'", arrays + " '" + d.in("b.json") + "'",
		query(1) + " '" + filepath.Join(root, "new.csv") + "'", arrays + " '" + filepath.Join(root, "arrays.json") + "'",
	}
	ask := exec.Command("node", append([]string{"-e", `
const { DuckDBInstance } = require("@duckdb/node-api");
(async () => {
	const connection = await (await DuckDBInstance.create()).connect();
	for (const line of process.argv.slice(1)) await connection.run(line);
})()`}, lines...)...)
	ask.Dir, ask.Env = "peer", environment()
	if said, err := ask.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	d.has("a.csv", "b.json")
	d.holds(15)
	if got := strings.Join(names(t, d.Point), " "); got != "arrays.rvf new.rvf store.rvf" {
		t.Errorf("the mount shows %q", got)
	}
	if got := strings.ReplaceAll(string(readFile(t, d.path("store.rvf", "vectors", "by-id", "104.json"))), " ", ""); !strings.Contains(got, "[2,52,0.5]") {
		t.Errorf("vector 104 is %s", got)
	}

	// Over the file that made a store, another one has nowhere to go. It says nothing of that.
	ask = exec.Command("node", append(ask.Args[1:3:3], query(2)+" '"+filepath.Join(root, "new.csv")+"'")...)
	ask.Dir, ask.Env = "peer", environment()
	said, err := ask.CombinedOutput()
	if got := string(readFile(t, filepath.Join(root, "new.csv.error"))); err == nil || !strings.Contains(got, "already") {
		t.Errorf("%v: %s; the reason is %q", err, said, got)
	}
	if got := strings.Join(names(t, d.Point), " "); got != "arrays.rvf new.rvf store.rvf" {
		t.Errorf("the mount shows %q", got)
	}
}

// pythonDrops writes files in ways of its own: through a child that outlives its parent's
// close, in pieces that it reads back, and under another name while it is open.
const pythonDrops = `
import os, subprocess, sys
files, to = sys.argv[1:]
with open(to + "/child", "wb") as out:
    child = subprocess.Popen(["sh", "-c", "read line; echo \"[1,2,3]\"; read line; echo \"[4,5,6]\""], stdin=subprocess.PIPE, stdout=out)
    child.stdin.write(b"go\n"); child.stdin.flush()
    while os.fstat(out.fileno()).st_size == 0: pass
child.stdin.write(b"on\n"); child.stdin.close()
assert child.wait() == 0
with open(to + "/parts", "w+b") as out:
    out.seek(8); out.write(b"[4,5,6]\n"); out.seek(0); out.write(b"[1,2,3]\n")
    out.seek(0); assert out.read() == b"[1,2,3]\n[4,5,6]\n"
    out.write(b"[7,8,9]\n[1,2"); out.truncate(24)
with open(to + "/.part", "wb") as out:
    out.write(b"[1,2,3]\n[1,2,3]\n[1,2,3]\n"); out.flush()
    os.rename(to + "/.part", to + "/renamed")
`

// pythonExecs has descriptors closed by execve, of which the kernel asks in the middle of it: a
// child's copy, which is no end, and the writer's own.
const pythonExecs = `
import os, subprocess, sys
to, = sys.argv[1:]
with open(to + "/child", "wb", 0) as out:
    out.write(b"[1,2,3]\n[1,2,3]\n")
    if os.fork() == 0: os.execvp("true", ["true"])
    os.wait()
    out.write(b"[1,2,3]\n")
out = open(to + "/own", "wb", 0)
out.write(b"[1,2,3]\n[1,2,3]\n")
os.execvp("true", ["true"])
`

// TestIncomingRefused: what cannot be taken in fails where programs look, changes nothing,
// and a file says why.
func TestIncomingRefused(t *testing.T) {
	t.Parallel()
	d := newDropping(t)
	bad := writeFile(t, d.file("bad.csv"), []byte("1,2,3\n1,x,3\n"))
	half := writeFile(t, d.file("half.jsonl"), append(jsonLines(5), "[1,2"...))
	before := readFile(t, d.backing("store.rvf"))

	wantRefusal(t, try(t, "cp", bad, half, d.in()), syscall.EINVAL)
	d.has("bad.csv.error", "half.jsonl.error")
	if got := string(readFile(t, d.in("bad.csv.error"))); !strings.Contains(got, "line 2") {
		t.Errorf("the reason is %q", got)
	}
	wantRefusal(t, try(t, "mv", bad, d.in()), syscall.EINVAL)
	if _, err := os.Stat(bad); err != nil {
		t.Errorf("mv has removed what was not taken in: %v", err)
	}
	if got := names(t, d.in()); strings.Join(got, " ") != "bad.csv.error half.jsonl.error" {
		t.Errorf("the folder has %q", got)
	}
	if got := readFile(t, d.backing("store.rvf")); string(got) != string(before) {
		t.Error("the store has changed")
	}
	run(t, "rm", d.in("bad.csv.error"), d.in("half.jsonl.error"))

	// A rename says nothing of folders, and of a long name the reason is there as well.
	run(t, "cp", bad, d.in("x.partial"))
	got := try(t, "mv", d.in("x.partial"), d.in("x.csv"))
	wantRefusal(t, got, syscall.EBADMSG)
	if strings.Contains(got.stderr, "subdirectory") {
		t.Errorf("mv says %q", got.stderr)
	}
	if got := string(readFile(t, d.in("x.csv.error"))); !strings.Contains(got, "line 2") {
		t.Errorf("the reason is %q", got)
	}
	run(t, "rm", d.in("x.partial"), d.in("x.csv.error"))
	for _, last := range []string{"1", "2"} {
		wantRefusal(t, try(t, "cp", bad, d.in(strings.Repeat("ä", 125)+last+".csv")), syscall.EINVAL)
	}
	long := names(t, d.in())
	if len(long) != 2 {
		t.Errorf("the folder has %q", long)
	}
	for _, name := range long {
		got := string(readFile(t, d.in(name)))
		if !strings.HasPrefix(name, "ää") || !strings.HasSuffix(name, ".error") || !strings.Contains(got, "line 2") || !strings.HasPrefix(got, "ää") {
			t.Errorf("%q says %q", name, got)
		}
		run(t, "rm", d.in(name))
	}

	// Nothing else can be made here.
	wantRefusal(t, try(t, "ln", "-s", "a", d.in("link")), syscall.EPERM)
	run(t, "cp", d.file("one.jsonl"), d.in("a"))
	wantRefusal(t, try(t, "ln", d.in("a"), d.in("b")), syscall.EPERM)
	wantRefusal(t, tryShell(t, `echo '[1,2,3]' >> "$1"`, d.in("a")), syscall.EINVAL)
	if got := string(readFile(t, d.in("a.error"))); !strings.Contains(got, "nothing can be appended") {
		t.Errorf("the reason is %q", got)
	}
	run(t, "rm", d.in("a.error"))
	wantErrno(t, "open what is there", func() error {
		_, err := os.OpenFile(d.in("a"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		return err
	}(), syscall.EEXIST)
	d.has("a")
	d.holds(1)

	// An unlinked file goes nowhere.
	file := must(os.Create(d.in("gone")))(t)
	_, err := file.Write(jsonLines(3))
	if err := errors.Join(err, os.Remove(d.in("gone")), file.Close()); err != nil {
		t.Error(err)
	}
	d.has("a")
	d.holds(1)
}

// TestIncomingOfForkedWriters: the last close counts, also of a descriptor that only execve(2)
// would close. One that runs another program has let the file go.
func TestIncomingOfForkedWriters(t *testing.T) {
	t.Parallel()
	demandProgram(t, "python3")
	d := newDropping(t)
	run(t, "python3", "-c", `
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"v0,v1,v2\n1,2,3\n")
child = os.fork()
if child == 0:
    time.sleep(0.4)
    os.write(fd, b"4,5,6\n")
    os.close(fd)
    os._exit(0)
os.close(fd)
sys.exit(os.waitpid(child, 0)[1] != 0)
`, d.in("forked.csv"))
	d.holds(2)
	run(t, "python3", "-c", `
import os, subprocess, sys
with open(sys.argv[1], "w") as file:
    file.write("v0,v1,v2\n1,2,3\n")
    file.flush()
    child = subprocess.Popen(["sleep", "60"])
try:
    sys.exit(not os.getxattr(sys.argv[1], "user.rvf.result"))
finally:
    child.kill()
`, d.in("runs.csv"))
	d.holds(3)
	d.has("forked.csv", "runs.csv")
}

// TestIncomingIsNotMapped: a program that makes a file longer to map it for writing hears that
// it cannot, and nothing of the file is taken in.
func TestIncomingIsNotMapped(t *testing.T) {
	t.Parallel()
	demandProgram(t, "python3")
	d := newDropping(t)
	got := try(t, "python3", "-c", `
import mmap, sys
with open(sys.argv[1], "w+b") as file:
    file.truncate(120)
    mmap.mmap(file.fileno(), 120)
`, d.in("a.f32"))
	if got.code == 0 {
		t.Errorf("the program went on: %+v", got)
	}
	d.has("a.f32.error")
	if got := string(readFile(t, d.in("a.f32.error"))); !strings.Contains(got, "mapping for writing does not work here") {
		t.Errorf("the reason is %q", got)
	}
	d.holds(0)
}

// TestIncomingOnceByRclone, which sets times after the close and is told to send all again.
func TestIncomingOnceByRclone(t *testing.T) {
	t.Parallel()
	demandProgram(t, "rclone")
	d := newDropping(t)
	source := t.TempDir()
	run(t, "cp", "-p", d.file("ten.csv"), d.file("hundred.f32"), source)
	for _, how := range []string{"--checksum", "--checksum", "--ignore-times", "--ignore-times"} {
		run(t, "rclone", "--config", "/dev/null", "copy", how, source, d.in())
		d.holds(110)
	}
	d.has("hundred.f32", "ten.csv")
}

// TestReceiptsCanBeRead by programs that read everything, and are taken for vectors nowhere.
func TestReceiptsCanBeRead(t *testing.T) {
	t.Parallel()
	demandProgram(t, "tar")
	demandProgram(t, "rsync")
	d := newDropping(t)
	for _, name := range []string{"long.f32", "long.f64", "long.csv", "long"} {
		run(t, "cp", d.file("many.jsonl"), d.in(name+".json"))
		writeFile(t, d.file(name), bytes.Repeat(rawRows([]float32{0.5, 1.5, 2.5}), 1001))
		if !strings.HasSuffix(name, ".csv") {
			run(t, "cp", d.file(name), d.in(name))
		}
	}
	run(t, "cp", d.file("ten.csv"), d.file("hundred.f32"), d.in())
	for _, size := range []int{1, 2, 3, 5, 10} {
		run(t, "cp", writeFile(t, d.file("few"), bytes.Repeat(rawRows([]float32{0.5, 1.5, 2.5}), size)), d.in(fmt.Sprintf("few%d.f32", size)))
	}
	notice := string(readFile(t, d.in("long")))
	if len(notice) != 12012 || !strings.HasPrefix(notice, "A receipt: this file was taken in") || !strings.Contains(notice, `"accepted":1001`) {
		t.Errorf("a receipt of %d bytes shows %.300q", len(notice), notice)
	}
	shell(t, `tar c -f "$2/a.tar" -C "$1" incoming; rsync -a "$1/incoming" "$2"; grep -rq "A receipt: this file" "$1/incoming"; cat "$1"/incoming/* > /dev/null; cp -a "$1/incoming" "$2/copy"; diff -r "$2/copy" "$2/incoming"`,
		d.path("store.rvf"), d.files)
	before := readFile(t, d.backing("store.rvf"))
	for _, name := range []string{"long.f32", "long", "long.json", "long.f32.json", "ten.csv", "hundred.f32", "few1.f32", "few2.f32", "few3.f32", "few5.f32", "few10.f32"} {
		for _, to := range []string{"a.f32", "a.csv", "a.npy", "a.fvecs", "a.bvecs", "a", "a.jsonl"} {
			if got := try(t, "cp", d.in(name), d.in(to)); got.code == 0 {
				t.Errorf("the notice of %s is taken for vectors as %s", name, to)
			}
		}
	}
	if !bytes.Equal(readFile(t, d.backing("store.rvf")), before) {
		t.Error("the store has changed")
	}
}

// TestIncomingOfAKilledWriter: half a file is none, whatever it holds.
func TestIncomingOfAKilledWriter(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.jsonl", ".a.jsonl"} {
		d := newDropping(t)
		writer := exec.Command("bash", "-c", `exec > "$1"; cat "$2"; echo there >&2; exec sleep 100`, "bash", d.in(name), d.file("one.jsonl"))
		said := must(writer.StderrPipe())(t)
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := said.Read(make([]byte, 100)); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(d.in(name)); err != nil || info.Size() == 0 {
			t.Errorf("the file is %v, %v", info, err)
		}
		writer.Process.Kill()
		writer.Wait()
		eventually(t, "the file is gone", func() error {
			if _, err := os.Lstat(d.in(name)); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("it is there: %v", err)
			}
			return nil
		})
		d.holds(0)
		if err := os.Remove(d.in("a.jsonl.error")); err != nil && name[0] != '.' {
			t.Errorf("nothing tells of the killed writer: %v", err)
		}
		run(t, "cp", d.file("ten.csv"), d.in("a.jsonl.csv"))
		d.holds(10)
	}
}

// TestIncomingOnAFullDisk: what finds no room fails at once, and leaves none taken.
func TestIncomingOnAFullDisk(t *testing.T) {
	t.Parallel()
	m := serve(t, smallDisk(t, 2<<20))
	run(t, "mkdir", m.path("store.rvf"))
	files := t.TempDir()
	small, large := writeFile(t, filepath.Join(files, "small"), jsonLines(100)), writeFile(t, filepath.Join(files, "large"), jsonLines(1_000_000))
	in := m.path("store.rvf", "incoming")
	run(t, "cp", small, in)
	wantRefusal(t, try(t, "cp", large, in), syscall.ENOSPC)
	wantRefusal(t, try(t, "mv", large, in), syscall.ENOSPC)
	if got := strings.Join(names(t, in), " "); got != "large.error small" {
		t.Errorf("the folder has %q", got)
	}
	run(t, "cp", small, filepath.Join(in, "again"))
	if status := must(decode[statusView](m.path("store.rvf", "status.json")))(t); status.LiveVectors != 200 {
		t.Errorf("%d vectors", status.LiveVectors)
	}
}

// TestIncomingHoldsNoFiles in memory, however many there are and however long they are: they
// wait on the disk.
func TestIncomingHoldsNoFiles(t *testing.T) {
	t.Parallel()
	plain := program
	if raceEnabled { // memory under the race detector says nothing
		plain = filepath.Join(t.TempDir(), "rvffs")
		if err := build(plain, false); err != nil {
			t.Fatal(err)
		}
	}
	const budget, base = 32 << 20, 100 << 20
	dir := t.TempDir()
	makeStore(t, filepath.Join(dir, "store.rvf"), 3, []float32{1, 2, 3})
	m := serveBy(t, plain, dir, t.TempDir(), "--memory", fmt.Sprint(budget))
	piece := []byte(strings.Repeat(string(rawRows([]float32{0.5, 1.5, 2.5})), 1<<20/12))
	var open []*os.File
	for i := range 150 {
		file := must(os.Create(m.path([]string{"store.rvf/incoming", "incoming", "."}[i%3], fmt.Sprintf("%d.rvf.part", i))))(t)
		if err := repeat(file, piece, 2); err != nil {
			t.Fatal(err)
		}
		open = append(open, file)
	}
	long := must(os.Create(m.path("store.rvf", "incoming", "long.f32")))(t)
	if err := errors.Join(repeat(long, piece, 200), long.Close()); err != nil {
		t.Error(err)
	}
	peak := peakMemory(t, m)
	t.Logf("the daemon took up to %d MiB", peak>>20)
	if peak > budget+base {
		t.Errorf("the daemon took %d MiB for a budget of %d", peak>>20, budget>>20)
	}
	status := must(decode[statusView](m.path("store.rvf", "status.json")))(t)
	if want := 200*len(piece)/12 + 1; int(status.LiveVectors) != want {
		t.Errorf("%d vectors, want %d", status.LiveVectors, want)
	}
	for _, file := range open {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
	m.stop()
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("beside the store stand %q", got)
	}
}

// TestIncomingOfOthers: who may write to the store may drop files, and nobody else.
func TestIncomingOfOthers(t *testing.T) {
	t.Parallel()
	demandUsers(t)
	dir := publicFolder(t)
	makeStore(t, filepath.Join(dir, "hers.rvf"), 3, []float32{1, 2, 3})
	makeStore(t, filepath.Join(dir, "ours.rvf"), 3, []float32{1, 2, 3})
	give(t, filepath.Join(dir, "hers.rvf"), alice, 0o644)
	give(t, filepath.Join(dir, "ours.rvf"), alice, 0o666)
	m := servePublic(t, dir)
	file := writeFile(t, filepath.Join(publicFolder(t), "a.jsonl"), jsonLines(5))
	drop := func(user int, to string) outcome {
		return tryAs(t, user, "cp", file, m.path(to, "incoming", fmt.Sprint(user)))
	}
	if got := drop(alice, "hers.rvf"); got.code != 0 {
		t.Error(got.stderr)
	}
	wantRefusal(t, drop(bob, "hers.rvf"), syscall.EACCES)
	if got := drop(bob, "ours.rvf"); got.code != 0 {
		t.Error(got.stderr)
	}
	if info, err := os.Stat(m.path("ours.rvf", "incoming", fmt.Sprint(bob))); err != nil || info.Sys().(*syscall.Stat_t).Uid != bob {
		t.Errorf("the receipt is %+v, %v", info, err)
	}
	// Whoever may not write to it any more when the file is closed brings nothing.
	run(t, "cp", file, m.path("ours.rvf", "incoming", ".late"))
	give(t, m.path("ours.rvf", "incoming", ".late"), bob, 0o644)
	give(t, filepath.Join(dir, "ours.rvf"), alice, 0o644)
	wantRefusal(t, tryAs(t, bob, "mv", m.path("ours.rvf", "incoming", ".late"), m.path("ours.rvf", "incoming", "late")), syscall.EACCES)
	for name, want := range map[string]int{"hers.rvf": 6, "ours.rvf": 6} {
		if status := must(decode[statusView](m.path(name, "status.json")))(t); status.LiveVectors != want {
			t.Errorf("%s has %d vectors, want %d", name, status.LiveVectors, want)
		}
	}
}

// tryAs is try as another user.
func tryAs(t testing.TB, user int, name string, arguments ...string) outcome {
	t.Helper()
	return try(t, "setpriv", append([]string{fmt.Sprintf("--reuid=%d", user), fmt.Sprintf("--regid=%d", user), "--clear-groups", name}, arguments...)...)
}

// TestIncomingIsGoneWithTheMount, and what was on its way leaves nothing.
func TestIncomingIsGoneWithTheMount(t *testing.T) {
	t.Parallel()
	d := newDropping(t)
	run(t, "cp", d.file("many.jsonl"), d.in(".many"))
	run(t, "cp", d.file("one.jsonl"), d.in())
	d.stop()
	if log := d.output.String(); !strings.Contains(log, `names=[".many"]`) {
		t.Errorf("the log says %s", log)
	}
	if got := names(t, d.Dir); len(got) != 1 {
		t.Errorf("beside the store stand %q", got)
	}
	d.mount = serve(t, d.Dir)
	d.has()
	d.holds(1)
}

// TestIncomingIsForVectorsAlone of stores that can be written to.
func TestIncomingOfAReadOnlyMount(t *testing.T) {
	t.Parallel()
	d := newDropping(t, "--read-only")
	wantRefusal(t, try(t, "cp", d.file("one.jsonl"), d.in()), syscall.EROFS)
	d.has()
}
