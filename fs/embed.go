package fs

import (
	"context"
	"os"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/compute"
	"rvffs/store/state"
)

// embedNode is a file of a store's compute folders that can be written: the view of
// what is embedded, and the way to a draft of something else. A reader has the view,
// which never changes.
type embedNode struct {
	viewNode
	part compute.Part
}

var (
	_ nodefs.NodeGetattrer = (*embedNode)(nil)
	_ nodefs.NodeSetattrer = (*embedNode)(nil)
	_ nodefs.NodeOpener    = (*embedNode)(nil)
	_ nodefs.NodeFsyncer   = (*embedNode)(nil)
	_ nodefs.NodeCreater   = (*viewFolderNode)(nil)
)

// lookupEmbed answers a lookup of a part that is there.
func (t *tree) lookupEmbed(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, part compute.Part, view state.View, state viewState, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	if t.drafts.has(draft{threadOf(ctx), s, part}) {
		_, inode := t.newDraft(ctx, parent, s, part, view.Size() > 0, state, out)
		return inode, 0
	}
	child := &embedNode{viewNode: viewNode{node: t.viewNode(s, state, t.writableParts()), store: s, path: string(part), view: view, state: state}, part: part}
	child.attributes(ctx).fillEntry(out, t.expiry.timeout(), viewTimeout)
	identity := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: s.NumberOf(string(part)), Gen: state.generation}
	return t.show(ctx, parent, child, identity, "", state.order, out), 0
}

// Create makes the file of a part that is not there yet. It is to be seen by its
// name when it was written and closed.
func (n *viewFolderNode) Create(ctx context.Context, name string, flags, _ uint32, out *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	part := compute.Part(n.path + "/" + name)
	if n.tree.readOnly || len(n.below) > 0 || !part.Known() || flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		return nil, nil, 0, n.tree.refusal()
	}
	snapshot, err := n.store.Snapshot(ctx)
	if err != nil {
		return nil, nil, 0, n.tree.errno(n.store.Path(), "open "+string(part), err)
	}
	child, inode := n.tree.newDraft(ctx, n.EmbeddedInode(), n.store, part, false, stateOf(snapshot), out)
	handle, kind, errno := child.Open(ctx, flags)
	return inode, handle, kind, errno
}

// writableParts are the permissions that there are for parts that can be written.
func (t *tree) writableParts() os.FileMode {
	if t.readOnly {
		return readable
	}
	return readable | writable
}

// Getattr tells of the view.
func (n *embedNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described := n.attributes(ctx)
	described.fill(&out.Attr)
	out.SetTimeout(viewTimeout)
	return 0
}

// Setattr accepts what copying programs do to a file that they write. Nothing of it
// changes the view: what is written is the whole of the next one.
func (n *embedNode) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if n.tree.readOnly {
		return syscall.EROFS
	}
	if size, given := in.GetSize(); given {
		if errno := truncate(ctx, handle, size); errno != 0 {
			return errno
		}
	}
	return n.Getattr(ctx, handle, out)
}

// Open gives a reader the view and sends a writer to a draft. Nothing can be appended
// to an image: its end is where its close is. A writer who did not come by the name,
// or cannot be seen from here, gets a stream all the same, but no size of its own, and
// must leave no bytes out.
func (n *embedNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	switch {
	case flags&syscall.O_ACCMODE == syscall.O_RDONLY:
		return n.viewNode.Open(ctx, flags)
	case n.tree.readOnly:
		return nil, 0, syscall.EROFS
	case flags&syscall.O_APPEND != 0 && n.view.Size() > 0:
		return nil, 0, syscall.EINVAL
	case n.tree.drafts.wish(draft{threadOf(ctx), n.store, n.part}):
		return nil, 0, syscall.ESTALE
	}
	handle, errno := n.tree.openPart(ctx, n.store, n.part, true, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return handle, fuse.FOPEN_DIRECT_IO, 0
}

// Fsync embeds what has come so far.
func (n *embedNode) Fsync(ctx context.Context, handle nodefs.FileHandle, _ uint32) syscall.Errno {
	if stream, open := handle.(*streamHandle); open {
		return stream.fsync(ctx)
	}
	return 0
}
