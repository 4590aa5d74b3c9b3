package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// follower is a tail that runs.
type follower struct {
	mu    sync.Mutex
	lines []string
}

// follow runs tail on a file for the length of the test.
func follow(t *testing.T, arguments ...string) *follower {
	t.Helper()
	demandProgram(t, "tail")
	tail := exec.Command("tail", arguments...)
	output, err := tail.StdoutPipe()
	if err == nil {
		err = tail.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	f, done := &follower{}, make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			f.mu.Lock()
			f.lines = append(f.lines, lines.Text())
			f.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = tail.Process.Kill()
		<-done
		_ = tail.Wait()
	})
	return f
}

func (f *follower) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lines[:len(f.lines):len(f.lines)]
}

// TestTailFollowsLogs, by both of its ways, through what is forgotten meanwhile: each line
// comes once.
func TestTailFollowsLogs(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	demand(t, "make a store", os.Mkdir(m.path("s.rvf"), 0o755))
	put(t, m.path("s.rvf", "vectors.append"), "[1,2]\n")
	appended := map[string]*follower{}
	logged := map[string]*follower{}
	for _, how := range []string{"-f", "-F"} {
		appended[how] = follow(t, how, "-n", "+1", "-s", "0.1", m.path("s.rvf", "append.log"))
		logged[how] = follow(t, how, "-n", "+1", "-s", "0.1", m.path(".rvffs", "log"))
	}
	// More than is kept: each of these says more than a hundred bytes.
	const commits = 2600
	for range commits {
		put(t, m.path("s.rvf", "vectors.append"), "[1,2]\n")
	}
	for i := range 3 {
		if err := os.WriteFile(m.path("s.rvf", "ctl"), []byte(fmt.Sprintf("bad command %d\n", i)), 0); err == nil {
			t.Error("a bad command is taken")
		}
	}
	for how, f := range appended {
		eventually(t, "tail "+how+" shows the last commit", func() error {
			lines := f.seen()
			var last struct{ Epoch int }
			if len(lines) > 0 {
				if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
					return err
				}
			}
			if last.Epoch != commits+1 {
				return fmt.Errorf("it is at %d", last.Epoch)
			}
			return nil
		})
		for i, line := range f.seen() {
			var one struct{ Epoch, Accepted int }
			if err := json.Unmarshal([]byte(line), &one); err != nil || one.Epoch != i+1 || one.Accepted != 1 {
				t.Fatalf("line %d of tail %s is %s", i, how, line)
			}
		}
	}
	text, err := os.ReadFile(m.path("s.rvf", "append.log"))
	if err != nil || len(text) > 256<<10 || strings.Count(string(text), "\n") > commits {
		t.Errorf("append.log has %d bytes, as if nothing of it had been forgotten, %v", len(text), err)
	}
	for how, f := range logged {
		eventually(t, "tail "+how+" shows the log", func() error {
			var refused int
			for _, line := range f.seen() {
				if strings.Contains(line, `"errno"`) {
					refused++
				}
			}
			if refused != 3 {
				return fmt.Errorf("%d refusals are there of 3", refused)
			}
			return nil
		})
	}
}

// TestLogsOutlastTheMount, in the state directory and in no other place.
func TestLogsOutlastTheMount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := serve(t, dir)
	demand(t, "make a store", os.Mkdir(m.path("s.rvf"), 0o755))
	put(t, m.path("s.rvf", "vectors.append"), "[1,2]\n[3,4]\n")
	if err := os.WriteFile(m.path("s.rvf", "vectors.append"), []byte("[5]\n"), 0); err == nil {
		t.Error("a vector of one component is taken")
	}
	demand(t, "rename", os.Rename(m.path("s.rvf"), m.path("r.rvf")))
	put(t, m.path("r.rvf", "vectors.append"), "[5,6]\n")
	before := string(readFile(t, m.path("r.rvf", "append.log")))
	m.stop()

	m = serve(t, dir)
	if after := string(readFile(t, m.path("r.rvf", "append.log"))); after != before || strings.Count(after, "\n") != 3 {
		t.Errorf("append.log was\n%s, and after the remount\n%s", before, after)
	}
	if log := string(readFile(t, m.path(".rvffs", "log"))); strings.Count(log, `"message":"mounted"`) != 2 || !strings.Contains(log, `"store":"s.rvf"`) {
		t.Errorf("the log after the remount is\n%s", log)
	}
	put(t, m.path("r.rvf", "vectors.append"), "[7,8]\n")
	if after := string(readFile(t, m.path("r.rvf", "append.log"))); !strings.HasPrefix(after, before) || strings.Count(after, "\n") != 4 {
		t.Errorf("append.log goes on as\n%s", after)
	}
	// Another store in its place has another past.
	demand(t, "remove", os.Remove(m.backing("r.rvf")))
	makeStore(t, m.backing("r.rvf"), 2, []float32{1, 2})
	eventually(t, "the other store has a log of its own", func() error {
		if log := string(readFile(t, m.path("r.rvf", "append.log"))); log != "" {
			return errors.New(log)
		}
		return nil
	})
	m.stop()
	entries, err := os.ReadDir(dir)
	demand(t, "list", err)
	for _, entry := range entries {
		if entry.Name() != "r.rvf" {
			t.Errorf("%s lies in the backing directory", entry.Name())
		}
	}
}

