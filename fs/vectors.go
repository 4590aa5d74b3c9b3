package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/vecio"
)

// byIDName is the folder in that of the vectors whose files show one vector each.
const byIDName = "by-id"

// vectorsNode is the folder whose files show all live vectors. What they hold is
// looked at when one of them is looked up, not when the folder is.
type vectorsNode struct {
	fixedFolder
	store *catalog.Store
}

var (
	_ nodefs.NodeGetattrer      = (*vectorsNode)(nil)
	_ nodefs.NodeLookuper       = (*vectorsNode)(nil)
	_ nodefs.NodeOpendirHandler = (*vectorsNode)(nil)
)

// lookupVectors answers a lookup of a store's folder of vectors.
func lookupVectors(ctx context.Context, parent *storeNode, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &vectorsNode{fixedFolder: fixedFolder{parent.tree.storeFolder(parent.store)}, store: parent.store}
	return child.tree.lookupSnapshotFolder(ctx, parent.EmbeddedInode(), child, child.store, catalog.NameVectors, out)
}

// lookupSnapshotFolder answers a lookup of path below the folder of s with a folder
// that shows the newest snapshot.
func (t *tree) lookupSnapshotFolder(ctx context.Context, parent *nodefs.Inode, child nodefs.InodeEmbedder, s *catalog.Store, path string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	described, errno := t.snapshotFolder(ctx, s, path)
	if errno != 0 {
		return nil, errno
	}
	described.fillEntry(out, nameTimeout, nameTimeout)
	return parent.NewInode(ctx, child, nodefs.StableAttr{Mode: fuse.S_IFDIR, Ino: s.NumberOf(path)}), 0
}

// snapshotFolder describes a folder of s whose time is that of the last commit.
func (t *tree) snapshotFolder(ctx context.Context, s *catalog.Store, path string) (attributes, syscall.Errno) {
	backing, err := s.Attributes(ctx)
	if err != nil {
		return attributes{}, t.errno(s.Path(), "stat "+path, err)
	}
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return attributes{}, t.errno(s.Path(), "stat "+path, err)
	}
	described := ownedBy(backing, asFolder)
	described.modified = snapshot.Time()
	return described, 0
}

// Getattr describes the folder.
func (n *vectorsNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.tree.snapshotFolder(ctx, n.store, catalog.NameVectors)
	return described.answer(errno, nameTimeout, out)
}

// Lookup finds a file of all vectors, or the folder of single ones.
func (n *vectorsNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	if name == byIDName {
		return n.tree.lookupByID(ctx, n.EmbeddedInode(), n.store, out)
	}
	for _, format := range vecio.FileFormats() {
		if format.FileName() != name {
			continue
		}
		path := catalog.NameVectors + "/" + name
		view, snapshot, err := n.store.VectorFile(ctx, format)
		if err != nil {
			return nil, n.tree.errno(n.store.Path(), "show "+path, err)
		}
		state := stateOf(snapshot)
		state.modified = snapshot.ShownTime() // row n may be another since
		return n.tree.lookupView(ctx, n.EmbeddedInode(), n.store, path, view, state, out)
	}
	return nil, syscall.ENOENT
}

// OpendirHandle lists the files and the folder of single vectors.
func (n *vectorsNode) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	handle, errno := n.tree.openListing(ctx, n.EmbeddedInode(), func(context.Context) ([]fuse.DirEntry, syscall.Errno) {
		entries := []fuse.DirEntry{{Name: byIDName, Mode: fuse.S_IFDIR, Ino: n.store.NumberOf(catalog.NameVectors + "/" + byIDName)}}
		for _, format := range vecio.FileFormats() {
			name := format.FileName()
			entries = append(entries, fuse.DirEntry{Name: name, Mode: fuse.S_IFREG, Ino: n.store.NumberOf(catalog.NameVectors + "/" + name)})
		}
		return entries, 0
	})
	return handle, 0, errno
}
