package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// directory refuses every change of its names. The kinds of folder embed it and
// offer what they can do. Nothing may be left out here: unlinking, for one,
// succeeds in go-fuse where no method stands.
type directory struct {
	node
}

var (
	_ nodefs.NodeUnlinker  = (*directory)(nil)
	_ nodefs.NodeRmdirer   = (*directory)(nil)
	_ nodefs.NodeMkdirer   = (*directory)(nil)
	_ nodefs.NodeMknoder   = (*directory)(nil)
	_ nodefs.NodeCreater   = (*directory)(nil)
	_ nodefs.NodeTmpfiler  = (*directory)(nil)
	_ nodefs.NodeLinker    = (*directory)(nil)
	_ nodefs.NodeSymlinker = (*directory)(nil)
	_ nodefs.NodeRenamer   = (*directory)(nil)
	_ nodefs.NodeSetattrer = (*directory)(nil)
)

// refusal is the error number of a change that is never possible.
func (t *tree) refusal() syscall.Errno {
	if t.readOnly {
		return syscall.EROFS
	}
	return syscall.EPERM
}

// Unlink is refused: no file of a store can be deleted.
func (d *directory) Unlink(context.Context, string) syscall.Errno { return d.tree.refusal() }

// Rmdir is refused.
func (d *directory) Rmdir(context.Context, string) syscall.Errno { return d.tree.refusal() }

// Mkdir is refused.
func (d *directory) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	return nil, d.tree.refusal()
}

// Mknod is refused.
func (d *directory) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	return nil, d.tree.refusal()
}

// Create is refused: the names of files are given.
func (d *directory) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, d.tree.refusal()
}

// Tmpfile is not supported, in the words after which programs try a name.
func (d *directory) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

// Link is refused.
func (d *directory) Link(context.Context, nodefs.InodeEmbedder, string, *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	return nil, d.tree.refusal()
}

// Symlink is refused: links show lineage and are not made by hand.
func (d *directory) Symlink(context.Context, string, string, *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	return nil, d.tree.refusal()
}

// Rename is refused.
func (d *directory) Rename(context.Context, string, nodefs.InodeEmbedder, string, uint32) syscall.Errno {
	return d.tree.refusal()
}

// Setattr is refused.
func (d *directory) Setattr(context.Context, nodefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return d.tree.refusal()
}
