package shared

import (
	"context"
	"errors"
	"io"
	"sync"
)

// Value is something that is open while it has users: the first of them opens it
// and the last closes it. Neither happens under a lock: an open or a close that
// takes long is waited for by those who want to use this very value, and by nobody
// else. The zero Value has no users.
type Value[T io.Closer] struct {
	mu      sync.Mutex // guards what follows; never held over I/O
	value   T
	users   int
	opening *opening // under way; nil without one
}

// opening is one attempt, which all share who come while it is under way.
type opening struct {
	done chan struct{} // closed when err is valid
	err  error
}

// Adopt begins with a value that is open already, and whose one user the caller is.
func (v *Value[T]) Adopt(value T) { v.value, v.users = value, 1 }

// Acquire gives the value to one more user, who gives it back with Release. When
// nobody has it, open opens it. Who comes while another opens it takes part in that,
// and in its failure, unless that was only that the other waits no longer. With ctx ends
// the waiting; open ends with it by itself.
func (v *Value[T]) Acquire(ctx context.Context, open func() (T, error)) (T, error) {
	var none T
	for {
		v.mu.Lock()
		if v.users > 0 {
			v.users++
			defer v.mu.Unlock()
			return v.value, nil
		}
		under := v.opening
		if under == nil {
			under = &opening{done: make(chan struct{})}
			v.opening = under
			v.mu.Unlock()
			return v.open(under, open)
		}
		v.mu.Unlock()
		select {
		case <-under.done:
		case <-ctx.Done():
			return none, ctx.Err()
		}
		if err := under.err; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return none, err
		}
		if err := ctx.Err(); err != nil {
			return none, err
		}
	}
}

func (v *Value[T]) open(under *opening, open func() (T, error)) (T, error) {
	value, err := open()
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		v.value, v.users = value, 1
	}
	under.err = err
	v.opening = nil
	close(under.done)
	return value, err
}

// Release ends one use.
func (v *Value[T]) Release() error {
	v.mu.Lock()
	v.users--
	if v.users > 0 {
		v.mu.Unlock()
		return nil
	}
	last := v.value
	var none T
	v.value = none
	v.mu.Unlock()
	return last.Close()
}
