package store

import (
	"context"
	"sync"
)

// once remembers the first success of a computation that may take long. Callers
// that come meanwhile wait for it, and each can give up; when the last has, the
// computation ends. A failure is told to all who waited, and tried again by whoever
// comes next.
type once[T any] struct {
	mu      sync.Mutex
	value   *T
	attempt *attempt[T] // the computation under way; nil without one
}

// attempt is one computation.
type attempt[T any] struct {
	waiting   int    // callers; guarded by the once's mu, as the next
	abandoned bool   // by all of them; it ends soon
	cancel    func() // ends it

	done  chan struct{} // closed when what follows is valid
	value T
	err   error
}

// get gives the value, which compute finds if it is not known. The context that
// compute gets ends when nobody waits any more.
func (o *once[T]) get(ctx context.Context, compute func(context.Context) (T, error)) (T, error) {
	for {
		value, a := o.join(ctx, compute)
		if a == nil {
			return *value, nil
		}
		select {
		case <-a.done:
		case <-ctx.Done():
		}
		switch mine := o.leave(a); {
		case ctx.Err() != nil:
			var none T
			return none, ctx.Err()
		case mine:
			return a.value, a.err
		}
	}
}

// join gives the value if it is known, or else the computation under way, which it
// begins if need be.
func (o *once[T]) join(ctx context.Context, compute func(context.Context) (T, error)) (*T, *attempt[T]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.value != nil {
		return o.value, nil
	}
	if o.attempt == nil {
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		o.attempt = &attempt[T]{cancel: cancel, done: make(chan struct{})}
		go o.run(own, o.attempt, compute)
	}
	o.attempt.waiting++
	return nil, o.attempt
}

func (o *once[T]) run(ctx context.Context, a *attempt[T], compute func(context.Context) (T, error)) {
	defer a.cancel()
	a.value, a.err = compute(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if a.err == nil {
		o.value = &a.value
	}
	o.attempt = nil
	close(a.done)
}

// leave ends the waiting for a computation and says whether its outcome counts: not
// if all who had waited before gave it up.
func (o *once[T]) leave(a *attempt[T]) (counts bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	counts = !a.abandoned
	if a.waiting--; a.waiting == 0 {
		a.abandoned = true
		a.cancel()
	}
	return counts
}

// peek gives the value if it is known.
func (o *once[T]) peek() (T, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.value == nil {
		var none T
		return none, false
	}
	return *o.value, true
}

// set makes the value known.
func (o *once[T]) set(value T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.value = &value
}
