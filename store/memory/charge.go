package memory

import (
	"context"
	"fmt"
)

// Charge is what one user of a budget holds of it. Its methods are for one goroutine
// at a time. The zero Charge is one of the unlimited budget.
type Charge struct {
	budget *Budget
	held   int64
}

// Charge begins to use a budget; nil is the unlimited one.
func (b *Budget) Charge() Charge { return Charge{budget: b} }

func (c *Charge) of() *Budget {
	if c.budget == nil {
		return Unlimited
	}
	return c.budget
}

// Lend charges bytes for a while, as Await does; giveBack ends that.
func (b *Budget) Lend(ctx context.Context, bytes int64) (giveBack func(), err error) {
	charge := b.Charge()
	if err := charge.Await(ctx, bytes); err != nil {
		return nil, err
	}
	return charge.Free, nil
}

// Held is how many bytes are charged.
func (c *Charge) Held() int64 { return c.held }

// Set makes the charge one of so many bytes. More than is to be had is ErrNone, more
// than there is ErrNever; the charge is then what it was.
func (c *Charge) Set(bytes int64) error {
	if err := c.ever(bytes); err != nil {
		return err
	}
	if bytes > c.held {
		if err := c.of().take(bytes - c.held); err != nil {
			return err
		}
	}
	c.shrink(bytes)
	return nil
}

// Await is Set for one who can wait, for some seconds or until ctx ends. Who waits
// should hold little: others may wait for that.
func (c *Charge) Await(ctx context.Context, bytes int64) error {
	if err := c.ever(bytes); err != nil {
		return err
	}
	if bytes > c.held {
		if err := c.of().await(ctx, bytes-c.held); err != nil {
			return err
		}
	}
	c.shrink(bytes)
	return nil
}

// ever fails if so many bytes can never be had.
func (c *Charge) ever(bytes int64) error {
	if b := c.of(); bytes > b.limit {
		return b.refusal(bytes)
	}
	return nil
}

// Hold is Set for what somebody may keep as long as he likes, such as a question that
// he never has answered: half of the budget is out of reach, so that others can go on.
func (c *Charge) Hold(bytes int64) error {
	b := c.of()
	if bytes > b.limit/2 {
		return fmt.Errorf("%w: %d bytes are to be kept, %d is the most (half of --memory)", ErrNever, bytes, b.limit/2)
	}
	if bytes > c.held && !b.spare(bytes-c.held) {
		return b.refusal(bytes - c.held)
	}
	c.shrink(bytes)
	return nil
}

// Spare adds bytes without which it goes on as well, only slower, if half of the
// budget remains for those who cannot do without, and reports whether it does.
func (c *Charge) Spare(bytes int64) bool {
	if !c.of().spare(bytes) {
		return false
	}
	c.held += bytes
	return true
}

// Force makes the charge one of so many bytes, which are in use already.
func (c *Charge) Force(bytes int64) {
	if bytes > c.held {
		c.of().force(bytes - c.held)
	}
	c.shrink(bytes)
}

// shrink sets what is held, and gives back what that is less than before.
func (c *Charge) shrink(bytes int64) {
	if bytes < c.held {
		c.of().give(c.held - bytes)
	}
	c.held = bytes
}

// Free gives all back.
func (c *Charge) Free() { c.shrink(0) }
