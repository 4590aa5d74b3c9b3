package fs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// epoch makes the kernel look every name of the mount up again before it uses it
// (FUSE_NOTIFY_INC_EPOCH, Linux 6.16). Other than a notice about one name this
// takes no lock: such a notice waits for the folder's lock, which a lookup may hold
// that waits for us; when the process is killed at that moment, both wait for
// ever, and the mount with them.
type epoch struct{ device *os.File }

// incrementEpoch is the notification's number.
const incrementEpoch = 8

var errNoEpoch = errors.New("the kernel has no such notification")

// openEpoch finds this process's connection to the mount of a device, which it must
// have made before.
func openEpoch(device uint64) (*epoch, error) {
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	for _, descriptor := range descriptors {
		number, err := strconv.Atoi(descriptor.Name())
		if err != nil {
			return nil, err
		}
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", descriptor.Name())); err != nil || target != "/dev/fuse" {
			continue
		}
		// Only a descriptor of our own stays what it is while it is looked at.
		own, err := unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			continue // closed meanwhile
		}
		if connectionOf(own) != device || !connected(own) {
			if err := unix.Close(own); err != nil {
				return nil, err
			}
			continue
		}
		return &epoch{device: os.NewFile(uintptr(own), "/dev/fuse")}, nil
	}
	return nil, errNoEpoch
}

// connected reports whether a descriptor of /dev/fuse serves a mount that is there. The
// kernel ends the connection of one that goes before it gives the device number to
// another, and takes notices for it all the same.
func connected(descriptor int) bool {
	state, err := poll(descriptor, 0)
	return err == nil && state&unix.POLLERR == 0
}

// connectionOf is the device number of the mount that a descriptor of /dev/fuse
// serves or has served, 0 when it cannot be told.
func connectionOf(descriptor int) uint64 {
	file, err := os.Open("/proc/self/fdinfo/" + strconv.Itoa(descriptor))
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), "fuse_connection:"); found {
			number, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			if err == nil {
				return number
			}
		}
	}
	return 0
}

// raise starts a new epoch: all names that the kernel knows are of the past.
func (e *epoch) raise() error {
	message := make([]byte, 0, 16)
	message = binary.NativeEndian.AppendUint32(message, 16)
	message = binary.NativeEndian.AppendUint32(message, incrementEpoch)
	message = binary.NativeEndian.AppendUint64(message, 0)
	raw, err := e.device.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(descriptor uintptr) { _, result = unix.Write(int(descriptor), message) })
	return errors.Join(err, result)
}

func (e *epoch) close() error { return e.device.Close() }
