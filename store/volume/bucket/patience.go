package bucket

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// Who needs an answer of a server that gives none asks again and again, until CommitTimeout is
// over. Only who asks whether there is something newer than what he knows goes on with that: see
// question.

// ask makes a request that may be made again: what it asks for, or what it changes where
// nobody else does.
func (v *Volume) ask(ctx context.Context, request func(context.Context) error) error {
	return v.try(ctx, decided, request)
}

// send makes one without a condition that may be made again.
func (v *Volume) send(ctx context.Context, request func(context.Context) error) error {
	return v.try(ctx, func(err error) bool { return decided(err) && !errors.Is(err, objects.ErrCondition) }, request)
}

func (v *Volume) try(ctx context.Context, decided func(error) bool, request func(context.Context) error) error {
	patient, stop := context.WithTimeout(ctx, v.options.CommitTimeout)
	defer stop()
	for try := 1; ; try++ {
		err := v.once(patient, request)
		if decided(err) {
			return err
		}
		if v.pace.rest(patient, try) == nil {
			continue
		}
		return v.late(ctx, err)
	}
}

// once makes a request, with a bound to the time that it takes.
func (v *Volume) once(ctx context.Context, request func(context.Context) error) error {
	limited, stop := context.WithTimeout(ctx, v.options.Timeout)
	defer stop()
	begun := time.Now()
	late := time.AfterFunc(lateAnswer, func() { v.silence.note(begun, fmt.Errorf("no answer for %v", lateAnswer), v.options.Silent) })
	err := request(limited)
	late.Stop()
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
	case decided(err), errors.Is(err, objects.ErrConflict):
		v.silence.over(v.options.Silent)
	default:
		v.silence.note(begun, err, v.options.Silent)
	}
	if err == nil {
		v.pace.took(time.Since(begun))
	}
	return err
}

// triesOfWrong is how often something is asked for again that is answered wrongly.
const triesOfWrong = 4

// decided reports whether an answer is one, and not the lack of it.
func decided(err error) bool {
	return err == nil || errors.Is(err, objects.ErrNotFound) || errors.Is(err, objects.ErrSame) || errors.Is(err, objects.ErrCondition) || errors.Is(err, objects.ErrDenied)
}

// late is the error of who has waited until his patience was over, or nobody waited for him.
func (v *Volume) late(ctx context.Context, err error) error {
	if ended := ctx.Err(); errors.Is(ended, context.Canceled) {
		return errors.Join(ended, err)
	}
	return v.unanswered(err)
}

// unanswered is the error of who has waited long enough.
func (v *Volume) unanswered(err error) error {
	if errors.Is(err, objects.ErrSilent) {
		return err
	}
	return fmt.Errorf("%w within %v: %w", objects.ErrSilent, v.options.CommitTimeout, err)
}

// silent is how long a server answers nothing until somebody is told, and lateAnswer how long
// one request, which may be a large one.
const (
	silent     = time.Second
	lateAnswer = 3 * time.Second
)

// silence is the time in which a server answers nothing.
type silence struct {
	mu    sync.Mutex // guards what follows
	since time.Time  // when the first request was made of those without an answer; zero: there is none
	told  bool
}

// note notes that a request has no answer that was made at a moment, and tells of a silence,
// once, when it has lasted.
func (s *silence) note(begun time.Time, err error, tell func(time.Duration, error)) {
	s.mu.Lock()
	if s.since.IsZero() || begun.Before(s.since) {
		s.since = begun
	}
	lasted := time.Since(s.since)
	first := !s.told && lasted >= silent
	s.told = s.told || first
	s.mu.Unlock()
	if first {
		tell(lasted, err)
	}
}

// over notes that a request has an answer.
func (s *silence) over(tell func(time.Duration, error)) {
	s.mu.Lock()
	told, since := s.told, s.since
	s.since, s.told = time.Time{}, false
	s.mu.Unlock()
	if told {
		tell(time.Since(since), nil)
	}
}

// lasts reports whether the server has not answered for some time. Nobody need try to clean up
// then: what is left behind is nobody's, and goes when it is old.
func (s *silence) lasts() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}
