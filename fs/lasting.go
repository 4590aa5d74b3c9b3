package fs

import (
	"context"
	"sync"
	"time"
)

// lasting is the context of a request that is not given up for every signal. It ends
// when its caller is killed, or some time after he was interrupted. Its end must be
// called.
type lasting struct {
	context.Context // of the request

	longest time.Duration // after an interruption
	watched sync.Once
	done    chan struct{}
	over    chan struct{} // closed by end
}

// untilKilled is how long one waits for what must not fail because of a signal.
const untilKilled = time.Duration(1<<63 - 1)

func outlast(ctx context.Context, longest time.Duration) *lasting {
	return &lasting{Context: ctx, longest: longest, done: make(chan struct{}), over: make(chan struct{})}
}

// Done is closed at the end. Nobody watches for that before it is asked for.
func (l *lasting) Done() <-chan struct{} {
	l.watched.Do(func() { go l.watch() })
	return l.done
}

// Err tells whether the end has come.
func (l *lasting) Err() error {
	select {
	case <-l.done:
		return context.Canceled
	default:
		return nil
	}
}

func (l *lasting) watch() {
	select {
	case <-l.Context.Done():
	case <-l.over:
		return
	}
	waited := time.NewTimer(l.longest)
	defer waited.Stop()
	look := time.NewTicker(glance)
	defer look.Stop()
	for patient := true; patient && !dying(threadOf(l.Context)); {
		select {
		case <-look.C:
		case <-waited.C:
			patient = false
		case <-l.over:
			return
		}
	}
	close(l.done)
}

// end is the end of the request.
func (l *lasting) end() { close(l.over) }
