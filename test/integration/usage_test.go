package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMisuseIsTold: who calls a command in a way that means nothing reads how it is called,
// and the exit status is 2.
func TestMisuseIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := filepath.Join(dir, "a.rvf")
	run(t, program, "create", store, "--dimension", "2")
	for _, c := range []struct {
		arguments words
		says      string
	}{
		{words{"mount", dir}, "MOUNTPOINT is missing"},
		{words{"mount"}, "DIRECTORY and MOUNTPOINT are missing"},
		{words{"mount", dir, dir, "more"}, `"more" is one argument too many`},
		{words{"mount", dir, dir, "-o", "bogus"}, `unknown mount option "bogus"`},
		{words{"mount", dir, dir, "--dimension", "70000"}, "no number from 0 to 65535"},
		{words{"mount", dir, dir, "--log-level", "loud"}, "none of debug, info, warn, error"},
		{words{"mount", "", dir}, "DIRECTORY is empty"},
		{words{"mount", dir, ""}, "MOUNTPOINT is empty"},
		{words{"mount", dir, dir, "-o", "memory=1"}, "too few to serve a mount"},
		{words{"mount", dir, dir, "-o", "memory=9999999G"}, "more than the machine has"},
		{words{"mount", dir, dir, "-o", "max_read=65536"}, `unknown mount option "max_read=65536"`},
		{words{"mount", dir, dir, "-o", "views"}, "needs a value, as in views=WHICH"},
		{words{"mount", dir, dir, "--flush-interval", "-1s"}, "less than no time"},
		{words{"mount", dir, dir, "--read-ahead", "foo"}, "no number of whole KiB"},
		{words{"inspect", ""}, "FILE is empty"},
		{words{"import", store, ""}, "INPUT is empty"},
		{words{"rm", store, ""}, "FILE is empty"},
		{words{"umount", ""}, "MOUNTPOINT is empty"},
		{words{"create", filepath.Join(dir, "a.txt")}, "a.txt"},
		{words{"delete", store, "x"}, "x"},
		{words{"query", store, "--id", "1", "-k", "0"}, "-k 0: say how many"},
		{words{"query", store, "--id", "1", "-k", "-1"}, "-k -1: say how many"},
		{words{"create", store, "--metric", "manhattan"}, "none of l2, ip, cosine"},
		{words{"create", store, "--dimension", "x"}, "no number from 0"},
		{words{"export", store, "-f", "parquet"}, "none of npy, ids, f32"},
		{words{"export", store, "--json"}, "--json prints where"},
		{words{"query", store}, "say what to search for"},
		{words{"query", store, "--id", "1", "--vector", "[1,2]"}, "say what to search for"},
		{words{"query", store, "-k", "x", "--id", "1"}, `--k "x": it is no number`},
		{words{"derive", store, store, "--type", "copy"}, "none of clone, filter"},
		{words{"remove", store, "vectors"}, `no part "vectors"`},
		{words{"embed-kernel", store, store, "--arch", "z80"}, "none of x86_64"},
		{words{"rm"}, "FILE is missing"},
		{words{"umount"}, "MOUNTPOINT is missing"},
		{words{"inspect", store, "--bogus"}, "unknown flag: --bogus"},
		{words{"exprot", store}, `no command "exprot": did you mean export?`},
		{words{"--bogus"}, "unknown flag: --bogus"},
		{words{"frobnicate"}, ", completion, create, delete, derive, embed-dashboard, "},
		{words{"help", "frobnicate"}, ", completion, create, delete, derive, embed-dashboard, "},
		{words{"help", "exprot"}, `no command "exprot": did you mean export?`},
		{words{"help", "mount", "more"}, `"more" is one argument too many`},
		{words{"completion"}, "SHELL is missing: say one of bash, fish, powershell, zsh"},
		{words{"completion", "tcsh"}, `no script for "tcsh": say one of bash, fish, powershell, zsh`},
		{words{"completion", "bash", "more"}, `"more" is one argument too many`},
		{words{"version", "more"}, `"more" is one argument too many`},
	} {
		got := try(t, program, c.arguments...)
		if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, c.says) || !strings.Contains(got.stderr, "\nusage: rvffs ") {
			t.Errorf("rvffs %v: exit status %d\n%s%s", c.arguments, got.code, got.stdout, got.stderr)
		}
	}
}

// TestMissingFoldersAreTold also to who calls as the system's mount program does.
func TestMissingFoldersAreTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := try(t, program, filepath.Join(dir, "none"), dir, "-o", "rw"); got.code != 1 || !strings.Contains(got.stderr, "directory of stores: ") || !strings.Contains(got.stderr, "none: no such file or directory: make it first") {
		t.Errorf("a mount of what is not there: %+v", got)
	}
}

// TestImportOfNothing says in which state the store is.
func TestImportOfNothing(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "a.rvf")
	run(t, program, "create", store, "--dimension", "2")
	withVectors(t, store, model{1: {1, 2}})
	if got := run(t, program, "import", store, "/dev/null"); !strings.Contains(got, "(it is empty), epoch ") || strings.Contains(got, "epoch 0") {
		t.Errorf("import says %q", got)
	}
}

// TestHelpIsTheFlags: help tells what the flag does.
func TestHelpIsTheFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []words{{}, {"mount"}, {"unmount"}, {"completion"}, {"completion", "bash"}} {
		if help := run(t, program, append(words{"help"}, c...)...); help != run(t, program, append(c, "--help")...) {
			t.Errorf("rvffs help %v says %s", c, help)
		}
	}
}

