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
	for o.byUse.Len() > o.limit {
		oldest := o.byUse.Remove(o.byUse.Back()).(*Store)
		delete(o.places, oldest)
		idle = append(idle, oldest)
	}
	o.mu.Unlock()
	var problems []error
	for _, candidate := range idle {
		// It has left the list before: whoever opens it again meanwhile puts it
		// back, and does not lose it by what comes after.
		closed, err := candidate.closeIdle()
		problems = append(problems, err)
		if !closed {
			o.keep(candidate)
		}
	}
	return errors.Join(problems...)
}

// keep puts a store that is in use back as the oldest.
func (o *openStores) keep(s *Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.places[s]; !known {
		o.places[s] = o.byUse.PushBack(s)
	}
}

// used notes that a store was needed just now.
func (o *openStores) used(s *Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at, known := o.places[s]; known {
		o.byUse.MoveToFront(at)
	}
}

func (o *openStores) forget(s *Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at, known := o.places[s]; known {
		o.byUse.Remove(at)
		delete(o.places, s)
	}
}
