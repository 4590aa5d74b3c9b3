package fs

import (
	"context"
	"strings"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store"
	"rvffs/store/catalog"
)

// viewFolderNode is a folder of views below a store: segments/, kernel/, ebpf/.
// The folder stays, and what it lists is that of the newest snapshot.
type viewFolderNode struct {
	directory
	store  *catalog.Store
	views  viewList
	path   string // below the store's folder
	prefix string // of the names that stand here, "" or with a slash at its end
}

// viewList picks the views of one folder from a snapshot. Slashes in their names
// make folders below it.
type viewList func(*store.Snapshot, context.Context) ([]store.NamedView, error)

var (
	_ nodefs.NodeGetattrer      = (*viewFolderNode)(nil)
	_ nodefs.NodeLookuper       = (*viewFolderNode)(nil)
	_ nodefs.NodeOpendirHandler = (*viewFolderNode)(nil)
)

// lookupViewFolder answers a lookup of path, a folder of views below that of s.
func (t *tree) lookupViewFolder(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, path, prefix string, views viewList, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &viewFolderNode{directory: directory{node{tree: t}}, store: s, path: path, prefix: prefix, views: views}
	return t.lookupSnapshotFolder(ctx, parent, child, s, path, out)
}

func (n *viewFolderNode) facts(ctx context.Context) (facts, syscall.Errno) {
	return n.tree.snapshotFolder(ctx, n.store, n.path)
}

// Getattr describes the folder; its time is that of the last commit.
func (n *viewFolderNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.facts(ctx)
	return described.answer(errno, nameTimeout, out)
}

// list gives the newest snapshot and the views in and below this folder, under
// their names from here.
func (n *viewFolderNode) list(ctx context.Context) (*store.Snapshot, []store.NamedView, error) {
	snapshot, err := n.store.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err := n.views(snapshot, ctx)
	if err != nil || n.prefix == "" {
		return snapshot, all, err
	}
	var below []store.NamedView
	for _, named := range all {
		if rest, found := strings.CutPrefix(named.Name, n.prefix); found {
			below = append(below, store.NamedView{Name: rest, View: named.View})
		}
	}
	return snapshot, below, nil
}

// Lookup finds a view of the newest snapshot, or a folder of views.
func (n *viewFolderNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	snapshot, views, err := n.list(ctx)
	if err != nil {
		return nil, n.tree.errno(n.store.Path(), "look up a name in "+n.path, err)
	}
	for _, named := range views {
		if part := store.EmbedPart(n.path + "/" + name); named.Name == name && n.prefix == "" && part.Known() {
			return n.tree.lookupEmbed(ctx, n.EmbeddedInode(), n.store, part, named.View, stateOf(snapshot), out)
		}
		if named.Name == name {
			return n.tree.lookupView(ctx, n.EmbeddedInode(), n.store, n.path+"/"+name, named.View, stateOf(snapshot), out)
		}
		if strings.HasPrefix(named.Name, name+"/") {
			return n.tree.lookupViewFolder(ctx, n.EmbeddedInode(), n.store, n.path+"/"+name, n.prefix+name+"/", n.views, out)
		}
	}
	return nil, syscall.ENOENT
}

// OpendirHandle lists the views of the newest snapshot.
func (n *viewFolderNode) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	handle, errno := openListing(ctx, n.EmbeddedInode(), func(ctx context.Context) ([]fuse.DirEntry, syscall.Errno) {
		_, views, err := n.list(ctx)
		if err != nil {
			return nil, n.tree.errno(n.store.Path(), "list "+n.path, err)
		}
		entries := make([]fuse.DirEntry, 0, len(views))
		folders := make(map[string]bool)
		for _, named := range views {
			name, _, nested := strings.Cut(named.Name, "/")
			mode := uint32(fuse.S_IFREG)
			if nested {
				if folders[name] {
					continue
				}
				folders[name] = true
				mode = fuse.S_IFDIR
			}
			entries = append(entries, fuse.DirEntry{Name: name, Mode: mode, Ino: n.store.Inode(n.path + "/" + name)})
		}
		return entries, 0
	})
	return handle, 0, errno
}
