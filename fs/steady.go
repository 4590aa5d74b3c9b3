package fs

import (
	"context"
	"sync"
	"syscall"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// steadyNode is a file whose name keeps its node when what it shows changes, for mounts
// that are the lower layer of an overlay file system: that never looks a name up anew,
// and answers ESTALE for ever when the name leads to another node.
//
// It shows another state only while nobody has it open, so that an open file still never
// changes its bytes; whoever opens it has the kernel drop the pages of those before him.
// While somebody does have it open for longer than a moment, the name leads to an ordinary
// node of the new state, and leads back when he has closed it.
type steadyNode struct {
	nodefs.Inode
	tree *tree
	key  steadyKey

	// What follows is guarded by the mutex of steadyNodes.
	shown      shownFile
	generation uint64        // of what is shown
	order      uint64        // of the state that is shown
	open       int           // files
	closing    chan struct{} // closed when none is open any more; nil where nobody waits
	awaited    uint64        // the generation for which that was awaited in vain
}

// closingMoment is how long a name that is to show something else waits for those who have
// it open: of most the close is under way.
const closingMoment = 200 * time.Millisecond

// steadyNodes are those that the kernel knows.
type steadyNodes struct {
	mu    sync.Mutex
	nodes map[steadyKey]*steadyNode
}

// steadyKey tells files apart, whatever they show.
type steadyKey struct {
	number uint64
	name   string // of one of the files that share the number
}

// shownFile is the node of a file in one state.
type shownFile interface {
	nodefs.InodeEmbedder
	nodefs.NodeStatfser
	nodefs.NodeGetattrer
	nodefs.NodeSetattrer
	nodefs.NodeOpener
	nodefs.NodeFsyncer
	nodefs.NodeGetxattrer
	nodefs.NodeListxattrer
	nodefs.NodeSetxattrer
	nodefs.NodeRemovexattrer
}

var (
	_ shownFile              = (*steadyNode)(nil)
	_ nodefs.NodeOnForgetter = (*steadyNode)(nil)
	_ nodefs.FileReader      = (*steadyHandle)(nil)
	_ nodefs.FileReleaser    = (*steadyHandle)(nil)
)

// show is the node for a file in a state: an ordinary one, of this identity, unless names
// are to keep their nodes. Name tells the file from others of its inode number, and order
// tells which of two states is the newer one.
func (t *tree) show(ctx context.Context, parent *nodefs.Inode, file shownFile, identity nodefs.StableAttr, name string, order uint64, out *fuse.EntryOut) *nodefs.Inode {
	if !t.overlays.above() {
		return parent.NewInode(ctx, file, identity)
	}
	key := steadyKey{identity.Ino, name}
	t.steady.mu.Lock()
	defer t.steady.mu.Unlock()
	node := t.steady.nodes[key]
	for node != nil && node.generation != identity.Gen && node.order <= order && node.open > 0 {
		if node.awaited == identity.Gen || !t.steady.await(ctx, node) {
			node.awaited = identity.Gen
			return parent.NewInode(ctx, file, identity)
		}
		node = t.steady.nodes[key]
	}
	switch {
	case node == nil:
		node = &steadyNode{tree: t, key: key}
		node.set(file, identity.Gen, order)
		if t.steady.nodes == nil {
			t.steady.nodes = map[steadyKey]*steadyNode{}
		}
		t.steady.nodes[key] = node
		return parent.NewInode(ctx, node, nodefs.StableAttr{Mode: identity.Mode, Ino: identity.Ino, Gen: t.generation.Add(1) | steadyFile})
	case node.order > order: // somebody who asked later was answered before
		var now fuse.AttrOut
		if node.shown.Getattr(ctx, nil, &now) == 0 {
			out.Attr = now.Attr
		}
	case node.generation != identity.Gen:
		node.set(file, identity.Gen, order)
	}
	return node.EmbeddedInode()
}

// await waits a moment until nobody has a node open, without the mutex that the caller
// holds, and reports whether that is so.
func (s *steadyNodes) await(ctx context.Context, node *steadyNode) bool {
	if node.closing == nil {
		node.closing = make(chan struct{})
	}
	closing := node.closing
	s.mu.Unlock()
	defer s.mu.Lock()
	moment := time.NewTimer(closingMoment)
	defer moment.Stop()
	select {
	case <-closing:
		return true
	case <-moment.C:
	case <-ctx.Done():
	}
	return false
}

// steadyFile keeps the generations of steady nodes apart from those of others.
const steadyFile = 1 << 62

// generationOnce is the generation of a node that is made afresh at each lookup, or the
// same one where names are to keep their nodes.
func (t *tree) generationOnce() uint64 {
	if t.overlays.above() {
		return steadyFile
	}
	return t.generation.Add(1)
}

// set has the node show a file. The caller holds the mutex.
func (n *steadyNode) set(file shownFile, generation, order uint64) {
	n.shown, n.generation, n.order = file, generation, order
	switch file := file.(type) {
	case *viewNode:
		file.shownBy = n
	case *embedNode:
		file.shownBy = n
	}
}

// now is what the node shows.
func (n *steadyNode) now() shownFile {
	n.tree.steady.mu.Lock()
	defer n.tree.steady.mu.Unlock()
	return n.shown
}

// OnForget forgets the node: a name that is looked up again gets another.
func (n *steadyNode) OnForget() {
	n.tree.steady.mu.Lock()
	defer n.tree.steady.mu.Unlock()
	if n.tree.steady.nodes[n.key] == n {
		delete(n.tree.steady.nodes, n.key)
	}
}

// Open opens what is shown, and keeps it shown until it is closed. What is opened to be
// written has a file of its own.
func (n *steadyNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	n.tree.steady.mu.Lock()
	n.open++
	shown := n.shown
	n.tree.steady.mu.Unlock()
	handle, kind, errno := shown.Open(ctx, flags)
	if errno != 0 || flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		n.closed()
		return handle, kind, errno
	}
	return &steadyHandle{node: n, shown: shown, inner: handle}, kind &^ fuse.FOPEN_KEEP_CACHE, 0
}

