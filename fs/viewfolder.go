package fs

import (
	"context"
	"encoding/binary"
	"slices"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/compute"
	"rvffs/store/state"
)

// viewFolderNode is a folder of views below a store: segments/, kernel/, ebpf/.
// The folder stays, and what it lists is that of the newest snapshot.
type viewFolderNode struct {
	fixedFolder
	store *catalog.Store
	views viewFolder
	path  string   // below the store's folder
	below []string // the names that lead here from the folder of views
}

// viewFolder picks a folder of views from a snapshot.
type viewFolder func(*state.Snapshot, context.Context) (state.ViewFolder, error)

// treeOf is a folder of views that are known one by one.
func treeOf(pick func(context.Context, *state.Snapshot) (*state.ViewTree, error)) viewFolder {
	return func(s *state.Snapshot, ctx context.Context) (state.ViewFolder, error) { return pick(ctx, s) }
}

var (
	_ nodefs.NodeGetattrer      = (*viewFolderNode)(nil)
	_ nodefs.NodeLookuper       = (*viewFolderNode)(nil)
	_ nodefs.NodeOpendirHandler = (*viewFolderNode)(nil)
)

// lookupViewFolder answers a lookup of path, a folder of views below that of s.
func (t *tree) lookupViewFolder(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, path string, below []string, views viewFolder, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &viewFolderNode{fixedFolder: fixedFolder{t.storeFolder(s)}, store: s, path: path, below: below, views: views}
	return t.lookupSnapshotFolder(ctx, parent, child, s, path, out)
}

func (n *viewFolderNode) attributes(ctx context.Context) (attributes, syscall.Errno) {
	return n.tree.snapshotFolder(ctx, n.store, n.path)
}

// Getattr describes the folder; its time is that of the last commit.
func (n *viewFolderNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.attributes(ctx)
	return described.answer(errno, nameTimeout, out)
}

// folder gives the newest snapshot and what it shows here, nil if nothing.
func (n *viewFolderNode) folder(ctx context.Context) (*state.Snapshot, state.ViewFolder, error) {
	snapshot, err := n.store.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	folder, err := n.views(snapshot, ctx)
	for _, name := range n.below {
		if folder != nil {
			_, folder = folder.Find(name)
		}
	}
	return snapshot, folder, err
}

// Lookup finds a view of the newest snapshot, or a folder of views.
func (n *viewFolderNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	snapshot, folder, err := n.folder(ctx)
	if err != nil {
		return nil, n.tree.errno(n.store.Path(), "look up a name in "+n.path, err)
	}
	if folder == nil {
		return nil, syscall.ENOENT
	}
	path := n.path + "/" + name
	view, below := folder.Find(name)
	part := compute.Part(path)
	switch {
	case view != nil && len(n.below) == 0 && part.Known():
		return n.tree.lookupEmbed(ctx, n.EmbeddedInode(), n.store, part, view, stateOf(snapshot), out)
	case view != nil:
		state := stateOf(snapshot)
		identity := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: n.inode(folder, name), Gen: state.generation}
		if _, numbered := folder.Number(name); numbered {
			identity.Gen = generationOf(append(binary.LittleEndian.AppendUint64(nil, state.generation), name...))
		}
		return n.tree.lookupViewAs(ctx, n.EmbeddedInode(), n.store, path, name, view, identity, state, out)
	case below != nil:
		return n.tree.lookupViewFolder(ctx, n.EmbeddedInode(), n.store, path, append(slices.Clone(n.below), name), n.views, out)
	}
	return nil, syscall.ENOENT
}

// inode is the inode number of a name. Segments come and go, so that a table of all
// their names would grow for ever; their numbers recur instead.
func (n *viewFolderNode) inode(folder state.ViewFolder, name string) uint64 {
	if number, numbered := folder.Number(name); numbered {
		return n.store.SegmentNumber(number)
	}
	return n.store.NumberOf(n.path + "/" + name)
}

// viewEntries are the names of a folder of views.
type viewEntries struct {
	state.ViewFolder
	node *viewFolderNode
}

func (e viewEntries) At(i int) fuse.DirEntry {
	name, folder := e.Name(i)
	entry := fuse.DirEntry{Name: name, Mode: fuse.S_IFREG, Ino: e.node.inode(e.ViewFolder, name)}
	if folder {
		entry.Mode = fuse.S_IFDIR
	}
	return entry
}

// bytes is nothing: the folder is the snapshot's.
func (e viewEntries) bytes() int64 { return 0 }

// OpendirHandle lists the views of the newest snapshot.
func (n *viewFolderNode) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	handle, errno := n.tree.openEntries(ctx, n.EmbeddedInode(), func(ctx context.Context) (entries, syscall.Errno) {
		_, folder, err := n.folder(ctx)
		switch {
		case err != nil:
			return nil, n.tree.errno(n.store.Path(), "list "+n.path, err)
		case folder == nil:
			return entryList(nil), 0
		}
		return viewEntries{folder, n}, 0
	})
	return handle, 0, errno
}
