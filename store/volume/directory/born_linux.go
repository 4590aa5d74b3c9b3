package directory

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
)

// bornAttribute is the extended attribute that says when a store's first file was made, of
// which this one has taken the place, and the inode number of this one: on a copy it says
// nothing.
const bornAttribute = "user.rvffs.born"

// Born tells when a store's file was made, or the first of those of which it has taken the
// place, in nanoseconds since 1970; 0 where that is not known.
func Born(path string) int64 {
	descriptor, err := retryInt(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(descriptor) }()
	info, err := statOpen(descriptor)
	if err != nil {
		return 0
	}
	return bornOf(descriptor, info)
}

func bornOf(descriptor int, info volume.FileInfo) int64 {
	own := info.Incarnation.Born()
	value, err := ReadXattr(descriptor, bornAttribute)
	if err != nil {
		return own
	}
	var first int64
	var number uint64
	if _, err := fmt.Fscan(strings.NewReader(string(value)), &first, &number); err != nil || number != numberOf(descriptor) || own != 0 && first > own {
		return own
	}
	return first
}

// setBorn notes it on a file that takes another's place. Where that cannot be, the file counts
// as made when it was.
func setBorn(descriptor int, born int64) {
	if born > 0 {
		_ = unix.Fsetxattr(descriptor, bornAttribute, fmt.Appendf(nil, "%d %d", born, numberOf(descriptor)), 0)
	}
}

// numberOf is the inode number of an open file, 0 where it cannot be told.
func numberOf(descriptor int) uint64 {
	var found unix.Stat_t
	if retryInterrupted(func() error { return unix.Fstat(descriptor, &found) }) != nil {
		return 0
	}
	return found.Ino
}
