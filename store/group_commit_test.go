package store

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// gatedFiles lets syncs wait until its gate is open, and counts them.
type gatedFiles struct {
	*memoryFiles
	gate  chan struct{}
	syncs atomic.Int64
}

type gatedFile struct {
	File
	files *gatedFiles
}

func (g *gatedFiles) Open(name string, write bool) (File, error) {
	file, err := g.memoryFiles.Open(name, write)
	if err != nil || !write || name != "a.rvf" {
		return file, err
	}
	return &gatedFile{file, g}, nil
}

func (f *gatedFile) SyncData() error {
	f.files.syncs.Add(1)
	<-f.files.gate
	return f.File.SyncData()
}

// TestCommitsThatWaitShareSyncs lets five streams ask for a commit while a sixth
// one's is under way: theirs must become one.
func TestCommitsThatWaitShareSyncs(t *testing.T) {
	t.Parallel()
	files := &gatedFiles{memoryFiles: newMemoryFiles(), gate: make(chan struct{})}
	s, err := Create("a.rvf", CreateOptions{Dimension: 2}, Options{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	var streams sync.WaitGroup
	commit := func(id uint64) {
		streams.Go(func() {
			a := s.NewAppender()
			err := a.Append(context.Background(), []uint64{id}, make([]byte, 8))
			if err == nil {
				_, _, err = a.Commit()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	commit(0)
	for files.syncs.Load() == 0 {
		runtime.Gosched()
	}
	const waiting = 5
	for id := range uint64(waiting) {
		commit(id + 1)
	}
	for queued := 0; queued < waiting; runtime.Gosched() {
		s.writer.mu.Lock()
		queued = len(s.writer.queue)
		s.writer.mu.Unlock()
	}
	close(files.gate)
	streams.Wait()
	if got := files.syncs.Load(); got != 4 {
		t.Errorf("%d syncs for six streams, want two pairs", got)
	}
	if epoch := s.Current().Epoch(); epoch != 2 {
		t.Errorf("epoch %d, want 2", epoch)
	}
	if found := contents(t, s); len(found) != waiting+1 {
		t.Errorf("%d vectors", len(found))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
