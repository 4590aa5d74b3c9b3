package store

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// Access says what the file or folder at name is, if the caller may search every
// folder from the root down to it and do with it what is wanted. The error is the
// one that the caller would get there.
//
// A process that cannot take on the caller's rights goes by the mode bits of all
// that is on the way.
func (d *DirectoryFiles) Access(caller Caller, name string, want Permission) (info FileInfo, err error) {
	examine := func(root int) error {
		descriptor, err := d.openat(root, name, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		if info, err = examined(descriptor); err == nil {
			err = mayThread(descriptor, info, caller, want)
		}
		return errors.Join(err, unix.Close(descriptor))
	}
	files := d.As(caller)
	if files != d && !canImpersonate() {
		files, examine = d, func(root int) (err error) {
			info, err = byMode(root, name, caller, want)
			return err
		}
	}
	return info, files.withRoot("access", name, examine)
}

// mayThread says whether this thread, which has the caller's rights, may do
// something with a file.
func mayThread(descriptor int, info FileInfo, caller Caller, want Permission) error {
	if want == 0 {
		return nil
	}
	err := retry(func() error {
		return unix.Faccessat2(descriptor, "", uint32(want), unix.AT_EACCESS|unix.AT_EMPTY_PATH)
	})
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.8
		return caller.mayByMode(info, want)
	}
	return err
}

func (c Caller) mayByMode(info FileInfo, want Permission) error {
	if !c.permits(info, want) {
		return unix.EACCES
	}
	return nil
}

// byMode walks to name and asks the mode bits of each folder, and of what is there.
func byMode(root int, name string, caller Caller, want Permission) (FileInfo, error) {
	at := root
	info, err := examined(root)
	for part := range strings.SplitSeq(name, "/") {
		if err != nil || part == "." {
			break
		}
		if err = caller.mayByMode(info, Search); err != nil {
			break
		}
		var next int
		if next, err = step(at, part, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err != nil {
			break
		}
		err = leave(root, at)
		at = next
		if err == nil {
			info, err = examined(at)
		}
	}
	if err == nil {
		err = caller.mayByMode(info, want)
	}
	return info, errors.Join(err, leave(root, at))
}

// examined describes what an open descriptor leads to, which must be no symlink.
func examined(descriptor int) (FileInfo, error) {
	var found unix.Stat_t
	if err := retry(func() error { return unix.Fstat(descriptor, &found) }); err != nil {
		return FileInfo{}, err
	}
	if found.Mode&unix.S_IFMT == unix.S_IFLNK {
		return FileInfo{}, unix.ELOOP
	}
	return infoOf(&found), nil
}
