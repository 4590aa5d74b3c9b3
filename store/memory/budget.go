package memory

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

var (
	// ErrNone means that what is wanted is in use by others.
	ErrNone = errors.New("out of memory")
	// ErrNever means that something is larger than all there is.
	ErrNever = errors.New("over the limit of memory")
)

const (
	// bytesPerWaiting bounds those who wait at the same time, of whom each may hold a
	// request of a megabyte that was read and cannot be answered.
	bytesPerWaiting = 8 << 20
	// longestWait is how long one waits at most. Two who wait for each other part
	// then.
	longestWait = 10 * time.Second
)

// Budget is a number of bytes that may be in use at the same time. Its methods may
// be called from several goroutines.
type Budget struct {
	limit       int64
	mostWaiting int

	mu      sync.Mutex
	used    int64     // bytes, of what is kept as well
	peak    int64     // the most that was ever used
	idle    list.List // of *Kept without users, the one used last first
	resting int64     // bytes of these
	queue   list.List // of *waiter, who came first first
}

// waiter is one who waits for bytes.
type waiter struct {
	bytes int64
	taken chan struct{} // closed when they are his
}

// NewBudget is a budget of so many bytes.
func NewBudget(limit int64) *Budget {
	return &Budget{limit: limit, mostWaiting: int(min(max(limit/bytesPerWaiting, 4), 64))}
}

// Unlimited is the budget of those who set none.
var Unlimited = NewBudget(math.MaxInt64)

// Usage tells of a budget at one moment, in bytes.
type Usage struct {
	Limit   int64 `json:"limit"`
	Used    int64 `json:"used"`    // caches included
	Cached  int64 `json:"cached"`  // of these, what would go first
	Peak    int64 `json:"peak"`    // the most that was ever used
	Waiting int   `json:"waiting"` // how many wait for memory
}

// Usage tells how much is in use.
func (b *Budget) Usage() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Usage{Limit: b.limit, Used: b.used, Cached: b.resting, Peak: b.peak, Waiting: b.queue.Len()}
}

// take charges bytes if they are to be had, and fails with ErrNone or ErrNever.
func (b *Budget) take(bytes int64) error {
	b.mu.Lock()
	dropped, fits := b.makeRoom(bytes, b.limit)
	if fits {
		b.use(bytes)
	}
	b.mu.Unlock()
	dropAll(dropped)
	if !fits {
		return b.refusal(bytes)
	}
	return nil
}

// force charges bytes that are in use already, whatever the limit says.
func (b *Budget) force(bytes int64) {
	b.mu.Lock()
	b.use(bytes)
	dropped := b.shed(b.limit)
	b.mu.Unlock()
	dropAll(dropped)
}

// spare charges bytes if half of the budget remains for others, and reports whether it
// does.
func (b *Budget) spare(bytes int64) bool {
	b.mu.Lock()
	dropped, fits := b.makeRoom(bytes, b.limit/2)
	if fits {
		b.use(bytes)
	}
	b.mu.Unlock()
	dropAll(dropped)
	return fits
}

// await is take for one who can wait for a while, behind those who came before.
func (b *Budget) await(ctx context.Context, bytes int64) error {
	b.mu.Lock()
	var dropped []forgotten
	fits := false
	if b.queue.Len() == 0 {
		dropped, fits = b.makeRoom(bytes, b.limit)
	}
	switch {
	case fits:
		b.use(bytes)
		b.mu.Unlock()
		dropAll(dropped)
		return nil
	case bytes > b.limit || b.queue.Len() >= b.mostWaiting:
		b.mu.Unlock()
		dropAll(dropped)
		return b.refusal(bytes)
	}
	w := &waiter{bytes: bytes, taken: make(chan struct{})}
	place := b.queue.PushBack(w)
	b.mu.Unlock()
	dropAll(dropped)

	timer := time.NewTimer(longestWait)
	defer timer.Stop()
	var err error
	select {
	case <-w.taken:
		return nil
	case <-timer.C:
		err = b.refusal(bytes)
	case <-ctx.Done():
		err = ctx.Err()
	}
	b.mu.Lock()
	select {
	case <-w.taken: // at the same moment
		b.mu.Unlock()
		b.give(bytes)
		return err
	default:
	}
	b.queue.Remove(place)
	dropped = b.serve() // those behind may want less
	b.mu.Unlock()
	dropAll(dropped)
	return err
}

// give takes bytes back that are not in use any more.
func (b *Budget) give(bytes int64) {
	b.mu.Lock()
	b.used -= bytes
	dropped := b.serve()
	b.mu.Unlock()
	dropAll(dropped)
}

// serve gives those who wait what there is now, in the order in which they came. The
// caller holds mu, and drops what is returned.
func (b *Budget) serve() (dropped []forgotten) {
	for b.queue.Len() > 0 {
		first := b.queue.Front()
		w := first.Value.(*waiter)
		more, fits := b.makeRoom(w.bytes, b.limit)
		dropped = append(dropped, more...)
		if !fits {
			break
		}
		b.use(w.bytes)
		b.queue.Remove(first)
		close(w.taken)
	}
	return dropped
}

// makeRoom forgets what nobody uses until bytes fit below limit, and reports whether
// they do. When they never can, nothing is forgotten. The caller holds mu, and drops
// what is returned.
func (b *Budget) makeRoom(bytes, limit int64) (dropped []forgotten, fits bool) {
	if bytes > limit || b.used-b.resting > limit-bytes {
		return nil, false
	}
	return b.shed(limit - bytes), true
}

// shed forgets what nobody uses, as far as it takes to come below a limit. The caller
// holds mu, and drops what is returned.
func (b *Budget) shed(limit int64) (dropped []forgotten) {
	for b.used > limit && b.idle.Len() > 0 {
		dropped = append(dropped, b.forget(b.idle.Back().Value.(*Kept)))
	}
	return dropped
}

// use counts bytes that fit. The caller holds mu.
func (b *Budget) use(bytes int64) {
	b.used += bytes
	b.peak = max(b.peak, b.used)
}

func (b *Budget) refusal(bytes int64) error {
	if bytes > b.limit {
		return fmt.Errorf("%w: %d bytes are wanted, %d are all there is (--memory)", ErrNever, bytes, b.limit)
	}
	u := b.Usage()
	return fmt.Errorf("%w: %d bytes are wanted, %d of %d are in use (--memory)", ErrNone, bytes, u.Used-u.Cached, u.Limit)
}
