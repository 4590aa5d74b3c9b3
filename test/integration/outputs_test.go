package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// outputs are commands that write what a store holds to a file of a name.
func outputs(store, output string) [][]string {
	return [][]string{
		{"export", store, "-f", "f32", "-o", output},
		{"extract-kernel", store, output},
		{"extract-kernel", store, filepath.Join(filepath.Dir(output), "image"), "--cmdline", output},
		{"extract-ebpf", store, output},
		{"extract-wasm", store, output},
	}
}

// storeWithImages makes a store with a vector and an image of each kind.
func storeWithImages(t *testing.T, store string) {
	t.Helper()
	run(t, program, "create", store, "--dimension", "2")
	withVectors(t, store, model{1: {1, 2}})
	image := filepath.Join(t.TempDir(), "image")
	demand(t, "write", os.WriteFile(image, bytes.Repeat([]byte("image"), 1000), 0o644))
	run(t, program, "embed-kernel", store, image, "--cmdline", "quiet")
	run(t, program, "embed-ebpf", store, image)
	demand(t, "write", os.WriteFile(image, []byte("\x00asm\x01\x00\x00\x00"), 0o644))
	run(t, program, "embed-wasm", store, image)
}

// TestOutputIsNeverTheStore, by whatever name.
func TestOutputIsNeverTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	storeWithImages(t, at("self.rvf"))
	demand(t, "link", os.Symlink("self.rvf", at("symlink")))
	demand(t, "link", os.Link(at("self.rvf"), at("hardlink")))
	before, err := os.ReadFile(at("self.rvf"))
	demand(t, "read", err)
	for _, name := range []string{"self.rvf", "symlink", "hardlink"} {
		commands := append(outputs(at("self.rvf"), at(name)), outputs(at(name), at("self.rvf"))...)
		for _, command := range append(commands, []string{"create", at(name)}, []string{"derive", at("self.rvf"), at(name)}, []string{"extract-dashboard", at("self.rvf"), at(name)}) {
			got := try(t, program, command...)
			want := 1
			if command[0] == "create" && filepath.Ext(name) == "" {
				want = 2 // no name for a store
			}
			if got.code != want {
				t.Errorf("rvffs %v: exit status %d\n%s%s", command, got.code, got.stdout, got.stderr)
			}
			if after, err := os.ReadFile(at("self.rvf")); err != nil || !bytes.Equal(after, before) {
				t.Fatalf("rvffs %v leaves %d of %d bytes: %v", command, len(after), len(before), err)
			}
		}
		if info, err := os.Lstat(at("symlink")); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the symlink is gone: %v", err)
		}
	}
	for _, name := range names(t, dir) {
		if strings.HasPrefix(name, ".") {
			t.Errorf("%s is left", name)
		}
	}
}

// TestOutputToWhatIsNoRegularFile goes into it, and the node stays.
func TestOutputToWhatIsNoRegularFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	storeWithImages(t, at("a.rvf"))
	demand(t, "mkfifo", unix.Mkfifo(at("pipe"), 0o600))
	demand(t, "link", os.Symlink("pipe", at("link")))
	for _, name := range []string{"pipe", "link"} {
		for i, command := range outputs(at("a.rvf"), at(name)) {
			// Open for both, so that neither side waits for the other.
			pipe, err := os.OpenFile(at("pipe"), os.O_RDWR, 0)
			demand(t, "open", err)
			run(t, program, command...)
			got := make([]byte, 1<<16)
			info, err := os.Lstat(at("pipe"))
			if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
				t.Fatalf("rvffs %v: the pipe is %v now: %v", command, info.Mode(), err)
			}
			n, err := pipe.Read(got)
			want := []int{8, 5000, 5, 5000, 8}[i]
			if err != nil || n != want {
				t.Errorf("rvffs %v: %d bytes came, want %d: %v", command, n, want, err)
			}
			demand(t, "close", pipe.Close())
		}
	}
}

// TestFailedOutputLeavesWhatWasThere, and nothing else.
func TestFailedOutputLeavesWhatWasThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	storeWithImages(t, at("a.rvf"))
	demand(t, "write", os.WriteFile(at("out"), []byte("precious"), 0o640))
	demand(t, "link", os.Symlink("out", at("link")))
	for _, command := range outputs(at("a.rvf"), at("link")) {
		limited := append([]string{"-c", `ulimit -f 0; trap "" XFSZ; exec "$0" "$@"`, program}, command...)
		if got := try(t, "bash", limited...); got.code == 0 {
			t.Errorf("rvffs %v wrote more than it may", command)
		}
		if got, err := os.ReadFile(at("out")); err != nil || string(got) != "precious" {
			t.Errorf("rvffs %v left %q: %v", command, got, err)
		}
	}
	if got := fmt.Sprint(names(t, dir)); got != "[a.rvf link out]" {
		t.Errorf("left: %v", got)
	}
	run(t, program, outputs(at("a.rvf"), at("link"))[0]...)
	info, err := os.Lstat(at("out"))
	demand(t, "look", err)
	if info.Size() != 8 || info.Mode() != 0o640 {
		t.Errorf("the link leads to %d bytes of mode %v", info.Size(), info.Mode())
	}
	demand(t, "link", os.Symlink("new", at("dangling")))
	run(t, program, outputs(at("a.rvf"), at("dangling"))[1]...)
	if info, err := os.Lstat(at("new")); err != nil || info.Size() != 5000 {
		t.Errorf("behind a symlink that led nowhere: %v", err)
	}
}
