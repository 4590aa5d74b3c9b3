package throttle

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Lanes bound what goes on at a time in this process, whatever stores it is about. Who
// waits for a disk that does not answer takes no lane from the others: only those count
// that have got on lately.
type Lanes struct {
	limit int

	mu    sync.Mutex // guards what follows; never held over I/O
	taken map[*Lane]struct{}
	left  chan struct{} // closed when a lane was left; nil while nobody waits for that
}

// Lane is held by one of those that go on.
type Lane struct {
	Lanes *Lanes
	moved atomic.Int64 // when it last got on, in nanoseconds
}

// StuckAfter is how long one may not have got on before it does not count.
const StuckAfter = time.Second

func NewLanes(limit int) *Lanes { return &Lanes{limit: limit, taken: map[*Lane]struct{}{}} }

// Enter waits for a lane, to be given back with leave.
func (l *Lanes) Enter(ctx context.Context) (*Lane, error) {
	for {
		taken, left := l.tryEnter()
		if taken != nil {
			return taken, nil
		}
		look := time.NewTimer(StuckAfter / 4)
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

func (l *Lanes) tryEnter() (*Lane, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counted := 0
	for other := range l.taken {
		if time.Since(time.Unix(0, other.moved.Load())) < StuckAfter {
			counted++
		}
	}
	if counted >= l.limit {
		if l.left == nil {
			l.left = make(chan struct{})
		}
		return nil, l.left
	}
	entered := &Lane{Lanes: l}
	entered.GetOn()
	l.taken[entered] = struct{}{}
	return entered, nil
}

// GetOn notes progress.
func (l *Lane) GetOn() { l.moved.Store(time.Now().UnixNano()) }

// Leave gives the lane back.
func (l *Lane) Leave() {
	l.Lanes.mu.Lock()
	defer l.Lanes.mu.Unlock()
	delete(l.Lanes.taken, l)
	if l.Lanes.left != nil {
		close(l.Lanes.left)
		l.Lanes.left = nil
	}
}
