package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// overlayOn mounts an overlay file system whose lower layer is a mount, for the length of
// the test.
func overlayOn(t *testing.T, m *mount) string {
	t.Helper()
	if os.Geteuid() != 0 {
		demand(t, "an overlay", errors.New("only root mounts one"))
	}
	// The upper layer must lie on a file system that can be one.
	upper, point := t.TempDir(), t.TempDir()
	for _, name := range []string{"upper", "work"} {
		demand(t, "make "+name, os.Mkdir(filepath.Join(upper, name), 0o755))
	}
	run(t, "mount", "-t", "overlay", "overlay", "-o", fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", m.Point, upper, upper), point)
	t.Cleanup(func() {
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the mount knows of the overlay", func() error {
		if log := readFile(t, m.path(".rvffs", "log")); !bytes.Contains(log, []byte("an overlay lies above")) {
			return errors.New(string(log))
		}
		return nil
	})
	return point
}

// TestOverlayAboveAMount shows each new state, and what is open stays at its own.
func TestOverlayAboveAMount(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	demand(t, "make a store", os.Mkdir(m.path("s.rvf"), 0o755))
	put(t, m.path("s.rvf", "vectors.append"), "[1,2]\n")
	names := []string{
		"raw", "manifest.json", "manifest.bin", "identity.json", "identity.bin", "status.json", "witness.jsonl", "append.log", "vectors/vectors.npy",
		"vectors/vectors.csv", "vectors/vectors.jsonl", "vectors/ids.npy", "vectors/by-id/0.json", "vectors/by-id/0.f32", "neighbors/0.json", "wasm/module.wasm",
	}
	put(t, m.path("s.rvf", "wasm", "module.wasm"), "\x00asm\x01\x00\x00\x00")
	for _, name := range names { // the kernel knows the names from before the overlay
		readFile(t, m.path("s.rvf", name))
	}
	point := overlayOn(t, m)
	over := func(name string) string { return filepath.Join(point, "s.rvf", name) }
	for commit := range 5 {
		for _, name := range names {
			want := readFile(t, m.path("s.rvf", name))
			got, err := os.ReadFile(over(name))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("after %d commits, %s has %d bytes of %d, %v", commit, name, len(got), len(want), err)
			}
			if info, err := os.Stat(over(name)); err != nil || info.Size() != int64(len(want)) {
				t.Errorf("after %d commits, stat of %s: %v, %v", commit, name, info, err)
			}
		}
		// All that is listed, with sizes and attributes, twice: nothing may change between.
		for range 2 {
			run(t, "ls", "-lR", point)
		}
		switch commit {
		case 3:
			put(t, m.path("s.rvf", "ctl"), "compact\n")
		case 2:
			put(t, m.path("s.rvf", "vectors.delete"), "1\n")
		default:
			put(t, m.path("s.rvf", "vectors.append"), fmt.Sprintf("[%d,2]\n[1,%d]\n", commit, commit))
		}
	}

	// An open file keeps its state, mapped or not, and its name works again when it is closed.
	before := readFile(t, m.path("s.rvf", "vectors", "vectors.npy"))
	open, err := os.Open(over("vectors/vectors.npy"))
	demand(t, "open", err)
	mapped, err := unix.Mmap(int(open.Fd()), 0, len(before), unix.PROT_READ, unix.MAP_SHARED)
	demand(t, "map", err)
	put(t, m.path("s.rvf", "vectors.append"), "[7,7]\n[8,8]\n")
	after := readFile(t, m.path("s.rvf", "vectors", "vectors.npy"))
	if bytes.Equal(before, after) {
		t.Fatal("nothing was committed")
	}
	got := make([]byte, len(before)+1)
	if n, _ := open.ReadAt(got, 0); !bytes.Equal(got[:n], before) || !bytes.Equal(mapped, before) {
		t.Error("a file that is open changed")
	}
	demand(t, "close", errors.Join(unix.Munmap(mapped), open.Close()))
	eventually(t, "the new state is shown", func() error {
		got, err := os.ReadFile(over("vectors/vectors.npy"))
		if err == nil && !bytes.Equal(got, after) {
			t.Fatal("it is another")
		}
		if err != nil && !errors.Is(err, syscall.ESTALE) {
			t.Fatal(err)
		}
		return err
	})

	// Below the overlay all is as it is without one: many write at once, images are replaced.
	shell(t, `for i in 1 2 3 4; do echo "[$i,$i]" > "$1/vectors.append" & done; wait
		printf '\0asm\1\0\0\0\0\2\1x' > "$1/wasm/module.wasm"`, m.path("s.rvf"))
	if got, err := os.ReadFile(over("wasm/module.wasm")); err != nil || string(got) != "\x00asm\x01\x00\x00\x00\x00\x02\x01x" {
		t.Errorf("the other module reads as %q, %v", got, err)
	}
}
