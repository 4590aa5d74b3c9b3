package directory

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
)

// Access tells what the file or folder at name is, if the caller may search every
// folder from the root down to it and do with it what is wanted. The error is the
// one that the caller would get there.
//
// A process that cannot take on the caller's rights goes by the modes and the access
// control lists of all that is on the way.
func (d *Files) Access(caller volume.Caller, name string, want volume.Permission) (info volume.FileInfo, err error) {
	examine := func(root int) error {
		descriptor, err := d.openat(root, name, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		if info, err = identifyNoLink(descriptor); err == nil {
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

// mayThread reports whether this thread, which has the caller's rights, may do
// something with a file.
func mayThread(descriptor int, info volume.FileInfo, caller volume.Caller, want volume.Permission) error {
	if want == 0 {
		return nil
	}
	err := retryInterrupted(func() error {
		return unix.Faccessat2(descriptor, "", uint32(want), unix.AT_EACCESS|unix.AT_EMPTY_PATH)
	})
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.8
		return mayByMode(caller, descriptor, info, want)
	}
	return err
}

// mayByMode reports whether mode and access control list of a file let the caller do
// something.
func mayByMode(c volume.Caller, descriptor int, info volume.FileInfo, want volume.Permission) error {
	list, err := listOf(descriptor, AccessListAttribute)
	if err != nil {
		return err
	}
	allowed := c.PermittedByMode(info, want)
	// Where the group bits, which are the list's mask, are all off, the kernel does not
	// look at the list either.
	if c.UID != 0 && list.Valid() && info.Mode&0o070 != 0 {
		allowed = list.Permits(c, info, want)
	}
	if !allowed {
		return unix.EACCES
	}
	return nil
}

// listOf reads an access control list through a descriptor of any kind.
func listOf(descriptor int, kind string) (volume.AccessList, error) {
	list, err := ReadGrowing(func(buffer []byte) (int, error) {
		return unix.Getxattr("/proc/self/fd/"+strconv.Itoa(descriptor), kind, buffer)
	})
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	return list, err
}

// DefaultListAttribute is the extended attribute of a folder in which stands what list is
// given to things that are made in it.
const DefaultListAttribute = "system.posix_acl_default"

// AccessList gives the access control list of what is at name, or of a folder the one
// that it hands down, and says whose it is.
func (d *Files) AccessList(name string, handedDown bool) (list volume.AccessList, info volume.FileInfo, err error) {
	kind := AccessListAttribute
	if handedDown {
		kind = DefaultListAttribute
	}
	err = d.withRoot("read the access control list of", name, func(root int) error {
		descriptor, err := d.openat(root, name, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		if info, err = identifyNoLink(descriptor); err == nil {
			list, err = listOf(descriptor, kind)
		}
		return errors.Join(err, unix.Close(descriptor))
	})
	return list, info, err
}

// byMode walks to name and asks mode and list of each folder, and of what is there.
func byMode(root int, name string, caller volume.Caller, want volume.Permission) (volume.FileInfo, error) {
	at := root
	info, err := identifyNoLink(root)
	for part := range strings.SplitSeq(name, "/") {
		if err != nil || part == "." {
			break
		}
		if err = mayByMode(caller, at, info, volume.Search); err != nil {
			break
		}
		var next int
		if next, err = openIn(at, part, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err != nil {
			break
		}
		err = closeEntered(root, at)
		at = next
		if err == nil {
			info, err = identifyNoLink(at)
		}
	}
	if err == nil {
		err = mayByMode(caller, at, info, want)
	}
	return info, errors.Join(err, closeEntered(root, at))
}

// identifyNoLink describes what an open descriptor leads to, which must be no symlink.
func identifyNoLink(descriptor int) (volume.FileInfo, error) {
	info, err := identified(descriptor)
	if err == nil && info.Mode.Type() == fs.ModeSymlink {
		err = unix.ELOOP
	}
	return info, err
}
