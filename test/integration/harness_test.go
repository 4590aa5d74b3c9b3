// Package integration mounts real folders with the built program, runs real
// programs on them and lets the reference runtime and a second, independent
// reader of the format judge what comes out.
//
// A test that lacks /dev/fuse, Node.js or numpy is skipped, unless CI=true:
// then it fails.
package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rvffs/store"
	"rvffs/store/storetest"

	"golang.org/x/sys/unix"
)

// program is the built rvffs, raceReports the prefix of the files to which its
// race detector writes.
var program, raceReports string

// TestMain builds the program once for all tests, with the race detector when
// the tests have it.
func TestMain(m *testing.M) {
	doUserTask()
	os.Exit(buildAndRun(m))
}

// buildAndRun is TestMain with working deferred calls.
func buildAndRun(m *testing.M) int {
	folder, err := os.MkdirTemp("", "rvffs-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	// What mounts keep of their logs must not stay behind.
	if err := os.Setenv("XDG_STATE_HOME", filepath.Join(folder, "state")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program, raceReports = filepath.Join(folder, "rvffs"), filepath.Join(folder, "race")
	if err := build(program, raceEnabled); err != nil {
		fmt.Fprintln(os.Stderr, "building rvffs:", err)
		return 1
	}
	code := m.Run()
	if reports, _ := filepath.Glob(raceReports + ".*"); len(reports) > 0 {
		for _, report := range reports {
			text, _ := os.ReadFile(report)
			fmt.Fprintf(os.Stderr, "data race in the mounted program:\n%s\n", text)
		}
		return 1
	}
	return code
}

// build builds the program, with or without the race detector.
func build(program string, race bool) error {
	build := exec.Command("go", "build", "-buildvcs=false", fmt.Sprintf("-race=%t", race), "-o", program, "rvffs/cmd/rvffs")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	return build.Run()
}

// makeStore makes a store with vectors whose ids are 0 and upward, by the engine alone.
func makeStore(t testing.TB, name string, dimension int, vectors []float32) {
	t.Helper()
	s, err := store.Create(context.Background(), filepath.Base(name), store.CreateOptions{Dimension: dimension}, store.Options{Shelf: storetest.Shelf(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Ingest(t.Context(), nil, vectors)
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// demand skips the test when something that it needs is missing, and fails it
// where everything must be there.
func demand(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s: %v", what, err)
	default:
		t.Skipf("%s: %v", what, err)
	}
}

// demandProgram skips the test where a program is not installed.
func demandProgram(t testing.TB, name string) {
	t.Helper()
	_, err := exec.LookPath(name)
	demand(t, name, err)
}

// mount is a mounted folder and the process that serves it.
type mount struct {
	// Dir is the backing folder, Point the mount point.
	Dir, Point string

	t      testing.TB
	daemon *exec.Cmd
	// output is what the daemon wrote; exited is closed when it has ended, and
	// err then tells how.
	output  lockedBuffer
	exited  chan struct{}
	err     error
	stopped sync.Once
}

// serve mounts a folder for the length of the test.
func serve(t testing.TB, dir string, flags ...string) *mount {
	t.Helper()
	return serveAt(t, dir, t.TempDir(), flags...)
}

// serveAt mounts a folder at a place. The daemon runs in the foreground, as a
// child of the test, which can so read its words and its end.
func serveAt(t testing.TB, dir, point string, flags ...string) *mount {
	t.Helper()
	return serveBy(t, program, dir, point, flags...)
}

// serveBy is serveAt by another program than that of most tests.
func serveBy(t testing.TB, program, dir, point string, flags ...string) *mount {
	t.Helper()
	_, err := os.Stat("/dev/fuse")
	demand(t, "FUSE", err)
	m := &mount{Dir: dir, Point: point, t: t, exited: make(chan struct{})}
	m.daemon = exec.Command(program, append(append([]string{"mount", "--foreground"}, flags...), dir, point)...)
	m.daemon.Env = environment()
	m.daemon.Stdout, m.daemon.Stderr = &m.output, &m.output
	m.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := m.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		m.err = m.daemon.Wait()
		close(m.exited)
	}()
	t.Cleanup(m.stop)
	eventually(t, "the folder is mounted", func() error {
		select {
		case <-m.exited:
			t.Fatalf("rvffs mount: %v\n%s", m.err, m.output.String())
		default:
		}
		if !mounted(point) {
			return errors.New("no FUSE file system at the mount point")
		}
		return nil
	})
	return m
}

// mounted reports whether a FUSE file system that answers stands at the place.
func mounted(point string) bool {
	var status unix.Statfs_t
	const fuseMagic = 0x65735546
	return unix.Statfs(point, &status) == nil && status.Type == fuseMagic
}

// path is a name in the mount.
func (m *mount) path(names ...string) string {
	return filepath.Join(append([]string{m.Point}, names...)...)
}

// backing is a name in the backing folder.
func (m *mount) backing(names ...string) string {
	return filepath.Join(append([]string{m.Dir}, names...)...)
}

// stop unmounts and waits for the daemon's end: what it had to write is then
// written. A second call does nothing.
func (m *mount) stop() {
	m.stopped.Do(func() {
		m.t.Helper()
		if m.t.Failed() {
			m.t.Logf("log of the mount:\n%s", m.log())
		}
		if err := unix.Unmount(m.Point, 0); err != nil {
			unix.Unmount(m.Point, unix.MNT_DETACH)
		}
		m.wait()
	})
}

// log is the mount's own log, or what the daemon said when that is gone.
func (m *mount) log() string {
	if text, err := os.ReadFile(m.path(".rvffs", "log")); err == nil && len(text) > 0 {
		return string(text)
	}
	return m.output.String()
}

// wait waits for the daemon's end and returns how it ended.
func (m *mount) wait() error {
	m.t.Helper()
	select {
	case <-m.exited:
	case <-time.After(patience):
		m.daemon.Process.Signal(syscall.SIGQUIT)
		<-m.exited
		m.t.Errorf("the daemon did not end; its goroutines:\n%s", m.output.String())
	}
	return m.err
}

// kill ends the daemon as kill -9 does.
func (m *mount) kill() {
	m.daemon.Process.Kill()
	<-m.exited
}

// environment is that of every program the tests start: messages in English,
// race reports into files.
func environment() []string {
	return append(os.Environ(), "LC_ALL=C", "GORACE=atexit_sleep_ms=0 log_path="+raceReports)
}

// folder makes a backing folder out of finished stores, by file name.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) { // the oldest comes first, as by name
		data, path := files[name], filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lockedBuffer collects the output of a process that is still running.
type lockedBuffer struct {
	guard sync.Mutex
	text  bytes.Buffer
}

// Write appends to the buffer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.guard.Lock()
	defer b.guard.Unlock()
	return b.text.Write(p)
}

// String is what was written so far.
func (b *lockedBuffer) String() string {
	b.guard.Lock()
	defer b.guard.Unlock()
	return b.text.String()
}

// names lists a folder's entries, sorted, without the mount's own .rvffs and incoming.
func names(t testing.TB, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	root := slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return entry.Name() == ".rvffs" })
	for _, entry := range entries {
		if !root || entry.Name() != ".rvffs" && entry.Name() != "incoming" {
			names = append(names, entry.Name())
		}
	}
	return names
}

// views walks a store's or a mount's folder and calls visit for every regular
// file, with its path relative to the root.
func views(t testing.TB, root string, visit func(path, relative string, info fs.FileInfo)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		visit(path, strings.TrimPrefix(path, root+"/"), info)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
