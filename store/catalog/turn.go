package catalog

import "context"

// turn is a lock that may be held over I/O: who waits for it can give up.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the lock until ctx ends.
func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryTake takes the lock if it is free.
func (t turn) tryTake() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

// give gives the lock back.
func (t turn) give() { <-t }
