package bucket

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// Writers of several machines are competitors: who loses has to read and to draft anew, and
// who has won need not. So who has lost takes a ticket, which stands in the line; as long as
// there are tickets, nobody commits but who has the first one. Who has won leaves the others
// now and then the time to take one. Who commits again and again, while others wait, gets a ticket
// for the next time with each commit, so that he need not ask for it.
//
// It is not a lock: whoever commits in spite of it does no harm, and a ticket whose writer does
// not come is passed over: soon, where nobody has asked for it.

// queueing is what a log knows of the others. It goes on from one session to the next, for a
// stream of one vector has a session of its own.
type queueing struct {
	mu     sync.Mutex    // guards what follows
	streak int           // commits one behind the other
	last   time.Time     // when the last one was over
	lost   int           // drafts in vain since the last commit
	passed ticket        // the ticket that is passed over
	since  time.Time     // when it lost first since the last commit; zero: it did not
	pace   time.Duration // from one change of the object to the next, as it was seen; 0: it was not
}

const (
	// commitsInARow is how many commits of one writer follow each other before he leaves
	// others the time to come between.
	commitsInARow = 8
	// shortestPatience is how long the others wait for who has the first ticket at least, and
	// tripsOfPatience how many round trips; tripsForTentative, where he has not asked for it.
	shortestPatience  = 150 * time.Millisecond
	tripsOfPatience   = 20
	tripsForTentative = 5
)

// tentativeMark ends a ticket that nobody has asked for.
const tentativeMark = "~"

// writer is whose it is.
func (t ticket) writer() string { return strings.TrimSuffix(string(t), tentativeMark) }

// tentative reports whether its writer has not asked for it.
func (t ticket) tentative() bool { return strings.HasSuffix(string(t), tentativeMark) }

// placeIn is the place of a writer in a queue, below zero: he has none.
func placeIn(tickets []ticket, writer string) int {
	return slices.IndexFunc(tickets, func(t ticket) bool { return t.writer() == writer })
}

// mayCommit refuses to commit on an object in whose queue others come first.
func (s *Session) mayCommit(newest *stored) error {
	q := &s.log.queue
	q.mu.Lock()
	passed := q.passed
	q.mu.Unlock()
	for _, t := range newest.line.Tickets {
		if t.writer() == s.log.writer {
			return nil
		}
		if t != passed {
			return volume.ErrMoved // awaitTurn takes a ticket then
		}
	}
	return nil
}

// leaveQueue takes a writer's ticket back with his commit, and those that he has passed over.
func (s *Session) leaveQueue(next *stored) {
	q := &s.log.queue
	q.mu.Lock()
	passed := q.passed
	q.mu.Unlock()
	tickets := next.line.Tickets
	if at := placeIn(tickets, s.log.writer); at >= 0 {
		tickets = tickets[at+1:]
		if len(tickets) > 0 { // he may come once more, and then need not ask for it
			tickets = append(tickets, ticket(s.log.writer+tentativeMark))
		}
	} else {
		tickets = slices.DeleteFunc(tickets, func(t ticket) bool { return t == passed })
	}
	next.line.Tickets = tickets
}

// awaitTurn waits until nobody comes before this writer, who has lost.
func (s *Session) awaitTurn(ctx context.Context) error {
	l := s.log
	q, v := &l.queue, l.volume
	q.mu.Lock()
	q.lost++
	lost := q.lost
	q.streak = 0
	if q.since.IsZero() {
		q.since = time.Now()
	}
	until := q.since.Add(v.options.CommitTimeout)
	q.mu.Unlock()
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
	if placeIn(newest.line.Tickets, l.writer) < 0 {
		if err := s.takeTicket(deadline); err != nil {
			return err
		}
	}
	var first ticket
	var since time.Time
	for change := uint64(0); ; {
		l.mu.Lock()
		newest = l.current
		l.mu.Unlock()
		at := placeIn(newest.line.Tickets, l.writer)
		if at <= 0 {
			return nil // it is our turn, or somebody has passed us over: as it may be
		}
		trip, now := v.pace.roundTrip(), time.Now()
		if change != 0 && newest.Change > change {
			q.saw(now.Sub(since) / time.Duration(newest.Change-change))
		}
		patience := max(shortestPatience, tripsOfPatience*trip)
		if newest.line.Tickets[0] != first || newest.Change != change {
			first, change, since = newest.line.Tickets[0], newest.Change, now
		} else if spent := now.Sub(since); spent > patience || first.tentative() && spent > tripsForTentative*trip {
			q.mu.Lock()
			q.passed = first
			q.mu.Unlock()
			if at == 1 {
				return nil
			}
			if err := s.passOver(deadline, first); err != nil {
				return err
			}
			continue
		}
		// Who is next looks often. The others come when it may be so far.
		each := q.each(trip)
		often := max(trip, each/4)
		ahead := min(time.Duration(at-1)*each, patience/2)
		if err := pause(deadline, ahead+often/2+rand.N(often)); err != nil {
			return s.tired(ctx, err)
		}
		if err := l.look(deadline); err != nil {
			return s.tired(ctx, err)
		}
	}
}

// begins forgets what a session before did not end.
func (q *queueing) begins() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.streak = 0
	q.restart()
}

// restart forgets what was lost. The caller holds mu.
func (q *queueing) restart() { q.lost, q.passed, q.since = 0, "", time.Time{} }

// saw notes how long one change of the object took.
func (q *queueing) saw(each time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pace == 0 {
		q.pace = each
	}
	q.pace += (each - q.pace) / 4
}

// each is how long one takes, as it seems: two round trips at least.
func (q *queueing) each(trip time.Duration) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(q.pace, 2*trip)
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
		if placeIn(tickets, s.log.writer) >= 0 {
			return tickets
		}
		return append(tickets, ticket(s.log.writer))
	})
}

// leaveForGood takes the ticket back of who does not come again.
func (s *Session) leaveForGood() {
	l := s.log
	l.mu.Lock()
	at := placeIn(l.current.line.Tickets, l.writer)
	waits := at >= 0 && !l.current.line.Tickets[at].tentative() // of the others the rest soon pass
	l.mu.Unlock()
	if !waits || l.volume.silence.lasts() {
		return
	}
	ctx, stop := context.WithTimeout(l.volume.ctx, max(shortestPatience, tripsOfPatience*l.volume.pace.roundTrip()))
	defer stop()
	_ = s.passOver(ctx, ticket(l.writer)) // else the others pass him over
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
		next.lined(newest.state)
		return next, nil
	})
	return err
}

// pauseForOthers leaves others the time to take a ticket, after some commits one behind the
// other.
func (s *Session) pauseForOthers(ctx context.Context) {
	q, trip := &s.log.queue, s.log.volume.pace.roundTrip()
	q.mu.Lock()
	if time.Since(q.last) > 4*trip {
		q.streak = 0
	}
	q.streak++
	q.restart()
	wait := q.streak%commitsInARow == 0
	q.mu.Unlock()
	if wait {
		_ = pause(ctx, trip+rand.N(trip/2))
	}
	q.mu.Lock()
	q.last = time.Now()
	q.mu.Unlock()
}
