package fs

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/store/catalog"
)

// size is that of a file as stat(2) tells it.
func size(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// epochOf is that of a store's newest commit. No name is believed without asking on the
// way to it.
func epochOf(t *testing.T, folder string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "status.json"))
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ Epoch int }
	if err := json.Unmarshal(content, &status); err != nil {
		t.Fatal(err)
	}
	return status.Epoch
}

// TestUnannouncedCommitsAreShownAtOnce commits without a close or fsync that the
// kernel waits for: the names that it still believes must be looked up again.
func TestUnannouncedCommitsAreShownAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		interval time.Duration
		begin    func(t *testing.T, folder string) *os.File // what is open meanwhile
	}{
		"the flush interval": {time.Millisecond, func(t *testing.T, folder string) *os.File {
			stream, err := os.OpenFile(filepath.Join(folder, catalog.NameAppend), os.O_WRONLY, 0)
			if err == nil {
				_, err = stream.Write(rows(1))
			}
			if err != nil {
				t.Fatal(err)
			}
			return stream
		}},
		"compaction": {0, func(t *testing.T, folder string) *os.File {
			commands, err := os.OpenFile(filepath.Join(folder, "ctl"), os.O_WRONLY, 0)
			if err == nil {
				_, err = commands.WriteString("compact\n")
			}
			if err != nil {
				t.Fatal(err)
			}
			return commands
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, mountPoint := mountedAs(t, Options{}, catalog.Options{FlushInterval: test.interval})
			folder := filepath.Join(mountPoint, "products.rvf")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), rows(10), 0); err != nil {
				t.Fatal(err)
			}
			manifest := filepath.Join(folder, "raw")
			// The kernel believes a name for a second. A machine that is slower than that
			// cannot tell, and tries again.
			for range 20 {
				before, epoch := size(t, manifest), epochOf(t, folder)
				believed := time.Now()
				size(t, manifest)
				open := test.begin(t, folder)
				for epochOf(t, folder) == epoch && time.Since(believed) < longWait {
				}
				committed := time.Since(believed)
				shown := false
				for !shown && time.Since(believed) < nameTimeout*9/10 {
					shown = size(t, manifest) != before
				}
				if err := open.Close(); err != nil {
					t.Error(err)
				}
				if shown {
					return
				}
				if committed < nameTimeout/2 {
					t.Fatalf("raw is the old one %v after the commit", nameTimeout*9/10-committed)
				}
			}
			t.Error("no commit was made in time")
		})
	}
}

// longWait bounds waits that nothing that works comes near.
const longWait = 30 * time.Second

// TestStoreThatIsGone takes a store's file away under the mount. Nothing must be told of
// it that is not so, and nothing be taken for it; what is open stays.
func TestStoreThatIsGone(t *testing.T) {
	t.Parallel()
	directory, mountPoint := mounted(t, Options{})
	folder := filepath.Join(mountPoint, "products.rvf")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), rows(3), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "kernel", "image"), []byte("image"), 0); err != nil {
		t.Fatal(err)
	}
	open := map[string]*os.File{}
	for name, flags := range map[string]int{".": os.O_RDONLY, "vectors/vectors.f32": os.O_RDONLY, "kernel/image": os.O_RDONLY, catalog.NameAppend: os.O_WRONLY, "query": os.O_RDWR} {
		file, err := os.OpenFile(filepath.Join(folder, name), flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		open[name] = file
	}
	view, stream := open["vectors/vectors.f32"], open[catalog.NameAppend]
	files := []string{catalog.NameAppend, catalog.NameAppend + ".csv", "vectors.delete", "ctl", "query", "raw", "manifest.json", "status.json", "kernel/image", "kernel/cmdline", "vectors/vectors.npy"}
	if err := os.Remove(filepath.Join(directory, "products.rvf")); err != nil {
		t.Fatal(err)
	}
	gone := func(err error) bool { return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ESTALE) }
	for _, name := range files {
		full := filepath.Join(folder, name)
		// What the kernel was told before, it may believe for a second.
		if info, err := os.Stat(full); open[name] == nil && !gone(err) {
			t.Errorf("stat of %s: %v, %v", name, info, err)
		}
		if err := os.WriteFile(full, rows(1), 0o644); !gone(err) && !errors.Is(err, syscall.EPERM) {
			t.Errorf("cp into %s: %v", name, err)
		}
	}
	for name, file := range open {
		var told unix.Statx_t
		err := unix.Statx(int(file.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &told)
		switch name {
		case "vectors/vectors.f32":
			if err != nil || told.Size != 3*rowSize || told.Mode&0o7777 != 0o444 {
				t.Errorf("the open view: size %d, mode %o, %v", told.Size, told.Mode, err)
			}
		case "kernel/image":
			if err != nil || told.Size != 5 || told.Mode&0o7777 != 0o644 {
				t.Errorf("the open image: size %d, mode %o, %v", told.Size, told.Mode, err)
			}
		default:
			if !gone(err) {
				t.Errorf("stat of the open %s: %v", name, err)
			}
		}
	}
	if content := make([]byte, 3*rowSize); true {
		if n, err := view.ReadAt(content, 0); n != len(content) || err != nil || string(content) != string(rows(3)) {
			t.Errorf("the open view reads %d bytes, %v", n, err)
		}
	}
	if err := stream.Chmod(0o600); !gone(err) {
		t.Errorf("chmod of the open stream: %v", err)
	}
	if _, err := stream.Write(rows(1)); !gone(err) {
		t.Errorf("the open stream: %v", err)
	}
	if err := stream.Sync(); !gone(err) {
		t.Errorf("its fsync: %v", err)
	}
	if names, err := os.ReadDir(directory); err != nil || len(names) > 0 {
		t.Errorf("the directory holds %v, %v", names, err)
	}
}

// TestRmdirAfterAClose removes stores directly after a stream into them was closed,
// whose end nobody waits for.
func TestRmdirAfterAClose(t *testing.T) {
	t.Parallel()
	_, mountPoint := mounted(t, Options{})
	folder := filepath.Join(mountPoint, "products.rvf")
	for range 30 {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), rows(1)[:5], 0); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("half a row: %v", err)
		}
		if err := os.Remove(folder); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInterruptedHole kills a program that waits for the zeros of a large hole.
// It is not run beside other tests; TestStreams says why.
func TestInterruptedHole(t *testing.T) {
	const hole = 8 << 30
	directory, mountPoint := mounted(t, Options{})
	var room unix.Statfs_t
	if err := unix.Statfs(directory, &room); err != nil || room.Bavail*uint64(room.Bsize) < 2*hole {
		t.Skipf("the disk has no room for a hole of %d bytes: %v", hole, err)
	}
	folder := filepath.Join(mountPoint, "products.rvf")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []os.Signal{os.Interrupt, os.Kill} {
		waiting := exec.Command("truncate", "-s", strconv.Itoa(hole), filepath.Join(folder, catalog.NameAppend+".f32"))
		if err := waiting.Start(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for size(t, filepath.Join(directory, "products.rvf")) < 1<<20 && time.Since(began) < longWait {
		}
		if err := waiting.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := waiting.Wait(); err == nil {
			t.Errorf("%v: it was not killed", signal)
		}
		if got := count(t, folder); got != 0 {
			t.Errorf("%v: %d vectors", signal, got)
		}
	}
	if got := size(t, filepath.Join(directory, "products.rvf")); got > hole/2 {
		t.Errorf("the file has %d bytes", got)
	}
}
