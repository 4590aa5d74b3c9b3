package fs

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

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
