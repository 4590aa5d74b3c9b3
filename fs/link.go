package fs

import (
	"context"
	"os"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
)

// linkNode is a symbolic link: at the place of a derived store's file, one that
// leads to the store's folder within that of its parent, and else one of the backing
// directory, as it is.
type linkNode struct {
	node
	link *catalog.Link
}

var (
	_ nodefs.NodeGetattrer  = (*linkNode)(nil)
	_ nodefs.NodeSetattrer  = (*linkNode)(nil)
	_ nodefs.NodeReadlinker = (*linkNode)(nil)
)

func (n *linkNode) attributes() attributes {
	attributes := n.link.Attributes()
	described := ownedBy(attributes, masked(os.ModePerm))
	described.size = attributes.Size
	return described
}

// Getattr gives the length of the target as the size.
func (n *linkNode) Getattr(_ context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.attributes().fill(&out.Attr)
	out.SetTimeout(nameTimeout)
	return 0
}

// Setattr is refused.
func (n *linkNode) Setattr(context.Context, nodefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return n.tree.refusal()
}

// Readlink gives the target. Who follows it, the caller's kernel, does so in the
// caller's name.
func (n *linkNode) Readlink(context.Context) ([]byte, syscall.Errno) {
	return []byte(n.link.Target()), 0
}
