package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// remount makes a mount that is there read-only, or lets it be written to again. This
// changes what the kernel lets through; all else stays as the mount was made.
func remount(options mountOptions, mountPoint string) error {
	place, err := mountPlace(mountPoint)
	if err != nil {
		return err
	}
	flags := uintptr(unix.MS_REMOUNT | unix.MS_NOSUID | unix.MS_NODEV)
	if place.NoExec || slices.Contains(options.kernel, "noexec") {
		flags |= unix.MS_NOEXEC
	}
	change := func(more uintptr) error { return unix.Mount(place.Source, place.Point, place.Type, flags|more, "") }
	if options.readOnly {
		err = change(unix.MS_RDONLY)
	} else {
		err = change(0)
	}
	switch {
	case errors.Is(err, syscall.EBUSY):
		return inUse(place, "unmount it and mount it anew with -o ro")
	case errors.Is(err, syscall.EPERM) && os.Geteuid() != 0:
		return fmt.Errorf("remount %s: %w: only root can; you can unmount it and mount it anew with -o ro", place.Point, err)
	case err != nil:
		return fmt.Errorf("remount %s: %w", place.Point, err)
	case options.readOnly:
		return nil
	}
	// The kernel would let changes through, but whoever mounted it may have told the server not to.
	if config, err := readConfig(place.Point); err == nil && config.ReadOnly {
		return errors.Join(fmt.Errorf("%s was mounted read-only, and remounting cannot change that: unmount it and mount it anew", place.Point), change(unix.MS_RDONLY))
	}
	return nil
}