// TestLogsOfTwoMountsOfOneDirectory do not spoil each other.
func TestLogsOfTwoMountsOfOneDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := serve(t, dir), serve(t, dir)
	demand(t, "make a store", os.Mkdir(first.path("s.rvf"), 0o755))
	eventually(t, "both mounts show the store", func() error {
		_, err := os.Stat(second.path("s.rvf", "raw"))
		return err
	})
	const each = 20
	for range each {
		put(t, first.path("s.rvf", "vectors.append"), "[1,2]\n")
		put(t, second.path("s.rvf", "vectors.append"), "[1,2]\n")
	}
	first.stop()
	second.stop()
	m := serve(t, dir)
	log := string(readFile(t, m.path("s.rvf", "append.log")))
	if told := strings.Count(log, `"accepted":1,`); told != 2*each {
		t.Errorf("%d of %d commits are told:\n%s", told, 2*each, log)
	}
}

// TestHangupOpensTheLogFileAgain, as logrotate wants it, and does nothing else.
func TestHangupOpensTheLogFileAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	log := filepath.Join(folder, "log")
	m := serve(t, t.TempDir(), "--log-file", log)
	demand(t, "make a store", os.Mkdir(m.path("s.rvf"), 0o755))
	hangUp := func() {
		t.Helper()
		demand(t, "signal", m.daemon.Process.Signal(syscall.SIGHUP))
	}
	stream, err := os.OpenFile(m.path("s.rvf", "vectors.append"), os.O_WRONLY, 0)
	demand(t, "open", err)
	_, err = stream.WriteString("[1,2]\n")
	demand(t, "write", err)
	demand(t, "rotate", os.Rename(log, log+".1"))
	hangUp()
	eventually(t, "the log goes on in a new file", func() error {
		_ = os.WriteFile(m.path("s.rvf", "ctl"), []byte("nonsense\n"), 0)
		text, err := os.ReadFile(log)
		if err == nil && !strings.Contains(string(text), `"errno"`) {
			err = errors.New("it is empty")
		}
		return err
	})
	entriesIn(t, string(readFile(t, log+".1")))
	entriesIn(t, string(readFile(t, log)))
	_, err = stream.WriteString("[3,4]\n")
	if err = errors.Join(err, stream.Close()); err != nil {
		t.Errorf("a stream did not outlive the signal: %v", err)
	}

	// One without a log file has nothing to open, and stays.
	plain := serve(t, t.TempDir())
	for range 3 {
		demand(t, "signal", plain.daemon.Process.Signal(syscall.SIGHUP))
	}
	time.Sleep(100 * time.Millisecond) // for an end that must not come
	if _, err := os.Stat(plain.path(".rvffs")); err != nil {
		t.Errorf("after the signal: %v", err)
	}
}

// TestCrashLeavesATrace, in the log file or the state directory, of which the next mount
// tells.
func TestCrashLeavesATrace(t *testing.T) {
	t.Parallel()
	dir, point, log := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "log")
	// The runtime takes SIGQUIT for a reason to end with a trace.
	crash := func(flags ...string) {
		t.Helper()
		run(t, program, append(append([]string{"mount"}, flags...), dir, point)...)
		var config struct{ PID int }
		demand(t, "parse", json.Unmarshal([]byte(string(readFile(t, filepath.Join(point, ".rvffs", "config.json")))), &config))
		demand(t, "crash", syscall.Kill(config.PID, syscall.SIGQUIT))
		eventually(t, "the process has ended", func() error {
			if syscall.Kill(config.PID, 0) == nil {
				return errors.New("it is there")
			}
			return nil
		})
	}
	crash("--log-file", log)
	if text := string(readFile(t, log)); !strings.Contains(text, "SIGQUIT") || !strings.Contains(text, "goroutine ") {
		t.Errorf("the log file has no trace:\n%s", text)
	}
	crash()
	m := serveAt(t, dir, point)
	var told struct{ Trace string }
	for line := range strings.Lines(string(readFile(t, m.path(".rvffs", "log")))) {
		if strings.Contains(line, "ended in a crash") {
			demand(t, "parse", json.Unmarshal([]byte(line), &told))
		}
	}
	if text := string(readFile(t, told.Trace)); !strings.Contains(text, "SIGQUIT") || !strings.Contains(text, "goroutine ") {
		t.Errorf("%q has no trace:\n%s", told.Trace, text)
	}
}

// put writes to a file of the mount, which must be there.
func put(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}
