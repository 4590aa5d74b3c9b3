package store

import (
	"errors"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// openNonBlocking keeps an open of a FIFO in the directory from hanging.
const openNonBlocking = unix.O_NONBLOCK

func describe(info os.FileInfo) FileInfo {
	described := FileInfo{Size: info.Size(), Modified: info.ModTime(), Mode: info.Mode()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		described.Allocated = stat.Blocks * 512
		described.Device = stat.Dev
		described.Inode = stat.Ino
		described.Links = uint64(stat.Nlink)
		described.UID = stat.Uid
		described.GID = stat.Gid
	}
	return described
}

// RenameNew implements FileSystem with renameat2. Where the file system below has
// no such call, the file gets its new name before it loses the old one.
func (d *DirectoryFiles) RenameNew(oldName, newName string) error {
	from, err := d.root.Open(path.Dir(oldName))
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := d.root.Open(path.Dir(newName))
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	err = unix.Renameat2(int(from.Fd()), path.Base(oldName), int(to.Fd()), path.Base(newName), unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return linkRename(d, oldName, newName)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}

func syncFolder(folder *os.File) error { return folder.Sync() }

// SetOwner implements File.
func (f *osFile) SetOwner(info FileInfo) error {
	if err := f.Chown(int(info.UID), int(info.GID)); err != nil {
		return err
	}
	return f.Chmod(info.Mode.Perm())
}

// control runs one call on the file's descriptor and repeats it when a signal
// came between.
func (f *osFile) control(call func(descriptor int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(descriptor uintptr) {
		for {
			result = call(int(descriptor))
			if !errors.Is(result, unix.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, result)
}

// SyncData implements File with fdatasync.
func (f *osFile) SyncData() error {
	if err := f.control(unix.Fdatasync); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// StartWriteback implements File with sync_file_range.
func (f *osFile) StartWriteback(offset, length int64) {
	_ = f.control(func(descriptor int) error {
		return unix.SyncFileRange(descriptor, offset, length, unix.SYNC_FILE_RANGE_WRITE)
	})
}

// TryLock implements File with flock.
func (f *osFile) TryLock() (bool, error) {
	err := f.control(func(descriptor int) error {
		return unix.Flock(descriptor, unix.LOCK_EX|unix.LOCK_NB)
	})
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
