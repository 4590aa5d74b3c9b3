package integration

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// togetherSeconds is how long a mount and the reference runtime write to one store
// unless RVFFS_TOGETHER_SECONDS says otherwise.
const togetherSeconds = 4

// togetherLimit is how long a writer may go on that has got nothing in by then, while the others
// rest: on a loaded machine each of its tries takes seconds.
const togetherLimit = 2 * time.Minute

// TestMountAndPeerWriteOneStore has the reference runtime open a store, write, and
// close it, over and over, while streams of a mount and an importing process append
// to it and compactions come between: nothing that was acknowledged is lost, and
// everybody finds the file whole.
func TestMountAndPeerWriteOneStore(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	dir := t.TempDir()
	m := serve(t, dir)
	run(t, program, "create", m.backing("a.rvf"), "--dimension", "2")
	deadline := time.Now().Add(time.Duration(fromEnvironment(t, "RVFFS_TOGETHER_SECONDS", togetherSeconds)) * time.Second)

	var mu sync.Mutex
	want, maybe, refused := model{}, model{}, map[string]int{}
	var writers sync.WaitGroup
	// write has one writer after another batch of its own ids until the time is over.
	// Each id comes twice, so that some replace what is there.
	accepted := [3]int{}
	write := func(number int, batch func(model) error) {
		writers.Go(func() {
			for round := uint64(0); time.Now().Before(deadline) || accepted[number] == 0 && time.Since(deadline) < togetherLimit; round++ {
				vectors := model{}
				for i := range uint64(1 + round%5) {
					vectors[uint64(number+1)<<32|(round/2*8+i)] = []float32{float32(number), float32(round)}
				}
				err := batch(vectors)
				mu.Lock()
				if err == nil {
					want.put(vectors)
					maybe.remove(vectors.ids()...)
					accepted[number]++
				} else {
					refused[err.Error()]++
					maybe.put(vectors) // what failed may have been the very last step
				}
				mu.Unlock()
			}
		})
	}
	write(0, func(vectors model) error {
		err := pour(m.path("a.rvf", "vectors.append"), vectors.jsonLines(t))
		if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOENT) {
			return unix.EBUSY
		}
		return err
	})
	write(1, func(vectors model) error {
		if reason := importInto(m.backing("a.rvf"), vectors.jsonLines(t)); reason != "" {
			return errors.New(reason)
		}
		return nil
	})
	write(2, func(vectors model) error {
		opened, err := process.Open(m.backing("a.rvf"))
		if err != nil {
			if strings.Contains(err.Error(), "LockHeld") {
				return errors.New("LockHeld")
			}
			return err
		}
		_, err = opened.Ingest(vectors.ids(), vectors.flat())
		return errors.Join(err, opened.Close())
	})
	compactions := 0
	for time.Now().Before(deadline) {
		if os.WriteFile(m.path("a.rvf", "ctl"), []byte("compact\n"), 0) == nil {
			compactions++
		}
		time.Sleep(300 * time.Millisecond)
	}
	writers.Wait()
	t.Logf("batches acknowledged by mount, import, peer: %v; %d compactions; refused: %v", accepted, compactions, refused)
	for number, count := range accepted {
		if count == 0 {
			t.Errorf("writer %d got nothing in: the test shows nothing", number)
		}
	}
	if len(want) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	got := must(rawfile.Read(m.backing("a.rvf")))(t).Vectors()
	for id, vector := range maybe {
		if slices.Equal(got[id], vector) {
			want[id] = vector
		}
	}
	if err := want.differs(got); err != nil {
		t.Error(err)
	}
	run(t, program, "verify", m.backing("a.rvf"))
	seen := must(must(process.OpenReadonly(m.backing("a.rvf")))(t).Status())(t)
	if shown := must(decode[statusView](m.path("a.rvf", "status.json")))(t).LiveVectors; shown != len(want) || seen.TotalVectors != len(want) {
		t.Errorf("the mount counts %d vectors, the reference runtime %d, want %d", shown, seen.TotalVectors, len(want))
	}
}

// TestCommitBehindAStreamsBackStays: a program that takes no lock appends to a store, with or
// without a manifest, while a stream has rows on their way. The stream fails with EBUSY, and
// what the other wrote is there, byte for byte.
func TestCommitBehindAStreamsBackStays(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir(), "--flush-interval", "60s")
	for _, c := range []struct {
		name  string
		begin int // rows that the stream brings before, and so has in the file or not
		valid bool
	}{{"commit.rvf", 1, true}, {"behind.rvf", 40_000, true}, {"bytes.rvf", 1, false}} {
		run(t, program, "create", m.backing(c.name), "--dimension", "32")
		row := slices.Repeat([]byte{0, 0, 0x80, 0x3f}, 32)
		demand(t, "append", os.WriteFile(m.path(c.name, "vectors.append.f32"), row, 0))
		before, err := os.ReadFile(m.backing(c.name))
		demand(t, "read", err)
		foreign := []byte(strings.Repeat("GARBAGE", 100))
		if c.valid {
			copied, rows := filepath.Join(t.TempDir(), c.name), filepath.Join(t.TempDir(), "row.f32")
			demand(t, "copy", errors.Join(os.WriteFile(copied, before, 0o644), os.WriteFile(rows, row, 0o644)))
			run(t, program, "import", copied, rows)
			after, err := os.ReadFile(copied)
			demand(t, "read", err)
			foreign = after[len(before):]
		}
		stream, err := os.OpenFile(m.path(c.name, "vectors.append.f32"), os.O_WRONLY, 0)
		demand(t, "open", err)
		_, err = stream.Write(slices.Repeat(row, c.begin))
		demand(t, "write", err)
		other, err := os.OpenFile(m.backing(c.name), os.O_WRONLY|os.O_APPEND, 0)
		demand(t, "open", err)
		_, err = other.Write(foreign)
		demand(t, "append behind its back", errors.Join(err, other.Close()))
		held, err := os.ReadFile(m.backing(c.name))
		demand(t, "read", err)
		_, err = stream.Write(slices.Repeat(row, 10))
		if err = errors.Join(err, stream.Close()); !errors.Is(err, unix.EBUSY) {
			t.Errorf("%s: the stream ends with %v", c.name, err)
		}
		if now, err := os.ReadFile(m.backing(c.name)); err != nil || !slices.Equal(now, held) {
			t.Errorf("%s: of %d bytes %d are left, or others: %v", c.name, len(held), len(now), err)
		}
		if _, err := os.Stat(m.backing(c.name + ".lock")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the lock is left: %v", c.name, err)
		}
	}
}
