package store

import (
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"

	"rvffs/store/compute"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// compactable is a store of several blocks, of which a third is dead, with a kernel
// and a segment of an unknown type.
func compactable(t *testing.T) (*volumes.Files, *Store, map[uint64][]float32) {
	t.Helper()
	const dimension, count = 512, 3200
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: dimension}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint64][]float32{}
	values := make([]float32, dimension*count)
	for i := range values {
		values[i] = float32(i % 9973)
	}
	bring(t, s, run(0, count), values...)
	for id := range uint64(count) {
		if id%3 != 0 {
			want[id] = values[id*dimension : (id+1)*dimension]
		}
	}
	image := []byte("an image")
	if _, err := s.EmbedKernel(context.Background(), bytes.NewReader(image), int64(len(image)), compute.KernelConfig{}); err != nil {
		t.Fatal(err)
	}
	var dead []uint64
	for id := uint64(0); id < count; id += 3 {
		dead = append(dead, id)
	}
	if _, err := s.Delete(context.Background(), dead); err != nil {
		t.Fatal(err)
	}
	return files, s, want
}

// TestCompactionTellsOfEveryLostWrite lets each write of a compaction fail once, and
// once arrive in part. A compaction that lost bytes must not take the
// old file's place.
func TestCompactionTellsOfEveryLostWrite(t *testing.T) {
	t.Parallel()
	files, s, want := compactable(t)
	defer s.Close()
	writes := 0
	count := func(fail func(int) error) func(string) error {
		writes = 0
		return func(operation string) error {
			if operation != "write" {
				return nil
			}
			writes++
			return fail(writes)
		}
	}
	set := func(fail func(string) error) {
		files.Mu.Lock()
		defer files.Mu.Unlock()
		files.Fail, files.Log = fail, nil
	}
	for at := 1; ; at++ {
		for _, failure := range []error{syscall.EIO, &volumes.ShortWrite{Divisor: 2, Err: syscall.ENOSPC}} {
			set(count(func(n int) error {
				if n == at {
					return failure
				}
				return nil
			}))
			before := s.Current()
			_, err := s.Compact(context.Background())
			set(nil)
			if writes < at {
				if err != nil {
					t.Fatal(err)
				}
				if at < 8 {
					t.Errorf("a compaction makes %d writes only", writes)
				}
				sameContents(t, contents(t, s), want)
				return
			}
			if !errors.Is(err, failure) {
				t.Fatalf("write %d fails with %v, the compaction with %v", at, failure, err)
			}
			if s.Current() != before {
				t.Fatalf("write %d failed, and the store is another one", at)
			}
			for name := range files.Names {
				if name != "a.rvf" {
					t.Errorf("write %d failed, and %s is left behind", at, name)
				}
			}
			if at%4 == 0 {
				sameContents(t, contents(t, s), want)
			}
		}
	}
}

// TestCompactionTellsHowFarItIs looks at the progress at every step of a compaction.
func TestCompactionTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	files, s, _ := compactable(t)
	defer s.Close()
	if done, total := s.CompactionProgress(); done != 0 || total != 0 {
		t.Errorf("%d of %d bytes of no compaction", done, total)
	}
	size := s.Current().Size()
	var steps []int64
	files.Fail = func(string) error {
		done, total := s.CompactionProgress()
		if total != 0 && total != size {
			t.Errorf("%d bytes in all, of a file of %d", total, size)
		}
		if len(steps) == 0 || done != steps[len(steps)-1] {
			steps = append(steps, done)
		}
		if state, _, _ := s.compactor.Progress(); state != "running" && state != "emergency" && state != "idle" || state == "idle" && done > 0 {
			t.Errorf("%d bytes are done, and the state is %s", done, state)
		}
		return nil
	}
	if _, err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	files.Fail = nil
	last := steps[len(steps)-1]
	if len(steps) > 1 && last == 0 {
		last = steps[len(steps)-2] // it is over
		steps = steps[:len(steps)-1]
	}
	for i, done := range steps[1:] {
		if done < steps[i] || done > size {
			t.Errorf("from %d to %d bytes of %d", steps[i], done, size)
		}
	}
	if compacted := s.Current().Size(); len(steps) < 4 || last < compacted*9/10 || last > compacted {
		t.Errorf("%d bytes were said to be done at last, %d are in the new file; steps %v", last, compacted, steps)
	}
	status, err := s.Status(context.Background())
	if err != nil || status.Compaction != "idle" || status.CompactionDone != 0 || status.CompactionTotal != 0 {
		t.Errorf("status afterwards: %+v, %v", status, err)
	}
}
