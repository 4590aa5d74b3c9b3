package log

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rvffs/store/state"
	"rvffs/store/volume"
)

// Session lasts from the first byte that is to be committed until nothing is left to
// commit. While it lasts this process holds the writer lock, so that nobody else changes
// the file.
type Session struct {
	log  *Log
	turn volume.Session
	done chan struct{} // closed when the session is over

	base  *state.Snapshot // the newest committed state; the log's mu guards it
	moved uint64          // how often somebody else has published it; likewise
	users int
}

// Begin joins the session, and starts one when there is none. Each Begin needs
// one End. Where ctx says which file is to be changed, no other is.
func (l *Log) Begin(ctx context.Context) (*Session, error) {
	for {
		l.mu.Lock()
		wait := l.busy
		if wait == nil {
			wait = l.alone
		}
		if wait == nil {
			if l.session != nil {
				s := l.session
				err := state.CheckOrigin(ctx, s.base.Origin())
				if err == nil {
					s.users++
				}
				l.mu.Unlock()
				if err != nil {
					return nil, err
				}
				return s, nil
			}
			l.busy = make(chan struct{})
		}
		l.mu.Unlock()
		if wait == nil {
			s, err := l.start(ctx)
			l.mu.Lock()
			l.session = s
			l.idle()
			l.mu.Unlock()
			return s, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Join takes one more part in a session that the caller is part of.
func (s *Session) Join() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.users++
}

// idle lets those who wait for the log try again. The caller holds mu.
func (l *Log) idle() {
	close(l.busy)
	l.busy = nil
}

// start takes the writer's turn and looks where the file ends.
func (l *Log) start(ctx context.Context) (*Session, error) {
	head := l.env.Head
	if err := l.env.Writable(ctx, head.Current()); err != nil {
		return nil, err
	}
	s := &Session{log: l, users: 1, done: make(chan struct{})}
	var err error
	s.turn, err = l.env.File.Session(ctx, volume.Beginning{
		Admit: func(info volume.FileInfo) error { return state.CheckFile(ctx, info) },
		Settle: func(newest *volume.Version, file volume.Bytes) error {
			s.base = head.Show(newest)
			if err := l.env.Writable(ctx, s.base); err != nil {
				return err
			}
			return l.env.Keep(ctx, file, s.base)
		},
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// End leaves the session. The last to leave cuts off what was not committed and
// gives the lock back.
func (s *Session) End() error {
	l := s.log
	l.mu.Lock()
	s.users--
	if s.users > 0 {
		l.mu.Unlock()
		return nil
	}
	l.session = nil
	l.busy = make(chan struct{})
	l.mu.Unlock()

	err := s.turn.End()
	l.mu.Lock()
	l.idle()
	l.mu.Unlock()
	close(s.done)
	return err
}

// Base is the newest committed state in the session.
func (s *Session) Base() *state.Snapshot {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.base
}

// follow takes what somebody else has published for the session's base, as the turn has: what is
// drafted on one must not be published on another. Whether it may be changed is asked by who
// drafts on it.
func (s *Session) follow(ctx context.Context) error {
	l := s.log
	next := l.env.Head.Show(s.turn.Base())
	if !next.Origin().Is(s.Base().Origin()) {
		return s.turn.Fail(state.ErrReplaced)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.base = next
	s.moved++
	return ctx.Err()
}

// Moved is how often somebody else has published what the session goes on from.
func (s *Session) Moved() uint64 {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.moved
}

// Extent begins a segment that a commit may name.
func (s *Session) Extent(spec volume.ExtentSpec) volume.Extent { return s.turn.Extent(spec) }

// Drop gives extents up.
func (s *Session) Drop(extents ...volume.Extent) { s.turn.Drop(extents...) }

// Fail ends the session for all its users: after an error of the disk nobody
// knows what the file holds behind the last commit. It gives the error back.
func (s *Session) Fail(err error) error { return s.turn.Fail(err) }

// Failed is the error that ended the session.
func (s *Session) Failed() error { return s.turn.Failed() }

// Guard makes sure that the store may be changed besides its segments.
func (s *Session) Guard(ctx context.Context) error { return s.turn.Guard(ctx) }

// Confirm makes sure that the base is what was published last, at a moment that lies within the
// call, however long the session has lasted.
func (s *Session) Confirm(ctx context.Context) error {
	if err := s.log.lead.Take(ctx); err != nil {
		return err
	}
	defer s.log.lead.Give()
	for try := 1; ; try++ {
		err := s.turn.Confirm(ctx)
		if !errors.Is(err, volume.ErrMoved) {
			return err
		}
		if late := s.follow(ctx); late != nil || try == draftsOfRound {
			return errors.Join(late, err)
		}
	}
}

// ReadBack reads what was written to an extent, from a position in its payload on, while
// no other content takes the place of the store's.
func (s *Session) ReadBack(ctx context.Context, e volume.Extent, p []byte, at int64) error {
	if err := s.log.lead.Take(ctx); err != nil {
		return err
	}
	defer s.log.lead.Give()
	return e.ReadBack(ctx, p, at)
}

// Repair is what has to stand at a place of committed bytes that are damaged.
type Repair struct {
	Offset int64
	Bytes  []byte
}

// Repair writes over committed bytes that are damaged, as they were judged in a snapshot,
// while nobody commits. It fails with ErrStale, and writes nothing, where other content
// has taken the place of that one's. Nobody wants the rest when ctx ends.
func (s *Session) Repair(ctx context.Context, judged *state.Snapshot, repairs ...Repair) error {
	if err := s.log.lead.Take(ctx); err != nil {
		return err
	}
	defer s.log.lead.Give()
	if s.Base().Backing() != judged.Backing() {
		return fmt.Errorf("%w: other content has taken its place", volume.ErrStale)
	}
	for _, repair := range repairs {
		if err := s.turn.Mend(ctx, repair.Bytes, repair.Offset); err != nil {
			return err
		}
	}
	return nil
}

// ErrBusy means that others of this process are at work in the log.
var ErrBusy = fmt.Errorf("%w: this process writes what is not committed yet, or compacts it: try again when its open streams are closed and the compaction is over", volume.ErrHeld)

// Alone runs change in a session that nobody else can join. While writers of this
// process are at work it waits, no longer than said, and then fails with ErrBusy.
func (l *Log) Alone(ctx context.Context, wait time.Duration, change func(*Session) error) error {
	s, err := l.beginAlone(ctx, wait)
	if err != nil {
		return err
	}
	return errors.Join(change(s), l.endAlone(s))
}

// beginAlone lets nobody else in before it waits for those who are in: who come and go
// without an end would leave it no time.
func (l *Log) beginAlone(ctx context.Context, patience time.Duration) (*Session, error) {
	deadline := time.NewTimer(max(patience, 0))
	defer deadline.Stop()
	reserved := false
	for {
		l.mu.Lock()
		var wait chan struct{}
		if !reserved && l.alone == nil {
			l.alone, reserved = make(chan struct{}), true
		}
		switch {
		case !reserved:
			wait = l.alone
		case l.busy != nil:
			wait = l.busy
		case l.session != nil:
			wait = l.session.done
		}
		l.mu.Unlock()
		var err error
		if wait == nil {
			var session *Session
			if session, err = l.start(ctx); err == nil {
				return session, nil
			}
		} else {
			select {
			case <-wait:
				continue
			case <-deadline.C:
				err = ErrBusy
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if reserved {
			l.admit()
		}
		return nil, err
	}
}

// admit lets others in again.
func (l *Log) admit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.alone)
	l.alone = nil
}

func (l *Log) endAlone(s *Session) error {
	err := s.turn.Leave()
	l.admit()
	close(s.done)
	return err
}
