package fs

import (
	"context"
	"sync"
	"time"
)

// lasting is the context of a request that is not given up for every signal. It ends
// when its caller is killed, some time after he was interrupted, or with the mount. Its
// end must be called.
type lasting struct {
	context.Context // of the request

	life    context.Context // of the mount
	longest time.Duration   // after an interruption
	watched sync.Once
	done    chan struct{}
	over    chan struct{} // closed by end
}

// untilKilled is how long one waits for what must not fail because of a signal.
const untilKilled = time.Duration(1<<63 - 1)

func (t *tree) outlast(ctx context.Context, longest time.Duration) *lasting {
	return &lasting{Context: ctx, life: t.life, longest: longest, done: make(chan struct{}), over: make(chan struct{})}
}

// Done is closed at the end. Nobody watches for that before it is asked for.
func (l *lasting) Done() <-chan struct{} {
	l.watched.Do(func() { go l.watch() })
	return l.done
}

// Err tells whether the end has come.
func (l *lasting) Err() error {
	select {
	case <-l.Done():
		return context.Canceled
	default:
		return nil
	}
}

func (l *lasting) watch() {
	select {
	case <-l.Context.Done():
	case <-l.life.Done():
		close(l.done)
		return
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
		case <-l.life.Done():
			patient = false
		case <-l.over:
			return
		}
	}
	close(l.done)
}

// lifetime is ctx for what nobody waits for: it ends with the mount.
func (t *tree) lifetime(ctx context.Context) (context.Context, context.CancelFunc) {
	own, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.life, cancel)
	return own, func() {
		stop()
		cancel()
	}
}

// end is the end of the request.
func (l *lasting) end() { close(l.over) }
