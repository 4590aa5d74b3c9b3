package log

import (
	"context"
	"testing"
	"time"
)

// TestSearchesOfARound end when nobody waits for any of its commits any more.
func TestSearchesOfARound(t *testing.T) {
	t.Parallel()
	first, leaveFirst := context.WithCancel(t.Context())
	second, leaveSecond := context.WithCancel(t.Context())
	ctx, stop := whileWanted([]*request{{ctx: first}, {ctx: second}})
	defer stop()
	leaveFirst()
	if ctx.Err() != nil {
		t.Error("it ends though one still waits")
	}
	leaveSecond()
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Error("it goes on for nobody")
	}
}
