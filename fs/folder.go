package fs

import (
	"context"
	"errors"
	"slices"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rvffs/store/catalog"
	"rvffs/store/volume"
)

// folderNode is a plain folder of the backing directory; the root is one too.
type folderNode struct {
	fixedFolder
	folder *catalog.Folder
}

var (
	_ nodefs.NodeGetattrer      = (*folderNode)(nil)
	_ nodefs.NodeSetattrer      = (*folderNode)(nil)
	_ nodefs.NodeLookuper       = (*folderNode)(nil)
	_ nodefs.NodeOpendirHandler = (*folderNode)(nil)
	_ nodefs.NodeMkdirer        = (*folderNode)(nil)
	_ nodefs.NodeRmdirer        = (*folderNode)(nil)
	_ nodefs.NodeRenamer        = (*folderNode)(nil)
)

func (n *folderNode) attributes(ctx context.Context) (attributes, syscall.Errno) {
	backing, err := n.folder.Attributes(ctx)
	if err != nil {
		return attributes{}, n.tree.folderErrno(n.name(), "stat", err)
	}
	described := ownedBy(backing, n.rights)
	described.mode |= backing.Mode & specialBits
	return described, 0
}

// name is the folder's path, for the log.
func (n *folderNode) name() string { return n.folder.Path() }

// Getattr describes the backing folder.
func (n *folderNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.attributes(ctx)
	return described.answer(errno, nameTimeout, out)
}

// Setattr changes mode, owner and times of the backing folder.
func (n *folderNode) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if err := setAttributes(ctx, n.folder, in); err != nil {
		return n.tree.folderErrno(n.name(), "change attributes", err)
	}
	return n.Getattr(ctx, handle, out)
}

// Lookup finds a folder, a store or a link.
func (n *folderNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	if n.IsRoot() && name == catalog.ControlFolder {
		return n.tree.lookupControl(ctx, n.EmbeddedInode(), n.folder, out)
	}
	if file := n.restoring(ctx, name); file != nil {
		return n.tree.lookupDropped(ctx, n.EmbeddedInode(), file, aboutFolder(n.folder), out), 0
	}
	entry, err := n.folder.Lookup(ctx, name)
	if errors.Is(err, volume.ErrNotFound) && n.IsRoot() && name == catalog.NameIncoming {
		return n.lookupIncoming(ctx, out)
	}
	if err != nil {
		return nil, n.tree.folderErrno(n.name(), "look up a name", err)
	}
	return n.tree.lookupEntry(ctx, n.EmbeddedInode(), entry, out)
}

// OpendirHandle lists the folder.
func (n *folderNode) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	if err := n.folder.Allow(ctx, volume.Read); err != nil {
		return nil, 0, n.tree.folderErrno(n.name(), "list", err)
	}
	handle, errno := n.tree.openListing(ctx, n.EmbeddedInode(), func(ctx context.Context) ([]fuse.DirEntry, syscall.Errno) {
		found, err := n.folder.List(ctx)
		if err != nil {
			return nil, n.tree.folderErrno(n.name(), "list", err)
		}
		entries := make([]fuse.DirEntry, 0, len(found)+2)
		if n.IsRoot() {
			entries = append(entries, fuse.DirEntry{Name: catalog.ControlFolder, Mode: fuse.S_IFDIR, Ino: controlNumber})
			if n.tree.views.lists(catalog.NameIncoming) && !slices.ContainsFunc(found, func(entry catalog.Entry) bool { return entry.Name == catalog.NameIncoming }) {
				entries = append(entries, fuse.DirEntry{Name: catalog.NameIncoming, Mode: fuse.S_IFDIR, Ino: incomingNumber})
			}
		}
		restoring, _ := n.folder.Restoring(ctx, false)
		return appendDropped(appendEntries(entries, found), restoring, ""), 0
	})
	return handle, 0, errno
}

// Mkdir makes a store when the name has the extension of one, else a plain folder.
func (n *folderNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	if n.tree.readOnly {
		return nil, syscall.EROFS
	}
	if errno := n.tree.refuseCopy(ctx, name, aboutFolder(n.folder)); errno != 0 {
		return nil, errno
	}
	patient := n.tree.outlast(ctx, untilKilled)
	defer patient.end()
	entry, err := n.folder.Make(patient, name, newMode(patient, n.folder, mode))
	if err != nil {
		return nil, n.tree.folderErrno(n.name(), "mkdir", err)
	}
	return n.tree.lookupEntry(ctx, n.EmbeddedInode(), entry, out)
}

// own reports whether a name is one of those that the topmost folder has besides what
// stands in the backing directory.
func (n *folderNode) own(ctx context.Context, name string) bool {
	if !n.IsRoot() || name != catalog.NameIncoming {
		return n.IsRoot() && name == catalog.ControlFolder
	}
	_, err := n.folder.Lookup(ctx, name)
	return errors.Is(err, volume.ErrNotFound)
}

// Rmdir removes a store that holds nothing, or an empty folder.
func (n *folderNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	if n.tree.readOnly || n.own(ctx, name) {
		return n.tree.refusal()
	}
	patient := n.tree.outlast(ctx, untilKilled)
	defer patient.end()
	if err := n.folder.Remove(patient, name); err != nil {
		if stays, late := n.folder.Lookup(patient, name); late == nil && stays.Kind == catalog.KindStore {
			return n.tree.errno(stays.Store.Path(), "rmdir", err)
		}
		return n.tree.folderErrno(n.name(), "rmdir", err)
	}
	return 0
}

// Rename renames a store's file or a folder.
func (n *folderNode) Rename(ctx context.Context, name string, to nodefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if n.own(ctx, name) {
		return n.tree.refusal()
	}
	if other, plain := to.(*folderNode); plain && flags&^unix.RENAME_NOREPLACE == 0 && other.own(ctx, newName) {
		return n.tree.refusal()
	}
	if n.restoring(ctx, name) != nil {
		return n.renameRestoring(ctx, name, to, newName, flags)
	}
	return n.tree.rename(ctx, n.folder, name, to, newName, flags, func(err error) syscall.Errno {
		return n.tree.folderErrno(n.name(), operationRename, err)
	})
}
