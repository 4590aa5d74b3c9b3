package catalog

import (
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// openStores keeps the number of stores that are open without being used within a
// limit: the one used longest ago is closed first. Of what closed stores knew it
// keeps that of so many more, so that memory does not grow with the number of
// stores that were ever opened. Both call what they let go with no lock held.
type openStores struct {
	used   *lru.Cache[*Store, struct{}]
	closed *lru.Cache[*Store, struct{}] // those that know something

	together int // so many are closed at a time
	mu       sync.Mutex
	due      []*Store // to be closed
}

// knowledgePerOpen is how many closed stores may keep what they know for each that
// may be open.
const knowledgePerOpen = 16

// togetherOf is the part of the stores that may be open that is closed at a time: to close a
// store costs less than to wait for it.
const togetherOf = 16

func newOpenStores(limit int, retire func(*Store)) *openStores {
	together := max(limit/togetherOf, 1)
	return &openStores{
		used:     newRecent(limit-together+1, retire),
		closed:   newRecent(knowledgePerOpen*limit, (*Store).forgetKnown),
		together: together,
	}
}

// newRecent keeps the values that were added last, at least one, and lets the others go.
func newRecent[T comparable](limit int, letGo func(T)) *lru.Cache[T, struct{}] {
	recent, _ := lru.NewWithEvict(max(limit, 1), func(value T, _ struct{}) { letGo(value) }) // it refuses only limits below that
	return recent
}

// note notes that a store was used just now. One that is in use when its turn comes to be
// closed stays open, and is noted again when it is let go.
func (o *openStores) note(s *Store) { o.used.Add(s, struct{}{}) }

// retireSoon notes that it is a store's turn to be closed, and gives those whose turn it
// is when they are enough.
func (o *openStores) retireSoon(s *Store) (due []*Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due = append(o.due, s); len(o.due) >= o.together {
		due, o.due = o.due, nil
	}
	return due
}

// takeDue gives those whose turn it is, however few they are.
func (o *openStores) takeDue() (due []*Store) {
	o.mu.Lock()
	defer o.mu.Unlock()
	due, o.due = o.due, nil
	return due
}

// retire closes a store that was used longest ago, soon, unless it is used again before.
func (c *Catalog) retire(idle *Store) {
	c.retireAll(slices.DeleteFunc(c.open.retireSoon(idle), c.open.used.Contains))
}

// retireAll closes stores that nobody uses, at the same time, and leaves those that take
// long over it to themselves.
func (c *Catalog) retireAll(idle []*Store) {
	if len(idle) == 0 || c.life.Err() != nil {
		return // at the end all are closed
	}
	done := make(chan struct{}, len(idle))
	for _, s := range idle {
		c.background.Go(func() {
			closed, err := s.closeIdle()
			if closed {
				c.open.closed.Add(s, struct{}{})
			}
			if err != nil {
				c.options.Log.Warn().Err(err).Msg("closing an idle store failed")
			}
			done <- struct{}{}
		})
	}
	patient := time.NewTimer(c.patience)
	defer patient.Stop()
	for range idle {
		select {
		case <-done:
		case <-patient.C:
			return
		}
	}
}

// letIdleGo closes all that is open without being used: no more files can be opened.
func (c *Catalog) letIdleGo() {
	c.open.used.Purge()
	c.retireAll(c.open.takeDue())
	c.recent.opened.Purge()
}
