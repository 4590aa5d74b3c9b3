package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// writer is a store's way to change its file. At most one session exists at a
// time; all streams of this process share it.
type writer struct {
	store *Store

	lead    shared.Turn    // held by the commit, or the rewrite, that is under way; guards the next two
	apart   map[int64]bool // offsets of segments that cannot be merged
	apartIn *state.Backing // the file they are in

	mu      sync.Mutex // guards what follows and the shared parts of a session
	session *session
	busy    chan struct{} // closed when the session's start, end or a rewrite is over
	queue   []*request    // commits that wait for their turn
	leading bool          // a commit is under way
	frozen  chan struct{} // closed when segments may be reserved again; nil: they may
	merging int           // merges are off while above zero
	touches uint64        // how often this process began to change the file
	touched int           // such changes that are not over
}

// session lasts from the first byte that is to be committed until nothing is
// left to commit. While it lasts this process holds the writer lock, so that
// nobody else changes the file.
type session struct {
	lock *writerLock
	file volume.File   // open for writing
	done chan struct{} // closed when the session is over

	base      *state.Snapshot // the newest committed state
	tail      int64           // where the next segment goes
	reach     int64           // up to where this process may have written
	segmentID uint64          // the next segment's id
	dimension int             // the store's, or what the first stream fixed; 0 while open
	nextID    uint64          // the id of the next vector that brings none
	noNextID  bool            // the highest id is taken
	idsKnown  bool            // nextID is valid
	extents   []*extent       // reserved and not yet committed or given up, in file order
	users     int
	failed    error // what ended the session for all its users
}

// active says whether this process is changing the file, and so holds the writer
// lock. The number is another one each time that it began to.
func (w *writer) active() (bool, uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.touched > 0, w.touches
}

// touch notes that the file is about to hold what is not committed.
func (w *writer) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.touched++
	w.touches++
}

// leave notes that the file holds nothing but what is committed.
func (w *writer) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.touched--
}

