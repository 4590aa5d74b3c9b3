package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rvffs/test/integration/peer"
)

// wantPeerImages checks which images the reference runtime extracts from a store.
func wantPeerImages(t *testing.T, process *peer.Process, file string, kernel, program bool) {
	t.Helper()
	theirs, err := process.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	image, kernelErr := theirs.ExtractKernel()
	code, programErr := theirs.ExtractEBPF()
	if err := errors.Join(kernelErr, programErr, theirs.Close()); err != nil {
		t.Fatal(err)
	}
	if (image != nil) != kernel || (code != nil) != program {
		t.Errorf("the peer extracts the kernel: %t, the program: %t; want %t and %t", image != nil, code != nil, kernel, program)
	}
}

// twoKernels makes a store with an image of each kind, and a kernel of another architecture.
func twoKernels(t *testing.T, store string) {
	t.Helper()
	storeWithImages(t, store)
	image := filepath.Join(t.TempDir(), "image")
	demand(t, "write", os.WriteFile(image, bytes.Repeat([]byte("other"), 1000), 0o644))
	run(t, program, "embed-kernel", store, image, "--arch", "aarch64")
}

// TestPartsAreTakenOut by the command and by ctl: nobody finds them any more, the
// reference runtime neither, vectors stay, and another can take their place.
func TestPartsAreTakenOut(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "a.rvf")
	storeWithImages(t, file)
	said := run(t, program, "remove", file, "kernel")
	if !strings.Contains(said, "kernel removed: ") || !strings.HasSuffix(said, "-unknown\n") {
		t.Errorf("remove says %q", said)
	}
	wantPeerImages(t, process, file, false, true)
	m := serve(t, dir)
	for _, part := range []string{"ebpf", "wasm"} {
		shell(t, `echo "remove $2" > "$1"/ctl`, m.path("a.rvf"), part)
		if left := names(t, m.path("a.rvf", part)); len(left) > 0 {
			t.Errorf("%s still shows %v", part, left)
		}
		var line struct {
			Removed string
			Images  []string
			Epoch   uint32
		}
		lines := strings.Split(strings.TrimSpace(string(readFile(t, m.path("a.rvf", "append.log")))), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil || line.Removed != part || len(line.Images) != 1 || line.Epoch == 0 {
			t.Errorf("append.log says %s (%v)", lines[len(lines)-1], err)
		}
	}
	wantRefusal(t, tryShell(t, `echo "remove ebpf" > "$1"/ctl`, m.path("a.rvf")), syscall.ENOENT)
	wantRefusal(t, tryShell(t, `echo "remove vectors" > "$1"/ctl`, m.path("a.rvf")), syscall.EINVAL)
	if log := string(readFile(t, m.path("a.rvf", "append.log"))); !strings.Contains(log, "the store holds no ebpf") || !strings.Contains(log, `no part \"vectors\"`) {
		t.Errorf("append.log does not say why:\n%s", log)
	}
	shell(t, `printf again > "$1"/kernel/image`, m.path("a.rvf"))
	if got := string(readFile(t, m.path("a.rvf", "kernel", "image"))); got != "again" {
		t.Errorf("the next kernel is %q", got)
	}
	if chain := string(readFile(t, m.path("a.rvf", "witness.jsonl"))); strings.Count(chain, "remove:part=") != 3 {
		t.Errorf("the audit chain does not tell of three removals:\n%s", chain)
	}
	m.stop()
	wantPeerImages(t, process, file, true, false)
	run(t, program, "verify", file)
}

// TestOneOfSeveralIsTakenOut only if it was said which.
func TestOneOfSeveralIsTakenOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	kernels := func(file string) string {
		t.Helper()
		count := ""
		for _, segment := range segmentsTold(t, file) {
			if strings.EqualFold(segment.Type, "kernel") {
				count += "|"
			}
		}
		return count
	}
	twoKernels(t, at("a.rvf"))
	shell(t, `cp "$1/a.rvf" "$1/b.rvf"`, dir)
	if got := try(t, program, "remove", at("a.rvf"), "kernel"); got.code != 1 || !strings.Contains(got.stderr, "several") || !strings.Contains(got.stderr, "-aarch64") || kernels(at("a.rvf")) != "||" {
		t.Errorf("one of two kernels was taken out unsaid: %+v", got)
	}
	if got := try(t, program, "remove", at("a.rvf"), "kernel", "riscv64"); got.code != 1 || !strings.Contains(got.stderr, "riscv64") {
		t.Errorf("another kernel than there is: %+v", got)
	}
	run(t, program, "remove", at("a.rvf"), "kernel", "aarch64")
	if got := try(t, program, "extract-kernel", "--arch", "aarch64", at("a.rvf"), "-"); got.code != 1 || kernels(at("a.rvf")) != "|" {
		t.Errorf("aarch64: %+v", got)
	}
	run(t, program, "remove", at("b.rvf"), "kernel", "all")
	if got := kernels(at("b.rvf")); got != "" {
		t.Errorf("kernels are left: %s", got)
	}
}
