package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// deviceOf is the number of a mount as the kernel's files name it.
func deviceOf(mountPoint string) (string, error) {
	var stat unix.Stat_t
	if err := unix.Stat(mountPoint, &stat); err != nil {
		return "", fmt.Errorf("look at the mount: %w", err)
	}
	return fmt.Sprintf("%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev)), nil
}

// setReadAhead has the kernel read so many bytes ahead of those who read the mount at
// mountPoint in order. What a file system asks for when it is mounted can only lower the
// 128 KiB that are usual, less than one request carries: more is for root to set, where
// sysfs can be written.
func setReadAhead(mountPoint string, bytes int64) error {
	device, err := deviceOf(mountPoint)
	if err != nil {
		return err
	}
	setting, err := os.OpenFile(filepath.Join("/sys/class/bdi", device, "read_ahead_kb"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = setting.WriteString(strconv.FormatInt(bytes>>10, 10))
	return errors.Join(err, setting.Close())
}
