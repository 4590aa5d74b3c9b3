package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A third user, and a group that none of them is in but for the length of a test.
const (
	carol = 20003
	team  = 20009
)

// person is a process of another user's that does what it is told.
type person struct {
	t       testing.TB
	turn    sync.Mutex
	input   io.Closer
	tell    *json.Encoder
	hear    *json.Decoder
	process *exec.Cmd
}

// task is something to do, and answer what came of it.
type (
	task struct {
		Verb string
		Args words
		// Loop are tasks that are done in turn for so long.
		Loop []task        `json:",omitempty"`
		For  time.Duration `json:",omitempty"`
		// Secrets must not be in what a task of a loop finds: that counts as "leak".
		Secrets words `json:",omitempty"`
	}
	answer struct {
		Text  []byte
		Errno syscall.Errno
		// Counts says how often each task of a loop ended how.
		Counts []map[string]int `json:",omitempty"`
	}
)

// words may hold any bytes.
type words []string

// MarshalJSON implements json.Marshaler.
func (w words) MarshalJSON() ([]byte, error) {
	raw := make([][]byte, len(w))
	for i, word := range w {
		raw[i] = []byte(word)
	}
	return json.Marshal(raw)
}

// UnmarshalJSON implements json.Unmarshaler.
func (w *words) UnmarshalJSON(encoded []byte) error {
	var raw [][]byte
	err := json.Unmarshal(encoded, &raw)
	for _, word := range raw {
		*w = append(*w, string(word))
	}
	return err
}

func init() { userTasks["play"] = play }

// newPerson starts a process of a user in groups.
func newPerson(t testing.TB, id uint32, groups ...uint32) *person {
	t.Helper()
	demandUsers(t)
	p := &person{t: t, process: exec.Command("/proc/self/exe")}
	p.process.Env = append(environment(), userTask+"=play")
	p.process.Dir = "/"
	p.process.Stderr = os.Stderr
	p.process.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: id, Gid: id, Groups: groups}, Pdeathsig: syscall.SIGKILL,
	}
	input, err := p.process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := p.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	p.input, p.tell, p.hear = input, json.NewEncoder(input), json.NewDecoder(output)
	t.Cleanup(func() {
		p.input.Close()
		p.process.Wait()
	})
	return p
}

func (p *person) ask(asked task) answer {
	p.t.Helper()
	p.turn.Lock()
	defer p.turn.Unlock()
	var got answer
	if err := errors.Join(p.tell.Encode(asked), p.hear.Decode(&got)); err != nil {
		p.t.Fatalf("%v: %v", asked, err)
	}
	return got
}

// do has one thing done. The error is an error number.
func (p *person) do(verb string, args ...string) (string, error) {
	p.t.Helper()
	got := p.ask(task{Verb: verb, Args: args})
	if got.Errno != 0 {
		return string(got.Text), got.Errno
	}
	return string(got.Text), nil
}

// must is do for what has to go well.
func (p *person) must(verb string, args ...string) string {
	p.t.Helper()
	text, err := p.do(verb, args...)
	if err != nil {
		p.t.Errorf("%s %s: %v", verb, strings.Join(args, " "), err)
	}
	return text
}

// cannot is do for what has to fail with one of some errors.
func (p *person) cannot(verb string, args []string, want ...syscall.Errno) {
	p.t.Helper()
	text, err := p.do(verb, args...)
	if !slices.ContainsFunc(want, func(errno syscall.Errno) bool { return errors.Is(err, errno) }) {
		p.t.Errorf("%s %s: %q, %v; want one of %v", verb, strings.Join(args, " "), text, err, want)
	}
}

// loop has tasks done in turn for some time, and gives for each how often it ended
// how: "ok", "leak", or the error.
func (p *person) loop(length time.Duration, tasks ...task) []map[string]int {
	p.t.Helper()
	return p.ask(task{Loop: tasks, For: length}).Counts
}

// play is the other side of ask.
func play(hear *json.Decoder) (any, error) {
	syscall.Umask(0o022)
	tell := json.NewEncoder(os.Stdout)
	stage := &stage{open: map[string]*os.File{}}
	for {
		var asked task
		err := hear.Decode(&asked)
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err := errors.Join(err, tell.Encode(stage.perform(asked))); err != nil {
			return nil, err
		}
	}
}

// stage is what a person has at hand.
type stage struct{ open map[string]*os.File }

func (s *stage) perform(asked task) answer {
	if len(asked.Loop) == 0 {
		text, err := s.act(asked.Verb, asked.Args)
		var errno syscall.Errno
		if err != nil && !errors.As(err, &errno) {
			return answer{Text: []byte(err.Error()), Errno: syscall.EINVAL}
		}
		return answer{Text: []byte(text), Errno: errno}
	}
	counts := make([]map[string]int, len(asked.Loop))
	for i := range counts {
		counts[i] = map[string]int{}
	}
	for end := time.Now().Add(asked.For); time.Now().Before(end); {
		for i, one := range asked.Loop {
			found, err := s.act(one.Verb, one.Args)
			var text string
			if err != nil {
				var errno syscall.Errno
				if text = err.Error(); errors.As(err, &errno) {
					text = errno.Error()
				}
			} else {
				if text = "ok"; s.holds(found, one.Secrets) {
					text = "leak"
				}
			}
			counts[i][text]++
		}
	}
	return answer{Counts: counts}
}

func (s *stage) holds(found string, secrets []string) bool {
	return slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(found, secret) })
}

