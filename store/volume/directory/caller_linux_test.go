package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rvffs/store/volume"

	"golang.org/x/sys/unix"
)

// Two users without names and without anything in common.
const (
	alice = 20001
	bob   = 20002
)

func inGroups(groups ...uint32) func() []uint32 { return func() []uint32 { return groups } }

func demandRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can act for others")
	}
}

// sharedFolder is a folder that every user reaches, other than t.TempDir.
func sharedFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rvffs-shared-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ownFolder makes a folder that belongs to a user.
func ownFolder(t testing.TB, dir string, owner int, mode os.FileMode) string {
	t.Helper()
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, owner, owner), os.Chmod(dir, mode)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCallersHaveTheirOwnRights(t *testing.T) {
	t.Parallel()
	demandRoot(t)
	shared := sharedFolder(t)
	mine := ownFolder(t, filepath.Join(shared, "mine"), alice, 0o700)
	theirs := ownFolder(t, filepath.Join(shared, "theirs"), bob, 0o700)
	team := ownFolder(t, filepath.Join(shared, "team"), bob, 0o770|fs.ModeSetgid)
	caller, member := volume.Caller{UID: alice, GID: alice}, volume.Caller{UID: alice, GID: alice, Groups: inGroups(7, bob)}
	create := func(name string) func() error {
		return func() error {
			file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
			if err != nil {
				return err
			}
			return file.Close()
		}
	}
	for _, c := range []struct {
		name   string
		caller volume.Caller
		file   string
		want   error
	}{
		{"in the caller's own folder", caller, filepath.Join(mine, "a"), nil},
		{"in somebody else's", caller, filepath.Join(theirs, "a"), fs.ErrPermission},
		{"without the group", caller, filepath.Join(team, "a"), fs.ErrPermission},
		{"with the group", member, filepath.Join(team, "a"), nil},
		{"in root's folder", caller, filepath.Join(shared, "a"), fs.ErrPermission},
		{"as root in somebody else's", volume.Caller{}, filepath.Join(theirs, "b"), nil},
	} {
		if err := actAs(c.caller, create(c.file)); !errors.Is(err, c.want) {
			t.Errorf("making a file %s: %v, want %v", c.name, err, c.want)
		}
	}
	var made unix.Stat_t
	if err := unix.Stat(filepath.Join(team, "a"), &made); err != nil || made.Uid != alice || made.Gid != bob {
		t.Errorf("the new file belongs to %d:%d (%v), want %d and the folder's group %d", made.Uid, made.Gid, err, alice, bob)
	}
	if err := actAs(caller, func() error { return os.Chown(filepath.Join(mine, "a"), bob, -1) }); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("giving a file away: %v, want %v", err, fs.ErrPermission)
	}
	nobody := volume.Caller{UID: ^uint32(0), GID: alice}
	if err := actAs(nobody, create(filepath.Join(theirs, "c"))); !errors.Is(err, volume.ErrNotPermitted) {
		t.Errorf("a caller without a user id: %v, want %v", err, volume.ErrNotPermitted)
	}
}

// threadUser is what the kernel says of the calling thread: its effective user
// and group, and the supplementary groups.
func threadUser() (string, error) {
	runtime.LockOSThread() // the file is about the thread that opened it
	defer runtime.UnlockOSThread()
	content, err := os.ReadFile("/proc/thread-self/status")
	var found []string
	for line := range strings.Lines(string(content)) {
		name, rest, _ := strings.Cut(line, ":")
		switch fields := strings.Fields(rest); name {
		case "Uid", "Gid":
			found = append(found, fields[1])
		case "Groups":
			found = append(found, "in "+strings.Join(fields, " "))
		}
	}
	return strings.Join(found, " "), err
}

// Other threads, and this one afterwards, have the rights of the process.
func TestRightsOfOthersStayOnTheirThread(t *testing.T) {
	t.Parallel()
	demandRoot(t)
	before, err := threadUser()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				caller := volume.Caller{UID: uint32(alice + i), GID: uint32(bob + i), Groups: inGroups(uint32(i), 77)}
				if err := actAs(caller, func() error {
					want := fmt.Sprintf("%d %d in %d 77", caller.UID, caller.GID, i)
					if now, err := threadUser(); err != nil || now != want {
						return fmt.Errorf("acting as %q (%v), want %q", now, err, want)
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
				if now, err := threadUser(); err != nil || now != before {
					t.Errorf("afterwards a thread acts as %q (%v), want %q", now, err, before)
				}
			}
		})
	}
	all.Wait()
}

// A thread that cannot be made what it was ends, so that nobody else gets it. The
// first one of a process cannot end; it sleeps for ever.
func TestThreadWithOthersRightsEnds(t *testing.T) {
	t.Parallel()
	demandRoot(t)
	stuck := errors.New("no way back")
	thread := os.Getpid()
	for thread == os.Getpid() {
		err := impersonateUntil(volume.Caller{UID: alice, GID: alice}, func() error {
			thread = unix.Gettid()
			return nil
		}, func(credentials) error { return stuck })
		if !errors.Is(err, stuck) {
			t.Errorf("the caller is told %v, want %v", err, stuck)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		status, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", thread))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("thread %d still is there (%v):\n%s", thread, err, status)
		}
	}
}

// TestUnprivilegedProcess runs itself again as a user who may not act for others.
func TestUnprivilegedProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv("RVFFS_TEST_UNPRIVILEGED") != "" {
		made := false
		err := actAs(volume.Caller{UID: bob, GID: bob}, func() error {
			made = true
			return nil
		})
		if !errors.Is(err, volume.ErrNotPermitted) || made {
			t.Errorf("for another user: %v, and done: %v; want %v", err, made, volume.ErrNotPermitted)
		}
		if err := actAs(volume.Caller{UID: uint32(os.Geteuid()), GID: 5}, func() error { return nil }); err != nil {
			t.Errorf("for its own user: %v", err)
		}
		return
	}
	demandRoot(t)
	program := filepath.Join(sharedFolder(t), "test")
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	again := exec.Command(program, "-test.run=^TestUnprivilegedProcess$", "-test.v")
	again.Dir = filepath.Dir(program)
	again.Env = slices.Concat(os.Environ(), []string{"RVFFS_TEST_UNPRIVILEGED=1"})
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: alice, Gid: alice}}
	if output, err := again.CombinedOutput(); err != nil || !strings.Contains(string(output), "--- PASS") {
		t.Errorf("%v\n%s", err, output)
	}
}

func BenchmarkActForACaller(b *testing.B) {
	demandRoot(b)
	caller := volume.Caller{UID: alice, GID: alice, Groups: inGroups(4, 24, 27)}
	for b.Loop() {
		if err := actAs(caller, func() error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
