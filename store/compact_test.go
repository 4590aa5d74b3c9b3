package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"rvffs/segments"
	"rvffs/store/compact"
	"rvffs/store/compute"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/storetest"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// followWithin has compactions run after their writers in another way than usual.
func followWithin(s *Store, limits volume.FollowLimits) {
	environment := s.compaction()
	environment.Follow = limits
	s.compactor = compact.New(environment)
}

// TestCompactionGoesOnBesideStreams compacts again and again while streams of all
// kinds write: what they commit, and what they have not committed yet, must end
// up in the new file.
func TestCompactionGoesOnBesideStreams(t *testing.T) {
	t.Parallel()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 4}, Options{Shelf: storetest.Shelf(t, filepath.Join(t.TempDir(), "a.rvf"))})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	want := map[uint64][]float32{}
	var mu sync.Mutex
	var writers sync.WaitGroup
	for n := range uint64(4) {
		writers.Go(func() {
			a := s.NewAppender()
			for round := range uint64(60) {
				var ids []uint64
				var rows []byte
				written := map[uint64][]float32{}
				for i := range uint64(50) {
					id := n*1000 + (round*7+i)%500
					vector := []float32{float32(n), float32(round), float32(i), 1}
					for _, component := range vector {
						rows = binary.LittleEndian.AppendUint32(rows, math.Float32bits(component))
					}
					ids, written[id] = append(ids, id), vector
				}
				if err := a.Append(ctx, ids, rows); err != nil {
					t.Error(err)
					return
				}
				if round%3 == 0 {
					if err := a.Flush(); err != nil { // as if it were full
						t.Error(err)
						return
					}
				}
				mu.Lock()
				for id, vector := range written {
					want[id] = vector
				}
				mu.Unlock()
				if round%2 == 1 {
					if _, _, err := a.Commit(context.Background()); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	stop := make(chan struct{})
	var compactions int
	var compactor sync.WaitGroup
	compactor.Go(func() {
		for {
			if _, err := s.Compact(ctx); err != nil {
				t.Error(err)
				return
			}
			compactions++
			select {
			case <-stop:
				return
			default:
				runtime.Gosched() // where nothing takes the processor from a goroutine
			}
		}
	})
	image := bytes.Repeat([]byte("kernel"), 1000)
	if _, err := s.EmbedKernel(ctx, bytes.NewReader(image), int64(len(image)), compute.KernelConfig{Cmdline: ""}); err != nil {
		t.Error(err)
	}
	writers.Wait()
	close(stop)
	compactor.Wait()
	t.Logf("%d compactions", compactions)
	sameContents(t, contents(t, s), want)
	if found, err := kernelImage(s.Current()); err != nil || !bytes.Equal(found, image) {
		t.Errorf("the kernel is gone: %d bytes, %v", len(found), err)
	}
	witnesses, err := auditChain(ctx, s.Current())
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range witnesses[1:] {
		if entry.Verdict != "linked" {
			t.Errorf("witness entry %d: %+v", i+1, entry)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestBackgroundCompactionFollowsThePolicy(t *testing.T) {
	t.Parallel()
	compacted := make(chan CompactResult, 10)
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 64}, Options{Shelf: storetest.Shelf(t, filepath.Join(t.TempDir(), "a.rvf")),
		Background:   true,
		OnCompaction: func(r CompactResult, err error) { compacted <- r },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	bring(t, s, run(0, 4000), make([]float32, 4000*64)...)
	if _, err := s.Delete(context.Background(), run(0, 2000)); err != nil {
		t.Fatal(err)
	}
	if result := <-compacted; result.BytesReclaimed < 2000*64*4 {
		t.Errorf("%+v", result)
	}
	if got := len(contents(t, s)); got != 2000 {
		t.Errorf("%d vectors left", got)
	}
	// A second one has to wait, unless it is an emergency.
	if _, err := s.Delete(context.Background(), run(2000, 800)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(context.Background(), run(2800, 1000)); err != nil {
		t.Fatal(err)
	}
	if result := <-compacted; result.BytesReclaimed < 1500*64*4 {
		t.Errorf("%+v", result)
	}
}

// TestWorkGoesOnWithTheNewestState: a compaction that takes the file away from
// under an operation costs it a second try, not an error; a store whose file
// stays out of reach is reported after that.
func TestWorkGoesOnWithTheNewestState(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := context.Background()
	if _, err := s.Ingest(ctx, []uint64{1, 2}, make([]float32, 2*s.Current().Dimension())); err != nil {
		t.Fatal(err)
	}
	tries := 0
	err := s.withNewest(ctx, func(snapshot *state.Snapshot) error {
		if tries++; tries == 1 {
			if _, err := s.Compact(ctx); err != nil {
				return err
			}
		}
		_, err := snapshot.ParentHash(ctx)
		return err
	})
	if err != nil || tries != 2 {
		t.Errorf("%d tries, %v", tries, err)
	}
	tries = 0
	err = s.withNewest(ctx, func(*state.Snapshot) error {
		tries++
		return volume.ErrStale
	})
	if !errors.Is(err, volume.ErrStale) || tries != 1 {
		t.Errorf("without anything newer: %d tries, %v", tries, err)
	}
}

// TestCompactionDoubtsTheManifest: a manifest that counts each row as an id of its
// own makes a compaction neither keep a replaced vector nor lose the last one.
func TestCompactionDoubtsTheManifest(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	bring(t, s, []uint64{1, 2, 3}, 1, 1, 2, 2, 3, 3)
	bring(t, s, []uint64{4, 2}, 4, 4, 20, 20)
	if _, err := s.Delete(context.Background(), []uint64{3}); err != nil {
		t.Fatal(err)
	}
	s.Current().Manifest().TotalVectors = 5 // there are four
	result, err := s.Compact(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	sameContents(t, contents(t, s), map[uint64][]float32{1: {1, 1}, 2: {20, 20}, 4: {4, 4}})
	status, err := s.Status(context.Background())
	if err != nil || status.StoredRows != 3 || status.TotalVectors != 3 {
		t.Errorf("%+v after %+v, %v", status, result, err)
	}
	if findings, err := VerifySnapshot(context.Background(), s.Current()); err != nil || len(findings.Findings) > 0 {
		t.Errorf("%+v, %v", findings, err)
	}
}

// hookedFiles calls a function when a compaction makes its new file.
type hookedFiles struct {
	filelog.FileSystem
	made func()
}

func (f hookedFiles) Create(path string, perm os.FileMode) (filelog.File, error) {
	file, err := f.FileSystem.Create(path, perm)
	if strings.HasSuffix(path, ".rvffs-tmp") && f.made != nil {
		f.made()
	}
	return file, err
}

// TestCompactionTakesWhatWasBegunBefore commits a segment while a compaction goes on.
// Its place in the file lies before that of vectors which were committed earlier.
func TestCompactionTakesWhatWasBegunBefore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files := &hookedFiles{FileSystem: volumes.New()}
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.log.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("kernel")
	image := session.Extent(volume.ExtentSpec{Type: segments.TypeKernel, Length: int64(len(content))})
	if err := image.Write(ctx, content); err != nil {
		t.Fatal(err)
	}
	image.Complete()
	bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
	files.made = func() {
		if _, err := session.Commit(t.Context(), log.Change{Added: []volume.Extent{image}}); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	if found := s.Current().OfType(segments.TypeKernel); len(found) != 1 || found[0].PayloadLength != uint64(len(content)) {
		t.Errorf("the segment is %+v", found)
	}
	if err := errors.Join(session.End(), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestStatusTellsOfACompaction asks while one is under way.
func TestStatusTellsOfACompaction(t *testing.T) {
	t.Parallel()
	files := &hookedFiles{FileSystem: volumes.New()}
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
	asked := 0
	files.made = func() {
		asked++
		if status, err := s.Status(t.Context()); err != nil || status.Compaction != "running" {
			t.Errorf("%+v, %v", status, err)
		}
	}
	if _, err := s.Compact(t.Context()); err != nil || asked == 0 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}
