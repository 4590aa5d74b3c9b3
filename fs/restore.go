package fs

import (
	"context"
	"fmt"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/incoming"
	"rvffs/store/volume"
)

var (
	_ nodefs.NodeCreater  = (*folderNode)(nil)
	_ nodefs.NodeUnlinker = (*folderNode)(nil)
	_ nodefs.NodeCreater  = (*storeNode)(nil)
)

// incomingNumber is the inode number of the drop folder for new stores: the last of the
// span to which those of the control folder belong.
const incomingNumber = 1 << 19

// lookupIncoming answers a lookup of the drop folder for new stores. A folder of that name
// in the backing directory comes first.
func (n *folderNode) lookupIncoming(ctx context.Context, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &incomingNode{fixedFolder{folderBase(n.tree, n.folder)}, dropTarget{n.folder.Incoming, n.folder.Attributes, aboutFolder(n.folder)}, ""}
	return child.entry(ctx, n.EmbeddedInode(), nodefs.StableAttr{Ino: incomingNumber}, out)
}

// restoring is a file that is about to become a store of the folder; nil if it is none.
func (n *folderNode) restoring(ctx context.Context, name string) *incoming.File {
	folder, _ := n.folder.Restoring(ctx, false)
	if folder == nil {
		return nil
	}
	return folder.Find(name)
}

// restores is where files go that are to be stores.
func (n *folderNode) restores() dropTarget {
	return dropTarget{n.folder.Restoring, n.folder.Attributes, aboutFolder(n.folder)}
}

// Create makes a file that becomes a store when it is closed, or gets its final name, and
// is one. No other file can be made.
func (n *folderNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	if n.tree.readOnly || !catalog.Restorable(name) {
		return nil, nil, 0, n.tree.refusal()
	}
	return n.tree.createDropped(ctx, n.EmbeddedInode(), n.restores(), name, flags, mode, out)
}

// Unlink gives a file up that is no store yet. Nothing else can be unlinked.
func (n *folderNode) Unlink(ctx context.Context, name string) syscall.Errno {
	if n.restoring(ctx, name) == nil {
		return n.tree.refusal()
	}
	return n.tree.removeDropped(ctx, n.restores(), name)
}

// renameRestoring gives a file that is to be a store another name in the same folder.
func (n *folderNode) renameRestoring(ctx context.Context, name string, to nodefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if other, plain := to.(*folderNode); !plain || other.folder != n.folder {
		return syscall.EXDEV
	}
	return n.tree.renameDropped(ctx, n.restores(), name, newName, flags)
}

// Create is refused: a copy of a store's file belongs beside the store, under another name.
func (n *storeNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	if n.tree.readOnly || name != n.store.Name() {
		return nil, nil, 0, n.orStale(ctx, n.tree.refusal())
	}
	if errno := n.orStale(ctx, 0); errno != 0 {
		return nil, nil, 0, errno
	}
	err := fmt.Errorf("%w: a store is never replaced: restore under another name, or remove it first", volume.ErrExists)
	return nil, nil, 0, n.tree.errno(n.store.Path(), "restore", err)
}

// copiers are programs that make a folder in order to fill it with files of another one.
var copiers = map[string]bool{"cp": true, "mv": true, "rsync": true, "tar": true, "bsdtar": true, "cpio": true, "scp": true, "sftp-server": true, "rclone": true, "unzip": true}

// refuseCopy keeps those programs from making a store: what they would fill it with are
// views of another one, of which none can be written, and each would fail with a line of
// its own.
func (t *tree) refuseCopy(ctx context.Context, name string, about about) syscall.Errno {
	if !catalog.Restorable(name) || !copiers[programOf(ctx)] {
		return 0
	}
	return about(t, "make a store of a copied folder", fmt.Errorf("%w: a folder of views is no backup of a store; copy its file raw to a name that ends in .rvf", volume.ErrNotPermitted))
}
