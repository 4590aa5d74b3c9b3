package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
)

// linkNode is a symbolic link at the place of a derived store's file. It leads to
// the store's folder within that of its parent.
type linkNode struct {
	node
	link *catalog.Link
}

var (
	_ nodefs.NodeGetattrer  = (*linkNode)(nil)
	_ nodefs.NodeSetattrer  = (*linkNode)(nil)
	_ nodefs.NodeReadlinker = (*linkNode)(nil)
)

func (n *linkNode) facts() facts {
	described := ownedBy(n.link.Attributes(), 0)
	described.mode, described.size = readable|writable|executable, int64(len(n.link.Target()))
	return described
}

// Getattr gives the length of the target as the size.
func (n *linkNode) Getattr(_ context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.facts().fill(&out.Attr)
	out.SetTimeout(nameTimeout)
	return 0
}

// Setattr is refused.
func (n *linkNode) Setattr(context.Context, nodefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return n.tree.refusal()
}

// Readlink gives the path of the store's folder, from the link's own.
func (n *linkNode) Readlink(context.Context) ([]byte, syscall.Errno) {
	return []byte(n.link.Target()), 0
}
