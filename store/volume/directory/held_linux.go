package directory

import (
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
)

// HeldFile implements volume.Held. It gives no
// access to the content and needs no permission but that of reaching the name; to
// change it the caller needs the right to.
type HeldFile struct {
	name       string
	descriptor int // opened with O_PATH
	info       volume.FileInfo
	caller     volume.Caller // for whom it is changed
}

// Hold takes hold of the regular file or the folder at name.
func (d *Files) Hold(name string) (*HeldFile, error) {
	held := &HeldFile{name: name, caller: d.caller}
	err := d.withRoot("open", name, func(root int) (err error) {
		held.descriptor, err = d.openat(root, name, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		held.info, err = statOpen(held.descriptor)
		if err == nil {
			err = checkChangeable(held.info)
		}
		if err != nil {
			return errors.Join(err, held.Close())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

// checkChangeable refuses what is neither file nor folder.
func checkChangeable(info volume.FileInfo) error {
	switch {
	case info.Mode&os.ModeSymlink != 0:
		return unix.ELOOP
	case !info.Mode.IsRegular() && !info.Mode.IsDir():
		return volume.ErrNotRegular
	}
	return nil
}

// Info tells about it as it was found.
func (h *HeldFile) Info() volume.FileInfo { return h.info }

// Close lets it go.
func (h *HeldFile) Close() error { return unix.Close(h.descriptor) }

// Chmod sets permission bits, setuid, setgid and sticky.
func (h *HeldFile) Chmod(mode os.FileMode) error {
	return h.change("chmod", func(path string, flags int) error {
		if flags == 0 {
			return unix.Chmod(path, rawMode(mode))
		}
		return unix.Fchmodat(h.descriptor, path, rawMode(mode), flags)
	})
}

// Chown changes the owner; -1 leaves a part as it is.
func (h *HeldFile) Chown(uid, gid int) error {
	return h.change("chown", func(path string, flags int) error {
		return unix.Fchownat(h.descriptor, path, uid, gid, flags)
	})
}

// Chtimes sets the times; the zero time leaves one as it is, and volume.Now is the present one.
func (h *HeldFile) Chtimes(accessed, modified time.Time) error {
	times := []unix.Timespec{timespec(accessed), timespec(modified)}
	return h.change("chtimes", func(path string, flags int) error {
		return unix.UtimesNanoAt(h.descriptor, path, times, flags)
	})
}

func timespec(t time.Time) unix.Timespec {
	switch {
	case t.IsZero():
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	case t.Equal(volume.Now):
		return unix.Timespec{Nsec: unix.UTIME_NOW}
	}
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// change makes a call on the descriptor with an empty path. Kernels that do not
// know that yet (chmod: before Linux 6.6) have a link to the descriptor in /proc,
// which leads to the file itself and not to a name of it.
func (h *HeldFile) change(operation string, call func(path string, flags int) error) error {
	err := actAs(h.caller, func() error {
		err := retryInterrupted(func() error { return call("", unix.AT_EMPTY_PATH) })
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
			err = retryInterrupted(func() error { return call("/proc/self/fd/"+strconv.Itoa(h.descriptor), 0) })
		}
		return err
	})
	if err != nil {
		return &os.PathError{Op: operation, Path: h.name, Err: err}
	}
	return nil
}
