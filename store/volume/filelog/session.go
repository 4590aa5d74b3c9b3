package filelog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"rvffs/store/volume"
)

// Session is a writer's turn with the file of one store. It lasts from the first byte
// that is to be committed until nothing is left to commit. While it lasts this process
// holds the writer lock, so that nobody else changes the file.
//
// Its methods may be called from several goroutines, but only one at a time publishes or
// rewrites.
type Session struct {
	log   *Log
	files FileSystem
	name  string
	lock  *Lock

	mu        sync.Mutex      // guards what follows
	file      File            // open for writing
	current   *Generation     // of the file
	base      *volume.Version // the newest that is committed
	tail      int64           // where the next segment goes
	length    length          // of the file
	segmentID uint64          // the next segment's id
	extents   []*Extent       // reserved and not yet committed or given up, in file order
	frozen    chan struct{}   // closed when segments may be reserved again; nil: they may
	failed    error           // what ended the session for all its users
}

// Session implements volume.Log: it takes the lock beside the file, and that of the file
// itself.
func (l *Log) Session(ctx context.Context, begin volume.Beginning) (session volume.Session, err error) {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	lock, err := Acquire(ctx, at.Files, at.Name, max(l.options.Wait, 0))
	if err != nil {
		return nil, err
	}
	l.touch()
	s := &Session{log: l, files: at.Files, name: at.Name, lock: lock}
	if err := s.attach(ctx, begin); err != nil {
		return nil, errors.Join(err, s.Leave())
	}
	return s, nil
}

// attach opens the file, which may have changed before the lock was ours, and cuts off
// what a crash left behind its last whole segment.
func (s *Session) attach(ctx context.Context, begin volume.Beginning) (err error) {
	if err := s.log.payName(); err != nil {
		return err
	}
	if s.file, err = s.files.Open(s.name, true); err != nil {
		return err
	}
	info, err := s.file.Describe()
	if err == nil {
		err = begin.Admit(info)
	}
	if err != nil {
		return err
	}
	if err := Claim(ctx, s.files, s.name, s.file, max(s.log.options.Wait, 0)); err != nil {
		return err
	}
	if info, err = s.file.Describe(); err != nil {
		return err
	}
	defer s.log.claim(s.file)()
	newest, err := s.log.refresh(volume.Watch(ctx, s.file), func(uint64) bool { return true })
	if err == nil {
		err = begin.Settle(newest, volume.Watch(ctx, s.file))
	}
	if err != nil {
		return err
	}
	s.base, s.current = newest, newest.Generation.(*Generation)
	s.tail, s.segmentID = s.base.State.End, s.base.State.NextID()
	s.length.is(info.Size)
	if err := s.unretire(); err != nil {
		return fmt.Errorf("bring back what was retired for a commit that was not made: %w", err)
	}
	if err := s.cutTail(); err != nil {
		return fmt.Errorf("cut the torn tail off: %w", err)
	}
	return nil
}

// cutTail cuts off what stands behind the last whole segment, and nothing that came there
// while it was looked at.
func (s *Session) cutTail() error {
	if err := s.untouched(s.file); err != nil || s.length.written <= s.base.State.End {
		return err
	}
	if err := s.file.Truncate(s.base.State.End); err != nil {
		return err
	}
	s.length.is(s.base.State.End)
	return s.file.SyncData()
}

// Base implements volume.Session. Nobody else publishes while the lock is held.
func (s *Session) Base() *volume.Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base
}

// openFile is the file, open for writing.
func (s *Session) openFile() File {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file
}

// Mend implements volume.Session.
func (s *Session) Mend(ctx context.Context, p []byte, offset int64) error {
	if err := s.Guard(ctx); err != nil {
		return err
	}
	file := s.openFile()
	if _, err := file.WriteAt(p, offset); err != nil {
		return volume.WriteError(err, len(p), offset)
	}
	return file.SyncData()
}

// awaitThaw waits while segments must not be reserved. The caller holds mu.
func (s *Session) awaitThaw(ctx context.Context) (err error) {
	for s.frozen != nil && err == nil {
		thaw := s.frozen
		s.mu.Unlock()
		select {
		case <-thaw:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.mu.Lock()
	}
	return err
}

// place puts an extent at the end of the file. The caller holds mu.
func (s *Session) place(e *Extent) {
	e.id, e.offset = s.takeID(), s.tail
	s.tail = e.end()
	s.extents = append(s.extents, e)
}

// takeID hands out the next segment's id. The caller holds mu.
func (s *Session) takeID() uint64 {
	id := s.segmentID
	if s.segmentID < math.MaxUint64 {
		s.segmentID++
	}
	return id
}

// TakeIDs sets so many ids of segments apart and gives the first.
func (s *Session) TakeIDs(count uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.segmentID
	s.segmentID += min(count, math.MaxUint64-first)
	return first
}

// Drop gives extents up. What ends the file is taken back at once; what others
// have written behind stays as a dead segment.
func (s *Session) Drop(extents ...volume.Extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, dropped := range extents {
		e := dropped.(*Extent)
		e.sealed = true
		e.dropped.Store(true)
		e.letGo()
	}
	for len(s.extents) > 0 {
		e := s.extents[len(s.extents)-1]
		if !e.dropped.Load() || e.headed.Load() || e.end() != s.tail || s.failed != nil {
			return
		}
		s.tail = e.offset
		s.extents = s.extents[:len(s.extents)-1]
	}
}

// Fail ends the session for all its users: after an error of the disk nobody
// knows what the file holds behind the last commit.
func (s *Session) Fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	return err
}

// Failed is what ended the session.
func (s *Session) Failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// committed takes a new version for the base, and out of the list what that settles: the
// parts that it names, and what has a header and is dead.
func (s *Session) committed(base *volume.Version, parts []volume.Extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = base
	s.extents = slices.DeleteFunc(s.extents, func(e *Extent) bool {
		return e.headed.Load() && (e.dropped.Load() || slices.Contains(parts, volume.Extent(e)))
	})
}

// End cuts off what was not committed and gives the lock back.
func (s *Session) End() error {
	info, err := s.file.Describe()
	if err == nil && info.Size > s.base.State.End {
		if err = s.guard(s.file); errors.Is(err, volume.ErrForeign) {
			return s.Leave() // the next session looks at what there is
		}
		if err == nil {
			err = s.unretire()
		}
		if err == nil {
			err = s.file.Truncate(s.base.State.End)
		}
		if err == nil {
			info, err = s.file.Describe()
		}
	}
	if err == nil {
		s.log.saw(s.base.State, info)
	}
	return errors.Join(err, s.Leave())
}

// Leave gives file and lock back and changes nothing.
func (s *Session) Leave() error {
	s.log.leave()
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	return errors.Join(err, s.lock.Release())
}