// TestVersionIsTold in the same words wherever it is asked for.
func TestVersionIsTold(t *testing.T) {
	t.Parallel()
	said := run(t, program, "version")
	if !strings.HasPrefix(said, "rvffs ") || run(t, program, "--version") != said || !strings.Contains(run(t, program, "version", "--json"), `"go": "go`) {
		t.Errorf("version says %q", said)
	}
	m := serve(t, t.TempDir())
	if got := string(readFile(t, m.path(".rvffs", "version"))); got != said {
		t.Errorf(".rvffs/version says %q, want %q", got, said)
	}
}

// TestTerminalsGetNoBinary: what is no text goes into files and pipes alone.
func TestTerminalsGetNoBinary(t *testing.T) {
	t.Parallel()
	demandProgram(t, "script")
	store := filepath.Join(t.TempDir(), "a.rvf")
	storeWithImages(t, store)
	onTerminal := func(arguments ...string) outcome {
		return try(t, "script", "-qec", strings.Join(append(words{program}, arguments...), " "), "/dev/null")
	}
	for _, arguments := range []words{
		{"export", store}, {"export", store, "-f", "f32"}, {"export", store, "-f", "fbin", "-o", "/dev/tty"}, {"export", store, "-o", "/dev/stdout"},
		{"extract-kernel", store, "-"}, {"extract-ebpf", store, "-"}, {"extract-wasm", store, "-"},
	} {
		if got := onTerminal(arguments...); got.code != 2 || !strings.Contains(got.stdout, "is a terminal") || strings.Contains(got.stdout, "NUMPY") {
			t.Errorf("rvffs %v: exit status %d, %q", arguments, got.code, got.stdout)
		}
	}
	if got := onTerminal("export", store, "-f", "csv"); got.code != 0 {
		t.Errorf("a table for people: exit status %d, %q", got.code, got.stdout)
	}
	if got := run(t, program, "export", store); !strings.HasPrefix(got, "\x93NUMPY") {
		t.Errorf("a pipe gets %.20q", got)
	}
	run(t, program, "export", store, "-o", "/dev/null")
}

// TestShellsAreOffered what can be said.
func TestShellsAreOffered(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]byte{"notes.txt": []byte("no store"), ".hidden.rvf": nil})
	demand(t, "mkdir", os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	run(t, program, "create", filepath.Join(dir, "a.rvf"))
	run(t, program, "create", filepath.Join(dir, "b [1].rvtext"))
	m := serve(t, dir)
	for _, c := range []struct {
		arguments words
		want      words
		directive string // 2: no space behind it, 4: no files, 6: both
	}{
		{words{"create", "--metric", ""}, words{"l2", "ip", "cosine"}, ":4"},
		{words{"export", "a.rvf", "--format", "f"}, words{"f32", "fvecs", "fbin"}, ":4"},
		{words{"mount", "--durability", ""}, words{"strict", "interval", "none"}, ":4"},
		{words{"mount", "-o", "ro,durability=s"}, words{"ro,durability=strict"}, ":4"},
		{words{"mount", "-o", "flush_b"}, words{"flush_bytes="}, ":6"},
		{words{"mount", "--verify", ""}, words{"never", "background", "first"}, ":4"},
		{words{"derive", "--type", "qu"}, words{"quantize"}, ":4"},
		{words{"remove", "a.rvf", ""}, words{"kernel", "ebpf", "wasm", "dashboard"}, ":4"},
		{words{"inspect", dir + "/a"}, words{dir + "/a.rvf"}, ":4"},
		{words{"inspect", dir + "/"}, words{dir + "/a.rvf", dir + "/b [1].rvtext", dir + "/sub/"}, ":6"},
		{words{"inspect", m.path("a")}, words{m.path("a.rvf")}, ":4"},
		{words{"umount", m.Point}, words{m.Point}, ":4"},
	} {
		lines := strings.Split(strings.TrimSpace(try(t, program, append(words{"__complete"}, c.arguments...)...).stdout), "\n")
		if got, want := strings.Join(lines, "|"), strings.Join(append(c.want, c.directive), "|"); got != want {
			t.Errorf("rvffs %v: offered %s, want %s", c.arguments, got, want)
		}
	}
}

// TestTemporaryNamesAreNobodys: who may not make a file reads where.
func TestTemporaryNamesAreNobodys(t *testing.T) {
	t.Parallel()
	dir := "/proc/self" // nothing can be made there, not even by root
	for _, arguments := range []words{{"create", dir + "/a.rvf"}, {"derive", "a.rvf", dir + "/b.rvf"}, {"export", "a.rvf", "-o", dir + "/out"}} {
		parent := filepath.Join(t.TempDir(), "a.rvf")
		run(t, program, "create", parent)
		for i := range arguments {
			if arguments[i] == "a.rvf" {
				arguments[i] = parent
			}
		}
		got := try(t, program, arguments...)
		if got.code != 1 || strings.Contains(got.stderr, "rvffs-tmp") || strings.Contains(got.stderr, "/.") || !strings.Contains(got.stderr, "/proc/self") && !strings.Contains(got.stderr, syscall.ENOENT.Error()) {
			t.Errorf("rvffs %v: exit status %d, %s", arguments, got.code, got.stderr)
		}
	}
}