// act does one thing.
func (s *stage) act(verb string, args []string) (string, error) {
	switch verb {
	case "read":
		content, err := os.ReadFile(args[0])
		return string(content), err
	case "list":
		entries, err := os.ReadDir(args[0])
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return strings.Join(names, " "), err
	case "list long": // as ls -l does
		entries, err := os.ReadDir(args[0])
		var names []string
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil {
				names = append(names, fmt.Sprint(entry.Name(), info.Mode()))
			}
		}
		return strings.Join(names, " "), err
	case "stat":
		info, err := os.Lstat(args[0])
		if err != nil {
			return "", err
		}
		owner := info.Sys().(*syscall.Stat_t)
		return fmt.Sprintf("%v %d:%d", info.Mode(), owner.Uid, owner.Gid), nil
	case "write":
		return "", writeOnce(args[0], os.O_WRONLY, args[1])
	case "create":
		return "", writeOnce(args[0], os.O_WRONLY|os.O_CREATE|os.O_TRUNC, args[1])
	case "place": // a finished file, where there is none
		mode, err := strconv.ParseUint(args[3], 8, 32)
		if err == nil {
			err = writeOnce(args[0], os.O_WRONLY|os.O_CREATE|os.O_TRUNC, args[2])
		}
		if err == nil {
			err = os.Chmod(args[0], fs.FileMode(mode))
		}
		if err == nil {
			err = unix.Renameat2(unix.AT_FDCWD, args[0], unix.AT_FDCWD, args[1], unix.RENAME_NOREPLACE)
		}
		return "", err
	case "mkdir":
		mode, err := strconv.ParseUint(args[1], 8, 32)
		return "", errors.Join(err, syscall.Mkdir(args[0], uint32(mode)))
	case "umask":
		mask, err := strconv.ParseUint(args[0], 8, 32)
		syscall.Umask(int(mask))
		return "", err
	case "rmdir":
		return "", syscall.Rmdir(args[0])
	case "unlink":
		return "", syscall.Unlink(args[0])
	case "rename":
		return "", syscall.Rename(args[0], args[1])
	case "exchange":
		return "", unix.Renameat2(unix.AT_FDCWD, args[0], unix.AT_FDCWD, args[1], unix.RENAME_EXCHANGE)
	case "link":
		return "", syscall.Link(args[0], args[1])
	case "symlink":
		return "", syscall.Symlink(args[0], args[1])
	case "readlink":
		return os.Readlink(args[0])
	case "chmod":
		mode, err := strconv.ParseUint(args[1], 8, 32)
		return "", errors.Join(err, syscall.Chmod(args[0], uint32(mode)))
	case "xattr":
		value := make([]byte, 256)
		n, err := unix.Getxattr(args[0], args[1], value)
		return string(value[:max(n, 0)]), err
	case "set xattr":
		return "", unix.Setxattr(args[0], args[1], []byte(args[2]), 0)
	case "ask":
		return converse(args[0], args[1])
	case "open":
		flags, err := strconv.Atoi(args[2])
		if err != nil {
			return "", err
		}
		file, err := os.OpenFile(args[1], flags, 0)
		if err == nil {
			s.open[args[0]].Close()
			s.open[args[0]] = file
		}
		return "", err
	case "read from":
		content := make([]byte, 1<<16)
		n, err := s.open[args[0]].ReadAt(content, 0)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return string(content[:n]), err
	case "write to":
		_, err := s.open[args[0]].WriteAt([]byte(args[1]), 0)
		return "", err
	case "enter":
		return "", os.Chdir(args[0])
	case "where":
		return unix.Getwd()
	case "become": // another user, for good
		id, err := strconv.Atoi(args[0])
		return "", errors.Join(err, syscall.Setgroups(nil), syscall.Setresgid(id, id, id), syscall.Setresuid(id, id, id))
	case "close":
		return "", s.open[args[0]].Close()
	}
	return "", fs.ErrInvalid
}

func writeOnce(path string, flags int, content string) error {
	file, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write([]byte(content))
	return errors.Join(err, file.Close())
}

// converse asks a query file.
func converse(path, question string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if _, err := file.Write([]byte(question)); err != nil {
		return "", err
	}
	content := make([]byte, 1<<16)
	n, err := file.ReadAt(content, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return string(content[:n]), err
}

// commons mounts a folder that all users can reach, with files in it that belong to
// them.
func commons(t testing.TB, files []planted, flags ...string) *mount {
	t.Helper()
	demandUsers(t)
	dir := filepath.Join(publicFolder(t), "backing")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	plantAll(t, dir, files...)
	return servePublic(t, dir, flags...)
}

// planted is a file or, without content, a folder, with its owner, group and mode.
type planted struct {
	name       string
	owner      int
	group      int
	mode       fs.FileMode
	content    []byte
	attributes map[string][]byte // extended ones
}

func plantAll(t testing.TB, dir string, files ...planted) {
	t.Helper()
	for _, file := range files {
		name := filepath.Join(dir, file.name)
		var err error
		if file.content == nil {
			err = os.Mkdir(name, 0o700)
		} else {
			err = os.WriteFile(name, file.content, 0o600)
		}
		err = errors.Join(err, os.Chown(name, file.owner, file.group), os.Chmod(name, file.mode))
		for attribute, value := range file.attributes {
			err = errors.Join(err, unix.Setxattr(name, attribute, value, 0))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
