package fs

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func TestParseStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, status string
		want         caller
	}{
		{"running", "Name:\tcat\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t12\nPid:\t13\nVmPeak:\t10 kB\nVmSize:\t10 kB\nThreads:\t1\n", caller{12, false}},
		{"exiting", "Name:\tcat\nState:\tD (disk sleep)\nTgid:\t12\nPid:\t13\nThreads:\t1\n", caller{12, true}},
		{"a name that tells lies", "Name:\tVmSize: Tgid: 5\nState:\tS (sleeping)\nTgid:\t12\nThreads:\t1\n", caller{12, true}},
		{"empty", "", caller{}},
		{"no number", "Name:\tcat\nTgid:\tx\n", caller{}},
		{"cut short", "Name:\tcat\nTgid:", caller{}},
	} {
		if got := parseStatus([]byte(test.status)); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func contextOf(process int) context.Context {
	return &fuse.Context{Caller: fuse.Caller{Pid: uint32(process)}}
}

func TestCaller(t *testing.T) {
	t.Parallel()
	if got := callerOf(contextOf(os.Getpid())); got != (caller{group: os.Getpid()}) {
		t.Errorf("this process is taken for %+v", got)
	}
	for name, ctx := range map[string]context.Context{
		"no caller":             context.Background(),
		"out of sight":          contextOf(0),
		"beyond the last there": contextOf(1 << 30),
	} {
		got := callerOf(ctx)
		if got != (caller{}) {
			t.Errorf("%s: taken for %+v", name, got)
		}
		opened := got.open()
		if opened.alive() || opened.close() != nil {
			t.Errorf("%s: held as %+v", name, opened)
		}
	}
}

func TestProcess(t *testing.T) {
	t.Parallel()
	command := exec.Command("cat")
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	held := callerOf(contextOf(command.Process.Pid)).open()
	if held.group != command.Process.Pid || !held.alive() {
		t.Errorf("the child process is held as %+v", held)
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	if held.alive() {
		t.Error("a process that ended passes for alive")
	}
	if err := held.close(); err != nil {
		t.Error(err)
	}
}
