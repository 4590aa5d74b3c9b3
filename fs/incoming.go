package fs

import (
	"context"
	"path"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rvffs/store/catalog"
	"rvffs/store/incoming"
	"rvffs/store/volume"
)

// incomingNode is a drop folder, or a folder within one: what is put there is taken in.
type incomingNode struct {
	fixedFolder
	dropTarget
	below string // the path of a folder within
}

// in is the name of what is in the folder as the drop folder knows it.
func (n *incomingNode) in(name string) string { return path.Join(n.below, name) }

// dropTarget is where dropped files go.
type dropTarget struct {
	// folder finds the drop folder, nil where nobody has dropped anything unless it is to
	// be made.
	folder func(ctx context.Context, make bool) (*incoming.Folder, error)
	// attributes are those of what it stands for.
	attributes func(ctx context.Context) (catalog.Attributes, error)
	about      about
}

var (
	_ nodefs.NodeGetattrer      = (*incomingNode)(nil)
	_ nodefs.NodeSetattrer      = (*incomingNode)(nil)
	_ nodefs.NodeLookuper       = (*incomingNode)(nil)
	_ nodefs.NodeOpendirHandler = (*incomingNode)(nil)
	_ nodefs.NodeCreater        = (*incomingNode)(nil)
	_ nodefs.NodeMkdirer        = (*incomingNode)(nil)
	_ nodefs.NodeRmdirer        = (*incomingNode)(nil)
	_ nodefs.NodeUnlinker       = (*incomingNode)(nil)
	_ nodefs.NodeRenamer        = (*incomingNode)(nil)
)

// lookupIncoming answers a lookup of a store's drop folder.
func lookupIncoming(ctx context.Context, parent *storeNode, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	s := parent.store
	if _, err := s.Snapshot(ctx); err != nil {
		return nil, parent.hidden(ctx, catalog.NameIncoming, err)
	}
	child := &incomingNode{fixedFolder{parent.tree.storeFolder(s)}, dropTarget{s.Incoming, s.Attributes, aboutStore(s)}, ""}
	return child.entry(ctx, parent.EmbeddedInode(), nodefs.StableAttr{Ino: s.NumberOf(catalog.NameIncoming)}, out)
}

func (n *incomingNode) entry(ctx context.Context, parent *nodefs.Inode, stable nodefs.StableAttr, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	described, errno := n.describe(ctx)
	if errno != 0 {
		return nil, errno
	}
	described.fillEntry(out, nameTimeout, nameTimeout)
	stable.Mode = fuse.S_IFDIR
	return parent.NewInode(ctx, n, stable), 0
}

func (n *incomingNode) describe(ctx context.Context) (attributes, syscall.Errno) {
	backing, err := n.attributes(ctx)
	if err != nil {
		return attributes{}, n.failed("stat", err)
	}
	return ownedBy(backing, n.rights), 0
}

func (n *incomingNode) failed(operation string, err error) syscall.Errno {
	return n.about(n.tree, operation+" "+catalog.NameIncoming, err)
}

// Getattr gives owner, mode and time of what the folder belongs to.
func (n *incomingNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.describe(ctx)
	return described.answer(errno, nameTimeout, out)
}

// Setattr is accepted and does nothing: programs that copy folders make them like their
// own in the end.
func (n *incomingNode) Setattr(ctx context.Context, handle nodefs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if n.tree.readOnly {
		return syscall.EROFS
	}
	return n.Getattr(ctx, handle, out)
}

// Lookup finds a file on its way, a receipt, or why one was refused.
func (n *incomingNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	folder, err := n.folder(ctx, false)
	if err != nil {
		return nil, n.failed("look up a name in", err)
	}
	if folder == nil {
		return nil, syscall.ENOENT
	}
	if file := folder.Find(n.in(name)); file != nil {
		return n.tree.lookupDropped(ctx, n.EmbeddedInode(), file, n.about, out), 0
	}
	if found := folder.FindFolder(n.in(name)); found != nil {
		return n.lookupFolder(ctx, name, found, out)
	}
	return nil, syscall.ENOENT
}

// lookupFolder answers a lookup of a folder within. It is like the one that it is in.
func (n *incomingNode) lookupFolder(ctx context.Context, name string, found *incoming.Subfolder, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &incomingNode{fixedFolder{node{tree: n.tree, list: n.list, rights: n.rights}}, n.dropTarget, n.in(name)}
	return child.entry(ctx, n.EmbeddedInode(), nodefs.StableAttr{Ino: found.Number(), Gen: found.Index()}, out)
}

// Mkdir makes a folder within, as programs do that bring a tree of files.
func (n *incomingNode) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	if n.tree.readOnly {
		return nil, syscall.EROFS
	}
	folder, err := n.folder(ctx, true)
	if err != nil {
		return nil, n.failed("mkdir in", err)
	}
	made, err := folder.MakeFolder(ctx, n.in(name))
	if err != nil {
		return nil, n.failed("mkdir in", err)
	}
	return n.lookupFolder(ctx, name, made, out)
}