func (n *steadyNode) closed() {
	n.tree.steady.mu.Lock()
	defer n.tree.steady.mu.Unlock()
	if n.open--; n.open == 0 && n.closing != nil {
		close(n.closing)
		n.closing = nil
	}
}

// steadyHandle is an open file of a steady node.
type steadyHandle struct {
	node  *steadyNode
	shown shownFile
	inner nodefs.FileHandle
}

// Read reads what was shown at the open.
func (h *steadyHandle) Read(ctx context.Context, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if reader, is := h.shown.(nodefs.NodeReader); is {
		return reader.Read(ctx, h.inner, buffer, offset)
	}
	return h.inner.(nodefs.FileReader).Read(ctx, buffer, offset)
}

// Release closes it.
func (h *steadyHandle) Release(ctx context.Context) syscall.Errno {
	defer h.node.closed()
	if releaser, is := h.inner.(nodefs.FileReleaser); is {
		return releaser.Release(ctx)
	}
	return 0
}

// Statfs asks what is shown, as all that follows does.
func (n *steadyNode) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.now().Statfs(ctx, out)
}

// Getattr describes what is shown.
func (n *steadyNode) Getattr(ctx context.Context, handle nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.now().Getattr(ctx, handle, out)
}

// Setattr changes it, if it can be changed.
func (n *steadyNode) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return n.now().Setattr(ctx, handle, in, out)
}

// Fsync commits what came to it.
func (n *steadyNode) Fsync(ctx context.Context, handle nodefs.FileHandle, flags uint32) syscall.Errno {
	return n.now().Fsync(ctx, handle, flags)
}

// Getxattr gives an attribute of it.
func (n *steadyNode) Getxattr(ctx context.Context, name string, buffer []byte) (uint32, syscall.Errno) {
	return n.now().Getxattr(ctx, name, buffer)
}

// Listxattr lists them.
func (n *steadyNode) Listxattr(ctx context.Context, buffer []byte) (uint32, syscall.Errno) {
	return n.now().Listxattr(ctx, buffer)
}

// Setxattr sets one, if it can be set.
func (n *steadyNode) Setxattr(ctx context.Context, name string, value []byte, flags uint32) syscall.Errno {
	return n.now().Setxattr(ctx, name, value, flags)
}

// Removexattr removes one, if it can be removed.
func (n *steadyNode) Removexattr(ctx context.Context, name string) syscall.Errno {
	return n.now().Removexattr(ctx, name)
}
