package rowstest

import (
	"context"
	"time"

	"rvffs/store/state"
	"rvffs/store/throttle"
)

// HoldChecks keeps checks behind the reads from beginning until what it returns is
// called.
func HoldChecks(checker *state.Checker) (release func()) {
	checker.Behind = throttle.NewLanes(1)
	lane, err := checker.Behind.Enter(context.Background())
	if err != nil {
		panic(err)
	}
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for tick := time.NewTicker(throttle.StuckAfter / 10); ; lane.GetOn() {
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				return
			}
		}
	}()
	return func() {
		close(done)
		<-over
		lane.Leave()
	}
}
