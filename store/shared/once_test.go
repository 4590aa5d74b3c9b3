package shared

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
)

// computation is one that a test holds back.
type computation struct {
	begun, hold chan struct{}
	ended       chan error // what its own context said at its end
}

func newComputation() computation {
	return computation{make(chan struct{}), make(chan struct{}), make(chan error, 1)}
}

// run waits until the test lets it go on, or nobody waits any more.
func (c computation) run(ctx context.Context) (int, error) {
	close(c.begun)
	select {
	case <-c.hold:
	case <-ctx.Done():
	}
	c.ended <- ctx.Err()
	return 7, ctx.Err()
}

// forbidden is a computation that nobody may begin.
func forbidden(context.Context) (int, error) { panic("computed again") }

// TestWaitingForAnothersComputationCanBeGivenUp holds one computation and gives up
// another that waits for it.
func TestWaitingForAnothersComputationCanBeGivenUp(t *testing.T) {
	t.Parallel()
	var o Once[int]
	c := newComputation()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if value, err := o.Get(t.Context(), c.run); value != 7 || err != nil {
			t.Errorf("%d, %v", value, err)
		}
	}()
	<-c.begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Get(ctx, forbidden); !errors.Is(err, context.Canceled) {
		t.Errorf("while another computes: %v", err)
	}
	close(c.hold)
	<-done
	if err := <-c.ended; err != nil {
		t.Errorf("the computation of who still waited was ended: %v", err)
	}
	if value, err := o.Get(ctx, forbidden); value != 7 || err != nil {
		t.Errorf("%d, %v", value, err)
	}
}

// TestComputationGoesOnForWhoStillWaits gives up the caller that began it.
func TestComputationGoesOnForWhoStillWaits(t *testing.T) {
	t.Parallel()
	var o Once[int]
	c := newComputation()
	ctx, cancel := context.WithCancel(t.Context())
	var first, second sync.WaitGroup
	first.Go(func() {
		if _, err := o.Get(ctx, c.run); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
	})
	<-c.begun
	joined := make(chan struct{})
	second.Go(func() {
		a := o.work.join(t.Context(), forbidden)
		close(joined)
		<-a.done
		if counts := o.work.leave(a); !counts || a.value != 7 || a.err != nil {
			t.Errorf("%v, %d, %v", counts, a.value, a.err)
		}
	})
	<-joined
	cancel()
	first.Wait()
	close(c.hold)
	second.Wait()
}

// TestComputationEndsWithItsLastCaller, and the next caller begins anew.
func TestComputationEndsWithItsLastCaller(t *testing.T) {
	t.Parallel()
	var o Once[int]
	c := newComputation()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-c.begun
		cancel()
	}()
	if _, err := o.Get(ctx, c.run); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if err := <-c.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the computation's own context: %v", err)
	}
	if value, err := o.Get(t.Context(), func(context.Context) (int, error) { return 8, nil }); value != 8 || err != nil {
		t.Errorf("anew: %d, %v", value, err)
	}
}

// TestFailureIsToldToAllWhoWaitedAndTriedAgain by the next.
func TestFailureIsToldToAllWhoWaitedAndTriedAgain(t *testing.T) {
	t.Parallel()
	var o Once[int]
	broken := errors.New("broken")
	begun, hold := make(chan struct{}), make(chan struct{})
	fail := func(context.Context) (int, error) {
		close(begun)
		<-hold
		return 0, broken
	}
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() {
			if _, err := o.Get(t.Context(), fail); !errors.Is(err, broken) {
				t.Error(err)
			}
		})
	}
	<-begun
	for waiters := 0; waiters < 3; runtime.Gosched() {
		o.work.mu.Lock()
		waiters = o.work.attempt.waiting
		o.work.mu.Unlock()
	}
	close(hold)
	waiting.Wait()
	if value, err := o.Get(t.Context(), func(context.Context) (int, error) { return 9, nil }); value != 9 || err != nil {
		t.Errorf("%d, %v", value, err)
	}
}
