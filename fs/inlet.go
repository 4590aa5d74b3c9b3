package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/vecio"
)

// inlet is a file that is written to: what becomes of the bytes, and what a reader
// finds there.
type inlet struct {
	name string
	text string
	open func(context.Context, *catalog.Store) (stream, error)
}

// appendInlet is vectors.append, or one of its names that force a format.
func appendInlet(name string, format vecio.Format) inlet {
	return inlet{name: name, open: func(ctx context.Context, s *catalog.Store) (stream, error) { return s.OpenAppend(ctx, format) }}
}

// allowed are the rights to write, and to read where there is something to read.
func (i inlet) allowed() rights {
	if i.text != "" {
		return masked(readable | writable)
	}
	return masked(writable)
}

// inletNode is a lookup of an inlet. Each lookup makes a new node: the kernel holds
// a node's lock through each write, and so writers of one store do not wait for
// each other here.
type inletNode struct {
	node
	inlet
	store *catalog.Store
}

var (
	_ nodefs.NodeGetattrer = (*inletNode)(nil)
	_ nodefs.NodeSetattrer = (*inletNode)(nil)
	_ nodefs.NodeOpener    = (*inletNode)(nil)
	_ nodefs.NodeFsyncer   = (*inletNode)(nil)
)

// lookupInlet answers a lookup of a file of s that is written to.
func (t *tree) lookupInlet(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, to inlet, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &inletNode{node: node{tree: t, list: ofStore(s), rights: to.allowed()}, inlet: to, store: s}
	described, errno := child.attributes(ctx)
	if errno != 0 {
		return nil, errno
	}
	described.fillEntry(out, 0, nameTimeout)
	return parent.NewInode(ctx, child, nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: s.NumberOf(to.name), Gen: t.generationOnce()}), 0
}

func (n *inletNode) attributes(ctx context.Context) (attributes, syscall.Errno) {
	backing, err := n.store.Attributes(ctx)
	if err != nil {
		return attributes{}, n.tree.errno(n.store.Path(), "stat "+n.name, err)
	}
	described := ownedBy(backing, n.node.rights)
	described.size, described.modified, described.blockSize = int64(len(n.text)), beginning, streamSize
	return described, 0
}

// Getattr tells the size of what a reader finds, and the size of writes that is
// best. To the one who writes it tells what has come: there is the end to seek.
func (n *inletNode) Getattr(ctx context.Context, handle nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.attributes(ctx)
	if stream, open := handle.(*streamHandle); open && stream.stream != nil {
		described.size = stream.received()
	}
	return described.answer(errno, 0, out)
}

// Setattr accepts what copying programs do to a file that they write: owner, mode
// and times are ignored, and so is cutting to nothing what has only been opened.
func (n *inletNode) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
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

// truncate sets the length of an open stream. Without one, as open(2) does it and
// truncate(2), there is nothing that could be cut to anything but nothing.
func truncate(ctx context.Context, handle nodefs.FileHandle, size uint64) syscall.Errno {
	if stream, open := handle.(*streamHandle); open {
		return stream.truncate(ctx, size)
	}
	if size != 0 {
		return syscall.EINVAL
	}
	return 0
}

// Open begins a stream. A descriptor that can only read, which root may always
// have, finds the text, or else the end of the file.
func (n *inletNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	handle := &streamHandle{tree: n.tree, about: aboutStore(n.store), name: n.name, text: n.text, store: n.store}
	if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		return handle, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, 0
	}
	if n.tree.readOnly {
		return nil, 0, syscall.EROFS
	}
	stream, err := n.open(ctx, n.store)
	if err != nil {
		return nil, 0, n.tree.errno(n.store.Path(), "open "+n.name, err)
	}
	handle.begin(ctx, stream, flags)
	return handle, fuse.FOPEN_DIRECT_IO, 0
}

// Fsync commits what the stream has brought.
func (n *inletNode) Fsync(ctx context.Context, handle nodefs.FileHandle, _ uint32) syscall.Errno {
	if stream, open := handle.(*streamHandle); open {
		return stream.fsync(ctx)
	}
	return 0
}
