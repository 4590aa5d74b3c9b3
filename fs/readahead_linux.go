package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

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

// setReadAhead has the kernel read so many bytes ahead of those who read the mount of a
// device in order. What a file system asks for when it is mounted can only lower the
// 128 KiB that are usual, less than one request carries: more is for root to set, where
// sysfs can be written.
func setReadAhead(device uint64, bytes int64) error {
	setting, err := os.OpenFile(filepath.Join("/sys/class/bdi", nameOfDevice(device), "read_ahead_kb"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = setting.WriteString(strconv.FormatInt(bytes>>10, 10))
	return errors.Join(err, setting.Close())
}
