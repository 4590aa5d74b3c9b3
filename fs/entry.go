package fs

import (
	"context"
	"fmt"
	"syscall"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rvffs/store/catalog"
	"rvffs/store/volume"
)

// lookupEntry answers a lookup with what the catalog found under a name.
func (t *tree) lookupEntry(ctx context.Context, parent *nodefs.Inode, entry catalog.Entry, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	var (
		child     nodefs.InodeEmbedder
		described attributes
		errno     syscall.Errno
		identity  = nodefs.StableAttr{Mode: fuse.S_IFDIR}
		timeout   = nameTimeout
	)
	switch entry.Kind {
	case catalog.KindStore:
		node := &storeNode{fixedFolder: fixedFolder{t.storeFolder(entry.Store)}, store: entry.Store}
		described, errno = node.attributes(ctx)
		child, identity.Ino = node, entry.Store.Number()
		if entry.Aside {
			// To the kernel this is another folder than that in the parent's.
			identity.Gen = 1
		}
	case catalog.KindLink:
		node := &linkNode{node: node{tree: t}, link: entry.Link}
		described = node.attributes()
		child, identity.Ino, identity.Mode = node, entry.Link.Number(), fuse.S_IFLNK
		identity.Gen = generationOf(fmt.Appendf(nil, "%s\x00%d %d %d", entry.Link.Target(), described.uid, described.gid, described.modified.UnixNano()))
		// What a store's rename or removal changes elsewhere is its link. No notice
		// can be given from there in time: it would wait for the lock of a folder
		// above the one that is locked already.
		timeout = 0
	default:
		node := &folderNode{fixedFolder: fixedFolder{folderBase(t, entry.Folder)}, folder: entry.Folder}
		described, errno = node.attributes(ctx)
		child, identity.Ino = node, entry.Folder.Number()
	}
	if errno != 0 {
		return nil, errno
	}
	if entry.Private {
		// The kernel asks again at each walk, for whoever walks.
		timeout = 0
	}
	described.fillEntry(out, timeout, nameTimeout)
	return parent.NewInode(ctx, child, identity), 0
}

// appendEntries adds what the catalog found to a listing.
func appendEntries(entries []fuse.DirEntry, found []catalog.Entry) []fuse.DirEntry {
	for _, entry := range found {
		listed := fuse.DirEntry{Name: entry.Name, Mode: fuse.S_IFDIR}
		switch entry.Kind {
		case catalog.KindStore:
			listed.Ino = entry.Store.Number()
		case catalog.KindLink:
			listed.Ino, listed.Mode = entry.Link.Number(), fuse.S_IFLNK
		default:
			listed.Ino = entry.Folder.Number()
		}
		entries = append(entries, listed)
	}
	return entries
}

// mover is a place in the catalog whose names can change.
type mover interface {
	Move(ctx context.Context, name string, to catalog.Container, newName string) error
}

// rename moves name from one place of the catalog to another. Only stores and
// plain folders can take names in; nothing can be exchanged, and nothing is ever
// replaced, whether the caller minds or not. A failure is passed on to failed.
func (t *tree) rename(ctx context.Context, from mover, name string, to nodefs.InodeEmbedder, newName string, flags uint32, failed func(error) syscall.Errno) syscall.Errno {
	if t.readOnly {
		return syscall.EROFS
	}
	if flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL
	}
	var container catalog.Container
	switch folder := to.(type) {
	case *folderNode:
		container = folder.folder
	case *storeNode:
		container = folder.store
	default:
		return syscall.EPERM
	}
	patient := t.outlast(ctx, untilKilled)
	defer patient.end()
	if err := from.Move(patient, name, container, newName); err != nil {
		return failed(err)
	}
	// What a store is for goes by its name, and stores below it tell that name.
	t.expiry.now()
	return 0
}

// attributed is what the catalog lets change owner, mode and times.
type attributed interface {
	SetAttributes(ctx context.Context, change volume.AttributeChange) error
}

// setAttributes passes the changes on.
func setAttributes(ctx context.Context, target attributed, in *fuse.SetAttrIn) error {
	change := volume.AttributeChange{UID: -1, GID: -1}
	asked := false
	if mode, given := in.GetMode(); given {
		change.Mode, asked = new(modeOf(mode)), true
	}
	if uid, given := in.GetUID(); given {
		change.UID, asked = int(uid), true
	}
	if gid, given := in.GetGID(); given {
		change.GID, asked = int(gid), true
	}
	if accessed, given := in.GetATime(); given {
		change.Accessed, asked = timeOf(accessed, in.Valid&fuse.FATTR_ATIME_NOW), true
	}
	if modified, given := in.GetMTime(); given {
		change.Modified, asked = timeOf(modified, in.Valid&fuse.FATTR_MTIME_NOW), true
	}
	if !asked {
		return nil
	}
	return target.SetAttributes(ctx, change)
}

// timeOf keeps apart the present moment, which everybody may set who may write, and
// a time of that value.
func timeOf(given time.Time, now uint32) time.Time {
	if now != 0 {
		return volume.Now
	}
	return given
}
