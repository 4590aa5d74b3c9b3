package store

import (
	"sync/atomic"

	"rvffs/store/throttle"
)

// compactionProgress is how far the compaction under way has come.
type compactionProgress struct {
	share atomic.Int64 // 0: none is under way
	done  atomic.Int64 // bytes
	total atomic.Int64 // bytes at most
}

func (p *compactionProgress) begin(share throttle.Share) {
	p.done.Store(0)
	p.total.Store(0)
	p.share.Store(int64(share))
}

func (p *compactionProgress) end() { p.share.Store(0) }

// Expect implements filelog.Progress.
func (p *compactionProgress) Expect(bytes int64) { p.total.Add(bytes) }

// Done implements filelog.Progress.
func (p *compactionProgress) Done(bytes int64) { p.done.Add(bytes) }

// state names what is under way, in the words of the reference runtime.
func (p *compactionProgress) state() string {
	switch throttle.Share(p.share.Load()) {
	case 0:
		return "idle"
	case throttle.Emergency:
		return "emergency"
	}
	return "running"
}

// CompactionProgress tells how many bytes the compaction under way has written,
// and how many it will write at most; zero when none is.
func (s *Store) CompactionProgress() (done, total int64) {
	if s.progress.share.Load() == 0 {
		return 0, 0
	}
	return s.progress.done.Load(), s.progress.total.Load()
}
