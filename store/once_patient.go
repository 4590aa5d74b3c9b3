package store

import (
	"context"
	"sync"
)

// patientOnce is once for a computation that may take long: who waits for another's
// can give up, and nobody holds a lock meanwhile.
type patientOnce[T any] struct {
	mu      sync.Mutex
	value   *T
	running chan struct{} // closed at the end of the computation under way; nil without one
}

func (o *patientOnce[T]) get(ctx context.Context, compute func() (T, error)) (T, error) {
	for {
		o.mu.Lock()
		value, running := o.value, o.running
		if value == nil && running == nil {
			o.running = make(chan struct{})
			o.mu.Unlock()
			return o.run(compute)
		}
		o.mu.Unlock()
		if value != nil {
			return *value, nil
		}
		select {
		case <-running:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
}

func (o *patientOnce[T]) run(compute func() (T, error)) (T, error) {
	value, err := compute()
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.value = &value
	}
	close(o.running)
	o.running = nil
	return value, err
}

// peek gives the value if it is known.
func (o *patientOnce[T]) peek() (T, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.value == nil {
		var none T
		return none, false
	}
	return *o.value, true
}

// set makes the value known.
func (o *patientOnce[T]) set(value T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.value = &value
}
