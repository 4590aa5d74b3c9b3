package directory

import (
	"errors"
	"path"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"rvffs/store/volume/filelog"
)

// lack is a set of what a file system does not have.
type lack uint32

const (
	noReplacing lack = 1 << iota // renaming that fails where the name is taken
	exchanging                   // renaming that exchanges two names
	modes                        // permissions that can be changed
	locking                      // advisory locks of open files
	sharing                      // advisory locks that other machines see, if it is theirs
	fineTimes                    // times in parts of seconds

	probed lack = 1 << 31 // the set is complete
)

// errLacking says that a file system does not have what was tried.
var errLacking = errors.New("the file system has no such operation")

// lacking is what file systems turned out not to have, by the numbers of their devices. One
// that is mounted anew under a number of another is at worst used as if it lacked the same.
var lacking sync.Map // of uint64 to *atomic.Uint32

// lacksIn is what the file system of an open folder is known not to have.
func (d *Files) lacksIn(folder int) lack {
	known := d.without
	if device, err := deviceOf(folder); err == nil {
		if found, is := lacking.Load(device); is {
			known |= lack(found.(*atomic.Uint32).Load())
		}
	}
	return known
}

// noteLack remembers that the file system of a folder does not have something. Only another
// way that worked proves it: what an error says may have been about one file.
func (d *Files) noteLack(folder int, what lack) {
	if what &^= d.without; what == 0 {
		return
	}
	if device, err := deviceOf(folder); err == nil {
		found, _ := lacking.LoadOrStore(device, new(atomic.Uint32))
		found.(*atomic.Uint32).Or(uint32(what))
	}
}

func deviceOf(descriptor int) (uint64, error) {
	var found unix.Stat_t
	err := retryInterrupted(func() error { return unix.Fstat(descriptor, &found) })
	return found.Dev, err
}

// attempt makes a call that not every file system has, in an open folder. It fails with
// errLacking if this one seems not to.
func (d *Files) attempt(folder int, what lack, call func() error) error {
	if d.lacksIn(folder)&what != 0 {
		return errLacking
	}
	err := retryInterrupted(call)
	if isUnsupported(err) {
		return errLacking
	}
	return err
}

// isUnsupported reports whether the system may mean that there is no such call, flag or
// operation.
func isUnsupported(err error) bool {
	for _, says := range []error{unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.ENOLCK} {
		if errors.Is(err, says) {
			return true
		}
	}
	return false
}

// complete are file systems of this machine that have everything, by their magic numbers
// (statfs(2)): nothing is tried there.
var complete = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
	unix.OVERLAYFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true, zfsMagic: true, bcachefsMagic: true,
}

const (
	zfsMagic      = 0x2fc12fc1
	bcachefsMagic = 0xca451a4e
)

// probe finds out what the file system of an open folder lacks, by trying it on files of
// no other use. What cannot be tried is not known to lack.
func (d *Files) probe(folder int) lack {
	known := d.lacksIn(folder)
	if known&probed != 0 {
		return known
	}
	var system unix.Statfs_t
	if err := retryInterrupted(func() error { return unix.Fstatfs(folder, &system) }); err != nil {
		return known
	}
	if !complete[int64(system.Type)] {
		found, err := probeWith(folder, path.Base(filelog.TemporaryName(".")), path.Base(filelog.TemporaryName(".")))
		if err != nil {
			return known
		}
		if system.Type == unix.FUSE_SUPER_MAGIC {
			found |= sharing
		}
		d.noteLack(folder, found)
	}
	d.noteLack(folder, probed)
	return d.lacksIn(folder)
}

// probeWith tries everything on files of two names that nobody has.
func probeWith(folder int, one, other string) (found lack, err error) {
	create := func(name string) (int, error) {
		return retryInt(func() (int, error) {
			return unix.Openat(folder, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		})
	}
	file, err := create(one)
	if err != nil {
		return 0, err
	}
	// A name that is not there any more is one that was moved, or that was never made.
	defer func() { _, _ = unix.Unlinkat(folder, one, 0), unix.Unlinkat(folder, other, 0) }()
	defer func() { err = errors.Join(err, unix.Close(file)) }()
	if info, err := statOpen(file); err == nil && info.Modified.Nanosecond() == 0 {
		found |= fineTimes
	}
	const changed = 0o640
	if err := unix.Fchmod(file, changed); err == nil || isUnsupported(err) || errors.Is(err, unix.EPERM) {
		if info, err := statOpen(file); err == nil && info.Mode.Perm() != changed {
			found |= modes
		}
	}
	if err := retryInterrupted(func() error { return unix.Flock(file, unix.LOCK_EX|unix.LOCK_NB) }); isUnsupported(err) {
		found |= locking
	}
	if err := retryInterrupted(func() error { return unix.Renameat2(folder, one, folder, other, unix.RENAME_NOREPLACE) }); isUnsupported(err) {
		found |= noReplacing
	} else if err == nil {
		one, other = other, one
	}
	second, err := create(other)
	if err != nil {
		return 0, err
	}
	if err := retryInterrupted(func() error { return unix.Renameat2(folder, one, folder, other, unix.RENAME_EXCHANGE) }); isUnsupported(err) {
		found |= exchanging
	}
	return found, unix.Close(second)
}

// Limits says, one sentence each, what the file system of a directory cannot promise that
// others do.
func Limits(dir string) ([]string, error) {
	files, err := Open(dir)
	if err != nil {
		return nil, err
	}
	var limits []string
	err = files.at("try the file system of", "file", func(folder int, _ string) error {
		lacks := files.probe(folder)
		for _, limit := range limitTexts {
			if lacks&limit.lack != 0 {
				limits = append(limits, limit.text)
			}
		}
		return nil
	})
	return limits, errors.Join(err, files.Close())
}

var limitTexts = []struct {
	lack lack
	text string
}{
	{noReplacing, "it cannot rename without replacing, so a new store's name is reserved first, by a small file: what another program writes into that file in the same moment is lost"},
	{exchanging, "it cannot exchange two names, so a file that another program puts in a store's place in the very moment in which compaction ends is lost"},
	{modes, "it keeps no owners and permissions: chmod and chown change nothing"},
	{locking, "it has no locks on open files: after a crash a store can be written to again when 30 seconds are over"},
	{fineTimes, "it keeps times in whole seconds: what another program writes within a store's file is noticed when it makes it longer or a second has passed"},
	{sharing, "its locks on open files hold on this machine alone: if it belongs to another machine too, do not write to a store from both at a time"},
}
