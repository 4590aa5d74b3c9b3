package store

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"rvffs/store/volume"
)

// Durability says when what was committed is on the disk.
type Durability uint8

// The promises that a commit can make.
const (
	// DurableStrict: before it is acknowledged. It survives a power loss.
	DurableStrict Durability = iota
	// DurableInterval: some seconds later. It survives the death of the process,
	// and a power loss takes away at most the newest of it.
	DurableInterval
	// DurableNone: when the operating system sees fit.
	DurableNone
)

var durabilityNames = map[Durability]string{DurableStrict: "strict", DurableInterval: "interval", DurableNone: "none"}

// String is the name that ParseDurability reads.
func (d Durability) String() string { return durabilityNames[d] }

// ParseDurability finds a durability by its name.
func ParseDurability(name string) (Durability, error) {
	for durability, known := range durabilityNames {
		if known == name {
			return durability, nil
		}
	}
	return DurableStrict, fmt.Errorf("%w: durability %q is none of strict, interval and none", volume.ErrInput, name)
}

// syncInterval is how long DurableInterval may let a commit wait.
const syncInterval = 5 * time.Second

// lateSync makes commits durable that were acknowledged before they were.
type lateSync struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// sync makes what was written to file durable as far as the store promises.
func (s *Store) sync(file volume.File) error {
	switch s.options.Durability {
	case DurableStrict:
		return file.SyncData()
	case DurableInterval:
		s.late.schedule(s.file.Settle, s.options.OnLateSync)
	}
	return nil
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
