package state

import (
	"testing"
	"testing/synctest"
)

// TestClosedCheckerTakesNothingUp: while a closed checker ends what it is at, it takes no
// job and no report, and afterwards nobody works for it.
func TestClosedCheckerTakesNothingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := NewChecker(VerifyBackground)
		over := make(chan struct{})
		c.tell(func() { <-over })
		synctest.Wait()
		go c.Close()
		synctest.Wait()
		if c.enqueue(new(Backing), checkJob{}) {
			t.Error("a closed checker took a job")
		}
		c.tell(func() { t.Error("a closed checker reports") })
		close(over)
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.workers != 0 || c.queued != 0 || len(c.files)+len(c.reports) != 0 {
			t.Errorf("%d workers, %d jobs, %d files, %d reports", c.workers, c.queued, len(c.files), len(c.reports))
		}
	})
}
