package directory

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"rvffs/store/volume"

	"golang.org/x/sys/unix"
)

// credentials are those parts of a thread's that do changes. The real and the
// saved user id stay, so that no other user can signal or trace the thread, and
// the way back is open.
type credentials struct {
	uid, gid uint32 // the effective ones
	groups   []uint32
}

// own are those of the process, which every thread has but one in impersonate.
var own = sync.OnceValues(func() (credentials, error) {
	groups, err := os.Getgroups()
	if err != nil {
		return credentials{}, err
	}
	process := credentials{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	for _, group := range groups {
		process.groups = append(process.groups, uint32(group))
	}
	return process, nil
})

// canImpersonate tries out whether a thread that becomes another user's loses
// its capabilities, and gets its own rights back.
var canImpersonate = sync.OnceValue(func() bool {
	const nobody = 65534
	powerless := false
	err := impersonate(volume.Caller{UID: nobody, GID: nobody}, func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		err := unix.Capget(&header, &data[0])
		powerless = data[0].Effective == 0 && data[1].Effective == 0
		return err
	})
	return err == nil && powerless
})

// impersonate is actAs with a change of credentials. A change of the effective user
// id takes every capability away until it is changed back.
//
// The thread is that of a goroutine made for this: when it cannot be made what it
// was, the goroutine ends without unlocking it, and the thread ends as well.
func impersonate(c volume.Caller, f func() error) error {
	return impersonateUntil(c, f, credentials.resume)
}

// impersonateUntil is impersonate with a given way back.
func impersonateUntil(c volume.Caller, f func() error, resume func(credentials) error) error {
	process, err := own()
	if err != nil {
		return fmt.Errorf("read the credentials of this process: %w", err)
	}
	if c.UID == math.MaxUint32 || c.GID == math.MaxUint32 {
		// To the system calls this is the word for no change.
		return fmt.Errorf("%w: the caller has no user id here", volume.ErrNotPermitted)
	}
	theirs := credentials{uid: c.UID, gid: c.GID, groups: c.AllGroups()}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := theirs.assume()
		if err == nil {
			err = f()
		}
		if back := resume(process); back != nil {
			result <- errors.Join(err, back)
			return
		}
		runtime.UnlockOSThread()
		result <- err
	}()
	return <-result
}

// assume makes the calling thread, which has the rights of the process, act for
// somebody else. The user comes last: after it nothing else can be changed.
func (c credentials) assume() error {
	if err := setGroups(c.groups); err != nil {
		return err
	}
	if err := setThread("setresgid", unix.SYS_SETRESGID, c.gid); err != nil {
		return err
	}
	return setThread("setresuid", unix.SYS_SETRESUID, c.uid)
}

// resume is the way back, in the reverse order.
func (c credentials) resume() error {
	if err := setThread("setresuid", unix.SYS_SETRESUID, c.uid); err != nil {
		return err
	}
	if err := setThread("setresgid", unix.SYS_SETRESGID, c.gid); err != nil {
		return err
	}
	return setGroups(c.groups)
}

// setThread changes the effective id of this thread alone. The calls of packages
// syscall and unix change it for all threads of the process.
func setThread(name string, number uintptr, id uint32) error {
	if _, _, failed := unix.RawSyscall(number, ^uintptr(0), uintptr(id), ^uintptr(0)); failed != 0 {
		return os.NewSyscallError(name, failed)
	}
	return nil
}

func setGroups(groups []uint32) error {
	if _, _, failed := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(groups))), 0); failed != 0 {
		return os.NewSyscallError("setgroups", failed)
	}
	return nil
}
