package fs

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"time"

	"rvffs/store/catalog"
)

const (
	// refusalPause is how long nothing more is said of attempts to remove a store by
	// removing its files: one command makes an attempt for each of them.
	refusalPause = time.Minute
	// refusalsKept bounds of how many stores it is known that something was said.
	refusalsKept = 64
)

// refusals remember of which stores the log says how they can be removed.
type refusals struct {
	mu   sync.Mutex
	told []toldRefusal // the oldest first
}

type toldRefusal struct {
	store *catalog.Store
	at    time.Time
}

// due reports whether something is to be said of a store, and takes it for said then.
func (r *refusals) due(s *catalog.Store, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = slices.DeleteFunc(r.told, func(told toldRefusal) bool { return now.Sub(told.at) >= refusalPause })
	if slices.ContainsFunc(r.told, func(told toldRefusal) bool { return told.store == s }) {
		return false
	}
	if len(r.told) == refusalsKept {
		r.told = slices.Delete(r.told, 0, 1)
	}
	r.told = append(r.told, toldRefusal{s, now})
	return true
}

// refuseRemoval refuses to remove a name of a store's folder, and says in the log, once
// for all that a command tries, what to do instead.
func (t *tree) refuseRemoval(s *catalog.Store) syscall.Errno {
	errno := t.refusal()
	if t.refusals.due(s, time.Now()) {
		event := t.log.Warn()
		t.catalog.About(event, s.Path())
		event.Str("operation", "unlink").Str("errno", errno.Error()).
			Msg("files of a store are not removed one by one: rvffs rm STORE removes the whole store, `remove kernel` written to its ctl takes a part out, ids written to vectors.delete take vectors out")
	}
	return errno
}

// Unlink is refused: no file of a store can be deleted by its name.
func (n *storeNode) Unlink(context.Context, string) syscall.Errno {
	return n.tree.refuseRemoval(n.store)
}

// Unlink is refused.
func (n *viewFolderNode) Unlink(context.Context, string) syscall.Errno {
	return n.tree.refuseRemoval(n.store)
}

// Unlink is refused.
func (n *vectorsNode) Unlink(context.Context, string) syscall.Errno {
	return n.tree.refuseRemoval(n.store)
}
