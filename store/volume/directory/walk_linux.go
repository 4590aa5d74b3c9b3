package directory

import (
	"errors"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// beneath keeps the system's walk along a path below the folder that it starts
// from, and off every kind of link.
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// lacksOpenat2 reports whether the kernel, older than Linux 5.6, or a sandbox refuses
// openat2.
var lacksOpenat2 = sync.OnceValue(func() bool {
	descriptor, err := retryInt(func() (int, error) {
		return unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC})
	})
	if err == nil {
		err = unix.Close(descriptor)
	}
	return err != nil
})

// openat opens what stands at a local path below the folder root. A symlink, at
// the end or on the way, is ELOOP.
func (d *Files) openat(root int, name string, flags int, mode uint32) (int, error) {
	flags |= unix.O_CLOEXEC
	if !d.stepwise {
		how := unix.OpenHow{Flags: uint64(flags), Mode: uint64(mode), Resolve: beneath}
		return retryInt(func() (int, error) { return unix.Openat2(root, name, &how) })
	}
	folder, base := root, name
	for {
		part, rest, more := strings.Cut(base, "/")
		if !more {
			break
		}
		next, err := openIn(folder, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err = errors.Join(err, closeEntered(root, folder)); err != nil {
			return -1, err
		}
		folder, base = next, rest
	}
	descriptor, err := openIn(folder, base, flags|unix.O_NOFOLLOW, mode)
	return descriptor, errors.Join(err, closeEntered(root, folder))
}

// openIn opens a bare name in an open folder.
func openIn(folder int, base string, flags int, mode uint32) (int, error) {
	descriptor, err := retryInt(func() (int, error) { return unix.Openat(folder, base, flags, mode) })
	if errors.Is(err, unix.ENOTDIR) {
		// So says O_DIRECTORY of a symlink too.
		var found unix.Stat_t
		if unix.Fstatat(folder, base, &found, unix.AT_SYMLINK_NOFOLLOW) == nil && found.Mode&unix.S_IFMT == unix.S_IFLNK {
			err = unix.ELOOP
		}
	}
	return descriptor, err
}

// enter gives a descriptor of a folder below root, which is root itself for ".".
// It serves to reach names in the folder and must be given back with leave.
func (d *Files) enter(root int, folder string) (int, error) {
	if folder == "." {
		return root, nil
	}
	return d.openat(root, folder, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// closeEntered closes a folder that enter opened.
func closeEntered(root, folder int) error {
	if folder == root {
		return nil
	}
	return unix.Close(folder)
}
