package directory

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inSandbox names, in the environment of a second run of this test program, the
// answer that a sandbox gives to system calls which it does not know.
const inSandbox = "RVFFS_TEST_SANDBOX"

// TestSandboxes runs the tests of files again where openat2 and the other young
// calls are refused: as kernels do that have none of them, and as sandboxes do.
func TestSandboxes(t *testing.T) {
	t.Parallel()
	if name := os.Getenv(inSandbox); name != "" {
		t.Skip("this is the sandbox")
	}
	for _, answer := range []string{"ENOSYS", "EPERM"} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			command := exec.Command("/proc/self/exe", "-test.v",
				"-test.run=^(TestWalkInSandbox|TestHostileNames|TestNamesInFolders|TestChangesOfHeldFiles|TestOpensRegularFilesOnly|TestLocalPaths|TestCompactionKeepsAttributes|TestMoveKeepsAttributes)$")
			command.Env = append(os.Environ(), inSandbox+"="+answer)
			output, err := command.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

// enterSandbox lets the rest of this process go without some system calls.
func enterSandbox(answer unix.Errno) error {
	const number = 0 // where a call's number stands in what the filter sees
	missing := []uint32{unix.SYS_OPENAT2}
	if answer == unix.ENOSYS {
		missing = append(missing, unix.SYS_RENAMEAT2, unix.SYS_FCHMODAT2)
	}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	for _, call := range missing {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(answer)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if failed != 0 {
		return failed
	}
	return nil
}

// TestMain enters the sandbox before anything is tested.
func TestMain(m *testing.M) {
	answers := map[string]unix.Errno{"ENOSYS": unix.ENOSYS, "EPERM": unix.EPERM}
	if answer, known := answers[os.Getenv(inSandbox)]; known {
		if err := enterSandbox(answer); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestWalkInSandbox(t *testing.T) {
	if os.Getenv(inSandbox) == "" {
		t.Skip("only in a sandbox")
	}
	if !lacksOpenat2() {
		t.Error("the sandbox lets openat2 pass")
	}
}
