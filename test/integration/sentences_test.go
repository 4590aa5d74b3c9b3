package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// raw is what only programmers know: calls to the system, types of Go, names of what was in
// the making.
var raw = regexp.MustCompile(`\b(lstat|f?stat|statx|open(at2?)?|mkdir(at)?|rename(at2?)?|link(at)?|unlink(at)?|read|write|fdatasync|ioctl) [^"\s/]*: |(open|read|l?stat|mkdir) /|json: |strconv|Go value|rvffs-tmp|errno|%!`)

// sayings tries commands, and checks that each fails with one sentence for people, of which
// a part is given.
func sayings(t *testing.T, cases [][2]any) {
	t.Helper()
	for _, c := range cases {
		arguments, says := c[0].(words), c[1].(string)
		got := try(t, program, arguments...)
		said := strings.TrimSpace(got.stderr)
		if arguments[0] == "verify" {
			said = strings.TrimSpace(got.stdout)
		}
		if got.code != 1 || !strings.Contains(said, says) || strings.Contains(said, "rvffs create") != strings.Contains(says, "rvffs create") || strings.Contains(said, "\n") || raw.MatchString(said) {
			t.Errorf("rvffs %v: exit status %d\n%s", arguments, got.code, said)
		}
	}
}

// onStores are commands on a store, without its name.
func onStores(dir string) []words {
	text, csv := filepath.Join(dir, "text.txt"), filepath.Join(dir, "v.csv")
	return []words{
		{"status"}, {"inspect"}, {"verify"}, {"compact"}, {"recover"}, {"rm"}, {"remove", "kernel"}, {"query", "--id", "1"},
		{"export", "-o", filepath.Join(dir, "out")}, {"delete", "1"}, {"import", csv}, {"derive", filepath.Join(dir, "child.rvf")},
		{"extract-kernel", filepath.Join(dir, "o")}, {"extract-dashboard", filepath.Join(dir, "o")}, {"embed-kernel", text},
	}
}

// TestErrorsAreSentences: whatever people name, what they read tells what to do.
func TestErrorsAreSentences(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]byte{
		"text.txt": []byte("hello\n"), "v.csv": []byte("1,2\n"), "empty.rvf": nil, "garbage.rvf": []byte(strings.Repeat("no store ", 500)),
		"folder/.keep": nil, "empty": nil, "files/a": nil,
	})
	demand(t, "mkdir", os.Mkdir(filepath.Join(dir, "bare"), 0o755))
	at := func(name string) string { return filepath.Join(dir, name) }
	store, none, text := at("ok.rvf"), at("none"), at("text.txt")
	run(t, program, "create", store, "-d", "2")
	var cases [][2]any
	for name, says := range map[string]string{
		"none.rvf": "no such file or directory: look at the name", "folder": "is a directory: name the store's file",
		"empty.rvf": "the file is empty", "garbage.rvf": "it is no RVF file, or a damaged one, of which `rvffs recover --list ",
	} {
		for _, c := range onStores(dir) {
			if c[0] == "recover" && strings.HasSuffix(says, "--list ") {
				cases = append(cases, [2]any{words{"recover", at(name)}, "nothing in its 4500 bytes is whole"})
				continue
			}
			if c[0] == "recover" && says == "the file is empty" {
				cases = append(cases, [2]any{words{"recover", at(name)}, "nothing in its 0 bytes is whole"})
				continue
			}
			if c[0] == "import" && name == "none.rvf" { // an empty store is of use for that alone
				cases = append(cases, [2]any{append(words{c[0], at(name)}, c[1:]...), says + ", or make a new store with `rvffs create "})
				continue
			}
			cases = append(cases, [2]any{append(words{c[0], at(name)}, c[1:]...), says})
		}
	}
	mountPoint := t.TempDir()
	sayings(t, append(cases, [][2]any{
		{words{"mount", none, mountPoint}, none + ": no such file or directory: make it first, by mkdir"},
		{words{"mount", dir, none}, none + ": no such file or directory: make it first, by mkdir"},
		{words{"mount", text, mountPoint}, "directory of stores: " + text + ": not a directory"},
		{words{"mount", dir, text}, "mount point: " + text + ": not a directory"},
		{words{"mount", dir, dir}, "both the directory of stores and the mount point"},
		{words{"mount", dir, mountPoint, "--log-file", none + "/log"}, "log file: " + none + "/log: no such file or directory"},
		{words{"mount", "-o", "remount,ro", dir, mountPoint}, "is no mount point"},
		{words{"umount", none}, none + ": no such file or directory"},
		{words{"umount", text}, "is no mount point"},
		{words{"umount", "/proc"}, "is a mount of type proc, not of vector stores"},
		{words{"import", store, none}, "import " + none + ": no such file or directory"},
		{words{"import", store, dir}, "it is a directory: name the files in it"},
		{words{"import", store, at("garbage.rvf")}, "garbage.rvf: "},
		{words{"embed-kernel", store, none}, none + ": no such file or directory"},
		{words{"embed-kernel", store, at("folder")}, "is a directory: name a file"},
		{words{"embed-kernel", store, at("empty")}, "empty is empty"},
		{words{"embed-wasm", store, text}, text + ": look at the module"},
		{words{"embed-ebpf", store, text, "--btf", none}, none + ": no such file or directory"},
		{words{"embed-dashboard", store, none}, none + ": no such file or directory"},
		{words{"embed-dashboard", store, text}, "is no directory: name the one that the dashboard's files are in"},
		{words{"embed-dashboard", store, at("bare")}, "there are no files in"},
		{words{"create", none + "/x.rvf"}, none + ": no such file or directory"},
		{words{"derive", store, none + "/x.rvf"}, none + ": no such file or directory"},
		{words{"export", store, "-o", dir}, "is a directory: name a file for the output"},
		{words{"export", store, "-o", none + "/x"}, none + "/x: no such file or directory"},
		{words{"recover", store, "none.tail-0"}, "none.tail-0: no such file or directory"},
		{words{"query", store, "--vector", "[1,x]"}, "it is no JSON at byte 3"},
		{words{"query", store, "--vector", `["a",1]`}, "the vector: string where a number belongs"},
	}...))
	run(t, program, "embed-dashboard", store, at("files"))
	sayings(t, [][2]any{{words{"extract-dashboard", store, at("folder")}, "is there already: name a directory that is to be made"}})
	if said := run(t, program, "import", store, at("empty")); !strings.Contains(said, "0 vectors from "+at("empty")+" (it is empty)") {
		t.Errorf("import of nothing says %s", said)
	}
}

