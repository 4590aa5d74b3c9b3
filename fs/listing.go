package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// listing is an open folder. Its entries are those of the moment of opendir, so
// that one pass is consistent while names come and go.
type listing struct {
	take    func(context.Context) ([]fuse.DirEntry, syscall.Errno)
	entries []fuse.DirEntry
	next    int
}

var (
	_ nodefs.FileReaddirenter = (*listing)(nil)
	_ nodefs.FileSeekdirer    = (*listing)(nil)
)

// openListing opens folder, whose names (without the two dots) take gives.
func openListing(ctx context.Context, folder *nodefs.Inode, take func(context.Context) ([]fuse.DirEntry, syscall.Errno)) (*listing, syscall.Errno) {
	l := &listing{take: func(ctx context.Context) ([]fuse.DirEntry, syscall.Errno) {
		entries, errno := take(ctx)
		if errno != 0 {
			return nil, errno
		}
		above := folder
		if _, parent := folder.Parent(); parent != nil {
			above = parent
		}
		dots := []fuse.DirEntry{
			{Name: ".", Mode: fuse.S_IFDIR, Ino: folder.StableAttr().Ino},
			{Name: "..", Mode: fuse.S_IFDIR, Ino: above.StableAttr().Ino},
		}
		return append(dots, entries...), 0
	}}
	var errno syscall.Errno
	l.entries, errno = l.take(ctx)
	return l, errno
}

// Readdirent gives the next entry, nil at the end.
func (l *listing) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if l.next >= len(l.entries) {
		return nil, 0
	}
	entry := l.entries[l.next]
	l.next++
	entry.Off = uint64(l.next)
	return &entry, 0
}

// Seekdir goes to an offset that an entry had. Going back to the start takes the
// list anew, as rewinddir(3) promises.
func (l *listing) Seekdir(ctx context.Context, offset uint64) syscall.Errno {
	if offset == 0 {
		entries, errno := l.take(ctx)
		if errno != 0 {
			return errno
		}
		l.entries = entries
	}
	if offset > uint64(len(l.entries)) {
		return syscall.EINVAL
	}
	l.next = int(offset)
	return 0
}
