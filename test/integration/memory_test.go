package integration

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// burden makes a daemon hold as much as it will for one descriptor.
type burden struct {
	kind string
	file string // of the store "wide", or the first part of the path of another
	flag int
	// weigh writes to the descriptor, and asks for what it can get.
	weigh func(f *os.File) error
}

// TestHostileDescriptors opens as many descriptors of every kind as a user may, each
// of which makes the daemon hold what it can, and keeps them all: the daemon may
// refuse, but must not hold more than its budget and a fixed base, and goes on
// serving others as soon as they are gone. RVFFS_LONG=1 takes 2,000 of each.
func TestHostileDescriptors(t *testing.T) {
	t.Parallel()
	count, budget, most := 60, int64(64<<20), 64
	if os.Getenv("RVFFS_LONG") == "1" {
		count, budget, most = 2000, 512<<20, 256
	}
	plain := program
	if raceEnabled { // memory under the race detector says nothing
		plain = filepath.Join(t.TempDir(), "rvffs")
		if err := build(plain, false); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	makeStore(t, filepath.Join(dir, "many.rvf"), 2, make([]float32, 2*70_000))
	m := serveBy(t, plain, dir, t.TempDir(), "--memory", strconv.FormatInt(budget, 10))
	// No vector has fixed the dimension of these.
	for _, name := range []string{"json.rvf", "csv.rvf", "image.rvf"} {
		if err := os.Mkdir(m.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	piece := bytes.Repeat([]byte(" "), 1<<20)
	line := []byte(`{"vector":[` + strings.Repeat("1,", 65_000))
	cells := []byte(strings.Repeat("0.12345678,", 95_000))
	ids := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(ids); i += 8 {
		binary.LittleEndian.PutUint64(ids[i:], random.Uint64())
	}
	rows := make([]byte, 2<<20)
	question := fmt.Appendf(nil, `[%s]`, strings.TrimSuffix(strings.Repeat(`{"vector":[1,1],"k":65536},`, 4), ","))
	burdens := []burden{
		{"a question of 16 MiB", "many.rvf/query", os.O_RDWR, func(f *os.File) error { return repeat(f, piece, 16) }},
		{"an unread answer", "many.rvf/query", os.O_RDWR, func(f *os.File) error {
			if _, err := f.Write(question); err != nil {
				return err
			}
			_, err := f.Read(make([]byte, 1))
			return err
		}},
		{"half a line of JSON", "json.rvf/vectors.append", os.O_WRONLY, func(f *os.File) error { return repeat(f, line, 1) }},
		{"half a line of a table", "csv.rvf/vectors.append.csv", os.O_WRONLY, func(f *os.File) error { return repeat(f, cells, 4) }},
		{"half a list of ids", "many.rvf/vectors.delete", os.O_WRONLY, func(f *os.File) error { return repeat(f, ids, 8) }},
		{"half a block of rows", "many.rvf/vectors.append.f32", os.O_WRONLY, func(f *os.File) error { return repeat(f, rows, 1) }},
		{"half an image of 100 MiB", "image.rvf/kernel/image", os.O_WRONLY | os.O_CREATE, func(f *os.File) error {
			_, err := f.WriteAt([]byte{1}, 100<<20)
			return err
		}},
		{"a folder", "", os.O_RDONLY, func(f *os.File) error { _, err := f.ReadDir(1); return err }},
		{"a log", "many.rvf/append.log", os.O_RDONLY, func(f *os.File) error { _, err := f.Read(make([]byte, 1)); return err }},
		{"vectors", "many.rvf/vectors/vectors.npy", os.O_RDONLY, func(f *os.File) error { _, err := f.Read(make([]byte, 1)); return err }},
	}
	var mu sync.Mutex
	var open []*os.File
	refused := map[string]int{}
	var work sync.WaitGroup
	turn := make(chan struct{}, most)
	for range count {
		for _, b := range burdens {
			turn <- struct{}{}
			work.Go(func() {
				defer func() { <-turn }()
				f, err := os.OpenFile(m.path(b.file), b.flag, 0o644)
				if err == nil {
					mu.Lock()
					open = append(open, f)
					mu.Unlock()
					err = b.weigh(f)
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EFBIG):
					refused[b.kind]++
				case err != nil && !errors.Is(err, io.EOF):
					t.Errorf("%s: %v", b.kind, err)
				}
			})
		}
	}
	work.Wait()
	peak := peakMemory(t, m)
	usage := memoryUsage(t, m)
	t.Logf("%d descriptors: the daemon took up to %d MiB; %+v; refused: %v", len(open), peak>>20, usage, refused)
	const base = 150 << 20
	if peak > budget+base {
		t.Errorf("the daemon took %d MiB for a budget of %d", peak>>20, budget>>20)
	}
	if usage.Peak > usage.Limit+usage.Limit/8 {
		t.Errorf("more is charged than there is: %+v", usage)
	}
	if refused[burdens[0].kind] == 0 {
		t.Error("no question was refused: the budget was not tried")
	}
	for _, f := range open {
		f.Close() // most fail, for what they brought is no whole
	}
	eventually(t, "the memory is free again", func() error {
		if u := memoryUsage(t, m); u.Used-u.Cached > 4<<20 {
			return fmt.Errorf("%+v", u)
		}
		return nil
	})
	f, err := os.OpenFile(m.path("many.rvf", "query"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if answer, err := ask(f, `{"id":1,"k":1}`); err != nil || !strings.Contains(answer, `"distance":0`) {
		t.Errorf("afterwards a question is answered with %q, %v", answer, err)
	}
}

// repeat writes the same piece some times.
func repeat(f *os.File, piece []byte, times int) error {
	for range times {
		if _, err := f.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// usage is what .rvffs/memory.json tells.
type usage struct{ Limit, Used, Cached, Peak int64 }

func memoryUsage(t *testing.T, m *mount) (u usage) {
	t.Helper()
	text, err := os.ReadFile(m.path(".rvffs", "memory.json"))
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// peakMemory is the most memory that a daemon has had so far, in bytes.
func peakMemory(t *testing.T, m *mount) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.daemon.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
