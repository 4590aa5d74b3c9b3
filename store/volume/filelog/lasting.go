package filelog

import (
	"context"
	"errors"
	"sync"
	"time"

	"rvffs/store/volume"
)

// syncInterval is how long volume.LastsSoon may let a commit wait.
const syncInterval = 5 * time.Second

// lateSync makes commits durable that were acknowledged before they were.
type lateSync struct {
	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	stopped bool
}

// sync makes what was written to file durable as far as the log promises.
func (l *Log) sync(file File) error {
	switch l.options.Lasting {
	case volume.LastsAtOnce:
		return file.SyncData()
	case volume.LastsSoon:
		l.late.schedule(l.settle, l.options.LateLoss)
	}
	return nil
}

// settle makes durable what was written to the newest file.
func (l *Log) settle() error {
	l.mu.Lock()
	generation := l.file
	l.mu.Unlock()
	file, err := generation.hold(context.Background())
	if err != nil {
		return err
	}
	return errors.Join(file.SyncData(), generation.Unpin())
}

// schedule has work done before the interval is over, unless it already will be.
func (l *lateSync) schedule(work func() error, failed func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil || l.stopped {
		return
	}
	l.timer = time.AfterFunc(syncInterval, func() {
		l.mu.Lock()
		l.timer = nil
		stopped := l.stopped
		l.mu.Unlock()
		if stopped {
			return
		}
		if err := work(); err != nil && !errors.Is(err, volume.ErrStale) && failed != nil {
			failed(err)
		}
	})
}

// stop ends the schedule and reports whether something was still to be done.
func (l *lateSync) stop() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	return l.timer != nil && l.timer.Stop()
}
