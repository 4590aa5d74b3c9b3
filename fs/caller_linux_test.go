package fs

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func TestParseStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, status string
		want         caller
	}{
		{"running", "Name:\tcat\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t12\nPid:\t13\nVmPeak:\t10 kB\nVmSize:\t10 kB\nThreads:\t1\n", caller{group: 12}},
		{"exiting", "Name:\tcat\nState:\tD (disk sleep)\nTgid:\t12\nPid:\t13\nThreads:\t1\n", caller{group: 12, exiting: true}},
		{"a name that tells lies", "Name:\tVmSize: Tgid: 5\nState:\tS (sleeping)\nTgid:\t12\nThreads:\t1\n", caller{group: 12, exiting: true}},
		{"empty", "", caller{}},
		{"no number", "Name:\tcat\nTgid:\tx\n", caller{}},
		{"cut short", "Name:\tcat\nTgid:", caller{}},
	} {
		if got := parseStatus([]byte(test.status)); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestParseEnding(t *testing.T) {
	t.Parallel()
	stat := func(name, state, wchan, code string) string {
		return "12 (" + name + ") " + state + strings.Repeat(" 7", 31) + " " + wchan + strings.Repeat(" 7", 16) + " " + code + "\n"
	}
	for text, want := range map[string]struct {
		failed, status, settled bool
	}{
		stat("cat", "D", "1", "0"):      {false, false, true},
		stat("cat", "S", "1", "256"):    {true, true, true},
		stat("cat", "D", "1", "9"):      {true, false, true},
		stat("cat", "D", "1", "139"):    {true, false, true},
		stat("a) R 0", "D", "1", "0"):   {false, false, true},
		stat("cat", "D", "0", "0"):      {true, false, true}, // it cannot be seen
		stat("cat", "R", "0", "0"):      {true, false, false},
		stat("cat", "D", "1", "x"):      {true, false, true},
		"12 (cat) D 1 1":                {true, false, true},
		"":                              {true, false, true},
		strings.Repeat("12 ", 60) + ")": {true, false, true},
	} {
		if failed, status, settled := parseEnding([]byte(text)); failed != want.failed || status != want.status || settled != want.settled {
			t.Errorf("%q: %v, %v, %v", text, failed, status, settled)
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

// TestProcess is not run beside other tests; TestStreams says why.
func TestProcess(t *testing.T) {
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

func TestParseGroups(t *testing.T) {
	t.Parallel()
	status := func(uid, gid, groups string) string {
		return "Name:\tcat\nUmask:\t0022\nTgid:\t12\nUid:\t" + uid + "\nGid:\t" + gid + "\nFDSize:\t64\nGroups:\t" + groups
	}
	many := strings.Repeat("4294967294 ", 65536)
	for _, test := range []struct {
		name, status string
		want         []uint32
		whole        bool
	}{
		{"some", status("7\t7\t7\t7", "8\t8\t8\t8", "4 24 30000 \n"), []uint32{4, 24, 30000}, true},
		{"none", status("7\t7\t7\t7", "8\t8\t8\t8", " \n"), nil, true},
		{"acting for somebody else", status("7\t7\t7\t9", "8\t8\t8\t8", "4 24 \n"), nil, true},
		{"acting for somebody from a set-user-id program", status("1\t1\t1\t7", "2\t2\t2\t8", "4 24 \n"), []uint32{4, 24}, true},
		{"another user", status("9\t9\t9\t9", "8\t8\t8\t8", "4 24 \n"), nil, true},
		{"another group", status("7\t7\t7\t7", "8\t8\t8\t9", "4 24 \n"), nil, true},
		{"a number that only begins alike", status("7\t7\t7\t77", "8\t8\t8\t8", "4 24 \n"), nil, true},
		{"cut in the list", status("7\t7\t7\t7", "8\t8\t8\t8", "4 24 300"), nil, false},
		{"cut before the list", "Name:\tcat\nUid:\t7\t7\t7\t7\nGid:\t8", nil, false},
		{"a list before the ids", "Groups:\t4 \nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\n", nil, true},
		{"no number", status("7\t7\t7\t7", "8\t8\t8\t8", "4 x \n"), nil, true},
		{"empty", "", nil, false},
		{"as many as there can be", status("7\t7\t7\t7", "8\t8\t8\t8", many+"\n"), slices.Repeat([]uint32{4294967294}, 65536), true},
	} {
		groups, whole := parseGroups([]byte(test.status), fuse.Owner{Uid: 7, Gid: 8})
		if !slices.Equal(groups, test.want) || whole != test.whole {
			t.Errorf("%s: %d groups %v, whole %v", test.name, len(groups), groups[:min(len(groups), 5)], whole)
		}
	}
}

// TestIdentify finds this very process.
func TestIdentify(t *testing.T) {
	t.Parallel()
	if got := identify(context.Background()); got.UID != 0 || !got.Trusted() {
		t.Errorf("nobody's request is made for %+v", got)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	me := &fuse.Caller{Owner: fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}, Pid: uint32(os.Getpid())}
	if got := groupsOf(me); len(got) != len(groups) {
		t.Errorf("groups %v, want %v", got, groups)
	}
	other := identify(fuse.NewContext(context.Background(), &fuse.Caller{Owner: fuse.Owner{Uid: 20001, Gid: 20002}, Pid: uint32(os.Getpid())}))
	if other.UID != 20001 || other.GID != 20002 || other.Groups == nil || len(other.Groups()) != 0 {
		t.Errorf("%+v", other)
	}
	for _, pid := range []uint32{0, 1 << 30} {
		if got := groupsOf(&fuse.Caller{Pid: pid}); got != nil {
			t.Errorf("a process that cannot be seen is in %v", got)
		}
	}
}
