package shared

import (
	"context"
	"sync"
	"sync/atomic"
)

// Once remembers the first success of a computation that may take long. Callers
// that come meanwhile wait for it, as those of Work do. A failure is told to all who
// waited, and tried again by whoever comes next.
type Once[T any] struct {
	value atomic.Pointer[T]
	work  Work[T]
}

// Known gives the value if it is known.
func (o *Once[T]) Known() (value T, known bool) {
	if there := o.value.Load(); there != nil {
		return *there, true
	}
	return value, false
}

// Get gives the value, which compute finds if it is not known.
func (o *Once[T]) Get(ctx context.Context, compute func(context.Context) (T, error)) (T, error) {
	if value := o.value.Load(); value != nil {
		return *value, nil
	}
	return o.work.Do(ctx, func(ctx context.Context) (T, error) {
		if value := o.value.Load(); value != nil {
			return *value, nil
		}
		value, err := compute(ctx)
		if err == nil {
			o.value.Store(&value)
		}
		return value, err
	})
}

// Work is something that one does for all who want it at the same time. Each of
// them can give up; when the last has, the work ends. The zero Work is idle.
type Work[T any] struct {
	mu      sync.Mutex
	attempt *attempt[T] // under way; nil without one
}

// attempt is one run of the work.
type attempt[T any] struct {
	waiting   int    // callers; guarded by the Work's mu, as the next
	abandoned bool   // by all of them; it ends soon
	cancel    func() // ends it

	done  chan struct{} // closed when what follows is valid
	value T
	err   error
}

// Do takes part in the work under way, or begins it. The context that work gets ends
// when nobody waits any more.
func (w *Work[T]) Do(ctx context.Context, work func(context.Context) (T, error)) (T, error) {
	for {
		if err := ctx.Err(); err != nil {
			var none T
			return none, err
		}
		a := w.join(ctx, work)
		select {
		case <-a.done:
		case <-ctx.Done():
		}
		switch counts := w.leave(a); {
		case ctx.Err() != nil:
			var none T
			return none, ctx.Err()
		case counts:
			return a.value, a.err
		}
	}
}

// join waits for the work under way, which it begins if need be.
func (w *Work[T]) join(ctx context.Context, work func(context.Context) (T, error)) *attempt[T] {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.attempt == nil {
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		w.attempt = &attempt[T]{cancel: cancel, done: make(chan struct{})}
		go w.run(own, w.attempt, work)
	}
	w.attempt.waiting++
	return w.attempt
}

func (w *Work[T]) run(ctx context.Context, a *attempt[T], work func(context.Context) (T, error)) {
	defer a.cancel()
	a.value, a.err = work(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempt = nil
	close(a.done)
}

// leave ends the waiting for an attempt and reports whether its outcome counts: not if
// all who had waited before gave it up.
func (w *Work[T]) leave(a *attempt[T]) (counts bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts = !a.abandoned
	if a.waiting--; a.waiting == 0 {
		a.abandoned = true
		a.cancel()
	}
	return counts
}
