package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// watcher is an inotifywait that runs.
type watcher struct {
	mu     sync.Mutex
	events []string
}

// watch runs inotifywait on a folder for the length of the test.
func watch(t *testing.T, folder, events string) *watcher {
	t.Helper()
	demandProgram(t, "inotifywait")
	program := exec.Command("inotifywait", "-m", "-e", events, "--format", "%f %e", folder)
	output, err := program.StdoutPipe()
	if err == nil {
		program.Stderr = program.Stdout
		err = program.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	w, ready, done := &watcher{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		watching := false
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if !watching {
				if watching = strings.HasPrefix(lines.Text(), "Watches established"); watching {
					close(ready)
				}
				continue
			}
			w.mu.Lock()
			w.events = append(w.events, lines.Text())
			w.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = program.Process.Kill()
		<-done
		_ = program.Wait()
	})
	<-ready
	return w
}

func (w *watcher) awaits(t *testing.T, event string) {
	t.Helper()
	eventually(t, "the event "+event, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !slices.Contains(w.events, event) {
			return errors.New(strings.Join(w.events, "\n"))
		}
		return nil
	})
}

// TestCommitsMakeEvents, for those who watch what docs/guide.md says. When the event comes,
// the commit is there.
func TestCommitsMakeEvents(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	demand(t, "make a store", os.Mkdir(m.path("s.rvf"), 0o755))
	epoch := func() int {
		t.Helper()
		var status struct{ Epoch int }
		demand(t, "parse", json.Unmarshal(readFile(t, m.path("s.rvf", "status.json")), &status))
		return status.Epoch
	}
	shown := watch(t, m.path("s.rvf"), "close_write,create,delete")
	below := watch(t, m.Dir, "modify")
	put(t, m.path("s.rvf", "vectors.append"), "[1,2]\n")
	shown.awaits(t, "vectors.append CLOSE_WRITE,CLOSE")
	if got := epoch(); got != 1 {
		t.Errorf("the event came at the state %d", got)
	}
	below.awaits(t, "s.rvf MODIFY")
	put(t, m.path("s.rvf", "vectors.delete"), "0\n")
	shown.awaits(t, "vectors.delete CLOSE_WRITE,CLOSE")
	demand(t, "derive", os.Mkdir(m.path("s.rvf", "c.rvf"), 0o755))
	shown.awaits(t, "c.rvf CREATE,ISDIR")
	demand(t, "remove", os.Remove(m.path("s.rvf", "c.rvf")))
	shown.awaits(t, "c.rvf DELETE,ISDIR")
	dropped := watch(t, m.path("s.rvf", "incoming"), "close_write")
	put(t, m.path("s.rvf", "vectors.append.csv"), "3,4\n")
	shown.awaits(t, "vectors.append.csv CLOSE_WRITE,CLOSE")
	file, err := os.Create(m.path("s.rvf", "incoming", "x.csv"))
	demand(t, "create", err)
	_, err = file.WriteString("5,6\n")
	demand(t, "write", errors.Join(err, file.Close()))
	dropped.awaits(t, "x.csv CLOSE_WRITE,CLOSE")

	// By another program, which goes past the mount.
	other := watch(t, m.Dir, "modify")
	shell(t, `echo '[7,8]' | "$1" import "$2" -`, program, m.backing("s.rvf"))
	other.awaits(t, "s.rvf MODIFY")
}

// TestCopyFileRangeEndsAtTheEnd: between files of mounts the kernel copies without the
// caller, and finds nothing at the end of a file and behind it.
func TestCopyFileRangeEndsAtTheEnd(t *testing.T) {
	t.Parallel()
	m, other := serve(t, t.TempDir()), serve(t, t.TempDir())
	for _, at := range []*mount{m, other} {
		demand(t, "make a store", os.Mkdir(at.path("s.rvf"), 0o755))
		put(t, at.path("s.rvf", "vectors.append"), "[1,2]\n[3,4]\n")
	}
	for i, name := range []string{"raw", "manifest.json", "vectors/vectors.npy", "vectors/vectors.csv", "status.json", "append.log"} {
		from, err := os.Open(m.path("s.rvf", name))
		demand(t, "open", err)
		info, err := from.Stat()
		demand(t, "stat", err)
		for _, at := range []*mount{m, other} {
			for _, c := range []struct{ offset, length, want int64 }{
				{0, info.Size() + 1<<20, info.Size()}, {info.Size() - 5, 1 << 20, 5}, {info.Size() - 5, 3, 3},
				{info.Size(), 1, 0}, {info.Size() + 1, 1 << 20, 0}, {1 << 40, 1, 0},
			} {
				to, err := os.Create(at.path("s.rvf", "incoming", fmt.Sprintf(".%d-%d-%d", i, c.offset, c.length)))
				demand(t, "create", err)
				offset := c.offset
				n, err := unix.CopyFileRange(int(from.Fd()), &offset, int(to.Fd()), nil, int(c.length), 0)
				if err != nil || int64(n) != c.want || offset != c.offset+c.want {
					t.Errorf("%s, %d bytes from %d of %d: %d copied to %d, %v", name, c.length, c.offset, info.Size(), n, offset, err)
				}
				if err := to.Close(); err != nil {
					t.Errorf("%s: %v", to.Name(), err)
				}
			}
		}
		_ = from.Close()
	}
}
