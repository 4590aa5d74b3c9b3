package integration

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// gate is where requests to a slow disk wait while it is closed.
type gate struct {
	prefix  string // of the names that are behind it
	mu      sync.Mutex
	open    chan struct{} // closed while they may pass
	waiting chan struct{} // one for each that has come to the closed gate
}

func newGate(prefix string) *gate {
	g := &gate{prefix: prefix, open: make(chan struct{}), waiting: make(chan struct{}, 1000)}
	close(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// pass waits while the gate is closed, whatever becomes of the caller: so does a
// disk.
func (g *gate) pass(name string) {
	if !strings.HasPrefix(filepath.Base(name), g.prefix) {
		return
	}
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return
	default:
	}
	g.waiting <- struct{}{}
	<-open
}

// slowDisk is a folder on a disk with a gate.
type slowDisk struct {
	nodefs.LoopbackNode
	gate *gate
}

// WrapChild makes what is below the folder as slow.
func (d *slowDisk) WrapChild(context.Context, nodefs.InodeEmbedder) nodefs.InodeEmbedder {
	return &slowDisk{LoopbackNode: nodefs.LoopbackNode{RootData: d.RootData}, gate: d.gate}
}

func (d *slowDisk) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	d.gate.pass(name)
	return d.LoopbackNode.Lookup(ctx, name, out)
}

func (d *slowDisk) Getattr(ctx context.Context, handle nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.gate.pass(d.Path(nil))
	return d.LoopbackNode.Getattr(ctx, handle, out)
}

func (d *slowDisk) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	d.gate.pass(d.Path(nil))
	file, _, errno := d.LoopbackNode.Open(ctx, flags)
	if !strings.HasPrefix(filepath.Base(d.Path(nil)), d.gate.prefix) {
		return file, 0, errno
	}
	return &slowFile{file, d.gate, d.Path(nil)}, fuse.FOPEN_DIRECT_IO, errno
}

func (d *slowDisk) OpendirHandle(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	d.gate.pass(d.Path(nil))
	return d.LoopbackNode.OpendirHandle(ctx, flags)
}

type slowFile struct {
	nodefs.FileHandle
	gate *gate
	name string
}

func (f *slowFile) Read(ctx context.Context, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	f.gate.pass(f.name)
	return f.FileHandle.(nodefs.FileReader).Read(ctx, buffer, offset)
}

func (f *slowFile) Release(ctx context.Context) syscall.Errno {
	return f.FileHandle.(nodefs.FileReleaser).Release(ctx)
}

// mountSlowly shows a folder as one on a disk that is slow where names have a prefix.
func mountSlowly(t *testing.T, dir, prefix string) (string, *gate) {
	t.Helper()
	_, err := os.Stat("/dev/fuse")
	demand(t, "FUSE", err)
	g := newGate(prefix)
	root := &nodefs.LoopbackRoot{Path: dir}
	root.RootNode = &slowDisk{LoopbackNode: nodefs.LoopbackNode{RootData: root}, gate: g}
	point := t.TempDir()
	none := time.Duration(0)
	server, err := nodefs.Mount(point, root.RootNode, &nodefs.Options{
		EntryTimeout: &none, AttrTimeout: &none, MountOptions: fuse.MountOptions{DirectMount: true, DisableReadDirPlus: true},
	})
	demand(t, "a FUSE mount", err)
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return point, g
}

// TestKilledProgramsDieOnASlowDisk kills programs that wait for a disk which does
// not answer. Each must be gone while the disk still says nothing, and the mount
// must be well when the disk is.
func TestKilledProgramsDieOnASlowDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a.rvf", "b.rvf", "c.rvf"} {
		makeStore(t, filepath.Join(dir, name), 2, []float32{1, 2, 3, 4})
	}
	slow, g := mountSlowly(t, dir, "")
	m := serve(t, slow)
	t.Cleanup(func() { m.stop() }) // before the slow disk goes
	for _, command := range [][]string{
		{"ls", "-lR", m.Point},
		{"stat", m.path("a.rvf")},
		{"cat", m.path("b.rvf", "status.json")},
		{"cat", m.path("b.rvf", "witness.jsonl")},
		{"getfattr", "-d", m.path("c.rvf")},
		{"stat", m.path("c.rvf", "vectors", "by-id", "1.json")},
	} {
		if _, err := exec.LookPath(command[0]); err != nil {
			continue // what it asks the others ask, too
		}
		g.shut()
		program := exec.Command(command[0], command[1:]...)
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- program.Wait() }()
		select {
		case <-g.waiting:
		case err := <-ended:
			t.Errorf("%q asked the disk nothing: %v", command, err)
			g.lift()
			continue
		}
		if err := program.Process.Kill(); err != nil {
			t.Error(err)
		}
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("%q was killed and did not die", command)
			g.lift()
			<-ended
			continue
		}
		g.lift()
	}
	for _, name := range []string{"a.rvf", "b.rvf", "c.rvf"} {
		if text, err := os.ReadFile(m.path(name, "status.json")); err != nil || len(text) == 0 {
			t.Errorf("%s, when the disk is well again: %v", name, err)
		}
	}
	if found := names(t, m.Point); len(found) != 3 {
		t.Errorf("%q", found)
	}
}

// TestKilledQuestionerDies kills a program that waits for the answer to a query, whose
// search waits for the disk.
func TestKilledQuestionerDies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeStore(t, filepath.Join(dir, "a.rvf"), 2, []float32{1, 2, 3, 4})
	slow, g := mountSlowly(t, dir, "")
	m := serve(t, slow)
	t.Cleanup(func() { m.stop() })
	program := exec.Command("sh", "-c", `exec 3<>"$1"; echo '[1,2]' >&3; echo asked; read go; exec cat <&3`, "sh", m.path("a.rvf", "query"))
	in, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("asked\n"))); err != nil {
		t.Fatal(err)
	}
	g.shut()
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	select {
	case <-ended:
		g.lift()
	case <-time.After(patience):
		t.Error("it was killed and did not die")
		g.lift()
		<-ended
	}
}

// TestTimeoutEndsAListing of a disk that does not answer.
func TestTimeoutEndsAListing(t *testing.T) {
	t.Parallel()
	demandProgram(t, "timeout")
	dir := folder(t, map[string][]byte{"a.rvf": nil, "b.rvf": nil})
	slow, g := mountSlowly(t, dir, "")
	m := serve(t, slow)
	t.Cleanup(func() { m.stop() })
	g.shut()
	defer g.lift()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := exec.CommandContext(ctx, "timeout", "1", "ls", m.Point).Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 124 {
		t.Errorf("timeout 1 ls: %v", err)
	}
}
