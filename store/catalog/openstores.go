package catalog

import (
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
}

// knowledgePerOpen is how many closed stores may keep what they know for each that
// may be open.
const knowledgePerOpen = 16

func newOpenStores(limit int, retire func(*Store)) openStores {
	return openStores{
		used:   newRecent(limit, retire),
		closed: newRecent(knowledgePerOpen*limit, (*Store).forgetKnown),
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

// retire closes a store that nobody uses, and leaves one that takes long over it to
// itself.
func (c *Catalog) retire(idle *Store) { c.retireAll([]*Store{idle}) }

// retireAll is retire for several, at the same time.
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
	c.recent.opened.Purge()
}
