package shared

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// door counts how often it is closed, and stays open while its latch is held.
type door struct {
	closed atomic.Int32
	latch  chan struct{}
}

func (d *door) Close() error {
	if d.latch != nil {
		<-d.latch
	}
	d.closed.Add(1)
	return nil
}

func TestOneOpenForAllUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var v Value[*door]
		slow := make(chan struct{})
		opened := 0
		open := func() (*door, error) {
			opened++
			<-slow
			return &door{}, nil
		}
		var users sync.WaitGroup
		doors := make([]*door, 8)
		for i := range doors {
			users.Go(func() { doors[i], _ = v.Acquire(t.Context(), open) })
		}
		synctest.Wait()
		close(slow)
		users.Wait()
		for i, d := range doors {
			if d != doors[0] || d.closed.Load() != 0 {
				t.Errorf("user %d has another door, or a closed one", i)
			}
		}
		for range doors[1:] {
			if err := v.Release(); err != nil || doors[0].closed.Load() != 0 {
				t.Fatal("closed while somebody used it")
			}
		}
		if err := v.Release(); err != nil || doors[0].closed.Load() != 1 {
			t.Error("not closed by its last user")
		}
		if opened != 1 {
			t.Errorf("opened %d times for users who came at once", opened)
		}
	})
}

func TestFailureIsSharedAndForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var v Value[*door]
		slow, failure := make(chan struct{}), errors.New("no such door")
		attempts := 0
		fails := func() (*door, error) {
			attempts++
			<-slow
			return nil, failure
		}
		var users sync.WaitGroup
		for range 3 {
			users.Go(func() {
				if _, err := v.Acquire(t.Context(), fails); !errors.Is(err, failure) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		close(slow)
		users.Wait()
		if attempts != 1 {
			t.Errorf("%d attempts for three who came at once", attempts)
		}
		if _, err := v.Acquire(t.Context(), func() (*door, error) { return &door{}, nil }); err != nil {
			t.Errorf("after a failure: %v", err)
		}
	})
}

// Whoever comes while the former value is being closed opens a new one and does not
// wait.
func TestCloseKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var v Value[*door]
		slow := &door{latch: make(chan struct{})}
		v.Adopt(slow)
		var closing sync.WaitGroup
		closing.Go(func() { _ = v.Release() })
		synctest.Wait()
		next, err := v.Acquire(t.Context(), func() (*door, error) { return &door{}, nil })
		if err != nil || next == slow {
			t.Errorf("got the one that is being closed, or %v", err)
		}
		close(slow.latch)
		closing.Wait()
		if slow.closed.Load() != 1 || next.closed.Load() != 0 {
			t.Error("the wrong one was closed")
		}
	})
}

// TestWaitingForAnOpen: who does not wait any more is let go, and the failure of one who
// gave up is nobody else's.
func TestWaitingForAnOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var v Value[*door]
		first, leave := context.WithCancel(t.Context())
		opened := 0
		go func() {
			_, err := v.Acquire(first, func() (*door, error) {
				opened++
				<-first.Done()
				return nil, first.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up gets %v", err)
			}
		}()
		synctest.Wait()
		second, leaveToo := context.WithCancel(t.Context())
		patient := make(chan error)
		for _, ctx := range []context.Context{second, t.Context()} {
			go func() {
				_, err := v.Acquire(ctx, func() (*door, error) {
					opened++
					return &door{}, nil
				})
				patient <- err
			}()
		}
		synctest.Wait()
		leaveToo()
		if err := <-patient; !errors.Is(err, context.Canceled) {
			t.Errorf("who waits no longer gets %v", err)
		}
		leave()
		if err := <-patient; err != nil || opened != 2 {
			t.Errorf("who waits gets %v, after %d openings", err, opened)
		}
		if err := v.Release(); err != nil {
			t.Error(err)
		}
	})
}
