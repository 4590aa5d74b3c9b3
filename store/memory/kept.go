package memory

import (
	"container/list"
	"runtime"
)

// Kept is something that stays in memory while it has users, and after that for as
// long as there is room.
type Kept struct {
	budget  *Budget
	drop    func(any)       // told of the value when it goes; may be nil
	cleanup runtime.Cleanup // at the owner's end

	// What follows is guarded by the budget's mu.
	value  any // nil when it was dropped
	bytes  int64
	users  int
	doomed bool          // it goes with its last user
	place  *list.Element // in idle
}

// Keep makes value, which the charge is for, something kept whose one user the
// caller is. The charge is then one of nothing. The value goes at the latest when
// owner does, to whom it must not lead.
func Keep[Owner any](c *Charge, owner *Owner, value any, drop func(any)) *Kept {
	k := &Kept{budget: c.of(), drop: drop, value: value, bytes: c.held, users: 1}
	c.held = 0
	k.cleanup = runtime.AddCleanup(owner, (*Kept).Drop, k)
	return k
}

// Used is Use for a value of this type. Nothing is there where k is nil.
func Used[T any](k *Kept) (value T, there bool) {
	if k == nil {
		return value, false
	}
	found, there := k.Use()
	if !there {
		return value, false
	}
	return found.(T), true
}

// Forget ends one use, and drops the value.
func (k *Kept) Forget() {
	k.Drop()
	k.Done()
}

// Use gives the value to one more user, who gives it back with Done; false if it was
// dropped.
func (k *Kept) Use() (value any, there bool) {
	b := k.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if k.value == nil || k.doomed {
		return nil, false
	}
	k.rouse()
	k.users++
	return k.value, true
}

// Resize charges for the value, which has grown or become less. The caller is a user
// of it. When the budget does not allow that, the charge stays what it was.
func (k *Kept) Resize(bytes int64) error {
	b := k.budget
	b.mu.Lock()
	more := bytes - k.bytes
	b.mu.Unlock()
	if more > 0 {
		if err := b.take(more); err != nil {
			return err
		}
	}
	b.mu.Lock()
	k.bytes = bytes
	b.mu.Unlock()
	if more < 0 {
		b.give(-more)
	}
	return nil
}

// Done ends one use.
func (k *Kept) Done() {
	b := k.budget
	b.mu.Lock()
	var dropped []forgotten
	k.users--
	switch {
	case k.users > 0:
	case k.doomed:
		dropped = append(dropped, b.forget(k))
		dropped = append(dropped, b.serve()...)
	default:
		k.place = b.idle.PushFront(k)
		b.resting += k.bytes
		dropped = append(b.shed(b.limit), b.serve()...)
	}
	b.mu.Unlock()
	dropAll(dropped)
}

// Drop forgets the value as soon as nobody uses it any more.
func (k *Kept) Drop() {
	b := k.budget
	b.mu.Lock()
	var dropped []forgotten
	k.doomed = true
	if k.users == 0 && k.value != nil {
		dropped = append(dropped, b.forget(k))
		dropped = append(dropped, b.serve()...)
	}
	b.mu.Unlock()
	dropAll(dropped)
}

// rouse takes what has a user again out of the list of those that have none. The
// caller holds mu.
func (k *Kept) rouse() {
	if k.place != nil {
		k.budget.idle.Remove(k.place)
		k.budget.resting -= k.bytes
		k.place = nil
	}
}

// forgotten is a value that nobody can use any more.
type forgotten struct {
	drop  func(any)
	value any
}

// forget gives the memory of something back that nobody uses. The caller holds mu,
// and drops what is returned when it does not.
func (b *Budget) forget(k *Kept) forgotten {
	k.rouse()
	k.cleanup.Stop()
	b.used -= k.bytes
	gone := forgotten{k.drop, k.value}
	k.value, k.bytes = nil, 0
	return gone
}

// dropAll lets go of what was forgotten, with no lock held.
func dropAll(gone []forgotten) {
	for _, f := range gone {
		if f.drop != nil {
			f.drop(f.value)
		}
	}
}