// TestErrorsOfDisks: a disk that is full, or cannot be written to, is named as that.
func TestErrorsOfDisks(t *testing.T) {
	t.Parallel()
	dir, disk := folder(t, map[string][]byte{"text.txt": []byte("hello\n"), "v.csv": []byte("1,2\n")}), t.TempDir()
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=200k"); err != nil {
		demand(t, "a mount of tmpfs", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	store := filepath.Join(disk, "ok.rvf")
	run(t, program, "create", store, "-d", "2")
	fill := func() {
		file := must(os.Create(filepath.Join(disk, "fill")))(t)
		for _, err := file.Write(make([]byte, 4096)); err == nil; {
			_, err = file.Write(make([]byte, 4096))
		}
		_ = file.Close()
	}
	changes := func(says string) (cases [][2]any) {
		for _, c := range []words{
			{"import", store, filepath.Join(dir, "v.csv")}, {"create", filepath.Join(disk, "x.rvf")}, {"derive", store, filepath.Join(disk, "x.rvf")},
			{"compact", store}, {"delete", store, "1"}, {"embed-kernel", store, filepath.Join(dir, "text.txt")}, {"export", store, "-o", filepath.Join(disk, "x")},
		} {
			cases = append(cases, [2]any{c, says})
		}
		return cases
	}
	fill()
	sayings(t, changes("no space left on device"))
	demand(t, "remount", unix.Mount("none", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	sayings(t, changes("read-only file system"))
}

// TestErrorsOfRights: who may not do something reads what he lacks.
func TestErrorsOfRights(t *testing.T) {
	t.Parallel()
	demandUsers(t)
	demandProgram(t, "setpriv")
	dir := folder(t, map[string][]byte{"v.csv": []byte("1,2\n"), "private/.keep": nil})
	letIn(t, dir)
	public, private := filepath.Join(dir, "public.rvf"), filepath.Join(dir, "private.rvf")
	for name, mode := range map[string]os.FileMode{public: 0o666, private: 0o600} {
		run(t, program, "create", name, "-d", "2")
		demand(t, "chmod", os.Chmod(name, mode))
	}
	demand(t, "chmod", os.Chmod(filepath.Join(dir, "v.csv"), 0o600))
	ownProgram := filepath.Join(dir, "rvffs")
	run(t, "install", "-m", "755", program, ownProgram)
	mayNot := fmt.Sprintf("permission denied: you may not write to the folder %s, ", dir)
	for _, c := range []struct {
		arguments words
		says      string
	}{
		{words{"status", private}, "open store \"" + private + "\": permission denied"},
		{words{"import", public, filepath.Join(dir, "v.csv")}, "v.csv: permission denied"},
		{words{"compact", public}, mayNot},
		{words{"delete", public, "1"}, mayNot},
		{words{"rm", public}, mayNot},
		{words{"create", filepath.Join(dir, "x.rvf")}, mayNot},
		{words{"derive", public, filepath.Join(dir, "x.rvf")}, mayNot},
		{words{"export", public, "-o", filepath.Join(dir, "x")}, "write " + filepath.Join(dir, "x") + ": permission denied"},
	} {
		got := try(t, "setpriv", append(words{"--reuid", fmt.Sprint(carol), "--regid", fmt.Sprint(carol), "--clear-groups", ownProgram}, c.arguments...)...)
		if got.code != 1 || strings.Count(got.stderr, c.says) != 1 || strings.Count(got.stderr, "\n") != 1 || raw.MatchString(got.stderr) {
			t.Errorf("rvffs %v: exit status %d\n%s", c.arguments, got.code, got.stderr)
		}
	}
}

// TestRefusedCommandsAreTold: where a command for a store is none, the store says so, as its
// file ctl promises.
func TestRefusedCommandsAreTold(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	if help := string(readFile(t, m.path("store.rvf", "ctl"))); !strings.Contains(help, "last_error in status.json tells why") {
		t.Errorf("ctl says %s", help)
	}
	for command, says := range map[string]string{"help": `"help" is no command`, "compact now": `"compact now" is no command`, "remove tail": `there is no part "tail"`} {
		wantRefusal(t, tryShell(t, `echo "$2" > "$1"`, m.path("store.rvf", "ctl"), command), unix.EINVAL)
		if told := must(decode[map[string]any](m.path("store.rvf", "status.json")))(t)["last_error"]; !strings.Contains(fmt.Sprint(told), says) {
			t.Errorf("after %q last_error is %v", command, told)
		}
	}
}
