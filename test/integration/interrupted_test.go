package integration

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInterruptedCommands interrupts writers of commands with a signal that they live on with,
// while another program keeps the store locked. They hear EINTR, upon which many programs try
// again for as long as it takes: what was not carried out then can be said again at the same
// place, and is carried out.
func TestInterruptedCommands(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	for _, c := range []struct {
		name, commands string
		taken          int // of the bytes, where those in front of the last command were carried out
	}{
		{"compact.rvf", "compact\n", -1},
		{"freeze.rvf", "freeze\n", -1},
		{"second.rvf", "flush\ncompact\n", len("flush\n")},
		{"close.rvf", "compact", len("compact")}, // the close of one without a line end
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run(t, program, "create", m.backing(c.name), "--dimension", "3")
			soon(t, m, c.name)
			for range 2 { // so that there is something to compact
				demand(t, "append", pour(m.path(c.name, "vectors.append"), []byte("{\"id\":1,\"vector\":[1,2,3]}\n")))
			}
			before := run(t, "jq", "-c", "[.epoch, .frozen]", m.path(c.name, "status.json"))
			unlock := lockAsPeer(t, m.backing(c.name))
			ctl := must(unix.Open(m.path(c.name, "ctl"), unix.O_WRONLY|unix.O_CLOEXEC, 0))(t)
			defer func() {
				if ctl >= 0 {
					_ = unix.Close(ctl)
				}
			}()
			write := func() (int, error) { return unix.Write(ctl, []byte(c.commands)) }
			if strings.HasSuffix(c.commands, "\n") {
				taken, err := interrupted(write)
				if c.taken >= 0 && (taken != c.taken || err != nil) || c.taken < 0 && !errors.Is(err, unix.EINTR) {
					t.Fatalf("interrupted: %d bytes were taken, %v", taken, err)
				}
				unlock()
				rest := c.commands[max(taken, 0):]
				for tries := 1; rest != ""; tries++ {
					taken, err := unix.Write(ctl, []byte(rest))
					if err != nil && (tries > 1000 || !errors.Is(err, unix.EINTR)) {
						t.Fatalf("said again, %d times: %v", tries, err)
					}
					rest = rest[max(taken, 0):]
				}
			} else {
				if taken, err := write(); taken != c.taken || err != nil {
					t.Fatalf("half a line: %d bytes were taken, %v", taken, err)
				}
				copied := must(unix.Dup(ctl))(t)
				if _, err := interrupted(func() (int, error) { return 0, unix.Close(ctl) }); !errors.Is(err, unix.EINTR) {
					t.Fatalf("interrupted: %v", err)
				}
				unlock()
				ctl = copied
			}
			err := unix.Close(ctl)
			ctl = -1
			if err != nil {
				t.Errorf("close: %v", err)
			}
			if after := run(t, "jq", "-c", "[.epoch, .frozen]", m.path(c.name, "status.json")); after == before {
				t.Errorf("nothing was carried out: %s", after)
			}
		})
	}
}

// interrupted makes a call and sends signals to its thread, such as the Go runtime sends to
// itself, until it is over.
func interrupted(call func() (int, error)) (result int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread, over := unix.Gettid(), make(chan struct{})
	go func() {
		for {
			select {
			case <-over:
				return
			default:
				_ = unix.Tgkill(os.Getpid(), thread, unix.SIGURG)
				runtime.Gosched()
			}
		}
	}()
	defer close(over)
	return call()
}