// begin joins the session, and starts one when there is none. Each begin needs
// one end. Where ctx says which file is to be changed, no other is.
func (w *writer) begin(ctx context.Context) (*session, error) {
	for {
		w.mu.Lock()
		wait := w.busy
		if wait == nil {
			if w.session != nil {
				s := w.session
				err := state.CheckOrigin(ctx, s.base.Origin())
				if err == nil {
					s.users++
				}
				w.mu.Unlock()
				if err != nil {
					return nil, err
				}
				return s, nil
			}
			w.busy = make(chan struct{})
		}
		w.mu.Unlock()
		if wait == nil {
			s, err := w.start(ctx)
			w.mu.Lock()
			w.session = s
			w.idle()
			w.mu.Unlock()
			return s, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// join takes one more part in a session that the caller is part of.
func (w *writer) join(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.users++
}

// idle lets those who wait for the writer try again. The caller holds mu.
func (w *writer) idle() {
	close(w.busy)
	w.busy = nil
}

// start takes the writer lock and looks where the file ends.
func (w *writer) start(ctx context.Context) (*session, error) {
	s := w.store
	if err := s.checkWritable(s.Current()); err != nil {
		return nil, err
	}
	at := s.location()
	lock, err := acquireLock(ctx, at.Files, at.Name, s.options.lockWait())
	if err != nil {
		return nil, err
	}
	session := &session{lock: lock, users: 1, done: make(chan struct{})}
	w.touch()
	if err := w.attach(ctx, session); err != nil {
		w.leave()
		return nil, errors.Join(err, session.close())
	}
	return session, nil
}

// attach opens the file, which may have changed before the lock was ours, and
// cuts off what a crash left behind its last whole segment.
func (w *writer) attach(ctx context.Context, session *session) error {
	s := w.store
	err := s.head.PayName()
	if err != nil {
		return err
	}
	at := s.location()
	if session.file, err = at.Files.Open(at.Name, true); err != nil {
		return err
	}
	if err := state.CheckFile(ctx, session.file); err != nil {
		return err
	}
	if err := w.claim(ctx, session.file, s.options.lockWait()); err != nil {
		return err
	}
	base, err := s.head.Refresh(volume.Watch(ctx, session.file), nil)
	if err != nil {
		return err
	}
	if err := s.checkWritable(base); err != nil {
		return err
	}
	info, err := session.file.Stat()
	if err != nil {
		return err
	}
	if err := w.clearTail(ctx, session.file, base, info.Size); err != nil {
		return err
	}
	session.base = base
	session.advance(base.Size())
	session.segmentID = base.NextSegmentID()
	session.dimension = base.Dimension()
	return nil
}

// advance moves the end of what is reserved. The caller holds the writer's mu, or is
// alone with the session.
func (s *session) advance(tail int64) {
	s.tail = tail
	s.reach = max(s.reach, tail)
}

// close gives file and lock back.
func (s *session) close() error {
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	return errors.Join(err, s.lock.release())
}

// end leaves the session. The last to leave cuts off what was not committed and
// gives the lock back.
func (w *writer) end(s *session) error {
	w.mu.Lock()
	s.users--
	if s.users > 0 {
		w.mu.Unlock()
		return nil
	}
	w.session = nil
	w.busy = make(chan struct{})
	w.mu.Unlock()

	err := w.finish(s)
	w.mu.Lock()
	w.idle()
	w.mu.Unlock()
	close(s.done)
	return err
}

func (w *writer) finish(s *session) error {
	defer w.leave()
	info, err := s.file.Stat()
	if err == nil && info.Size > s.base.Size() {
		if err = w.guard(s, s.file); errors.Is(err, errForeign) {
			return s.close() // the next session looks at what there is
		}
		if err == nil {
			err = s.file.Truncate(s.base.Size())
		}
		if err == nil {
			info, err = s.file.Stat()
		}
	}
	if err == nil {
		w.store.head.Seen(s.base, info)
	}
	return errors.Join(err, s.close())
}

// fail ends the session for all its users: after an error of the disk nobody
// knows what the file holds behind the last commit.
func (w *writer) fail(s *session, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	return err
}

// reservation is a run of bytes in the file that one writer may fill. It ends
// with extent.pending.Done.
type reservation struct {
	extent *extent
	at     int64 // position in the payload
	file   volume.File
}

// reserve gives n bytes of the file to current, if that is the segment that ends
// the file and may still grow, else to a segment made by next.
func (w *writer) reserve(s *session, current *extent, n int, next func() *extent) (reservation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.frozen != nil {
		thaw := w.frozen
		w.mu.Unlock()
		<-thaw
		w.mu.Lock()
	}
	if s.failed != nil {
		return reservation{}, s.failed
	}
	if current == nil || current.sealed || current.end() != s.tail || current.length+int64(n) > segments.MaxPayload {
		if current != nil {
			current.sealed = true
		}
		current = next()
		current.length = int64(current.front)
		s.place(current)
	}
	r := reservation{extent: current, at: current.length, file: s.file}
	current.length += int64(n)
	s.advance(current.end())
	current.pending.Add(1)
	return r, nil
}

// place puts an extent at the end of the file. The caller holds the writer's mu.
func (s *session) place(e *extent) {
	e.id, e.offset = s.takeSegmentID(), s.tail
	s.advance(e.end())
	s.extents = append(s.extents, e)
}

// takeSegmentID hands out the next segment's id. The caller holds the writer's mu.
func (s *session) takeSegmentID() uint64 {
	id := s.segmentID
	if s.segmentID < math.MaxUint64 {
		s.segmentID++
	}
	return id
}

// drop gives extents up. What ends the file is taken back at once; what others
// have written behind stays as a dead segment.
func (w *writer) drop(s *session, extents []*extent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range extents {
		e.sealed = true
		e.dropped.Store(true)
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

// fixDimension sets the dimension of a store that has none yet.
func (w *writer) fixDimension(s *session, dimension int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.dimension == 0 {
		s.dimension = dimension
	}
	if s.dimension != dimension {
		return fmt.Errorf("%w: vectors of %d components for a store of dimension %d", volume.ErrInput, dimension, s.dimension)
	}
	return nil
}

// knowIDs finds the highest id in use, once a session.
func (w *writer) knowIDs(ctx context.Context, s *session) error {
	w.mu.Lock()
	known := s.idsKnown
	w.mu.Unlock()
	if known {
		return nil
	}
	return w.store.ids.AtNewest(ctx, func() *state.Snapshot { return w.baseOf(s) }, func(base *state.Snapshot, stored *idset.Set) error {
		inherited, branch, err := rows.HighestInherited(ctx, base)
		if err != nil {
			return err
		}
		kept, some, err := w.store.keptIDs()
		if err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if some && kept < math.MaxUint64 {
			s.useID(kept) // it may be brought back
		}
		if branch {
			s.useID(inherited)
		}
		if highest, any := stored.Highest(); any {
			s.useID(highest)
		}
		s.idsKnown = true
		return nil
	})
}

// useID notes an id, so that none is given out twice. The caller holds the
// writer's mu.
func (s *session) useID(id uint64) {
	switch {
	case id == math.MaxUint64:
		s.noNextID = true
	case id >= s.nextID:
		s.nextID = id + 1
	}
}

// takeIDs hands out count consecutive ids above all that are in use.
func (w *writer) takeIDs(s *session, count int) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := s.room(count); err != nil || count == 0 {
		return s.nextID, err
	}
	first := s.nextID
	s.useID(first + uint64(count-1))
	return first, nil
}

// baseOf is the newest committed state in a session.
func (w *writer) baseOf(s *session) *state.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.base
}

// checkRoom makes sure that so many ids are free above all that are in use.
func (w *writer) checkRoom(s *session, count int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.room(count)
}

// room is checkRoom for a caller that holds the writer's mu.
func (s *session) room(count int) error {
	if count > 0 && (s.noNextID || s.nextID > math.MaxUint64-uint64(count-1)) {
		return fmt.Errorf("%w: the highest id is taken, vectors need ids of their own", volume.ErrInput)
	}
	return nil
}

// useIDs notes ids that came with their vectors.
func (w *writer) useIDs(s *session, ids []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		s.useID(id)
	}
}

// beginAlone starts a session that nobody else can join. While streams of this
// process are open it waits a while and then fails with ErrLocked.
func (w *writer) beginAlone(ctx context.Context) (*session, error) {
	deadline := time.NewTimer(w.store.options.lockWait())
	defer deadline.Stop()
	for {
		w.mu.Lock()
		var wait chan struct{}
		switch {
		case w.busy != nil:
			wait = w.busy
		case w.session != nil:
			wait = w.session.done
		default:
			w.busy = make(chan struct{})
		}
		w.mu.Unlock()
		if wait == nil {
			session, err := w.start(ctx)
			if err != nil {
				w.mu.Lock()
				w.idle()
				w.mu.Unlock()
			}
			return session, err
		}
		select {
		case <-wait:
		case <-deadline.C:
			return nil, fmt.Errorf("%w: streams of this process are open", volume.ErrLocked)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (w *writer) endAlone(s *session) error {
	w.leave()
	err := s.close()
	w.mu.Lock()
	w.idle()
	w.mu.Unlock()
	close(s.done)
	return err
}
