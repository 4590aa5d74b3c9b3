package fs

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// viewNode is a read-only file over one view of one snapshot. Its bytes never
// change, so that the kernel may cache and map them for as long as it likes.
type viewNode struct {
	node
	store *catalog.Store
	path  string // below the store's folder, for the log: it names no single vector
	view  state.View
	state viewState
	first sync.Once // the first open

	shownBy *steadyNode  // nil where the kernel knows the node itself
	handed  atomic.Bool  // the first open is over
	spoiled atomic.Int64 // how often what the kernel keeps of it became useless
}

// viewNode is what all nodes have, for one that shows a state of a store.
func (t *tree) viewNode(s *catalog.Store, state viewState, mask os.FileMode) node {
	return node{tree: t, list: func(ctx context.Context) (volume.AccessList, error) { return s.AccessList(ctx, state.origin) }, rights: masked(mask)}
}

// rightsOfView are the permissions that there are to a view. None can be written, but a
// copy of raw is a store, which is to be written to like the one that it was copied from.
func rightsOfView(path string) os.FileMode {
	if path == catalog.NameRaw {
		return readable | writable
	}
	return readable
}

// viewState is the state of a store that a view shows.
type viewState struct {
	generation uint64 // tells it apart from others
	order      uint64 // grows from state to state
	modified   time.Time
	origin     state.Origin    // the file that holds it
	file       volume.FileInfo // the same, as it was when it was opened
	private    bool            // not everybody is shown the same
}

// stateOf is the state that a snapshot is.
func stateOf(snapshot *state.Snapshot) viewState {
	return viewState{generation: snapshot.Generation(), order: snapshot.Generation(), modified: snapshot.Time(), origin: snapshot.Origin(), file: snapshot.File()}
}

var (
	_ nodefs.NodeGetattrer = (*viewNode)(nil)
	_ nodefs.NodeSetattrer = (*viewNode)(nil)
	_ nodefs.NodeOpener    = (*viewNode)(nil)
	_ nodefs.FileReader    = (*viewHandle)(nil)
	_ nodefs.FileReleaser  = (*viewHandle)(nil)
)

// lookupView answers a lookup of path below the folder of s with its view. The
// inode number stays from state to state and the generation tells them apart: a
// new number would make cp believe that the file was replaced under it.
func (t *tree) lookupView(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, path string, view state.View, state viewState, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	identity := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: s.NumberOf(path), Gen: state.generation}
	return t.lookupViewAs(ctx, parent, s, path, "", view, identity, state, out)
}

// lookupViewAs is lookupView for a view whose node's identity is given; name tells it from
// others of its number.
func (t *tree) lookupViewAs(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, path, name string, view state.View, identity nodefs.StableAttr, state viewState, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &viewNode{node: t.viewNode(s, state, rightsOfView(path)), store: s, path: path, view: view, state: state}
	timeout := t.expiry.timeout()
	if state.private {
		timeout = 0
	}
	child.attributes(ctx).fillEntry(out, timeout, viewTimeout)
	if state.private {
		return parent.NewInode(ctx, child, identity), 0
	}
	return t.show(ctx, parent, child, identity, name, state.order, out), 0
}

// attributes are those of the file that holds what is shown. When another has taken its
// place, which may be somebody else's, they are what was known of it last.
func (n *viewNode) attributes(ctx context.Context) attributes {
	backing, err := n.store.Attributes(ctx)
	if err != nil || !backing.Of(n.state.origin) {
		backing = catalog.AttributesOf(n.state.file)
	}
	described := ownedBy(backing, n.rights)
	described.modified = n.state.modified.Add(time.Duration(n.spoiled.Load()))
	described.size = n.view.Size()
	return described
}

// Getattr gives the exact size, and owner and mode of the store file. An open view
// outlives its file.
func (n *viewNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.attributes(ctx).fill(&out.Attr)
	out.SetTimeout(viewTimeout)
	return 0
}

// Setattr is refused: a view can neither be cut nor change hands.
func (n *viewNode) Setattr(context.Context, nodefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return n.tree.refusal()
}

// Open pins the store's file until the handle is released. Root gets past the
// mode bits, hence the test for writing. An image that is not what its header says
// is shown all the same, unless the mount is strict.
func (n *viewNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, n.tree.refusal()
	}
	if err := n.store.AllowOf(ctx, volume.Read, n.state.origin); err != nil {
		return nil, 0, n.openErrno(err)
	}
	if checked, hashed := n.view.(compute.CheckedView); hashed && n.tree.strictHashes {
		if err := checked.Check(ctx); err != nil {
			return nil, 0, n.openErrno(err)
		}
	}
	reader, err := n.view.Open(ctx)
	if err != nil {
		return nil, 0, n.openErrno(err)
	}
	n.tree.open.opened(n)
	n.handOver(ctx, reader)
	return &viewHandle{node: n, reader: reader}, fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH, 0
}

// openErrno is errno for an open that failed. When the store's file was replaced meanwhile, as
// by a compaction, the kernel looks the name up anew and opens what that shows: no program
// hears of it, and so neither does the log.
func (n *viewNode) openErrno(err error) syscall.Errno {
	if errno := errnoOf(err); errno == syscall.ESTALE {
		return errno
	}
	return n.tree.errno(n.store.Path(), "open "+n.path, err)
}

// handedOver is the size in bytes up to which a view goes to the kernel whole when
// it is opened.
const handedOver = 64 << 10

// handOver puts the bytes of a small view into the page cache before the kernel
// asks for them: of the four requests that a cold file costs, three are left.
//
// Only the first open of a node may do so, and those that come meanwhile wait for
// it. Then nobody has the file open, no read of it is under way and none of its
// pages is locked: the kernel never makes us wait, not even for a thread of ours
// that was killed. What goes wrong here the read will tell.
func (n *viewNode) handOver(ctx context.Context, reader state.Reader) {
	if n.shownBy != nil {
		return // the pages are another node's, and may be of another state
	}
	var content []byte
	if size := n.view.Size(); size > 0 && size <= handedOver && !n.handed.Load() {
		content = make([]byte, size)
		if read, _ := reader.ReadContext(ctx, content, 0); int64(read) < size {
			content = nil
		}
	}
	n.first.Do(func() {
		if content != nil {
			_ = n.WriteCache(0, content)
		}
		n.handed.Store(true)
	})
}

// viewHandle is an open view.
type viewHandle struct {
	node   *viewNode
	reader state.Reader
}

// Read gives all the bytes asked for that lie within the view, or fails. It
// copies: a splice would turn a store that was cut short under the mount into a
// file that is silently too short.
func (h *viewHandle) Read(ctx context.Context, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	left := h.node.view.Size() - offset
	if left <= 0 {
		return fuse.ReadResultData(nil), 0
	}
	buffer = buffer[:min(int64(len(buffer)), left)]
	if n, err := h.reader.ReadContext(ctx, buffer, offset); n < len(buffer) {
		if err == nil {
			err = volume.ErrCorrupt
		}
		return nil, h.node.tree.errno(h.node.store.Path(), "read "+h.node.path, err)
	}
	return fuse.ReadResultData(buffer), 0
}

// Release lets go of the store's file.
func (h *viewHandle) Release(context.Context) syscall.Errno {
	h.node.tree.open.closed(h.node)
	if err := h.reader.Close(); err != nil {
		return h.node.tree.errno(h.node.store.Path(), "close "+h.node.path, err)
	}
	return 0
}
