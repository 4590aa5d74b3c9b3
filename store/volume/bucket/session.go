package bucket

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/store/volume"
)

// Session is a writer's turn with a store. Others may be in turns of theirs at the same time:
// who publishes first wins, and the others learn of it before anything of theirs counts.
//
// Its methods may be called from several goroutines, but only one at a time publishes or
// rewrites.
type Session struct {
	log        *Log
	publishing atomic.Bool

	mu     sync.Mutex // guards what follows; never held over a request
	base   *volume.Version
	own    *volume.Version // what it published last
	ids    uint64          // the next segment's
	tail   int64           // where the next extent that is settled would stand
	open   map[*Extent]bool
	failed error
}

var _ volume.Session = (*Session)(nil)

// Session implements volume.Log. Of the turns of this process one comes behind the other.
func (l *Log) Session(ctx context.Context, begin volume.Beginning) (volume.Session, error) {
	if err := l.takeTurn(ctx); err != nil {
		return nil, err
	}
	s, err := l.begin(ctx, begin)
	if err != nil {
		l.giveTurn()
		return nil, err
	}
	return s, nil
}

// takeTurn waits until no other session of this log is left, no longer than is said.
func (l *Log) takeTurn(ctx context.Context) error {
	patience := time.NewTimer(max(l.options.Wait, 0))
	defer patience.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.mu.Lock()
		over := l.over
		if over == nil {
			l.over = make(chan struct{})
			l.mu.Unlock()
			return nil
		}
		l.mu.Unlock()
		select {
		case <-over:
		case <-patience.C:
			return fmt.Errorf("store %q: %w", l.Name(), volume.ErrHeld)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *Log) giveTurn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn = nil
	if l.over != nil {
		close(l.over)
		l.over = nil
	}
}

// begin finds the version to begin with and has it judged.
func (l *Log) begin(ctx context.Context, begin volume.Beginning) (*Session, error) {
	newest, err := l.first(ctx)
	if err != nil {
		return nil, err
	}
	generation := newest.Generation.(*Generation)
	if err := begin.Admit(generation.info); err != nil {
		return nil, err
	}
	s := &Session{log: l, open: map[*Extent]bool{}}
	l.queue.begins()
	l.mu.Lock()
	l.turn = s
	l.mu.Unlock()
	bytes, err := generation.Pin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = generation.Unpin() }()
	if err := begin.Settle(newest, volume.Watch(ctx, ending{bytes, l.lengthOf(newest)})); err != nil {
		return nil, err
	}
	s.move(newest)
	return s, nil
}

// aloneAfter is how long nobody else has committed before it is taken that nobody does.
const aloneAfter = time.Second

// first is the version with which a session begins. Where nobody else has committed lately it is
// what is known, if that is fresh, for who has published since is found out anyway: so a small
// commit is one request.
func (l *Log) first(ctx context.Context) (*volume.Version, error) {
	l.mu.Lock()
	newest, fresh := l.newest, time.Since(l.looked) < l.volume.options.Freshness && time.Since(l.met) > aloneAfter
	l.mu.Unlock()
	if fresh {
		return newest, nil
	}
	return l.refresh(ctx)
}

// refresh is the newest version there is, however lately it was asked for.
func (l *Log) refresh(ctx context.Context) (*volume.Version, error) {
	l.mu.Lock()
	l.looked = time.Time{}
	newest := l.newest
	l.mu.Unlock()
	return l.newestOf(ctx, newest, func(ctx context.Context, current *stored) (*stored, error) {
		return l.volume.readWhole(ctx, l.place.at(), current.tag, l.options.Memory)
	})
}

// move makes a version the base. What is not published gets other places.
func (s *Session) move(base *volume.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = base
	s.tail = base.State.End
	s.ids = max(s.ids, base.State.NextID())
	for e := range s.open {
		e.placed = false
	}
}

// published reports whether a version is what the session has published last.
func (s *Session) published(version *volume.Version) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.own != nil && s.own == version
}

