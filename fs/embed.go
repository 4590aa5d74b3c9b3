package fs

import (
	"context"
	"syscall"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store"
	"rvffs/store/catalog"
)

// embedNode is a file of a store's compute folders that can be written: the view of
// what is embedded, and a way to embed something else. A reader has the view, which
// never changes; a writer has a stream, and the file that it makes is another node.
type embedNode struct {
	viewNode
	part store.EmbedPart
}

var (
	_ nodefs.NodeGetattrer = (*embedNode)(nil)
	_ nodefs.NodeSetattrer = (*embedNode)(nil)
	_ nodefs.NodeOpener    = (*embedNode)(nil)
	_ nodefs.NodeFsyncer   = (*embedNode)(nil)
	_ nodefs.NodeCreater   = (*viewFolderNode)(nil)
)

// lookupEmbed answers a lookup of a part that is there.
func (t *tree) lookupEmbed(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, part store.EmbedPart, view store.View, state viewState, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := t.newEmbed(s, part, view, state)
	child.facts().fillEntry(out, t.expiry.timeout(), viewTimeout)
	return parent.NewInode(ctx, child, nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: s.Inode(string(part)), Gen: state.generation}), 0
}

func (t *tree) newEmbed(s *catalog.Store, part store.EmbedPart, view store.View, state viewState) *embedNode {
	return &embedNode{viewNode: viewNode{node: node{tree: t}, store: s, path: string(part), view: view, state: state}, part: part}
}

// Create makes the file of a part that is not there yet. It is to be seen by its
// name when it was written and closed.
func (n *viewFolderNode) Create(ctx context.Context, name string, flags, _ uint32, out *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	part := store.EmbedPart(n.path + "/" + name)
	if n.tree.readOnly || n.prefix != "" || !part.Known() {
		return nil, nil, 0, n.tree.refusal()
	}
	snapshot, err := n.store.Snapshot(ctx)
	if err != nil {
		return nil, nil, 0, n.tree.errno(n.store.Path(), "open "+string(part), err)
	}
	state := stateOf(snapshot)
	state.modified = time.Now()
	child := n.tree.newEmbed(n.store, part, store.TextView(nil), state)
	handle, errno := child.begin(ctx, flags)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	child.facts().fillEntry(out, 0, 0)
	stable := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: n.store.Inode(string(part)), Gen: n.tree.generation.Add(1) | newFile}
	return n.EmbeddedInode().NewInode(ctx, child, stable), handle, fuse.FOPEN_DIRECT_IO, 0
}

// newFile keeps the generations of nodes without a view apart from those of views.
const newFile = 1 << 63

// begin opens a stream that takes the place of what is embedded.
func (n *embedNode) begin(ctx context.Context, flags uint32) (*streamHandle, syscall.Errno) {
	stream, err := n.store.OpenEmbed(ctx, n.part)
	if err != nil {
		return nil, n.tree.errno(n.store.Path(), "open "+n.path, err)
	}
	handle := &streamHandle{tree: n.tree, store: n.store, name: n.path, whole: true}
	handle.begin(ctx, stream, flags)
	return handle, 0
}

func (n *embedNode) facts() facts {
	if n.tree.readOnly {
		return n.viewNode.facts(readable)
	}
	return n.viewNode.facts(readable | writable)
}

// Getattr tells of the view; to a writer, what it has brought.
func (n *embedNode) Getattr(ctx context.Context, handle nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described := n.facts()
	if _, writing := handle.(*streamHandle); writing {
		described.blockSize = streamSize
	}
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
	if size, given := in.GetSize(); given && size != 0 {
		stream, open := handle.(*streamHandle)
		if !open || size != uint64(stream.received()) {
			return syscall.EINVAL
		}
	}
	return n.Getattr(ctx, handle, out)
}

// Open gives a reader the view and a writer a stream. Nothing can be appended to an
// image: its end is where its close is.
func (n *embedNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	switch {
	case flags&syscall.O_ACCMODE == syscall.O_RDONLY:
		return n.viewNode.Open(ctx, flags)
	case n.tree.readOnly:
		return nil, 0, syscall.EROFS
	case flags&syscall.O_APPEND != 0 && n.view.Size() > 0:
		return nil, 0, syscall.EINVAL
	}
	handle, errno := n.begin(ctx, flags)
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
