package fs

import (
	"sync"

	"rvffs/store/catalog"
)

// openViews are the views that somebody has open. When a store is found damaged,
// its names lead to new nodes; who has one of the old open still has its pages,
// which were read before anybody knew.
type openViews struct {
	mu    sync.Mutex
	users map[*catalog.Store]map[*viewNode]int
}

// opened counts one more user of a view in.
func (o *openViews) opened(n *viewNode) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users == nil {
		o.users = map[*catalog.Store]map[*viewNode]int{}
	}
	if o.users[n.store] == nil {
		o.users[n.store] = map[*viewNode]int{}
	}
	o.users[n.store][n]++
}

// closed counts one out.
func (o *openViews) closed(n *viewNode) {
	o.mu.Lock()
	defer o.mu.Unlock()
	of := o.users[n.store]
	if of[n]--; of[n] > 0 {
		return
	}
	delete(of, n)
	if len(of) == 0 {
		delete(o.users, n.store)
	}
}

// of lists the open views of a store.
func (o *openViews) of(s *catalog.Store) []*viewNode {
	o.mu.Lock()
	defer o.mu.Unlock()
	nodes := make([]*viewNode, 0, len(o.users[s]))
	for n := range o.users[s] {
		nodes = append(nodes, n)
	}
	return nodes
}

// damaged is told when bytes of a store are found to be damaged. Its names are
// looked up again, and pages of open views are read again.
func (t *tree) damaged(s *catalog.Store) {
	t.expiry.now()
	for _, n := range t.open.of(s) {
		n.spoil()
	}
}

// spoil makes the kernel drop the pages of the view.
//
// It is not asked to: such a notice waits for pages that are being read, and when
// the server is killed while it waits, neither ever ends. A notice about attributes
// alone waits for nothing. Whoever reads next has the kernel ask for them, finds
// another time, and drops all pages himself.
func (n *viewNode) spoil() {
	n.spoiled.Add(1)
	known := n.EmbeddedInode()
	if n.shownBy != nil {
		known = n.shownBy.EmbeddedInode()
	}
	_ = known.NotifyContent(attributesOnly, 0) // nothing is to be done if the kernel has forgotten the node
}

// attributesOnly is the offset of a notice that is about no bytes.
const attributesOnly = -1
