package catalog

import (
	"container/list"
	"errors"
	"sync"
)

// openStores keeps the number of stores that are open without being used within a
// limit: the one used longest ago is closed first.
type openStores struct {
	limit int

	mu     sync.Mutex
	byUse  list.List // of *Store, newest first
	places map[*Store]*list.Element
}

// opened counts a store in and closes others when there are too many.
func (o *openStores) opened(s *Store) error {
	o.mu.Lock()
	if o.places == nil {
		o.places = map[*Store]*list.Element{}
	}
	if _, known := o.places[s]; !known {
		o.places[s] = o.byUse.PushFront(s)
	}
	var idle []*Store
	for at := o.byUse.Back(); at != nil && o.byUse.Len()-len(idle) > o.limit; at = at.Prev() {
		idle = append(idle, at.Value.(*Store))
	}
	o.mu.Unlock()
	var problems []error
	for _, candidate := range idle {
		closed, err := candidate.closeIdle()
		problems = append(problems, err)
		if closed {
			o.forget(candidate)
		}
	}
	return errors.Join(problems...)
}

// used notes that a store was needed just now.
func (o *openStores) used(s *Store) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at, known := o.places[s]; known {
		o.byUse.MoveToFront(at)
	}
	return nil
}

func (o *openStores) forget(s *Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at, known := o.places[s]; known {
		o.byUse.Remove(at)
		delete(o.places, s)
	}
}
