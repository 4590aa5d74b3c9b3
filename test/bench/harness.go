package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dimension is that of all vectors here.
const dimension = 384

// rowSize is a vector's length in bytes.
const rowSize = 4 * dimension

// bench is one run.
type bench struct {
	limit   context.Context
	options options
	machine machine
	// dir holds all data of the run.
	dir string
	// program and loopback are the built commands.
	program, loopback string
	// reference is the package of the reference runtime, script its driver; empty
	// when it cannot be used.
	reference, script string
	lines             []line   // of the section that is being measured
	missing           []string // of the whole run, and then of that section
	missingAnyway     int      // how many are of the whole run
	sections          []section
	mounts            []*mounted
	// raw is the file of raw rows that sourceFile made.
	raw string
}

// newBench builds the programs and finds the peers.
func newBench(limit context.Context, o options) (*bench, error) {
	if _, err := os.Stat("go.mod"); err != nil {
		return nil, errors.New("run this in the root of the repository")
	}
	folder, err := filepath.Abs(o.folder)
	if err != nil {
		return nil, err
	}
	b := &bench{limit: limit, options: o, machine: describeMachine(folder)}
	if b.dir, err = os.MkdirTemp(folder, "rvffs-bench-"); err != nil {
		return nil, err
	}
	b.program, b.loopback = b.path("rvffs"), b.path("loopback")
	for path, source := range map[string]string{b.program: "./cmd/rvffs", b.loopback: "./test/bench/loopback"} {
		if err := b.command("go", "build", "-o", path, source).Run(); err != nil {
			b.cleanUp()
			return nil, fmt.Errorf("build %s: %w", source, err)
		}
	}
	b.findReference()
	b.missingAnyway = len(b.missing)
	return b, nil
}

// findReference looks for Node.js and the runtime's package.
func (b *bench) findReference() {
	const location = "test/integration/peer/node_modules/@ruvector/rvf-node"
	if _, err := exec.LookPath("node"); err != nil {
		b.missing = append(b.missing, "the reference runtime: Node.js is not installed")
		return
	}
	if _, err := os.Stat(location); err != nil {
		b.missing = append(b.missing, "the reference runtime is not installed (`make deps` does it)")
		return
	}
	b.reference, _ = filepath.Abs(location)
	b.script, _ = filepath.Abs("test/bench/reference.js")
}

// cleanUp takes mounts and data away.
func (b *bench) cleanUp() {
	for _, m := range b.mounts {
		m.stop()
	}
	if err := os.RemoveAll(b.dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// path is a name among the data.
func (b *bench) path(names ...string) string {
	return filepath.Join(append([]string{b.dir}, names...)...)
}

// folder makes a folder among the data.
func (b *bench) folder(name string) (string, error) {
	path := b.path(name)
	return path, os.MkdirAll(path, 0o755)
}

// scaled is a count of the table, scaled.
func (b *bench) scaled(count int) int { return max(1, int(float64(count)*b.options.scale)) }

// command prepares a program whose messages are shown.
func (b *bench) command(name string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(b.limit, name, arguments...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	command.Stderr = os.Stderr
	command.WaitDelay = 10 * time.Second
	return command
}

// time runs a program and tells how long it took, in seconds.
func (b *bench) time(name string, arguments ...string) (float64, error) {
	command := b.command(name, arguments...)
	start := time.Now()
	err := command.Run()
	took := time.Since(start).Seconds()
	if err != nil {
		err = fmt.Errorf("%s %s: %w", name, strings.Join(arguments[:min(len(arguments), 6)], " "), err)
	}
	return took, err
}

// askJSON runs a program that prints one JSON object.
func (b *bench) askJSON(result any, name string, arguments ...string) error {
	command := b.command(name, arguments...)
	var out bytes.Buffer
	command.Stdout = &out
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(command.Args, " "), err)
	}
	return json.Unmarshal(out.Bytes(), result)
}

// answer is what the reference runtime and our own child processes report.
type answer struct {
	Seconds float64 `json:"seconds"`
	Vectors float64 `json:"vectors"`
	Size    float64 `json:"size"`   // of the store file, bytes
	Memory  float64 `json:"memory"` // bytes more than before
}

// askReference lets the reference runtime do something, in a fresh process.
func (b *bench) askReference(arguments ...string) (answer, error) {
	var a answer
	return a, b.askJSON(&a, "node", append([]string{"--max-old-space-size=8192", b.script, b.reference}, arguments...)...)
}

// askChild lets this program do something in a fresh process, so that its memory
// can be told.
func (b *bench) askChild(kind string, arguments ...string) (answer, error) {
	var a answer
	self, err := os.Executable()
	if err != nil {
		return a, err
	}
	return a, b.askJSON(&a, self, append([]string{"-child", kind}, arguments...)...)
}

// rounds calls f for each turn, and between the turns lets the disk come to rest,
// so that nobody pays for what another left to write.
func (b *bench) rounds(f func(round int) error) error {
	for round := range b.options.rounds {
		if err := b.limit.Err(); err != nil {
			return err
		}
		unix.Sync()
		if err := f(round); err != nil {
			return err
		}
	}
	return nil
}

// mounted is a file system in a process of its own.
type mounted struct {
	point   string
	process *exec.Cmd
	exited  chan struct{}
	stopped bool
}

// mount serves a folder in the foreground of a child process, with our program or
// with the loopback, and returns when it serves.
func (b *bench) mount(program, dir string, flags ...string) (*mounted, error) {
	point, err := os.MkdirTemp(b.dir, "mnt-")
	if err != nil {
		return nil, err
	}
	var arguments []string
	if program == b.program {
		arguments = append([]string{"mount", "--foreground", "--log-level=warn"}, flags...)
	}
	m := &mounted{point: point, exited: make(chan struct{})}
	// Not bound to the time limit: stop ends it in good order.
	m.process = exec.Command(program, append(arguments, dir, point)...)
	m.process.Stderr = os.Stderr
	m.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := m.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		m.process.Wait()
		close(m.exited)
	}()
	b.mounts = append(b.mounts, m)
	for deadline := time.Now().Add(30 * time.Second); !serves(point); time.Sleep(time.Millisecond) {
		select {
		case <-m.exited:
			return nil, fmt.Errorf("%s did not mount", program)
		case <-b.limit.Done():
			return nil, b.limit.Err()
		default:
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s does not serve", program)
		}
	}
	return m, nil
}

