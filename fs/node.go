package fs

import (
	"context"
	"os"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// node is what every node has: a place in the tree, and answers to the
// operations that mean the same everywhere.
type node struct {
	nodefs.Inode
	tree   *tree
	list   accessList // nil where there is none
	rights rights
}

// accessList finds the access control list of what is behind a node.
type accessList func(ctx context.Context) (volume.AccessList, error)

func ofStore(s *catalog.Store) accessList {
	return func(ctx context.Context) (volume.AccessList, error) { return s.AccessList(ctx, state.Origin{}) }
}

func ofFolder(f *catalog.Folder) accessList {
	return func(ctx context.Context) (volume.AccessList, error) { return f.AccessList(ctx, false) }
}

// storeFolder is what all nodes have, for a folder that stands for a store's file.
func (t *tree) storeFolder(s *catalog.Store) node {
	return node{tree: t, list: ofStore(s), rights: asFolder}
}

// folderBase is what all nodes have, for a plain folder.
func folderBase(t *tree, f *catalog.Folder) node {
	return node{tree: t, list: ofFolder(f), rights: masked(os.ModePerm)}
}

var (
	_ nodefs.NodeStatfser      = (*node)(nil)
	_ nodefs.NodeGetxattrer    = (*node)(nil)
	_ nodefs.NodeListxattrer   = (*node)(nil)
	_ nodefs.NodeSetxattrer    = (*node)(nil)
	_ nodefs.NodeRemovexattrer = (*node)(nil)
	_ nodefs.NodeFsyncer       = (*node)(nil)
)

// Statfs gives the numbers of the place that holds the stores.
func (n *node) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	n.tree.overlays.asked(ctx)
	space, err := n.tree.catalog.Space(ctx)
	if err != nil {
		return n.tree.folderErrno("", "statfs", err)
	}
	out.Bsize, out.Frsize, out.NameLen = space.BlockSize, space.FragmentSize, space.LongestName
	out.Blocks, out.Bfree, out.Bavail = space.Blocks, space.Free, space.Available
	out.Files, out.Ffree = space.Files, space.FreeFiles
	return 0
}

// listName is the attribute by which the kernel asks for access control lists, of
// which it then decides as it does of modes.
const listName = "system.posix_acl_access"

// Getxattr knows no attribute but the access control list, of which the kernel is
// told in mounts for several users. The answer must never be ENOSYS, which would
// switch extended attributes off for the whole mount.
func (n *node) Getxattr(ctx context.Context, name string, buffer []byte) (uint32, syscall.Errno) {
	if name != listName || n.list == nil {
		return 0, syscall.ENODATA
	}
	list, err := n.list(ctx)
	if err != nil {
		return 0, errnoOf(err)
	}
	if list = list.Map(n.permissions); list == nil {
		return 0, syscall.ENODATA
	}
	return copyAttribute(buffer, list)
}

// permissions are the rights of somebody with these bits to what is behind the node.
func (n *node) permissions(bits uint16) uint16 { return uint16(n.rights(os.FileMode(bits & 0o7))) }

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
