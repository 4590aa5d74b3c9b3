package bucket

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// pace knows how long a request takes, and waits in that measure.
type pace struct{ trip atomic.Int64 } // ns

// took notes how long one took that was answered.
func (p *pace) took(span time.Duration) {
	before := p.trip.Load()
	if before == 0 {
		p.trip.Store(int64(span))
		return
	}
	p.trip.Store(before - before/8 + int64(span)/8)
}

// Bounds of what is taken for a round trip.
const (
	shortestTrip = 200 * time.Microsecond
	longestTrip  = time.Second
)

// roundTrip is how long one takes, as a rule.
func (p *pace) roundTrip() time.Duration {
	return min(max(time.Duration(p.trip.Load()), shortestTrip), longestTrip)
}

// rest waits before something is tried once more, longer each time, and never as long as
// another does.
func (p *pace) rest(ctx context.Context, try int) error {
	span := p.roundTrip() << min(try, 6)
	return pause(ctx, min(span, longestTrip)/2+rand.N(span/2+1))
}

// pause waits for some time.
func pause(ctx context.Context, span time.Duration) error {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
