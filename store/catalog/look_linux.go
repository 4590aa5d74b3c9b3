package catalog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/store"
)

// folderFiles is the descriptor of a folder. Its files are reached by their bare
// names: a listing of many stores needs no walk through the folders above, and
// none of what package os does to prepare each file for longer use.
type folderFiles int

// peeked is a descriptor that is open for a moment.
type peeked int

// inFolder runs f while the folder's descriptor is held.
func (c *Catalog) inFolder(folder *os.File, _ string, f func(folderFiles)) error {
	raw, err := folder.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(descriptor uintptr) { f(folderFiles(descriptor)) })
}

// readNames lists a folder that was opened below an os.Root. Such a file's own
// ReadDir asks for the metadata of each entry; a second descriptor's does not.
func readNames(folder *os.File) ([]fs.DirEntry, error) {
	raw, err := folder.SyscallConn()
	if err != nil {
		return nil, err
	}
	var descriptor int
	var problem error
	err = raw.Control(func(opened uintptr) {
		problem = again(func() (err error) {
			descriptor, err = unix.Openat(int(opened), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			return err
		})
	})
	if err = errors.Join(err, problem); err != nil {
		return nil, fmt.Errorf("open folder %q: %w", folder.Name(), err)
	}
	second := os.NewFile(uintptr(descriptor), folder.Name())
	entries, err := second.ReadDir(-1)
	return entries, errors.Join(err, second.Close())
}

// stat tells about a file and does not follow symlinks.
func (f folderFiles) stat(name string) (store.FileInfo, error) {
	var found unix.Stat_t
	err := again(func() error { return unix.Fstatat(int(f), name, &found, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return store.FileInfo{}, fmt.Errorf("stat %q: %w", name, err)
	}
	return describe(&found), nil
}

// open opens a regular file for reading. It neither follows symlinks, which could
// lead out of the backing directory, nor waits for the other end of a FIFO.
func (f folderFiles) open(name string) (peeked, store.FileInfo, error) {
	var descriptor int
	err := again(func() (err error) {
		descriptor, err = unix.Openat(int(f), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return 0, store.FileInfo{}, fmt.Errorf("open %q: %w", name, err)
	}
	file := peeked(descriptor)
	var found unix.Stat_t
	err = again(func() error { return unix.Fstat(descriptor, &found) })
	if err == nil && found.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fs.ErrInvalid
	}
	if err != nil {
		return 0, store.FileInfo{}, errors.Join(fmt.Errorf("look at %q: %w", name, err), file.Close())
	}
	return file, describe(&found), nil
}

// ReadAt implements io.ReaderAt.
func (p peeked) ReadAt(b []byte, offset int64) (int, error) {
	total := 0
	for total < len(b) {
		var n int
		err := again(func() (err error) {
			n, err = unix.Pread(int(p), b[total:], offset+int64(total))
			return err
		})
		if err != nil {
			return total, fmt.Errorf("read: %w", err)
		}
		if n == 0 {
			return total, io.EOF
		}
		total += n
	}
	return total, nil
}

// Close gives the descriptor back.
func (p peeked) Close() error { return unix.Close(int(p)) }

// again repeats a call when a signal came between.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// describe says the same as package store does of a file, so that both can be
// compared.
func describe(found *unix.Stat_t) store.FileInfo {
	mode := os.FileMode(found.Mode).Perm()
	if found.Mode&unix.S_ISUID != 0 {
		mode |= os.ModeSetuid
	}
	if found.Mode&unix.S_ISGID != 0 {
		mode |= os.ModeSetgid
	}
	if found.Mode&unix.S_ISVTX != 0 {
		mode |= os.ModeSticky
	}
	return store.FileInfo{
		Size: found.Size, Allocated: found.Blocks * 512, Modified: time.Unix(found.Mtim.Unix()), Mode: mode,
		Device: found.Dev, Inode: found.Ino, Links: uint64(found.Nlink), UID: found.Uid, GID: found.Gid,
	}
}
