package directory

import (
	"errors"
	"hash/fnv"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
)

// statIn tells about a bare name in an open folder.
func statIn(folder int, base string) (volume.FileInfo, error) {
	return statWith(folder, base, unix.AT_SYMLINK_NOFOLLOW)
}

// statOpen tells about what a descriptor leads to.
func statOpen(descriptor int) (volume.FileInfo, error) {
	return statWith(descriptor, "", unix.AT_EMPTY_PATH)
}

// identified is statOpen with all that is known of the Incarnation.
func identified(descriptor int) (volume.FileInfo, error) {
	info, err := statOpen(descriptor)
	if err == nil {
		info.Incarnation = info.Incarnation.WithHandle(handleOf(descriptor))
	}
	return info, err
}

func statWith(folder int, base string, flags int) (volume.FileInfo, error) {
	var found unix.Statx_t
	err := retryInterrupted(func() error {
		return unix.Statx(folder, base, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &found)
	})
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // a sandbox that is older than the call
		return statSimply(folder, base, flags)
	}
	if err != nil {
		return volume.FileInfo{}, err
	}
	info := volume.FileInfo{
		Size: int64(found.Size), Modified: timeOf(found.Mtime), Mode: modeOf(uint32(found.Mode)),
		Identity: volume.NewIdentity(unix.Mkdev(found.Dev_major, found.Dev_minor), found.Ino), Names: uint64(found.Nlink), UID: found.Uid, GID: found.Gid,
	}
	if found.Mask&unix.STATX_BTIME != 0 {
		info.Incarnation = volume.NewIncarnation(timeOf(found.Btime).UnixNano(), 0)
	}
	return info, nil
}

func timeOf(stamp unix.StatxTimestamp) time.Time { return time.Unix(stamp.Sec, int64(stamp.Nsec)) }

func statSimply(folder int, base string, flags int) (volume.FileInfo, error) {
	var found unix.Stat_t
	if err := retryInterrupted(func() error { return unix.Fstatat(folder, base, &found, flags) }); err != nil {
		return volume.FileInfo{}, err
	}
	return volume.FileInfo{
		Size: found.Size, Modified: time.Unix(found.Mtim.Unix()), Mode: modeOf(found.Mode),
		Identity: volume.NewIdentity(found.Dev, found.Ino), Names: uint64(found.Nlink), UID: found.Uid, GID: found.Gid,
	}, nil
}

// handleOf tells files apart that have one inode number after each other: their
// handles differ, by which file servers know them. 0 stands for a file system without.
func handleOf(descriptor int) uint64 {
	handle, _, err := unix.NameToHandleAt(descriptor, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return 0
	}
	sum := fnv.New64a()
	_, _ = sum.Write(handle.Bytes())
	return max(sum.Sum64(), 1)
}

// Describe implements filelog.File.
func (f *osFile) Describe() (info volume.FileInfo, err error) {
	err = f.control(func(descriptor int) error {
		info, err = identified(descriptor)
		return err
	})
	return info, err
}
