package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/volume"
)

// lineageNode is the folder of a store's lineage: links to its parent's folder and to those
// of its children, and what is true of the way up from it.
type lineageNode struct {
	fixedFolder
	store *catalog.Store
}

// childrenNode is the folder of links to the store's children.
type childrenNode struct {
	fixedFolder
	store *catalog.Store
}

var (
	_ nodefs.NodeGetattrer      = (*lineageNode)(nil)
	_ nodefs.NodeLookuper       = (*lineageNode)(nil)
	_ nodefs.NodeOpendirHandler = (*lineageNode)(nil)
	_ nodefs.NodeGetattrer      = (*childrenNode)(nil)
	_ nodefs.NodeLookuper       = (*childrenNode)(nil)
	_ nodefs.NodeOpendirHandler = (*childrenNode)(nil)
)

const (
	childrenPath = catalog.NameLineage + "/" + catalog.NameChildren
	ancestryPath = catalog.NameLineage + "/" + catalog.NameAncestry
)

func lookupLineage(ctx context.Context, parent *storeNode, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &lineageNode{fixedFolder: fixedFolder{parent.tree.storeFolder(parent.store)}, store: parent.store}
	return child.tree.lookupSnapshotFolder(ctx, parent.EmbeddedInode(), child, child.store, catalog.NameLineage, out)
}

// Getattr describes the folder.
func (n *lineageNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.tree.snapshotFolder(ctx, n.store, catalog.NameLineage)
	return described.answer(errno, nameTimeout, out)
}

// Lookup finds one of the three names.
func (n *lineageNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	switch name {
	case catalog.NameParent:
		entry, err := n.store.ParentLink(ctx)
		if err != nil {
			return nil, n.tree.errno(n.store.Path(), "link to the parent", err)
		}
		return n.tree.lookupEntry(ctx, n.EmbeddedInode(), entry, out)
	case catalog.NameChildren:
		child := &childrenNode{fixedFolder: fixedFolder{n.tree.storeFolder(n.store)}, store: n.store}
		return n.tree.lookupSnapshotFolder(ctx, n.EmbeddedInode(), child, n.store, childrenPath, out)
	case catalog.NameAncestry:
		snapshot, err := n.store.Snapshot(ctx)
		if err != nil {
			return nil, n.tree.errno(n.store.Path(), "show its ancestry", err)
		}
		ancestry, err := n.store.Ancestry(ctx)
		if err != nil {
			return nil, n.tree.errno(n.store.Path(), "show its ancestry", err)
		}
		shown := stateOf(snapshot)
		shown.generation, shown.private = ancestry.Generation, ancestry.Private
		return n.tree.lookupView(ctx, n.EmbeddedInode(), n.store, ancestryPath, ancestry.View, shown, out)
	}
	return nil, syscall.ENOENT
}

// OpendirHandle lists the names that there are.
func (n *lineageNode) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	return n.tree.openLineage(ctx, n.EmbeddedInode(), n.store, func(ctx context.Context) ([]fuse.DirEntry, error) {
		entries := []fuse.DirEntry{
			{Name: catalog.NameAncestry, Mode: fuse.S_IFREG, Ino: n.store.NumberOf(ancestryPath)},
			{Name: catalog.NameChildren, Mode: fuse.S_IFDIR, Ino: n.store.NumberOf(childrenPath)},
		}
		parent, err := n.store.ParentLink(ctx)
		switch errno := errnoOf(err); {
		case err == nil:
			entries = appendEntries(entries, []catalog.Entry{parent})
		case errno != syscall.ENOENT:
			return nil, err
		}
		return entries, nil
	})
}

// openLineage opens a folder of a store's lineage for those who may list the store's.
func (t *tree) openLineage(ctx context.Context, folder *nodefs.Inode, s *catalog.Store, take func(context.Context) ([]fuse.DirEntry, error)) (nodefs.FileHandle, uint32, syscall.Errno) {
	if err := s.Allow(ctx, volume.Read); err != nil {
		return nil, 0, t.errno(s.Path(), "list its lineage", err)
	}
	handle, errno := t.openListing(ctx, folder, func(ctx context.Context) ([]fuse.DirEntry, syscall.Errno) {
		entries, err := take(ctx)
		if err != nil {
			return nil, t.errno(s.Path(), "list its lineage", err)
		}
		return entries, 0
	})
	return handle, 0, errno
}

// Getattr describes the folder.
func (n *childrenNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.tree.snapshotFolder(ctx, n.store, childrenPath)
	return described.answer(errno, nameTimeout, out)
}

// Lookup finds the link to a child.
func (n *childrenNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	entry, err := n.store.ChildLink(ctx, name)
	if err != nil {
		return nil, n.tree.errno(n.store.Path(), "link to a child", err)
	}
	return n.tree.lookupEntry(ctx, n.EmbeddedInode(), entry, out)
}

// OpendirHandle lists the links.
func (n *childrenNode) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	return n.tree.openLineage(ctx, n.EmbeddedInode(), n.store, func(ctx context.Context) ([]fuse.DirEntry, error) {
		links, err := n.store.ChildLinks(ctx)
		return appendEntries(make([]fuse.DirEntry, 0, len(links)), links), err
	})
}
