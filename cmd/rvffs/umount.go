package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"rvffs/fs"
	"rvffs/store/catalog"
)

// closeWait is how long umount waits for the server to end.
const closeWait = 30 * time.Second

func newUmountCommand() *cobra.Command {
	var lazy bool
	command := &cobra.Command{
		Use:               "umount MOUNTPOINT",
		Aliases:           []string{"unmount"},
		Short:             "End a mount",
		Long:              "End a mount, and return when its server has committed everything and is gone.",
		Args:              takes("MOUNTPOINT"),
		ValidArgsFunction: offers(offerMounts, offerNothing),
		RunE:              func(_ *cobra.Command, arguments []string) error { return umount(arguments[0], lazy) },
	}
	command.Flags().BoolVarP(&lazy, "lazy", "z", false, "take the mount out of the tree though it is in use; it ends with its last user")
	return command
}

func umount(path string, lazy bool) error {
	place, err := mountPlace(path)
	if err != nil {
		return err
	}
	server := openServer(place.Point)
	defer server.close()
	err = fs.Unmount(place.Point, lazy)
	if errors.Is(err, syscall.EBUSY) {
		return inUse(place, "say --lazy")
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", place.Point, err)
	}
	if lazy {
		return nil
	}
	return server.wait()
}

// mountPlace is a mount of ours, alive or dead.
func mountPlace(path string) (fs.Mounted, error) {
	plain, _, err := findMountPoint(path)
	if err != nil {
		return fs.Mounted{}, err
	}
	found, mounted, err := fs.MountedAt(plain)
	switch {
	case err != nil:
		return found, err
	case !mounted:
		return found, fmt.Errorf("%s is no mount point", plain)
	case !found.Ours():
		return found, fmt.Errorf("%s is a mount of type %s, not of vector stores", plain, found.Type)
	}
	return found, nil
}

// mountConfig is what a mount tells of itself, as far as commands ask.
type mountConfig struct {
	Pid       int
	Directory string
	ReadOnly  bool `json:"read_only"`
}

func readConfig(mountPoint string) (config mountConfig, err error) {
	content, err := os.ReadFile(filepath.Join(mountPoint, catalog.ControlFolder, configName))
	if err == nil {
		err = json.Unmarshal(content, &config)
	}
	return config, err
}

// servingProcess is a hold on the process behind a mount, by which its end can be
// awaited; -1 if it cannot be seen from here.
type servingProcess int

// openServer asks the mount itself for its process.
func openServer(mountPoint string) servingProcess {
	config, err := readConfig(mountPoint)
	if err != nil || config.Pid <= 0 {
		return -1
	}
	descriptor, err := unix.PidfdOpen(config.Pid, 0)
	if err != nil {
		return -1
	}
	return servingProcess(descriptor)
}

func (p servingProcess) close() {
	if p >= 0 {
		unix.Close(int(p))
	}
}

// wait returns when the process is gone.
func (p servingProcess) wait() error {
	if p < 0 {
		return nil
	}
	end := time.Now().Add(closeWait)
	for {
		left := time.Until(end)
		if left <= 0 {
			return fmt.Errorf("unmounted, but the server still works after %s", closeWait)
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(p), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return err
		}
		if ready > 0 {
			return nil
		}
	}
}
