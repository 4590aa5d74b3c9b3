package fs

import (
	"context"
	"runtime"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// liveNode is a text about the present moment. A text that has changed by the next
// lookup is a new node, so that the size that stat tells is always that of the
// bytes that reading gives, however fast the text changes.
type liveNode struct {
	node
	content []byte // charged for while the node is there, if it is long
	owner   owner
}

var (
	_ nodefs.NodeGetattrer = (*liveNode)(nil)
	_ nodefs.NodeSetattrer = (*liveNode)(nil)
	_ nodefs.NodeOpener    = (*liveNode)(nil)
	_ nodefs.NodeReader    = (*liveNode)(nil)
)

// owner is what a text belongs to.
type owner interface {
	Attributes(ctx context.Context) (catalog.Attributes, error)
	Allow(ctx context.Context, want volume.Permission) error
	// list is its access control list; key tells it apart from others.
	list(ctx context.Context) (volume.AccessList, error)
	key() volume.Identity
	order() uint64 // grows from one of its states to the next
	// failed logs a failure with it and gives its error number.
	failed(t *tree, operation string, err error) syscall.Errno
}

// fileOwner is the file that a store is in a state.
type fileOwner struct {
	store *catalog.Store
	state viewState
}

func (o fileOwner) Attributes(ctx context.Context) (catalog.Attributes, error) {
	backing, err := o.store.Attributes(ctx)
	if err == nil && o.state.origin != (state.Origin{}) && !backing.Of(o.state.origin) {
		backing = catalog.AttributesOf(o.state.file)
	}
	return backing, err
}

func (o fileOwner) Allow(ctx context.Context, want volume.Permission) error {
	if o.state.origin == (state.Origin{}) {
		return o.store.Allow(ctx, want)
	}
	return o.store.AllowOf(ctx, want, o.state.origin)
}

func (o fileOwner) list(ctx context.Context) (volume.AccessList, error) {
	return o.store.AccessList(ctx, o.state.origin)
}

func (o fileOwner) key() volume.Identity { return o.state.file.Identity }

func (o fileOwner) order() uint64 { return o.state.order }

func (o fileOwner) failed(t *tree, operation string, err error) syscall.Errno {
	return t.errno(o.store.Path(), operation+" a text", err)
}

// folderOwner is a plain folder.
type folderOwner struct{ *catalog.Folder }

func (o folderOwner) list(ctx context.Context) (volume.AccessList, error) {
	return o.AccessList(ctx, false)
}

func (o folderOwner) key() volume.Identity { return volume.Identity{} }

func (o folderOwner) order() uint64 { return 0 }

func (o folderOwner) failed(t *tree, operation string, err error) syscall.Errno {
	return t.folderErrno(o.Path(), operation+" a text", err)
}

// longText is the length in bytes from which on a text is charged for.
const longText = 4 << 10

// lookupLive answers a lookup with a text, which the one who asks may know.
func (t *tree) lookupLive(ctx context.Context, parent *nodefs.Inode, number uint64, content []byte, owner owner, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &liveNode{node: node{tree: t, list: owner.list, rights: masked(readable)}, content: content, owner: owner}
	if len(content) > longText {
		charge := t.memory.Charge()
		if err := charge.Hold(int64(len(content))); err != nil {
			return nil, owner.failed(t, "show", err)
		}
		runtime.AddCleanup(child, (*memory.Charge).Free, &charge)
	}
	described, errno := child.attributes(ctx)
	if errno != 0 {
		return nil, errno
	}
	described.fillEntry(out, 0, nameTimeout)
	identity := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: number, Gen: generationOfText(owner.key(), content)}
	return t.show(ctx, parent, child, identity, "", owner.order(), out), 0
}

// The time is that of the owner: tar takes a file whose time is that of its
// looking for one that changes while it is read.
func (n *liveNode) attributes(ctx context.Context) (attributes, syscall.Errno) {
	backing, err := n.owner.Attributes(ctx)
	if err != nil {
		return attributes{}, n.owner.failed(n.tree, "stat", err)
	}
	described := ownedBy(backing, n.rights)
	described.size = int64(len(n.content))
	return described, 0
}

// Getattr gives the size of the text.
func (n *liveNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.attributes(ctx)
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
	if err := n.owner.Allow(ctx, volume.Read); err != nil {
		return nil, 0, n.owner.failed(n.tree, "open", err)
	}
	return nil, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, 0
}

// Read copies from the text.
func (n *liveNode) Read(_ context.Context, _ nodefs.FileHandle, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	rest := n.content[min(offset, int64(len(n.content))):]
	return fuse.ReadResultData(rest[:min(len(rest), len(buffer))]), 0
}
