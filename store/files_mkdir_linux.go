package store

import (
	"crypto/rand"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Mkdir makes a folder of the given owner and mode. In a setgid folder it takes
// that one's group and the bit.
//
// There is no descriptor of a new folder to be had but by its name, and under that
// somebody else may have put another by then, who would so be given it. Therefore
// it is made within a folder that nobody else may enter, and moves to its name when
// owner and mode are set.
func (d *DirectoryFiles) Mkdir(name string, perm os.FileMode, uid, gid uint32) error {
	return d.at("mkdir", name, func(folder int, base string) error {
		private := "." + rand.Text()[:16] + temporarySuffix
		if err := retry(func() error { return unix.Mkdirat(folder, private, 0o700) }); err != nil {
			return err
		}
		err := mkdirWithin(folder, private, base, perm, int(uid), int(gid))
		return errors.Join(err, retry(func() error { return unix.Unlinkat(folder, private, unix.AT_REMOVEDIR) }))
	})
}

// mkdirWithin makes a folder within the one called private, and then moves it out
// to base.
func mkdirWithin(folder int, private, base string, perm os.FileMode, uid, gid int) error {
	shelter, found, err := openFolder(folder, private)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(shelter) }()
	if int(found.Uid) != fileUser() || found.Mode&0o077 != 0 {
		return unix.EPERM // another took its place
	}
	fresh := rand.Text()[:16]
	if err := retry(func() error { return unix.Mkdirat(shelter, fresh, 0o700) }); err != nil {
		return err
	}
	err = dress(shelter, fresh, perm, uid, gid)
	if err == nil {
		err = renameNew(shelter, fresh, folder, base)
	}
	if err != nil {
		return errors.Join(err, retry(func() error { return unix.Unlinkat(shelter, fresh, unix.AT_REMOVEDIR) }))
	}
	return nil
}

// dress sets owner and mode of a new folder.
func dress(shelter int, fresh string, perm os.FileMode, uid, gid int) error {
	descriptor, found, err := openFolder(shelter, fresh)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(descriptor) }()
	mode := rawMode(perm)
	if found.Mode&unix.S_ISGID != 0 {
		gid = -1
		mode |= unix.S_ISGID
	}
	held := HeldFile{name: fresh, descriptor: descriptor}
	return errors.Join(held.Chown(uid, gid), held.Chmod(modeOf(mode)))
}

// openFolder opens the folder of a bare name in another.
func openFolder(folder int, base string) (descriptor int, found unix.Stat_t, err error) {
	descriptor, err = retryInt(func() (int, error) {
		return unix.Openat(folder, base, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, found, err
	}
	if err := retry(func() error { return unix.Fstat(descriptor, &found) }); err != nil {
		return -1, found, errors.Join(err, unix.Close(descriptor))
	}
	return descriptor, found, nil
}

// fileUser is the user as whom this thread makes files.
func fileUser() int {
	const none = -1 // no user, so that the call only answers
	current, _ := unix.SetfsuidRetUid(none)
	return current
}
