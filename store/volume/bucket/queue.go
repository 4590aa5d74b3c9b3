package bucket

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// Writers of several machines are competitors: who loses has to read and to draft anew, and
// who has won need not. So who has lost takes a ticket, which stands in the line; as long as
// there are tickets, nobody commits but who has the first one. Who has won leaves the others
// now and then the time to take one.
//
// It is not a lock: whoever commits in spite of it does no harm, and a ticket whose writer does
// not come is passed over.

// queueing is what a session knows of the others.
type queueing struct {
	streak int       // commits one behind the other
	last   time.Time // when the last one was over
	lost   int       // drafts in vain since the last commit
	passed ticket    // the ticket that is passed over
	queued int       // commits one behind the other for which it had a ticket
	since  time.Time // when it lost first since the last commit; zero: it did not
}

const (
	// commitsInARow is how many commits of one writer follow each other before he leaves
	// others the time to come between.
	commitsInARow = 8
	// shortestPatience is how long the others wait for who has the first ticket at least, and
	// tripsOfPatience how many round trips.
	shortestPatience = 150 * time.Millisecond
	tripsOfPatience  = 20
)

// mayCommit refuses to commit on an object in whose queue others come first.
func (s *Session) mayCommit(newest *stored) error {
	s.mu.Lock()
	passed := s.queue.passed
	s.mu.Unlock()
	for _, t := range newest.line.Tickets {
		if t == s.mine() {
			return nil
		}
		if t != passed {
			return volume.ErrMoved // awaitTurn takes a ticket then
		}
	}
	return nil
}

// mine is the ticket of a session.
func (s *Session) mine() ticket { return ticket(s.log.writer) }

// leaveQueue takes a writer's ticket back with his commit, and those that he has passed over.
func (s *Session) leaveQueue(next *stored) {
	s.mu.Lock()
	passed, again := s.queue.passed, s.queue.queued > 0 && time.Since(s.queue.last) < time.Second+s.log.volume.pace.roundTrip()*tripsOfPatience
	s.mu.Unlock()
	tickets := next.line.Tickets
	if at := slices.Index(tickets, s.mine()); at >= 0 {
		tickets = tickets[at+1:]
		if again && len(tickets) > 0 { // he comes once more, as it seems, and need not ask for it
			tickets = append(tickets, s.mine())
		}
	} else {
		tickets = slices.DeleteFunc(tickets, func(t ticket) bool { return t == passed })
	}
	next.line.Tickets = tickets
}

// awaitTurn waits until nobody comes before this writer, who has lost.
func (s *Session) awaitTurn(ctx context.Context) error {
	l := s.log
	v := l.volume
	s.mu.Lock()
	s.queue.lost++
	lost := s.queue.lost
	s.queue.streak = 0
	if s.queue.since.IsZero() {
		s.queue.since = time.Now()
	}
	until := s.queue.since.Add(v.options.CommitTimeout)
	s.mu.Unlock()
	if time.Now().After(until) {
		return fmt.Errorf("%w: others have committed all the time", volume.ErrHeld)
	}
	l.mu.Lock()
	newest := l.current
	l.mu.Unlock()
	if lost < 2 && len(newest.line.Tickets) == 0 {
		return nil // it may have been chance
	}
	deadline, stop := context.WithDeadline(ctx, until)
	defer stop()
	if !slices.Contains(newest.line.Tickets, s.mine()) {
		if err := s.takeTicket(deadline); err != nil {
			return err
		}
	}
	patience := max(shortestPatience, tripsOfPatience*v.pace.roundTrip())
	var first ticket
	since := time.Now()
	for change := uint64(0); ; {
		l.mu.Lock()
		newest = l.current
		l.mu.Unlock()
		at := slices.Index(newest.line.Tickets, s.mine())
		if at <= 0 {
			return nil // it is our turn, or somebody has passed us over: as it may be
		}
		if newest.line.Tickets[0] != first || newest.Change != change {
			first, change, since = newest.line.Tickets[0], newest.Change, time.Now()
		} else if time.Since(since) > patience {
			s.mu.Lock()
			s.queue.passed = first
			s.mu.Unlock()
			if at == 1 {
				return nil
			}
			if err := s.passOver(deadline, first); err != nil {
				return err
			}
			continue
		}
		trip := v.pace.roundTrip()
		ahead := time.Duration(at - 1) // each of them takes two round trips at least
		if err := pause(deadline, min(2*trip*ahead, patience/2)+trip/2+rand.N(trip)); err != nil {
			return s.tired(ctx, err)
		}
		if err := l.look(deadline); err != nil {
			return s.tired(ctx, err)
		}
	}
}

// tired says what an error means that ended the wait for the turn.
func (s *Session) tired(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, objects.ErrSilent) {
		return errors.Join(volume.ErrHeld, err)
	}
	return err
}

// takeTicket goes to the end of the queue.
func (s *Session) takeTicket(ctx context.Context) error {
	return s.changeQueue(ctx, func(tickets []ticket) []ticket {
		if slices.Contains(tickets, s.mine()) {
			return tickets
		}
		return append(tickets, s.mine())
	})
}

// leaveForGood takes the ticket back of who does not come again.
func (s *Session) leaveForGood() {
	l := s.log
	l.mu.Lock()
	waits := slices.Contains(l.current.line.Tickets, s.mine())
	l.mu.Unlock()
	if !waits || l.volume.silence.lasts() {
		return
	}
	ctx, stop := context.WithTimeout(l.volume.ctx, max(shortestPatience, tripsOfPatience*l.volume.pace.roundTrip()))
	defer stop()
	_ = s.passOver(ctx, s.mine()) // else the others pass him over
}

// passOver takes a ticket out of the queue whose writer does not come.
func (s *Session) passOver(ctx context.Context, gone ticket) error {
	return s.changeQueue(ctx, func(tickets []ticket) []ticket {
		return slices.DeleteFunc(tickets, func(t ticket) bool { return t == gone })
	})
}

// changeQueue changes nothing but the queue.
func (s *Session) changeQueue(ctx context.Context, change func([]ticket) []ticket) error {
	v := s.log.volume
	_, _, err := s.log.swap(ctx, s.log.writer, func(ctx context.Context, newest *stored) (*stored, error) {
		next := newest.next(newest.Modified)
		if err := v.settleIn(ctx, next, newest); err != nil {
			return nil, err
		}
		next.line.Tickets = change(next.line.Tickets)
		next.ends(newest.state)
		return next, nil
	})
	return err
}

// pauseForOthers leaves others the time to take a ticket, after some commits one behind the
// other.
func (s *Session) pauseForOthers(ctx context.Context) {
	trip := s.log.volume.pace.roundTrip()
	s.mu.Lock()
	q := &s.queue
	if time.Since(q.last) > 4*trip {
		q.streak = 0
	}
	q.streak++
	if q.queued++; q.lost == 0 {
		q.queued = 0
	}
	q.lost, q.passed, q.since = 0, "", time.Time{}
	wait := q.streak%commitsInARow == 0
	s.mu.Unlock()
	if wait {
		_ = pause(ctx, trip+rand.N(trip/2))
	}
	s.mu.Lock()
	q.last = time.Now()
	s.mu.Unlock()
}
