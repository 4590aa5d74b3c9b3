package shared

import "context"

// Turn is a lock that may be held over I/O: who waits for it can give up.
type Turn chan struct{}

// NewTurn is a lock that is free.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits for the lock until ctx ends. One that is free is taken in any case.
func (t Turn) Take(ctx context.Context) error {
	if t.TryTake() {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wait is Take for one who cannot give up, because others count on him.
func (t Turn) Wait() { t <- struct{}{} }

// TryTake takes the lock if it is free, and reports whether it was.
func (t Turn) TryTake() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

// Give gives the lock back.
func (t Turn) Give() { <-t }
