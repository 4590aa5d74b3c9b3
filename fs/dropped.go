package fs

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/incoming"
	"rvffs/store/volume"
)

// attributeResult is what a receipt says.
const attributeResult = attributePrefix + "result"

// droppedNode is a file in a drop folder: on its way, or the receipt of what was taken in.
// It is one inode all the while, for programs set times and modes of what they have closed.
type droppedNode struct {
	node
	file  *incoming.File
	about about
}

var (
	_ nodefs.NodeGetattrer     = (*droppedNode)(nil)
	_ nodefs.NodeSetattrer     = (*droppedNode)(nil)
	_ nodefs.NodeOpener        = (*droppedNode)(nil)
	_ nodefs.NodeFsyncer       = (*droppedNode)(nil)
	_ nodefs.NodeGetxattrer    = (*droppedNode)(nil)
	_ nodefs.NodeListxattrer   = (*droppedNode)(nil)
	_ nodefs.NodeSetxattrer    = (*droppedNode)(nil)
	_ nodefs.NodeRemovexattrer = (*droppedNode)(nil)
)

// lookupDropped answers a lookup of a file.
func (t *tree) lookupDropped(ctx context.Context, parent *nodefs.Inode, file *incoming.File, about about, out *fuse.EntryOut) *nodefs.Inode {
	child := &droppedNode{node: node{tree: t}, file: file, about: about}
	described := child.attributes()
	described.fillEntry(out, 0, 0)
	return parent.NewInode(ctx, child, nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: file.Number(), Gen: file.Index()})
}

// attributes are those that whoever made the file gave it.
func (n *droppedNode) attributes() attributes {
	facts := n.file.Facts()
	return attributes{
		mode: facts.Mode.Perm(), uid: facts.UID, gid: facts.GID, modified: facts.Modified,
		size: facts.Size, blockSize: streamSize,
	}
}

// Getattr tells what was written so far, or was taken in.
func (n *droppedNode) Getattr(_ context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.attributes().answer(0, 0, out)
}

// Setattr sets what a receipt shows, and the length of a file that is being written.
func (n *droppedNode) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if n.tree.readOnly {
		return syscall.EROFS
	}
	if size, given := in.GetSize(); given {
		stream, open := handle.(*streamHandle)
		switch {
		case open:
			if errno := stream.truncate(ctx, size); errno != 0 {
				return errno
			}
		case int64(size) < 0:
			return syscall.EFBIG
		default:
			if err := n.file.Cut(ctx, int64(size)); err != nil {
				return n.about(n.tree, "truncate a file", err)
			}
		}
	}
	if err := setAttributes(ctx, n, in); err != nil {
		return n.about(n.tree, "change attributes of a file", err)
	}
	return n.Getattr(ctx, handle, out)
}

// SetAttributes implements attributed.
func (n *droppedNode) SetAttributes(_ context.Context, change volume.AttributeChange) error {
	n.file.Change(change)
	return nil
}

// Open opens a file that is on its way, for reading too. Of what was taken in there is a
// notice of the same length.
func (n *droppedNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		return &droppedReader{n}, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, 0
	}
	if n.tree.readOnly {
		return nil, 0, syscall.EROFS
	}
	upload, err := n.file.Open(ctx, flags&syscall.O_APPEND != 0)
	if err != nil {
		return nil, 0, n.about(n.tree, "open a file", err)
	}
	return n.tree.openUpload(ctx, n.file, upload, n.about, flags), fuse.FOPEN_DIRECT_IO, 0
}

func (t *tree) openUpload(ctx context.Context, file *incoming.File, upload *incoming.Upload, about about, flags uint32) *streamHandle {
	handle := &streamHandle{tree: t, about: about, name: "a file", inode: file.Number()}
	handle.begin(ctx, upload, flags)
	return handle
}

// droppedReader reads a file that is on its way, or was.
type droppedReader struct{ node *droppedNode }

var _ nodefs.FileReader = (*droppedReader)(nil)

// Read reads what there is.
func (r *droppedReader) Read(_ context.Context, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	n, err := r.node.file.ReadAt(buffer, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, r.node.about(r.node.tree, "read a file", err)
	}
	return fuse.ReadResultData(buffer[:n]), 0
}

// Fsync takes nothing in: a file is whole when it is closed, and what is on its way does
// not outlive the mount.
func (n *droppedNode) Fsync(context.Context, nodefs.FileHandle, uint32) syscall.Errno { return 0 }

// Getxattr tells what became of the file.
func (n *droppedNode) Getxattr(_ context.Context, name string, buffer []byte) (uint32, syscall.Errno) {
	if result := n.file.Facts().Result; name == attributeResult && result != nil {
		return copyAttribute(buffer, result)
	}
	return 0, syscall.ENODATA
}

// Listxattr lists that.
func (n *droppedNode) Listxattr(_ context.Context, buffer []byte) (uint32, syscall.Errno) {
	if n.file.Facts().Result == nil {
		return 0, 0
	}
	return copyAttribute(buffer, []byte(attributeResult+"\x00"))
}

// Setxattr accepts what programs note on files that they copy, and keeps nothing of it.
func (n *droppedNode) Setxattr(_ context.Context, name string, _ []byte, _ uint32) syscall.Errno {
	if !strings.HasPrefix(name, "user.") {
		return syscall.ENOTSUP
	}
	return 0
}

// Removexattr accepts the same.
func (n *droppedNode) Removexattr(ctx context.Context, name string) syscall.Errno {
	return n.Setxattr(ctx, name, nil, 0)
}

// unmasked is the mode of a new file out of one from withMasks.
func unmasked(raw uint32) os.FileMode {
	return modeOf(raw).Perm() &^ modeOf(raw>>maskShift).Perm()
}