// serves reports whether a FUSE file system answers at the mount point.
func serves(point string) bool {
	var status unix.Statfs_t
	const fuseMagic = 0x65735546
	return unix.Statfs(point, &status) == nil && status.Type == fuseMagic
}

// stop unmounts and waits for the process; one that does not end is killed.
func (m *mounted) stop() {
	if m.stopped {
		return
	}
	m.stopped = true
	if unix.Unmount(m.point, 0) != nil {
		if unix.Unmount(m.point, unix.MNT_DETACH) != nil {
			exec.Command("fusermount3", "-u", "-z", m.point).Run()
		}
	}
	select {
	case <-m.exited:
	case <-time.After(20 * time.Second):
		m.process.Process.Kill()
		<-m.exited
	}
	os.Remove(m.point)
}

// memory is a line of the process's memory accounts, in bytes: VmRSS now, VmHWM
// at most.
func (m *mounted) memory(name string) float64 {
	return procField(fmt.Sprintf("/proc/%d/status", m.process.Process.Pid), name)
}

// sourceFile makes a file of count random vectors as raw f32 and reads it once,
// so that it is in memory.
func (b *bench) sourceFile(count int) (string, error) {
	if b.raw != "" {
		return b.raw, warm(b.raw)
	}
	path := b.path("source.f32")
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	out := bufio.NewWriterSize(file, 1<<20)
	source := rand.New(rand.NewPCG(1, dimension))
	row := make([]byte, 0, rowSize)
	for range count {
		row = row[:0]
		for range dimension {
			row = binary.LittleEndian.AppendUint32(row, math.Float32bits(2*source.Float32()-1))
		}
		out.Write(row)
	}
	if err := errors.Join(out.Flush(), file.Sync(), file.Close()); err != nil {
		return "", err
	}
	b.raw = path
	return path, nil
}

// randomRows are count random vectors as raw f32.
func randomRows(dimension, count int) []byte {
	source := rand.New(rand.NewPCG(1, uint64(dimension)))
	rows := make([]byte, 0, 4*dimension*count)
	for range dimension * count {
		rows = binary.LittleEndian.AppendUint32(rows, math.Float32bits(2*source.Float32()-1))
	}
	return rows
}

// gibibyte is how many vectors make 1 GiB, scaled.
func (b *bench) gibibyte() int { return b.scaled(1 << 30 / rowSize) }

// warm reads a file so that it is in the page cache.
func warm(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	buffer := make([]byte, 1<<20)
	for {
		n, err := file.Read(buffer)
		if n == 0 || err != nil {
			if n == 0 && err != nil && err.Error() != "EOF" {
				return err
			}
			return nil
		}
	}
}

// cool takes a file out of the page cache and says whether that worked.
func cool(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var status unix.Cachestat_t
	err = unix.Cachestat(uint(file.Fd()), &unix.CachestatRange{Off: 0, Len: uint64(info.Size())}, &status, 0)
	if err == nil && status.Cache > 64 {
		return fmt.Errorf("%s: %d pages stay in the page cache", path, status.Cache)
	}
	return nil
}

// sizeOf is a file's length in bytes.
func sizeOf(path string) (float64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()), nil
}
