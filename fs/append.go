package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/vecio"
)

// appendNode is vectors.append, or one of its names that force a format. Each
// lookup makes a new node: the kernel holds a node's lock through each write, and
// so writers of one store do not wait for each other here.
type appendNode struct {
	node
	store  *catalog.Store
	name   string
	format vecio.Format
}

var (
	_ nodefs.NodeGetattrer = (*appendNode)(nil)
	_ nodefs.NodeSetattrer = (*appendNode)(nil)
	_ nodefs.NodeOpener    = (*appendNode)(nil)
	_ nodefs.NodeFsyncer   = (*appendNode)(nil)
)

// lookupAppend answers a lookup of a stream that takes vectors into s.
func (t *tree) lookupAppend(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, name string, format vecio.Format, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &appendNode{node: node{tree: t}, store: s, name: name, format: format}
	described, errno := child.facts()
	if errno != 0 {
		return nil, errno
	}
	described.fillEntry(out, 0, 0)
	return parent.NewInode(ctx, child, nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: s.Inode(name), Gen: t.generation.Add(1)}), 0
}

func (n *appendNode) facts() (facts, syscall.Errno) {
	backing, err := n.store.Attributes()
	if err != nil {
		return facts{}, n.tree.errno(n.store.Path(), "stat "+n.name, err)
	}
	described := ownedBy(backing, writable)
	described.blockSize = streamSize
	return described, 0
}

// Getattr tells the size 0 at all times, and the size of writes that is best.
func (n *appendNode) Getattr(_ context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.facts()
	if errno != 0 {
		return errno
	}
	described.fill(&out.Attr)
	return 0
}

// Setattr accepts what copying programs do to a file that they write: owner, mode
// and times are ignored, and cutting to nothing, or to what the stream has
// brought so far, changes nothing.
func (n *appendNode) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
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

// Open begins a stream. A descriptor that can only read, which root may have,
// finds the end of the file.
func (n *appendNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	handle := &streamHandle{tree: n.tree, store: n.store, name: n.name}
	if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		return handle, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, 0
	}
	if n.tree.readOnly {
		return nil, 0, syscall.EROFS
	}
	stream, err := n.store.OpenAppend(ctx, n.format)
	if err != nil {
		return nil, 0, n.tree.errno(n.store.Path(), "open "+n.name, err)
	}
	handle.begin(ctx, stream, flags)
	return handle, fuse.FOPEN_DIRECT_IO, 0
}

// Fsync commits what the stream has brought.
func (n *appendNode) Fsync(ctx context.Context, handle nodefs.FileHandle, _ uint32) syscall.Errno {
	if stream, open := handle.(*streamHandle); open {
		return stream.fsync(ctx)
	}
	return 0
}
