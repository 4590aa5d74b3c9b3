package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store"
	"rvffs/store/catalog"
)

// liveNode is a text about the present moment. A text that has changed by the next
// lookup is a new node, so that the size that stat tells is always that of the
// bytes that reading gives, however fast the text changes.
type liveNode struct {
	node
	content []byte
	owner   owner
}

var (
	_ nodefs.NodeGetattrer = (*liveNode)(nil)
	_ nodefs.NodeSetattrer = (*liveNode)(nil)
	_ nodefs.NodeOpener    = (*liveNode)(nil)
	_ nodefs.NodeReader    = (*liveNode)(nil)
)

// owner is what a text belongs to: a store or a folder.
type owner interface {
	Attributes() (catalog.Attributes, error)
	Allow(ctx context.Context, want store.Permission) error
}

// lookupLive answers a lookup with a text, which the one who asks may know.
func (t *tree) lookupLive(ctx context.Context, parent *nodefs.Inode, number uint64, content []byte, owner owner, list accessList, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &liveNode{node: node{tree: t, list: list, rights: only(readable)}, content: content, owner: owner}
	described, errno := child.facts()
	if errno != 0 {
		return nil, errno
	}
	described.fillEntry(out, 0, nameTimeout)
	identity := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: number, Gen: generationOf(content)}
	return parent.NewInode(ctx, child, identity), 0
}

// The time is that of the owner: tar takes a file whose time is that of its
// looking for one that changes while it is read.
func (n *liveNode) facts() (facts, syscall.Errno) {
	backing, err := n.owner.Attributes()
	if err != nil {
		return facts{}, n.tree.folderErrno("", "stat", err)
	}
	described := ownedBy(backing, n.rights)
	described.size = int64(len(n.content))
	return described, 0
}

// Getattr gives the size of the text.
func (n *liveNode) Getattr(_ context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.facts()
	return described.answer(errno, nameTimeout, out)
}

// Setattr is refused.
func (n *liveNode) Setattr(context.Context, nodefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return n.tree.refusal()
}

// Open lets nothing of the text stay in the page cache, where the next moment
// would find it.
func (n *liveNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, n.tree.refusal()
	}
	if err := n.owner.Allow(ctx, store.Read); err != nil {
		return nil, 0, n.tree.folderErrno("", "open", err)
	}
	return nil, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, 0
}

// Read copies from the text.
func (n *liveNode) Read(_ context.Context, _ nodefs.FileHandle, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	rest := n.content[min(offset, int64(len(n.content))):]
	return fuse.ReadResultData(rest[:min(len(rest), len(buffer))]), 0
}
