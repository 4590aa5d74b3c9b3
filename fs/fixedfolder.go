package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// fixedFolder refuses every change of its names. The kinds of folder embed it and
// offer what they can do. Nothing may be left out here: unlinking, for one,
// succeeds in go-fuse where no method stands.
type fixedFolder struct {
	node
}

var (
	_ nodefs.NodeUnlinker  = (*fixedFolder)(nil)
	_ nodefs.NodeRmdirer   = (*fixedFolder)(nil)
	_ nodefs.NodeMkdirer   = (*fixedFolder)(nil)
	_ nodefs.NodeMknoder   = (*fixedFolder)(nil)
	_ nodefs.NodeCreater   = (*fixedFolder)(nil)
	_ nodefs.NodeTmpfiler  = (*fixedFolder)(nil)
	_ nodefs.NodeLinker    = (*fixedFolder)(nil)
	_ nodefs.NodeSymlinker = (*fixedFolder)(nil)
	_ nodefs.NodeRenamer   = (*fixedFolder)(nil)
	_ nodefs.NodeSetattrer = (*fixedFolder)(nil)
)

// refusal is the error number of a change that is never possible.
func (t *tree) refusal() syscall.Errno {
	if t.readOnly {
		return syscall.EROFS
	}
	return syscall.EPERM
}

// Unlink is refused: no file of a store can be deleted.
func (d *fixedFolder) Unlink(context.Context, string) syscall.Errno { return d.tree.refusal() }

// Rmdir is refused.
func (d *fixedFolder) Rmdir(context.Context, string) syscall.Errno { return d.tree.refusal() }

// Mkdir is refused.
func (d *fixedFolder) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	return nil, d.tree.refusal()
}

// Mknod is refused.
func (d *fixedFolder) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	return nil, d.tree.refusal()
}

// Create is refused: the names of files are given.
func (d *fixedFolder) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, d.tree.refusal()
}

// Tmpfile is not supported, in the words after which programs try a name.
func (d *fixedFolder) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

// Link is refused.
func (d *fixedFolder) Link(context.Context, nodefs.InodeEmbedder, string, *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	return nil, d.tree.refusal()
}

// Symlink is refused: links show lineage and are not made by hand.
func (d *fixedFolder) Symlink(context.Context, string, string, *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	return nil, d.tree.refusal()
}

// Rename is refused.
func (d *fixedFolder) Rename(context.Context, string, nodefs.InodeEmbedder, string, uint32) syscall.Errno {
	return d.tree.refusal()
}

// Setattr is refused where it would change owner or mode. A time is accepted and means
// nothing: programs that copy a folder over this one make it like theirs in the end.
func (d *fixedFolder) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	shown, tells := d.Operations().(nodefs.NodeGetattrer)
	if d.tree.readOnly || !tells {
		return d.tree.refusal()
	}
	if errno := shown.Getattr(ctx, handle, out); errno != 0 {
		return errno
	}
	mode, moded := in.GetMode()
	uid, owned := in.GetUID()
	gid, grouped := in.GetGID()
	if moded && modeOf(mode).Perm() != modeOf(out.Mode).Perm() || owned && uid != out.Uid || grouped && gid != out.Gid {
		return d.tree.refusal()
	}
	return 0
}
