package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Two users without names and without anything in common.
const (
	alice = 20001
	bob   = 20002
)

// demandUsers skips the test where no other users can be had.
func demandUsers(t testing.TB) {
	t.Helper()
	var err error
	if os.Geteuid() != 0 {
		err = errors.New("only root can act as several users")
	}
	demand(t, "users", err)
}

// letIn lets all users into a folder of a test. What lets them in already stays as it is.
func letIn(t testing.TB, dir string) {
	t.Helper()
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if mode := must(os.Stat(dir))(t).Mode(); mode.Perm()&0o005 != 0o005 {
			demand(t, "chmod", os.Chmod(dir, mode|0o055))
		}
	}
}

// publicFolder is a folder that every user reaches.
func publicFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rvffs-public-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// give makes a file or folder somebody's, with a mode.
func give(t testing.TB, path string, owner int, mode os.FileMode) string {
	t.Helper()
	if err := errors.Join(os.Lchown(path, owner, owner), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}

// ownFolder makes a folder that belongs to a user.
func ownFolder(t testing.TB, path string, owner int, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return give(t, path, owner, mode)
}

// servePublic mounts a folder for all users.
func servePublic(t testing.TB, dir string, flags ...string) *mount {
	t.Helper()
	point := filepath.Join(publicFolder(t), "mnt")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	return serveAt(t, dir, point, append([]string{"--allow-other"}, flags...)...)
}

// userTask names, in the environment of a process of this test program, what it does
// as another user instead of testing.
const userTask = "RVFFS_USER_TASK"

// userTasks are those things. What came of one is written to standard output.
var userTasks = map[string]func(orders *json.Decoder) (any, error){}

// doUserTask does what the environment says, and ends the process, if it says
// anything.
func doUserTask() {
	name := os.Getenv(userTask)
	if name == "" {
		return
	}
	result, err := userTasks[name](json.NewDecoder(os.Stdin))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// asUser has another process do a task as a user, who has no rights but his own.
// The program is reached by the link to what runs, for its folder is root's alone.
func asUser(t testing.TB, user int, task string, orders, result any, most time.Duration) {
	t.Helper()
	limit, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	command := exec.CommandContext(limit, "/proc/self/exe")
	command.Dir = "/"
	command.Env = append(environment(), userTask+"="+task)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
	told, err := json.Marshal(orders)
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	command.Stdin, command.Stderr = bytes.NewReader(told), &problems
	output, err := command.Output()
	if err == nil {
		err = json.Unmarshal(output, result)
	}
	if err != nil {
		t.Fatalf("%s as user %d: %v\n%s", task, user, err, problems.String())
	}
}
