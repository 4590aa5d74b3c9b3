package fs

import (
	"context"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/memory"
)

// listing is an open folder. Its entries are those of the moment of opendir, so
// that one pass is consistent while names come and go.
type listing struct {
	take    func(context.Context) (entries, syscall.Errno)
	dots    [2]fuse.DirEntry
	entries entries
	memory  memory.Charge // of entries
	next    int
}

// entries are the names of a folder, without the two dots.
type entries interface {
	Len() int
	At(i int) fuse.DirEntry
	// bytes is how much memory they take.
	bytes() int64
}

// entryList is entries that are held in memory.
type entryList []fuse.DirEntry

func (l entryList) Len() int               { return len(l) }
func (l entryList) At(i int) fuse.DirEntry { return l[i] }

func (l entryList) bytes() int64 {
	const entry = 56 // without its name
	total := int64(entry * cap(l))
	for i := range l {
		total += int64(len(l[i].Name))
	}
	return total
}

var (
	_ nodefs.FileReaddirenter = (*listing)(nil)
	_ nodefs.FileSeekdirer    = (*listing)(nil)
	_ nodefs.FileReleasedirer = (*listing)(nil)
)

// openListing opens folder, whose names take gives.
func (t *tree) openListing(ctx context.Context, folder *nodefs.Inode, take func(context.Context) ([]fuse.DirEntry, syscall.Errno)) (*listing, syscall.Errno) {
	return t.openEntries(ctx, folder, func(ctx context.Context) (entries, syscall.Errno) {
		list, errno := take(ctx)
		return entryList(list), errno
	})
}

// openEntries is openListing for names that need not be in memory.
func (t *tree) openEntries(ctx context.Context, folder *nodefs.Inode, take func(context.Context) (entries, syscall.Errno)) (*listing, syscall.Errno) {
	above := folder
	if _, parent := folder.Parent(); parent != nil {
		above = parent
	}
	l := &listing{take: take, memory: t.memory.Charge(), dots: [...]fuse.DirEntry{
		{Name: ".", Mode: fuse.S_IFDIR, Ino: folder.StableAttr().Ino},
		{Name: "..", Mode: fuse.S_IFDIR, Ino: above.StableAttr().Ino},
	}}
	return l, l.begin(ctx)
}

// begin takes the entries of the moment.
func (l *listing) begin(ctx context.Context) syscall.Errno {
	entries, errno := l.take(ctx)
	if errno != 0 {
		return errno
	}
	if err := l.memory.Hold(entries.bytes()); err != nil {
		return errnoOf(err)
	}
	l.entries = entries
	return 0
}

// Releasedir lets the entries go.
func (l *listing) Releasedir(context.Context, uint32) { l.memory.Free() }

// len is the number of entries, with the two dots.
func (l *listing) len() int { return len(l.dots) + l.entries.Len() }

// Readdirent gives the next entry, nil at the end.
func (l *listing) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if l.next >= l.len() {
		return nil, 0
	}
	var entry fuse.DirEntry
	if l.next < len(l.dots) {
		entry = l.dots[l.next]
	} else {
		entry = l.entries.At(l.next - len(l.dots))
	}
	l.next++
	entry.Off = uint64(l.next)
	return &entry, 0
}

// Seekdir goes to an offset that an entry had. Going back to the start takes the
// list anew, as rewinddir(3) promises.
func (l *listing) Seekdir(ctx context.Context, offset uint64) syscall.Errno {
	if offset == 0 {
		if errno := l.begin(ctx); errno != 0 {
			return errno
		}
	}
	if offset > uint64(l.len()) {
		return syscall.EINVAL
	}
	l.next = int(offset)
	return 0
}
