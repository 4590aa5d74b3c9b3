package fs

import (
	"context"
	"strings"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
)

const neighborsSuffix = ".json"

// neighborsNode is the folder in which every stored vector has a file with its
// nearest neighbors. It lists none of them: there may be millions, and each costs
// a search as soon as somebody asks for its size.
type neighborsNode struct {
	unlisted
	store *catalog.Store
}

var (
	_ nodefs.NodeGetattrer      = (*neighborsNode)(nil)
	_ nodefs.NodeLookuper       = (*neighborsNode)(nil)
	_ nodefs.NodeOpendirHandler = (*neighborsNode)(nil)
)

func lookupNeighbors(ctx context.Context, parent *storeNode, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &neighborsNode{unlisted: unlisted{fixedFolder{parent.tree.storeFolder(parent.store)}}, store: parent.store}
	return child.tree.lookupSnapshotFolder(ctx, parent.EmbeddedInode(), child, child.store, catalog.NameNeighbors, out)
}

// Getattr describes the folder.
func (n *neighborsNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.tree.snapshotFolder(ctx, n.store, catalog.NameNeighbors)
	return described.answer(errno, nameTimeout, out)
}

// Lookup searches for the neighbors of the id in the name, for the size has to be
// known before the first read. Ids are written in one way only: decimal, without
// zeros in front.
func (n *neighborsNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	digits, ours := strings.CutSuffix(name, neighborsSuffix)
	id, valid := parseID(digits)
	if !ours || !valid {
		return nil, syscall.ENOENT
	}
	found, err := n.store.Neighbors(ctx, id)
	if err != nil {
		return nil, n.tree.errno(n.store.Path(), "look up the neighbors of a vector", err)
	}
	shown := viewState{generation: found.Generation, modified: found.Time, origin: found.Origin, file: found.File}
	identity := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: found.Number, Gen: found.Generation}
	return n.tree.lookupViewAs(ctx, n.EmbeddedInode(), n.store, catalog.NameNeighbors, name, found.View(), identity, shown, out)
}
