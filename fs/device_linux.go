package fs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// deviceOf is the number of a mount. The kernel knows it: to be asked for more by the process
// that would have to answer is what it could not be killed in.
func deviceOf(mountPoint string) (uint64, error) {
	var stat unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, mountPoint, unix.AT_STATX_DONT_SYNC, 0, &stat); err != nil {
		return 0, fmt.Errorf("look at the mount: %w", err)
	}
	return unix.Mkdev(stat.Dev_major, stat.Dev_minor), nil
}

// nameOfDevice is its number as the kernel's files have it.
func nameOfDevice(device uint64) string {
	return fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
}