// Base implements volume.Session.
func (s *Session) Base() *volume.Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base
}

// TakeIDs implements volume.Session.
func (s *Session) TakeIDs(count uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeIDs(count)
}

// takeIDs is TakeIDs. The caller holds mu.
func (s *Session) takeIDs(count uint64) uint64 {
	first := s.ids
	s.ids += min(count, math.MaxUint64-first)
	return first
}

// Drop implements volume.Session.
func (s *Session) Drop(extents ...volume.Extent) {
	for _, dropped := range extents {
		e := dropped.(*Extent)
		s.mu.Lock()
		delete(s.open, e)
		s.mu.Unlock()
		e.drop()
	}
}

// Fail implements volume.Session.
func (s *Session) Fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	return err
}

// Failed implements volume.Session.
func (s *Session) Failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Frozen implements volume.Session: nobody waits for a rewrite, which leaves alone what is
// not published.
func (s *Session) Frozen() bool { return false }

// Guard implements volume.Session. What others have published meanwhile is no harm.
func (s *Session) Guard(ctx context.Context) error {
	l := s.log
	base := s.Base().Generation.(*Generation)
	found, err := l.volume.read(ctx, l.place.at(), "")
	switch {
	case err == nil && found.moved != nil:
		return storeError(l.Name(), errMovedAway)
	case err == nil && found.ID != base.id:
		return errOther
	}
	return storeError(l.Name(), err)
}

// End implements volume.Session.
func (s *Session) End() error { return s.Leave() }

// Leave implements volume.Session: what is not published is nobody's.
func (s *Session) Leave() error {
	s.mu.Lock()
	open := s.open
	s.open = map[*Extent]bool{}
	s.mu.Unlock()
	for e := range open {
		e.drop()
	}
	s.leaveForGood()
	s.log.giveTurn()
	return nil
}

// Mend implements volume.Session.
func (s *Session) Mend(ctx context.Context, p []byte, offset int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l := s.log
	s.publishing.Store(true)
	defer s.publishing.Store(false)
	generation := s.Base().Generation.(*Generation)
	edits := editing{volume: l.volume}
	_, _, err := l.swap(ctx, l.writer, func(ctx context.Context, newest *stored) (*stored, error) {
		if newest.Generation != generation.number || newest.ID != generation.id {
			return nil, fmt.Errorf("%w: other content has taken its place", volume.ErrStale)
		}
		next := newest.next(newest.Modified)
		next.Mends++
		if err := l.volume.settleIn(ctx, next, newest); err != nil {
			return nil, err
		}
		return next, edits.write(ctx, next, p, offset)
	})
	if errors.Is(err, volume.ErrMoved) || errors.Is(err, errMovedAway) {
		err = storeError(l.Name(), err)
	}
	return err
}

// swap changes the store object and takes note of what is there then. The version is that of
// the object that it has put there. This process makes one at a time.
func (l *Log) swap(ctx context.Context, writer string, build func(context.Context, *stored) (*stored, error)) (put *stored, version *volume.Version, err error) {
	if err := l.swaps.Take(ctx); err != nil {
		return nil, nil, err
	}
	defer l.swaps.Give()
	l.mu.Lock()
	current := l.current
	l.mu.Unlock()
	swap := swapping{volume: l.volume, writer: writer, memory: l.options.Memory, build: build}
	put, newest, err := swap.run(ctx, current)
	l.mu.Lock()
	defer l.mu.Unlock()
	if put != nil {
		version = l.take(put, true)
	}
	if newest != put && newest != nil && newest.ID == l.current.ID && newest.state != nil && newest.moved == nil {
		l.take(newest, false)
	}
	return put, version, err
}

// placedInOrder are extents in the order of their places.
func placedInOrder(parts []volume.Extent) []*Extent {
	extents := make([]*Extent, len(parts))
	for i, part := range parts {
		extents[i] = part.(*Extent)
	}
	slices.SortFunc(extents, func(a, b *Extent) int {
		if a.offset < b.offset {
			return -1
		}
		return 1
	})
	return extents
}
