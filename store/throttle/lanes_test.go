package throttle

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLanes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(2)
		enter := func() *Lane {
			t.Helper()
			entered, err := l.Enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return entered
		}
		busy := func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), StuckAfter/2)
			defer cancel()
			entered, err := l.Enter(ctx)
			if err == nil {
				entered.Leave()
			}
			return errors.Is(err, context.DeadlineExceeded)
		}
		first, second := enter(), enter()
		if !busy() {
			t.Error("three go on where two may")
		}
		// One that gets on keeps its lane however long it takes.
		for range 10 {
			time.Sleep(StuckAfter / 3)
			first.GetOn()
			second.GetOn()
		}
		if !busy() {
			t.Error("a lane was lost to time alone")
		}
		// One that does not counts no more, until it gets on again.
		for range 4 {
			time.Sleep(StuckAfter / 3)
			first.GetOn()
		}
		third := enter()
		if !busy() {
			t.Error("the lane of one that is stuck was given twice")
		}
		third.Leave()
		second.GetOn()
		first.GetOn()
		if !busy() {
			t.Error("one that got on again does not count")
		}
		// Who waits goes on as soon as somebody leaves.
		waited := make(chan time.Duration)
		began := time.Now()
		go func() {
			entered, err := l.Enter(t.Context())
			if err != nil {
				t.Error(err)
				close(waited)
				return
			}
			entered.Leave()
			waited <- time.Since(began)
		}()
		time.Sleep(10 * time.Millisecond)
		first.Leave()
		if took := <-waited; took != 10*time.Millisecond {
			t.Errorf("waited %v for a lane that was free after 10 ms", took)
		}
		second.Leave()
		if len(l.taken) != 0 {
			t.Errorf("%d lanes are taken", len(l.taken))
		}
	})
}
