package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// exitingFlag is PF_EXITING among the flags of a task: it is on its way out, and
// the kernel closes its files for it.
const exitingFlag = 4

// process is a process, told from a later one of the same number by its start,
// if that is known. The zero value is one that cannot be seen from here.
type process struct {
	group   int    // the thread group, which users call the process id
	started uint64 // in clock ticks since boot; 0 when it cannot be had
}

// caller is who sent a request.
type caller struct {
	process
	exiting bool
}

// callerOf finds out about the sender of the request of ctx.
func callerOf(ctx context.Context) caller {
	sender, known := fuse.FromContext(ctx)
	if !known || sender.Pid == 0 {
		return caller{}
	}
	// The kernel names the thread, and it is the thread that is exiting.
	thread := int(sender.Pid)
	task, err := readTask(thread)
	if errors.Is(err, errExecuting) {
		return caller{process: process{group: groupOf(thread)}}
	}
	if err != nil {
		return caller{}
	}
	found := caller{process: process{group: groupOf(thread), started: task.started}, exiting: task.flags&exitingFlag != 0}
	if found.group != thread {
		leader, err := readTask(found.group)
		if err != nil {
			return caller{exiting: found.exiting}
		}
		found.started = leader.started
	}
	return found
}

// alive says whether the process still runs.
func (p process) alive() bool {
	if p.group == 0 {
		return false
	}
	task, err := readTask(p.group)
	if errors.Is(err, errExecuting) {
		return true
	}
	return err == nil && (task.started == p.started || p.started == 0) && task.state != 'Z' && task.state != 'X'
}

// task is what /proc/PID/stat tells of a thread.
type task struct {
	state   byte
	flags   uint64
	started uint64
}

// The places of the fields behind the command name, which may itself hold spaces
// and parentheses.
const (
	stateField   = 0
	flagsField   = 6
	startedField = 19
)

// errExecuting means that a task's status cannot be had before its execve(2) is
// over.
var errExecuting = errors.New("the task is in the middle of execve")

// patience is how long a task may keep its status from us. It is had at once,
// except from a task in execve: the kernel locks the status while it closes the
// descriptors marked so, and each such close waits for our answer.
const patience = 100 * time.Millisecond

// readTask reads a task's status without ever waiting for the task: the reader
// that an execve holds up ends with it, after our answer has let it go on.
func readTask(thread int) (task, error) {
	type answer struct {
		content []byte
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		content, err := os.ReadFile("/proc/" + strconv.Itoa(thread) + "/stat")
		answers <- answer{content, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case got := <-answers:
		if got.err != nil {
			return task{}, got.err
		}
		return parseTask(got.content)
	case <-timer.C:
		return task{}, errExecuting
	}
}

func parseTask(content []byte) (task, error) {
	fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
	if len(fields) <= startedField {
		return task{}, fmt.Errorf("%d fields in a task's status", len(fields))
	}
	flags, err := strconv.ParseUint(string(fields[flagsField]), 10, 64)
	if err != nil {
		return task{}, err
	}
	started, err := strconv.ParseUint(string(fields[startedField]), 10, 64)
	if err != nil {
		return task{}, err
	}
	return task{state: fields[stateField][0], flags: flags, started: started}, nil
}

// groupOf is the thread group of a thread, 0 when it is gone.
func groupOf(thread int) int {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(thread) + "/status")
	if err != nil {
		return 0
	}
	_, rest, found := bytes.Cut(content, []byte("\nTgid:"))
	if !found {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	group, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil {
		return 0
	}
	return group
}
