package fs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// exitingFlag is PF_EXITING among the flags of a task: it is on its way out, and
// the kernel closes its files for it.
const exitingFlag = 4

// process is a process, told from a later one of the same number by its start.
// The zero value is one that cannot be seen from here.
type process struct {
	group   int    // the thread group, which users call the process id
	started uint64 // in clock ticks since boot
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
	return err == nil && task.started == p.started && task.state != 'Z' && task.state != 'X'
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

func readTask(thread int) (task, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(thread) + "/stat")
	if err != nil {
		return task{}, err
	}
	return parseTask(content)
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
