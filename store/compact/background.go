package compact

import (
	"context"
	"errors"
	"sync"
	"time"

	"rvffs/store/state"
	"rvffs/store/throttle"
)

// background is what runs without being asked for, as the policy says.
type background struct {
	mu      sync.Mutex // guards what follows but done
	running bool
	stopped bool
	ended   time.Time // the last compaction
	failed  bool      // it did, and another try would now, too
	timer   *time.Timer
	wakes   time.Time // when that is over
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// Consider starts a compaction if the snapshot needs one, or sees to it that one
// starts when enough time has passed since the last.
func (c *Compactor) Consider(snapshot *state.Snapshot) {
	need := urgencyOf(snapshot)
	if need == notDue {
		return
	}
	b := &c.background
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running || b.stopped {
		return
	}
	gap := need.gap()
	if b.failed {
		gap = compactionGap
	}
	if wait := gap - time.Since(b.ended); !b.ended.IsZero() && wait > 0 {
		b.wake(wait, func() { c.Consider(c.env.Head.Current()) })
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.running, b.cancel = true, cancel
	b.done.Add(1)
	go c.runInBackground(ctx, need.share())
}

// wake has consider called after some time, at the latest. mu is held.
func (b *background) wake(after time.Duration, consider func()) {
	at := time.Now().Add(after)
	if b.timer != nil && !at.Before(b.wakes) {
		return
	}
	if b.timer != nil {
		b.timer.Stop()
	}
	b.wakes = at
	b.timer = time.AfterFunc(after, func() {
		b.mu.Lock()
		b.timer = nil
		b.mu.Unlock()
		consider()
	})
}

func (c *Compactor) runInBackground(ctx context.Context, share throttle.Share) {
	b := &c.background
	defer b.done.Done()
	result, err := c.run(ctx, nil, nil, share)
	b.mu.Lock()
	done := errors.Is(err, errReplaced) // by another machine
	b.running, b.ended, b.failed = false, time.Now(), err != nil && !done
	b.cancel()
	b.mu.Unlock()
	if errors.Is(err, context.Canceled) || done {
		return
	}
	if c.env.OnCompaction != nil {
		c.env.OnCompaction(result, err)
	}
}

// Stop ends the background work for good, and waits for it.
func (c *Compactor) Stop() {
	b := &c.background
	b.mu.Lock()
	b.stopped = true
	if b.timer != nil {
		b.timer.Stop()
	}
	if b.cancel != nil {
		b.cancel()
	}
	b.mu.Unlock()
	b.done.Wait()
}
