package fs

import (
	"errors"
	"sync"
	"time"

	"rvffs/store/catalog"
)

// expiry makes the kernel look names of views up again when a store has a new
// state.
//
// There are two ways to do that. A new epoch makes all names of the mount things
// of the past; it takes no lock and no time. Where the kernel does not know epochs,
// names of views are never believed without asking. Notices about single names,
// which every kernel knows, are not used: each waits for the folder's lock, and
// when the server is killed while a lookup holds that, neither ever ends.
type expiry struct {
	mu    sync.Mutex
	epoch *epoch // nil where the kernel has none
	over  bool   // none is to be used any more
}

// use lets epochs do the work, if the kernel knows them and nobody has ended their use.
func (x *expiry) use(e *epoch) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return e.close()
	}
	if err := e.raise(); err != nil {
		return errors.Join(err, e.close())
	}
	x.epoch = e
	return nil
}

// close ends the use of epochs, when the mount is gone or they do harm: from then on, names
// of views are never believed without asking.
func (x *expiry) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	if x.epoch != nil {
		_ = x.epoch.close()
		x.epoch = nil
	}
}

// now makes the names of all views be looked up again.
func (x *expiry) now() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.epoch != nil && x.epoch.raise() != nil {
		// Only a mount that is going away refuses: nobody asks for its names.
		_ = x.epoch.close()
		x.epoch = nil
	}
}

// committed is now for a store that has another state, for the catalog to call.
func (x *expiry) committed(*catalog.Store) { x.now() }

// timeout is how long the kernel may believe the name of a view.
func (x *expiry) timeout() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.epoch == nil {
		return 0
	}
	return nameTimeout
}
