package directory

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"rvffs/store/volume/filelog"
)

// CreateNameless makes a file without a name in the folder of a path, where the file system
// has such files.
func (d *Files) CreateNameless(beside string) (filelog.File, error) {
	var created *osFile
	err := d.at("create", beside, func(folder int, _ string) error {
		descriptor, err := retryInt(func() (int, error) {
			return unix.Openat(folder, ".", unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, 0o600)
		})
		if err == nil {
			created = &osFile{os.NewFile(uintptr(descriptor), beside)}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return created, nil
}

// GiveName gives a file that CreateNameless has made its name, once.
func (d *Files) GiveName(file filelog.File, name string) error {
	made, ours := file.(*osFile)
	if !ours {
		return unix.EXDEV
	}
	return d.at("name", name, func(folder int, base string) error {
		return made.control(func(descriptor int) error {
			return unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(descriptor), folder, base, unix.AT_SYMLINK_FOLLOW)
		})
	})
}
