package catalog

import (
	"container/list"
	"sync"
	"time"
)

// openStores keeps the number of stores that are open without being used within a
// limit: the one used longest ago is closed first. Of what closed stores knew it
// keeps that of so many more, so that memory does not grow with the number of
// stores that were ever opened.
type openStores struct {
	limit int

	mu     sync.Mutex
	open   recency
	closed recency // those that know something
}

// knowledgePerOpen is how many closed stores may keep what they know for each that
// may be open.
const knowledgePerOpen = 16

// opened counts a store in, and gives those that are to be closed when there are too
// many.
func (o *openStores) opened(s *Store) (idle []*Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed.remove(s)
	o.open.add(s)
	return o.open.surplus(o.limit)
}

// retire closes a store that nobody uses, and leaves one that takes long over it to
// itself.
func (c *Catalog) retire(idle *Store) {
	done := make(chan struct{})
	c.background.Go(func() {
		defer close(done)
		if err := c.open.retire(idle); err != nil {
			c.options.Log.Warn().Err(err).Msg("closing an idle store failed")
		}
	})
	patient := time.NewTimer(c.patience)
	defer patient.Stop()
	select {
	case <-done:
	case <-patient.C:
	}
}

// retire closes a store that was taken out of the list. Whoever opens it again
// meanwhile puts it back, and does not lose it by what comes after.
func (o *openStores) retire(s *Store) error {
	closed, err := s.closeIdle()
	if closed {
		o.remember(s)
	} else {
		o.keep(s)
	}
	return err
}

// remember notes that a closed store knows something, and lets the one that was
// closed first forget.
func (o *openStores) remember(s *Store) {
	o.mu.Lock()
	if !o.open.has(s) {
		o.closed.add(s)
	}
	surplus := o.closed.surplus(knowledgePerOpen * o.limit)
	o.mu.Unlock()
	for _, candidate := range surplus {
		candidate.forgetKnown()
	}
}

// keep puts a store that is in use back as the oldest.
func (o *openStores) keep(s *Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open.addOldest(s)
}

// used notes that a store was needed just now.
func (o *openStores) used(s *Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open.touch(s)
}

func (o *openStores) forget(s *Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open.remove(s)
	o.closed.remove(s)
}

// recency is a set of stores in the order of their last use.
type recency struct {
	order  list.List // of *Store, newest first
	places map[*Store]*list.Element
}

func (r *recency) has(s *Store) bool {
	_, known := r.places[s]
	return known
}

// add puts a store that is not there yet first.
func (r *recency) add(s *Store) {
	if !r.has(s) {
		r.place(s, r.order.PushFront(s))
	}
}

// addOldest puts a store that is not there yet last.
func (r *recency) addOldest(s *Store) {
	if !r.has(s) {
		r.place(s, r.order.PushBack(s))
	}
}

func (r *recency) place(s *Store, at *list.Element) {
	if r.places == nil {
		r.places = map[*Store]*list.Element{}
	}
	r.places[s] = at
}

// touch makes a store that is there the first.
func (r *recency) touch(s *Store) {
	if at, known := r.places[s]; known {
		r.order.MoveToFront(at)
	}
}

func (r *recency) remove(s *Store) {
	if at, known := r.places[s]; known {
		r.order.Remove(at)
		delete(r.places, s)
	}
}

// surplus takes the oldest out until no more than limit are left.
func (r *recency) surplus(limit int) []*Store {
	var taken []*Store
	for r.order.Len() > limit {
		oldest := r.order.Back().Value.(*Store)
		r.remove(oldest)
		taken = append(taken, oldest)
	}
	return taken
}
