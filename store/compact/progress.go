package compact

import (
	"sync/atomic"

	"rvffs/store/throttle"
)

// progress is how far the compaction under way has come.
type progress struct {
	share atomic.Int64 // 0: none is under way
	done  atomic.Int64 // bytes
	total atomic.Int64 // bytes at most
}

func (p *progress) begin(share throttle.Share) {
	p.done.Store(0)
	p.total.Store(0)
	p.share.Store(int64(share))
}

func (p *progress) end() { p.share.Store(0) }

// Expect implements volume.Progress.
func (p *progress) Expect(bytes int64) { p.total.Add(bytes) }

// Done implements volume.Progress.
func (p *progress) Done(bytes int64) { p.done.Add(bytes) }

// Idle is the activity while none is under way.
const Idle = "idle"

// Progress names what is under way, in the words of the reference runtime, and tells how
// many bytes that has written, and how many it will write at most; zero when nothing is.
func (c *Compactor) Progress() (activity string, done, total int64) {
	p := &c.progress
	switch throttle.Share(p.share.Load()) {
	case 0:
		return Idle, 0, 0
	case throttle.Emergency:
		activity = "emergency"
	default:
		activity = "running"
	}
	return activity, p.done.Load(), p.total.Load()
}
