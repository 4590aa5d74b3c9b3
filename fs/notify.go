package fs

import (
	"sync"

	nodefs "github.com/hanwen/go-fuse/v2/fs"

	"rvffs/store/catalog"
)

// notices tell the kernel to look names up again when a store has a new state: all
// of the mount, by a new epoch, where the kernel knows those, else those of the
// store, one by one.
//
// A notice about one name waits for the lock of the folder that it is about, which the kernel
// also holds during mkdir, rename and lookups there. So notices are given by a
// goroutine of their own, one for each store that has any, and never by the
// handler of a request for the folder; only those that hold no lock of it (flush,
// fsync) may wait for them.
type notices struct {
	mu      sync.Mutex
	stores  map[*catalog.Store]*notice
	settled sync.Cond
	epoch   *epoch // nil where names have to be expired one by one
}

// use lets epochs do the work.
func (n *notices) use(e *epoch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.epoch = e
}

// close ends the use of epochs, when the mount is gone.
func (n *notices) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.epoch != nil {
		_ = n.epoch.close()
		n.epoch = nil
	}
}

// notice is what is due to one store's folder.
type notice struct {
	folder      *storeNode
	asked, done uint64
	running     bool
}

func (n *notices) start() {
	n.stores = make(map[*catalog.Store]*notice)
	n.settled.L = &n.mu
}

// remember notes that the kernel knows names in folder.
func (n *notices) remember(folder *storeNode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.stores[folder.store]; known == nil || known.folder != folder {
		n.stores[folder.store] = &notice{folder: folder}
	}
}

// forget notes that the kernel knows no name in folder.
func (n *notices) forget(folder *storeNode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.stores[folder.store]; known != nil && known.folder == folder {
		delete(n.stores, folder.store)
	}
}

// post asks for a notice about s and waits for nothing.
func (n *notices) post(s *catalog.Store) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ask(s)
}

func (n *notices) ask(s *catalog.Store) *notice {
	if n.epoch != nil && n.epoch.raise() == nil {
		return nil
	}
	due := n.stores[s]
	if due == nil {
		return nil
	}
	due.asked++
	if !due.running {
		due.running = true
		go n.run(due)
	}
	return due
}

// settle returns when the kernel knows of the state that s has now.
func (n *notices) settle(s *catalog.Store) {
	n.mu.Lock()
	defer n.mu.Unlock()
	due := n.ask(s)
	if due == nil {
		return
	}
	for ticket := due.asked; due.done < ticket; {
		n.settled.Wait()
	}
}

// run gives notice until no more is due.
func (n *notices) run(due *notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for due.done < due.asked {
		ticket := due.asked
		n.mu.Unlock()
		due.folder.expireNames()
		n.mu.Lock()
		due.done = ticket
		n.settled.Broadcast()
	}
	due.running = false
}

// expireNames makes the kernel look the names of views up again. The names of
// the store's own views are named even if no node stands for them: a first lookup
// may be under way, and the notice waits for it.
func (n *storeNode) expireNames() {
	for _, file := range storeFiles {
		if file.view != nil {
			n.NotifyEntry(file.name)
		}
	}
	for _, child := range n.Children() {
		if _, ok := child.Operations().(*viewFolderNode); ok {
			expireViews(child)
		}
	}
}

// expireViews does the same for the views that the kernel knows below folder.
func expireViews(folder *nodefs.Inode) {
	for name, child := range folder.Children() {
		switch child.Operations().(type) {
		case *viewNode:
			folder.NotifyEntry(name)
		case *viewFolderNode:
			expireViews(child)
		}
	}
}
