package memory

import (
	"context"
	"fmt"
	"sync"

	"rvffs/store/shared"
)

// Cached is a value that is computed when somebody wants it, by one for all who do
// at the same time, and kept while the budget has room for it. It must be part of an
// object of its own, which the value does not lead to. The zero Cached knows nothing.
type Cached[T any] struct {
	work shared.Work[*Kept]

	mu   sync.Mutex
	kept *Kept // nil while nothing is known
}

// attempts bounds how often a value is computed that others push out at once.
const attempts = 3

// Get gives the value, and what is to be called when the caller is done with it.
// When it is not there, compute finds it and charges what it takes; drop, which may
// be nil, is told when it goes.
func (c *Cached[T]) Get(ctx context.Context, budget *Budget, compute func(context.Context, *Charge) (T, error), drop func(T)) (value T, done func(), err error) {
	for range attempts {
		if value, done, known := c.Peek(); known {
			return value, done, nil
		}
		first, err := c.work.Do(ctx, func(ctx context.Context) (*Kept, error) {
			charge := budget.Charge()
			value, err := compute(ctx, &charge)
			if err != nil {
				charge.Free()
				return nil, err
			}
			kept := c.put(&charge, value, drop)
			defer kept.Done()
			return kept, nil
		})
		if err != nil {
			return value, nil, err
		}
		if value, there := Used[T](first); there {
			return value, first.Done, nil
		}
	}
	return value, nil, fmt.Errorf("%w: what was made was pushed out at once", ErrNone)
}

// Peek gives the value if it is known, and what is to be called when the caller is
// done with it.
func (c *Cached[T]) Peek() (value T, done func(), known bool) {
	c.mu.Lock()
	kept := c.kept
	c.mu.Unlock()
	if value, known = Used[T](kept); known {
		return value, kept.Done, true
	}
	return value, nil, false
}

// Set makes a value known that was found elsewhere, and that charge is for.
func (c *Cached[T]) Set(charge *Charge, value T) { c.put(charge, value, nil).Done() }

func (c *Cached[T]) put(charge *Charge, value T, drop func(T)) *Kept {
	var told func(any)
	if drop != nil {
		told = func(value any) { drop(value.(T)) }
	}
	kept := Keep(charge, c, value, told)
	c.mu.Lock()
	before := c.kept
	c.kept = kept
	c.mu.Unlock()
	if before != nil {
		before.Drop()
	}
	return kept
}
