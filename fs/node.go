package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is what every node has: a place in the tree, and answers to the
// operations that mean the same everywhere.
type node struct {
	nodefs.Inode
	tree *tree
}

var (
	_ nodefs.NodeStatfser      = (*node)(nil)
	_ nodefs.NodeGetxattrer    = (*node)(nil)
	_ nodefs.NodeListxattrer   = (*node)(nil)
	_ nodefs.NodeSetxattrer    = (*node)(nil)
	_ nodefs.NodeRemovexattrer = (*node)(nil)
	_ nodefs.NodeFsyncer       = (*node)(nil)
)

// Statfs gives the numbers of the file system that holds the stores.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	backing, err := n.tree.catalog.Statfs()
	if err != nil {
		return n.tree.folderErrno("", "statfs", err)
	}
	out.FromStatfsT(&backing)
	return 0
}

// Getxattr knows no attribute. The answer must never be ENOSYS, which would
// switch extended attributes off for the whole mount.
func (n *node) Getxattr(context.Context, string, []byte) (uint32, syscall.Errno) {
	return 0, syscall.ENODATA
}

// Listxattr lists nothing.
func (n *node) Listxattr(context.Context, []byte) (uint32, syscall.Errno) { return 0, 0 }

// Setxattr is not supported, in the words that `cp -p` takes as no failure.
func (n *node) Setxattr(context.Context, string, []byte, uint32) syscall.Errno {
	return syscall.ENOTSUP
}

// Removexattr is not supported either.
func (n *node) Removexattr(context.Context, string) syscall.Errno { return syscall.ENOTSUP }

// Fsync has nothing to do: what can be read was committed before it could be
// seen. It also answers for folders.
func (n *node) Fsync(context.Context, nodefs.FileHandle, uint32) syscall.Errno { return 0 }