// Rmdir removes a folder within in which nothing is.
func (n *incomingNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	if n.tree.readOnly {
		return syscall.EROFS
	}
	return n.tree.changeDropped(ctx, n.dropTarget, "rmdir", func(patient context.Context, folder *incoming.Folder) error {
		return folder.RemoveFolder(patient, n.in(name))
	})
}

// OpendirHandle lists the files.
func (n *incomingNode) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	handle, errno := n.tree.openListing(ctx, n.EmbeddedInode(), func(ctx context.Context) ([]fuse.DirEntry, syscall.Errno) {
		folder, err := n.folder(ctx, false)
		if err != nil {
			return nil, n.failed("list", err)
		}
		return appendDropped(nil, folder, n.below), 0
	})
	return handle, 0, errno
}

// appendDropped adds what is in a drop folder, which may be nil, or in one within, to a
// listing.
func appendDropped(entries []fuse.DirEntry, folder *incoming.Folder, below string) []fuse.DirEntry {
	if folder == nil {
		return entries
	}
	for _, listed := range folder.List(below) {
		if listed.Folder != nil {
			entries = append(entries, fuse.DirEntry{Name: listed.Name, Mode: fuse.S_IFDIR, Ino: listed.Folder.Number()})
			continue
		}
		entries = append(entries, fuse.DirEntry{Name: listed.Name, Mode: fuse.S_IFREG, Ino: listed.File.Number()})
	}
	return entries
}

// Create makes a file that is going to be taken in.
func (n *incomingNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	return n.tree.createDropped(ctx, n.EmbeddedInode(), n.dropTarget, n.in(name), flags, mode, out)
}

// createDropped makes a file in a drop folder, and opens it.
func (t *tree) createDropped(ctx context.Context, parent *nodefs.Inode, target dropTarget, name string, flags, mode uint32, out *fuse.EntryOut) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
	failed := func(err error) (*nodefs.Inode, nodefs.FileHandle, uint32, syscall.Errno) {
		return nil, nil, 0, target.about(t, "create a file in "+catalog.NameIncoming, err)
	}
	if t.readOnly {
		return nil, nil, 0, syscall.EROFS
	}
	folder, err := target.folder(ctx, true)
	if err != nil {
		return failed(err)
	}
	var owner fuse.Owner
	if sender, known := fuse.FromContext(ctx); known {
		owner = sender.Owner
	}
	file, upload, err := folder.Create(ctx, name, callerOf(ctx).group, incoming.NewAttributes(unmasked(mode), owner.Uid, owner.Gid))
	if err != nil {
		return failed(err)
	}
	inode := t.lookupDropped(ctx, parent, file, target.about, out)
	handle := t.openUpload(ctx, file, upload, target.about, flags)
	return inode, handle, fuse.FOPEN_DIRECT_IO, 0
}

// Unlink takes a name away: a receipt, or a file that will not be taken in then.
func (n *incomingNode) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.tree.removeDropped(ctx, n.dropTarget, n.in(name))
}

func (t *tree) removeDropped(ctx context.Context, target dropTarget, name string) syscall.Errno {
	if t.readOnly {
		return syscall.EROFS
	}
	return t.changeDropped(ctx, target, "remove", func(patient context.Context, folder *incoming.Folder) error {
		return folder.Remove(patient, name, callerOf(ctx).group)
	})
}

// changeDropped does something to a file that is in a drop folder.
func (t *tree) changeDropped(ctx context.Context, target dropTarget, operation string, change func(context.Context, *incoming.Folder) error) syscall.Errno {
	folder, err := target.folder(ctx, false)
	if err == nil && folder == nil {
		err = volume.ErrNotFound
	}
	if err == nil {
		patient := t.outlast(ctx, untilKilled)
		defer patient.end()
		err = change(patient, folder)
	}
	if err != nil {
		return target.about(t, operation+" a file of "+catalog.NameIncoming, err)
	}
	return 0
}

// Rename gives a file its final name, by which it is taken in, perhaps out of a folder within.
// Folders keep their names: their files may have been taken in under them.
func (n *incomingNode) Rename(ctx context.Context, name string, to nodefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	other, same := to.(*incomingNode)
	if !same {
		return syscall.EXDEV // so that programs copy
	}
	here, err := n.folder(ctx, false)
	if err != nil {
		return n.failed(operationRename+" a file of", err)
	}
	there, err := other.folder(ctx, false)
	switch {
	case err != nil:
		return other.failed(operationRename+" to", err)
	case here == nil || here != there:
		return syscall.EXDEV
	case here.FindFolder(n.in(name)) != nil:
		return n.tree.refusal()
	}
	return n.tree.renameDropped(ctx, n.dropTarget, n.in(name), other.in(newName), flags)
}

func (t *tree) renameDropped(ctx context.Context, target dropTarget, name, newName string, flags uint32) syscall.Errno {
	switch {
	case t.readOnly:
		return syscall.EROFS
	case flags&^unix.RENAME_NOREPLACE != 0:
		return syscall.EINVAL
	}
	errno := t.changeDropped(ctx, target, operationRename, func(patient context.Context, folder *incoming.Folder) error {
		return folder.Rename(patient, name, newName, flags&unix.RENAME_NOREPLACE != 0)
	})
	if errno == 0 {
		t.expiry.now()
	}
	return errno
}
