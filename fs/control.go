package fs

import (
	"context"
	"maps"
	"slices"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
)

// controlNumber is the inode number of the control folder, and those after it are its
// files'. The catalog's numbers for stores and folders, but for the root's, lie above.
const controlNumber = 2

// controlNode is the folder about the mount itself.
type controlNode struct {
	fixedFolder
	root *catalog.Folder
}

var (
	_ nodefs.NodeGetattrer      = (*controlNode)(nil)
	_ nodefs.NodeLookuper       = (*controlNode)(nil)
	_ nodefs.NodeOpendirHandler = (*controlNode)(nil)
)

func (t *tree) lookupControl(ctx context.Context, parent *nodefs.Inode, root *catalog.Folder, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &controlNode{fixedFolder: fixedFolder{node{tree: t, list: ofFolder(root), rights: masked(readable | executable)}}, root: root}
	described, errno := child.attributes(ctx)
	if errno != 0 {
		return nil, errno
	}
	described.fillEntry(out, nameTimeout, nameTimeout)
	return parent.NewInode(ctx, child, nodefs.StableAttr{Mode: fuse.S_IFDIR, Ino: controlNumber}), 0
}

func (n *controlNode) attributes(ctx context.Context) (attributes, syscall.Errno) {
	backing, err := n.root.Attributes(ctx)
	if err != nil {
		return attributes{}, n.tree.folderErrno(catalog.ControlFolder, "stat", err)
	}
	return ownedBy(backing, n.rights), 0
}

// Getattr gives owner and time of the backing directory.
func (n *controlNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.attributes(ctx)
	return described.answer(errno, nameTimeout, out)
}

// names lists the files, in an order that fixes their inode numbers.
func (n *controlNode) names() []string { return slices.Sorted(maps.Keys(n.tree.files)) }

// Lookup makes the text of the moment.
func (n *controlNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	index, found := slices.BinarySearch(n.names(), name)
	if !found {
		return nil, syscall.ENOENT
	}
	number, file := controlNumber+1+uint64(index), n.tree.files[name]
	if file.follow != nil {
		return n.tree.lookupLog(ctx, n.EmbeddedInode(), number, file.follow(ctx), folderOwner{n.root}, out)
	}
	if file.asked != nil {
		text, err := file.asked(ctx)
		if err != nil {
			return nil, n.tree.folderErrno(catalog.ControlFolder, "show "+name, err)
		}
		return n.tree.lookupLive(ctx, n.EmbeddedInode(), number, text, folderOwner{n.root}, out)
	}
	return n.tree.lookupLive(ctx, n.EmbeddedInode(), number, file.text(), folderOwner{n.root}, out)
}

// OpendirHandle lists the files.
func (n *controlNode) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	handle, errno := n.tree.openListing(ctx, n.EmbeddedInode(), func(context.Context) ([]fuse.DirEntry, syscall.Errno) {
		var entries []fuse.DirEntry
		for index, name := range n.names() {
			entries = append(entries, fuse.DirEntry{Name: name, Mode: fuse.S_IFREG, Ino: controlNumber + 1 + uint64(index)})
		}
		return entries, 0
	})
	return handle, 0, errno
}
