package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// deviceName is the device by which file systems of users talk to the kernel.
const deviceName = "/dev/fuse"

// mayMount says what a machine or a container lacks for any such file system.
func mayMount() error {
	device, err := os.OpenFile(deviceName, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no %s: load the kernel's module with `modprobe fuse`, or give the container the device, as in `docker run --device %s --cap-add SYS_ADMIN`", deviceName, deviceName)
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return fmt.Errorf("the kernel has nothing behind %s: load its module with `modprobe fuse`", deviceName)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: on most machines everybody may open it (`chmod 666 %s`, as root); a container has to allow it, as in `docker run --device %s --cap-add SYS_ADMIN`", err, deviceName, deviceName)
	case err != nil:
		return err
	}
	if err := device.Close(); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		return nil
	}
	for _, helper := range []string{"fusermount3", "fusermount"} {
		if _, err := exec.LookPath(helper); err == nil {
			return nil
		}
	}
	return errors.New("fusermount3 is missing, without which only root can mount: install it with `apt install fuse3`")
}

// explainMount says what can be done where the system does not let us mount.
func explainMount(err error) error {
	if os.Geteuid() == 0 && strings.HasSuffix(err.Error(), syscall.EPERM.Error()) {
		return fmt.Errorf("%w: root may not mount here, as in a container without CAP_SYS_ADMIN: `docker run --device %s --cap-add SYS_ADMIN` (and --security-opt apparmor=unconfined where AppArmor forbids it)", err, deviceName)
	}
	return err
}

// filesNamed bounds how many files of a directory are named.
const filesNamed = 3

// checkEmpty refuses to mount over files, which nobody could reach any more.
func checkEmpty(mountPoint string) error {
	folder, err := os.Open(mountPoint)
	if err != nil {
		return fmt.Errorf("mount point: %w", err)
	}
	names, err := folder.Readdirnames(filesNamed + 1)
	if len(names) == 0 { // whatever keeps the rest from being listed
		return folder.Close()
	}
	if err := errors.Join(err, folder.Close()); err != nil {
		return fmt.Errorf("mount point: %w", err)
	}
	if len(names) > filesNamed {
		names[filesNamed] = "more"
	}
	return fmt.Errorf("the mount point %s is not empty, it holds %s: nobody could reach that while stores are mounted there; take an empty directory, or say --allow-non-empty", mountPoint, strings.Join(names, ", "))
}
