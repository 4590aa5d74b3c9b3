package integration

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// overlayOn mounts an overlay file system of which a folder is the lower layer, for the
// length of the test, in the mount namespace of the test or in another one, and returns
// where it is to be reached.
func overlayOn(t *testing.T, lower string, elsewhere bool) string {
	t.Helper()
	if os.Geteuid() != 0 {
		demand(t, "an overlay", errors.New("only root mounts one"))
	}
	// The upper layer must lie on a file system that can be one.
	upper, point := t.TempDir(), t.TempDir()
	for _, name := range []string{"upper", "work"} {
		demand(t, "make "+name, os.Mkdir(filepath.Join(upper, name), 0o755))
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, upper, upper)
	if !elsewhere {
		run(t, "mount", "-t", "overlay", "overlay", "-o", layers, point)
		t.Cleanup(func() {
			if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		return point
	}
	demandProgram(t, "unshare")
	other := exec.Command("unshare", "--mount", "sh", "-c", `mount -t overlay overlay -o "$1" "$2" && echo made && read end`, "sh", layers, point)
	end, err := other.StdinPipe()
	demand(t, "a pipe", err)
	told, err := other.StdoutPipe()
	demand(t, "a pipe", err)
	demand(t, "another mount namespace", other.Start())
	t.Cleanup(func() {
		_ = end.Close()
		_ = other.Wait() // it ends as read does, which was told of the end
	})
	if line, err := bufio.NewReader(told).ReadString('\n'); line != "made\n" {
		t.Fatalf("the overlay elsewhere: %q, %v", line, err)
	}
	return fmt.Sprintf("/proc/%d/root%s", other.Process.Pid, point)
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
	point := overlayOn(t, m.Point, false)
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

// TestOverlaysTakeNamesBeforeCommits in whatever mount namespace they lie and whatever their
// layer is called: what they took is never a name of the past, by turns and while others
// commit. Who reads finds a state whole, and none that was over when he began.
func TestOverlaysTakeNamesBeforeCommits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		below     string // of the mount
		elsewhere bool
	}{
		"here":               {"", false},
		"elsewhere":          {"", true},
		"a store":            {"s.rvf", false},
		"a store elsewhere":  {"s.rvf", true},
		"a folder elsewhere": {"s.rvf/vectors", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := serve(t, t.TempDir())
			demand(t, "make a store", os.Mkdir(m.path("s.rvf"), 0o755))
			var committed atomic.Int64
			commit := func() {
				next := committed.Load()
				put(t, m.path("s.rvf", "vectors.append"), fmt.Sprintf("[%d,1]\n[%d,1]\n", next, next+1))
				committed.Add(2)
			}
			commit()
			shown := []string{"vectors/vectors.f32", "vectors/by-id/0.json"}
			if c.below != "s.rvf/vectors" {
				shown = append(shown, "manifest.json", "status.json", "raw", "append.log")
			}
			for _, file := range shown {
				readFile(t, m.path("s.rvf", file)) // the kernel knows the names from before the overlay
			}
			point := overlayOn(t, m.path(c.below), c.elsewhere)
			over := func(file string) string {
				return filepath.Join(point, strings.TrimPrefix("s.rvf/"+file, strings.TrimPrefix(c.below+"/", "/")))
			}
			look := func(file string) error {
				atLeast := committed.Load()
				if _, err := os.Stat(over(file)); err != nil {
					return err
				}
				got, err := os.ReadFile(over(file))
				if err != nil || file != "vectors/vectors.f32" {
					return err
				}
				var want []byte
				for i := range max(len(got)/8, int(atLeast)) {
					want = binary.LittleEndian.AppendUint32(want, math.Float32bits(float32(i)))
					want = binary.LittleEndian.AppendUint32(want, math.Float32bits(1))
				}
				if !bytes.Equal(got, want) {
					return fmt.Errorf("%d bytes of other vectors than the first %d or more", len(got), atLeast)
				}
				return nil
			}
			for range 10 {
				for _, file := range shown {
					if err := look(file); err != nil {
						t.Errorf("after %d vectors, %s: %v", committed.Load(), file, err)
					}
				}
				commit()
			}
			var reading sync.WaitGroup
			done := make(chan struct{})
			for range 2 {
				reading.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-done:
							return
						default:
						}
						if err := look(shown[i%len(shown)]); err != nil {
							t.Errorf("beside commits, %s: %v", shown[i%len(shown)], err)
							return
						}
					}
				})
			}
			for range 40 {
				commit()
			}
			close(done)
			reading.Wait()
		})
	}
}

// TestWhoAsksForSpaceIsNoOverlay, whatever he may do: names are believed as before.
func TestWhoAsksForSpaceIsNoOverlay(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	for range 5 {
		run(t, "df", m.Point)
		run(t, "stat", "-f", m.path(".rvffs"))
	}
	var space unix.Statfs_t
	demand(t, "statfs", unix.Statfs(m.Point, &space))
	if log := readFile(t, m.path(".rvffs", "log")); bytes.Contains(log, []byte("overlay")) {
		t.Errorf("df is taken for an overlay:\n%s", log)
	}
	overlayOn(t, m.Point, true)
	if log := readFile(t, m.path(".rvffs", "log")); !bytes.Contains(log, []byte("overlay")) {
		t.Error("an overlay is not noticed")
	}
}

// TestOverlayShowsAnotherFileOfTheSameAppearance: a file that takes a store's place and has
// its size and time is shown, and no page of the former.
func TestOverlayShowsAnotherFileOfTheSameAppearance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeStore(t, filepath.Join(dir, "a.rvf"), 2, []float32{1, 2, 3, 4})
	makeStore(t, filepath.Join(dir, "b.rvf"), 2, []float32{5, 6, 7, 8})
	for _, name := range []string{"a.rvf", "b.rvf"} {
		content := readFile(t, filepath.Join(dir, name))
		for at := 0; at < len(content); at++ { // segments without a time, as the reference runtime writes them
			if bytes.HasPrefix(content[at:], []byte("SFVR\x01")) {
				clear(content[at+24 : at+32])
			}
		}
		writeFile(t, filepath.Join(dir, name), content)
		demand(t, "set a time", os.Chtimes(filepath.Join(dir, name), time.Unix(1e9, 0), time.Unix(1e9, 0)))
	}
	m := serve(t, dir)
	point := overlayOn(t, m.Point, false)
	shown := []string{"raw", "vectors/vectors.f32", "vectors/vectors.npy"}
	want := map[string][]byte{}
	for _, name := range shown {
		readFile(t, filepath.Join(point, "a.rvf", name))
		want[name] = readFile(t, filepath.Join(point, "b.rvf", name))
	}
	demand(t, "rename", os.Rename(filepath.Join(dir, "b.rvf"), filepath.Join(dir, "a.rvf")))
	eventually(t, "the other file is shown", func() error {
		for _, name := range shown {
			if got, err := os.ReadFile(filepath.Join(point, "a.rvf", name)); err != nil || !bytes.Equal(got, want[name]) {
				return fmt.Errorf("%s: %q, %v", name, got, err)
			}
		}
		return nil
	})
}
