package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/throttle"
)

// The published policy of background compaction.
const (
	deadShare      = 0.20             // of the file, from which on a compaction is due
	emergencyDead  = 0.70             // of the file, from which on it goes at once
	manySegments   = 32               // vector segments, above which a compaction is due
	compactionGap  = 60 * time.Second // between the end of one and the start of the next
	worthReclaim   = 4 << 20          // dead bytes below which no compaction pays
	worthForgets   = 64 << 10         // of them, bytes of deleted and replaced vectors that suffice
	worthGathering = 32 << 20         // bytes of vectors below which merges keep segments few enough
)

// urgency is how much a store needs a compaction.
type urgency uint8

const (
	notDue urgency = iota
	due
	emergency
)

// share is the part of the disk's time that a compaction of such urgency may use.
func (u urgency) share() throttle.Share {
	if u == emergency {
		return throttle.Emergency
	}
	return throttle.Background
}

// urgencyOf applies the policy to what the manifest tells, without any reading.
func urgencyOf(s *state.Snapshot) urgency {
	dead, forgotten := deadBytes(s)
	worth := dead >= worthReclaim || forgotten >= worthForgets
	entries := s.Vectors()
	var payload uint64
	for _, entry := range entries {
		payload += min(entry.PayloadLength, uint64(s.Size()))
	}
	full := int(payload/segments.MaxPayload) + 1 // segments that no compaction can make fewer
	switch share := float64(dead) / float64(max(s.Size(), 1)); {
	case worth && share > emergencyDead:
		return emergency
	case worth && share > deadShare:
		return due
	case len(entries) > max(manySegments, 2*full) && payload > worthGathering:
		return due
	}
	return notDue
}

// deadBytes is how much shorter the file could be: what no manifest needs, and
// rows that are replaced or deleted, which are also told apart (forgotten). Where
// the number of distinct ids has not been counted, the manifest's word is taken
// for it.
func deadBytes(s *state.Snapshot) (dead, forgotten int64) {
	var live int64
	for _, entry := range s.Live() {
		live += segments.HeaderSize + int64(min(entry.PayloadLength, uint64(s.Size())))
	}
	total := s.Manifest().TotalVectors
	if counted, known := s.DistinctIDs(); known {
		total = counted
	}
	rows := s.Rows()
	total = min(total, rows)
	wanted := total - min(total, s.Deleted().Len())
	forgotten = int64(rows-wanted) * int64(segments.RowSize(s.Dimension()))
	return s.Size() - min(max(live-forgotten, 0), s.Size()), forgotten
}

// maintenance runs compactions in the background as the policy asks for them.
type maintenance struct {
	mu      sync.Mutex
	running bool
	stopped bool
	ended   time.Time // the last compaction
	failed  bool      // it did, and another try would now, too
	timer   *time.Timer
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// consider starts a compaction if the snapshot needs one, or sees to it that one
// starts when enough time has passed since the last.
func (s *Store) consider(snapshot *state.Snapshot) {
	if !s.options.Background {
		return
	}
	need := urgencyOf(snapshot)
	if need == notDue {
		return
	}
	m := &s.maintenance
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running || m.stopped {
		return
	}
	if wait := compactionGap - time.Since(m.ended); (need == due || m.failed) && !m.ended.IsZero() && wait > 0 {
		if m.timer == nil {
			m.timer = time.AfterFunc(wait, func() {
				m.mu.Lock()
				m.timer = nil
				m.mu.Unlock()
				s.consider(s.Current())
			})
		}
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.running, m.cancel = true, cancel
	m.done.Add(1)
	go s.compactInBackground(ctx, need.share())
}

func (s *Store) compactInBackground(ctx context.Context, share throttle.Share) {
	m := &s.maintenance
	defer m.done.Done()
	result, err := s.compact(ctx, nil, share)
	m.mu.Lock()
	m.running, m.ended, m.failed = false, time.Now(), err != nil
	m.cancel()
	m.mu.Unlock()
	if errors.Is(err, context.Canceled) {
		return
	}
	if s.options.OnCompaction != nil {
		s.options.OnCompaction(result, err)
	}
}

// stop ends the background work and waits for it.
func (m *maintenance) stop() {
	m.mu.Lock()
	m.stopped = true
	if m.timer != nil {
		m.timer.Stop()
	}
	if m.cancel != nil {
		m.cancel()
	}
	m.mu.Unlock()
	m.done.Wait()
}
