package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Files is the FileSystem below one directory. Whoever owns a folder in
// there may put a symlink anywhere in it, at any time, and none is ever followed:
// an operation opens the folder that a name stands in, by a walk that no link can
// turn aside, and then acts on the bare name in that folder, or on a descriptor of
// what it found there. Each operation is short and stays on its thread.
type Files struct {
	file *os.File // an O_PATH descriptor of the directory
	root syscall.RawConn
	// stepwise walks one part of a path after the other, for kernels and sandboxes
	// without openat2.
	stepwise bool
	caller   volume.Caller // for whom names are used
	without  lack          // what is not used, whatever the file system has
}

// Open gives access to the files below dir. Symlinks in dir itself are
// followed.
func Open(dir string) (*Files, error) {
	descriptor, err := retryInt(func() (int, error) {
		return unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return takeOver(descriptor, dir, lacksOpenat2())
}

// takeOver takes over the descriptor of a directory.
func takeOver(descriptor int, name string, stepwise bool) (*Files, error) {
	file := os.NewFile(uintptr(descriptor), name)
	root, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Files{file: file, root: root, stepwise: stepwise}, nil
}

// Folder gives access to the files below the folder at name, as long as it is, and
// wherever it is moved to.
func (d *Files) Folder(name string) (folder *Files, err error) {
	err = d.withRoot("open folder", name, func(root int) error {
		descriptor, err := d.openat(root, name, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err == nil {
			folder, err = takeOver(descriptor, name, d.stepwise)
		}
		if err == nil {
			folder.without = d.without
		}
		return err
	})
	return folder, err
}

// Name is the directory as it was opened.
func (d *Files) Name() string { return d.file.Name() }

// Close gives the directory's descriptor back; open files stay open.
func (d *Files) Close() error { return d.file.Close() }

// As gives the same files as somebody else reaches them: every name is looked up,
// made, renamed and removed with the caller's rights. It ends with d.
func (d *Files) As(caller volume.Caller) *Files {
	if caller.Trusted() {
		return d
	}
	theirs := *d
	theirs.caller = caller
	return &theirs
}

// withRoot runs act with the directory's descriptor and the caller's rights, and
// says of its failure which operation on which name it was.
func (d *Files) withRoot(operation, name string, act func(root int) error) error {
	if !isLocal(name) {
		return refusedPath(operation, name)
	}
	if err := d.act(act); err != nil {
		return d.failed(operation, name, explain(err))
	}
	return nil
}

// failed says which operation on which name it was that failed. Names of what is in the
// making mean nothing to anybody: of these only the folder is said.
func (d *Files) failed(operation, name string, err error) error {
	if volume.IsTemporary(name) {
		operation, name = operation+" a temporary file in", path.Join(d.Name(), path.Dir(name))
	}
	return &os.PathError{Op: operation, Path: name, Err: err}
}

func (d *Files) act(act func(root int) error) error {
	return actAs(d.caller, func() (err error) {
		problem := d.root.Control(func(root uintptr) { err = act(int(root)) })
		return errors.Join(problem, err)
	})
}

// at runs act with a descriptor of the folder that name stands in, and with what
// name is called there.
func (d *Files) at(operation, name string, act func(folder int, base string) error) error {
	return d.withRoot(operation, name, func(root int) error {
		folder, err := d.enter(root, path.Dir(name))
		if err != nil {
			return err
		}
		return errors.Join(act(folder, path.Base(name)), closeEntered(root, folder))
	})
}

// between is at for two names, whose folders are both open while act runs.
func (d *Files) between(operation, oldName, newName string, act func(from int, oldBase string, to int, newBase string) error) error {
	if !isLocal(oldName) || !isLocal(newName) {
		return &os.LinkError{Op: operation, Old: oldName, New: newName, Err: unix.EINVAL}
	}
	err := d.act(func(root int) error {
		return d.inFolders(root, path.Dir(oldName), path.Dir(newName), func(from, to int) error {
			return act(from, path.Base(oldName), to, path.Base(newName))
		})
	})
	if err != nil {
		if volume.IsTemporary(oldName) {
			return d.failed(operation+" a new file to", newName, explain(err))
		}
		return &os.LinkError{Op: operation, Old: oldName, New: newName, Err: explain(err)}
	}
	return nil
}

func (d *Files) inFolders(root int, oldFolder, newFolder string, act func(from, to int) error) error {
	from, err := d.enter(root, oldFolder)
	if err != nil {
		return err
	}
	to := from
	if newFolder != oldFolder {
		if to, err = d.enter(root, newFolder); err != nil {
			return errors.Join(err, closeEntered(root, from))
		}
	}
	err = act(from, to)
	if to != from {
		err = errors.Join(err, closeEntered(root, to))
	}
	return errors.Join(err, closeEntered(root, from))
}

// explain says of a symlink that one was met: the system's own words are about too
// many of them.
func explain(err error) error {
	if errors.Is(err, unix.ELOOP) {
		return fmt.Errorf("a symbolic link, and none is followed: %w", err)
	}
	return err
}

// Open implements filelog.FileSystem. Nothing but a regular file is opened, and a FIFO
// does not make it wait.
func (d *Files) Open(name string, write bool) (filelog.File, error) {
	flags := unix.O_RDONLY
	if write {
		flags = unix.O_RDWR
	}
	var opened *osFile
	err := d.withRoot("open", name, func(root int) error {
		descriptor, err := d.openat(root, name, flags|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		opened = &osFile{os.NewFile(uintptr(descriptor), name)}
		if _, err := statRegular(descriptor); err != nil {
			return errors.Join(err, opened.Close())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// statRegular describes an open file, which must be a regular one.
func statRegular(descriptor int) (volume.FileInfo, error) {
	info, err := statOpen(descriptor)
	if err == nil && !info.Mode.IsRegular() {
		err = volume.ErrNotRegular
	}
	return info, err
}

// Create implements filelog.FileSystem.
func (d *Files) Create(name string, perm os.FileMode) (filelog.File, error) {
	var created *osFile
	err := d.withRoot("create", name, func(root int) error {
		descriptor, err := d.openat(root, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, rawMode(perm))
		if err == nil {
			created = &osFile{os.NewFile(uintptr(descriptor), name)}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return created, nil
}

// Stat implements filelog.FileSystem.
func (d *Files) Stat(name string) (info volume.FileInfo, err error) {
	err = d.at("stat", name, func(folder int, base string) error {
		info, err = statIn(folder, base)
		return err
	})
	return info, err
}

// Rename implements filelog.FileSystem.
func (d *Files) Rename(oldName, newName string) error {
	return d.between("rename", oldName, newName, func(from int, oldBase string, to int, newBase string) error {
		return retryInterrupted(func() error { return unix.Renameat(from, oldBase, to, newBase) })
	})
}

// Remove implements filelog.FileSystem.
func (d *Files) Remove(name string) error {
	return d.at("remove", name, func(folder int, base string) error {
		return retryInterrupted(func() error { return unix.Unlinkat(folder, base, 0) })
	})
}

// Mkdir makes a folder. It is the caller's; what the folder above says of group and
// access lists the kernel sees to.
func (d *Files) Mkdir(name string, perm os.FileMode) error {
	return d.at("mkdir", name, func(folder int, base string) error {
		return retryInterrupted(func() error { return unix.Mkdirat(folder, base, rawMode(perm)) })
	})
}

// Rmdir removes an empty folder.
func (d *Files) Rmdir(name string) error {
	return d.at("remove folder", name, func(folder int, base string) error {
		return retryInterrupted(func() error { return unix.Unlinkat(folder, base, unix.AT_REMOVEDIR) })
	})
}

// SyncDirectory implements filelog.FileSystem. It needs no rights of the caller's: who may
// make names in a folder need not be allowed to read them.
func (d *Files) SyncDirectory(name string) error {
	own := *d
	own.caller = volume.Caller{}
	return own.withRoot("sync the folder of", name, func(root int) error {
		folder, err := d.openat(root, path.Dir(name), unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		return errors.Join(retryInterrupted(func() error { return unix.Fsync(folder) }), unix.Close(folder))
	})
}

// Space tells how much room the file system of the directory has.
func (d *Files) Space() (space volume.Space, err error) {
	var found unix.Statfs_t
	err = d.withRoot("statfs", ".", func(root int) error {
		return retryInterrupted(func() error { return unix.Fstatfs(root, &found) })
	})
	if err != nil {
		return volume.Space{}, err
	}
	return volume.Space{
		BlockSize: uint32(found.Bsize), FragmentSize: uint32(found.Frsize), Blocks: found.Blocks, Free: found.Bfree, Available: found.Bavail,
		Files: found.Files, FreeFiles: found.Ffree, LongestName: uint32(found.Namelen),
	}, nil
}

// modeBits pairs what a mode says besides permissions with how the system says it.
var modeBits = []struct {
	mode fs.FileMode
	raw  uint32
}{{fs.ModeSetuid, unix.S_ISUID}, {fs.ModeSetgid, unix.S_ISGID}, {fs.ModeSticky, unix.S_ISVTX}}

// modeTypes are the types of files; a regular one's is none.
var modeTypes = map[uint32]fs.FileMode{
	unix.S_IFDIR: fs.ModeDir, unix.S_IFLNK: fs.ModeSymlink, unix.S_IFIFO: fs.ModeNamedPipe, unix.S_IFSOCK: fs.ModeSocket,
	unix.S_IFBLK: fs.ModeDevice, unix.S_IFCHR: fs.ModeDevice | fs.ModeCharDevice,
}

func modeOf(raw uint32) fs.FileMode {
	mode := fs.FileMode(raw).Perm() | modeTypes[raw&unix.S_IFMT]
	for _, bit := range modeBits {
		if raw&bit.raw != 0 {
			mode |= bit.mode
		}
	}
	return mode
}

// rawMode is the reverse of modeOf, without the type.
func rawMode(mode fs.FileMode) uint32 {
	raw := uint32(mode.Perm())
	for _, bit := range modeBits {
		if mode&bit.mode != 0 {
			raw |= bit.raw
		}
	}
	return raw
}

// retryInterrupted repeats a call when a signal came between.
func retryInterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// retryInt is retry for a call that gives a number.
func retryInt(call func() (int, error)) (number int, err error) {
	err = retryInterrupted(func() error {
		number, err = call()
		return err
	})
	return number, err
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
		result = retryInterrupted(func() error { return call(int(descriptor)) })
	})
	return errors.Join(err, result)
}

// SyncData implements filelog.File with fdatasync.
func (f *osFile) SyncData() error {
	if err := f.control(unix.Fdatasync); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// StartWriteback implements filelog.File with sync_file_range.
func (f *osFile) StartWriteback(offset, length int64) {
	_ = f.control(func(descriptor int) error {
		return unix.SyncFileRange(descriptor, offset, length, unix.SYNC_FILE_RANGE_WRITE)
	})
}

// TryLock implements filelog.File with flock.
func (f *osFile) TryLock() (bool, error) {
	err := f.control(func(descriptor int) error {
		return unix.Flock(descriptor, unix.LOCK_EX|unix.LOCK_NB)
	})
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	case isUnsupported(err):
		return false, fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err == nil, err
}
