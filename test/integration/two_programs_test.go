package integration

import (
	"errors"
	"os"
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
			for round := uint64(0); time.Now().Before(deadline); round++ {
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
