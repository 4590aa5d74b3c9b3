package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// lanes bound what goes on at a time in this process, whatever stores it is about. Who
// waits for a disk that does not answer takes no lane from the others: only those count
// that have got on lately.
type lanes struct {
	limit int

	mu    sync.Mutex // guards what follows; never held over I/O
	taken map[*lane]struct{}
	left  chan struct{} // closed when a lane was left; nil while nobody waits for that
}

// lane is held by one of those that go on.
type lane struct {
	lanes *lanes
	moved atomic.Int64 // when it last got on, in nanoseconds
}

// stuckAfter is how long one may not have got on before it does not count.
const stuckAfter = time.Second

func newLanes(limit int) *lanes { return &lanes{limit: limit, taken: map[*lane]struct{}{}} }

// enter waits for a lane, to be given back with leave.
func (l *lanes) enter(ctx context.Context) (*lane, error) {
	for {
		taken, left := l.tryEnter()
		if taken != nil {
			return taken, nil
		}
		look := time.NewTimer(stuckAfter / 4)
		select {
		case <-left:
		case <-look.C: // whether somebody is stuck
		case <-ctx.Done():
			look.Stop()
			return nil, ctx.Err()
		}
		look.Stop()
	}
}

func (l *lanes) tryEnter() (*lane, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counted := 0
	for other := range l.taken {
		if time.Since(time.Unix(0, other.moved.Load())) < stuckAfter {
			counted++
		}
	}
	if counted >= l.limit {
		if l.left == nil {
			l.left = make(chan struct{})
		}
		return nil, l.left
	}
	entered := &lane{lanes: l}
	entered.getOn()
	l.taken[entered] = struct{}{}
	return entered, nil
}

// getOn notes progress.
func (l *lane) getOn() { l.moved.Store(time.Now().UnixNano()) }

// leave gives the lane back.
func (l *lane) leave() {
	l.lanes.mu.Lock()
	defer l.lanes.mu.Unlock()
	delete(l.lanes.taken, l)
	if l.lanes.left != nil {
		close(l.lanes.left)
		l.lanes.left = nil
	}
}
