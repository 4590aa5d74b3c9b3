package fs

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func TestParseTask(t *testing.T) {
	t.Parallel()
	const rest = " 1 1 1 0 -1 4194308 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0"
	for _, test := range []struct {
		name, line string
		want       task
		fails      bool
	}{
		{"plain", "12 (cat) S" + rest, task{'S', 4194308, 99}, false},
		{"name with spaces", "12 (a b c) R" + rest, task{'R', 4194308, 99}, false},
		{"name with parentheses", "12 (x) Z (y) S 1) Z" + rest, task{'Z', 4194308, 99}, false},
		{"empty", "", task{}, true},
		{"cut short", "12 (cat) S 1 1 1", task{}, true},
		{"no number", "12 (cat) S 1 1 1 0 -1 x 0 0 0 0 0 0 0 0 20 0 1 0 99", task{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseTask([]byte(test.line))
			if (err != nil) != test.fails || got != test.want {
				t.Errorf("%+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

func contextOf(process int) context.Context {
	return &fuse.Context{Caller: fuse.Caller{Pid: uint32(process)}}
}

func TestCaller(t *testing.T) {
	t.Parallel()
	own := callerOf(contextOf(os.Getpid()))
	if own.group != os.Getpid() || own.exiting || !own.alive() {
		t.Errorf("this process is taken for %+v", own)
	}
	later := own.process
	later.started++
	if later.alive() {
		t.Error("a process of another start passes for this one")
	}
	for name, ctx := range map[string]context.Context{
		"no caller":             context.Background(),
		"out of sight":          contextOf(0),
		"beyond the last there": contextOf(1 << 30),
	} {
		if got := callerOf(ctx); got != (caller{}) || got.alive() {
			t.Errorf("%s: taken for %+v", name, got)
		}
	}
}

func TestDeadProcess(t *testing.T) {
	t.Parallel()
	command := exec.Command("cat")
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	other := callerOf(contextOf(command.Process.Pid)).process
	if other.group != command.Process.Pid || !other.alive() {
		t.Errorf("the child process is taken for %+v", other)
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	if other.alive() {
		t.Error("a process that ended passes for alive")
	}
}
