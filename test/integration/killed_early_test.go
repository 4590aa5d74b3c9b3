package integration

import (
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/fs"
)

// TestKilledAsItBegins kills mounts in the first moments in which they are there. None may wait
// in the kernel then for an answer that it would have to give itself: it could not end, and
// whoever comes by the mount would wait for ever.
func TestKilledAsItBegins(t *testing.T) {
	t.Parallel()
	dir, point := t.TempDir(), t.TempDir()
	run(t, program, "create", dir+"/a.rvf", "--dimension", "3")
	unmountAtEnd(t, point)
	for round := range 60 {
		daemon := exec.Command(program, "mount", "--foreground", dir, point)
		demand(t, "start the mount", daemon.Start())
		ended := make(chan error, 1)
		go func() { ended <- daemon.Wait() }()
		for until := time.Now().Add(patience); ; {
			_, there, err := fs.MountedAt(point)
			if err != nil {
				t.Fatal(err)
			}
			if there {
				break
			}
			if time.Now().After(until) {
				t.Fatal("nothing is mounted")
			}
		}
		time.Sleep(time.Duration(rand.Int64N(int64(12 * time.Millisecond)))) // a moment like any other
		demand(t, "kill the mount", daemon.Process.Kill())
		select {
		case <-ended:
		case <-time.After(killPatience):
			t.Errorf("round %d: the killed mount does not end", round)
			_ = unix.Unmount(point, unix.MNT_FORCE)
			<-ended
		}
		demand(t, "unmount", unix.Unmount(point, unix.MNT_DETACH))
		if t.Failed() {
			return
		}
	}
}
