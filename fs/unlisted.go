package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// unlisted is a directory whose names can be opened and are not listed, for there
// may be millions of them.
type unlisted struct {
	fixedFolder
}

var _ nodefs.NodeOpendirHandler = (*unlisted)(nil)

// OpendirHandle lists nothing.
func (u *unlisted) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	handle, errno := u.tree.openListing(ctx, u.EmbeddedInode(), func(context.Context) ([]fuse.DirEntry, syscall.Errno) { return nil, 0 })
	return handle, 0, errno
}
