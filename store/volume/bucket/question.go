package bucket

import (
	"context"
	"errors"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// question is one for what is newest. It goes on, with the patience of who needs to know, when
// who has asked waits no longer; and until it is answered nobody waits again.
type question struct {
	of    *stored       // what was known
	done  chan struct{} // closed when found and err are valid
	found *stored
	err   error
	late  bool // somebody has waited long enough; the log's mu guards it
}

// Who has something to go on with waits for an answer for a second, or a moment where the
// server has not answered for some time.
const (
	soon    = time.Second
	aMoment = 100 * time.Millisecond
)

// shortAnswer is how long that is now.
func (v *Volume) shortAnswer() time.Duration {
	if v.silence.lasts() {
		return aMoment
	}
	return soon
}

// errNotYet means that there is no answer for now, and no need of one.
var errNotYet = errors.New("the server has not answered yet")

// inquire asks for what is newer than what is known. It fails with errNotYet where there is no
// answer soon.
func (l *Log) inquire(ctx context.Context, current *stored) (*stored, error) {
	q := l.pose(current)
	if q == nil {
		return nil, errNotYet
	}
	late := time.NewTimer(l.volume.shortAnswer())
	defer late.Stop()
	select {
	case <-q.done:
		if errors.Is(q.err, objects.ErrSilent) {
			return nil, errNotYet
		}
		return q.found, q.err
	case <-late.C:
		l.mu.Lock()
		defer l.mu.Unlock()
		q.late = true
		return nil, errNotYet
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pose is the question for what is newer, which is under way; nil if it has been for too long.
func (l *Log) pose(current *stored) *question {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.asked != nil && l.asked.late, l.closed:
		return nil
	case l.asked != nil && l.asked.of == current:
		return l.asked
	}
	q := &question{of: current, done: make(chan struct{})}
	l.asked = q
	place := l.place
	l.keeping.Go(func() {
		q.found, q.err = l.volume.readWhole(l.ctx, place.at(), current.tag, l.options.Memory)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.asked == q {
			l.asked = nil
		}
		if q.late && q.err == nil && q.found.moved == nil && q.found.ID == l.current.ID && l.turn == nil {
			l.take(q.found, false)
		}
		close(q.done)
	})
	return q
}
