package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"rvffs/store/catalog"
)

// TestMountsComeAndGo mounts, uses and unmounts several directories at once. The
// kernel gives the device number of a mount that is gone to the next one, and the
// process a descriptor's number; each mount must find its own connection all the
// same, or it shows the past.
func TestMountsComeAndGo(t *testing.T) {
	t.Parallel()
	needsFUSE(t)
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	var mounts sync.WaitGroup
	var system unix.Utsname
	if err := unix.Uname(&system); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(system.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	epochs := major > 6 || major == 6 && minor >= 16
	for range 6 {
		directory, mountPoint := t.TempDir(), t.TempDir()
		mounts.Go(func() {
			for round := range rounds {
				if err := comeAndGo(directory, mountPoint, round, epochs); err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
			}
		})
	}
	mounts.Wait()
}

func comeAndGo(directory, mountPoint string, round int, epochs bool) error {
	stores, err := openCatalog(directory, catalog.Options{Dimension: dimension, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	server, err := Mount(stores, mountPoint, Options{Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	err = func() error {
		if err := polled(mountPoint); err != nil {
			return err
		}
		if epochs {
			if err := serves(server.tree.expiry.epoch, mountPoint); err != nil {
				return err
			}
		}
		folder := filepath.Join(mountPoint, fmt.Sprintf("%d.rvf", round))
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
		for commit := range 3 {
			if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), rows(1), 0); err != nil {
				return err
			}
			if got, err := total(folder); err != nil || got != commit+1 {
				return fmt.Errorf("%d vectors after commit %d, %v", got, commit+1, err)
			}
		}
		return nil
	}()
	if _, unmountErr := server.Unmount(); err == nil {
		err = unmountErr
	}
	server.Wait()
	if closeErr := stores.Close(); err == nil {
		err = closeErr
	}
	return err
}

// serves reports whether the epoch's connection is the one of the mount at mountPoint,
// and alive.
func serves(e *epoch, mountPoint string) error {
	if e == nil {
		return errors.New("the mount has found no connection")
	}
	var stat unix.Stat_t
	if err := unix.Stat(mountPoint, &stat); err != nil {
		return err
	}
	number := int(e.device.Fd())
	if !connected(number) {
		return errors.New("the connection is that of a mount that is gone")
	}
	if found := connectionOf(number); found != stat.Dev {
		return fmt.Errorf("the connection is that of device %d, the mount's is %d", found, stat.Dev)
	}
	return nil
}
