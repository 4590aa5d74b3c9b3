package fs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rvffs/store/volume"
)

// caller is who sent a request. The zero value is one that cannot be seen from
// here.
type caller struct {
	group   int  // the thread group, which users call the process id
	exiting bool // it is on its way out, and the kernel closes its files for it
	failed  bool // so it is, and not by itself with exit status 0, as far as can be seen
	status  bool // so it is, by itself with another exit status
}

// callerOf finds out about the sender of the request of ctx. The kernel names the
// thread, and it is the thread that is exiting.
//
// It must not read /proc/PID/stat of a process that lives: while one is in execve(2)
// its reader waits for the end, and the execve waits for our answer to the close of
// each descriptor that is marked so. /proc/PID/status never waits.
func callerOf(ctx context.Context) caller {
	sender, known := fuse.FromContext(ctx)
	if !known || sender.Pid == 0 {
		return caller{}
	}
	thread := strconv.Itoa(int(sender.Pid))
	content, err := readSmall("/proc/"+thread+"/status", statusSize)
	if err != nil {
		return caller{}
	}
	found := parseStatus(content)
	if found.exiting {
		found.failed, found.status = howItEnds("/proc/" + thread + "/task/" + thread + "/stat")
	}
	return found
}

// howItEnds reads the stat file of a thread that is exiting. It is about to wait
// for our answer; before it does, nobody can reports whether its exit code may be seen.
func howItEnds(name string) (failed, status bool) {
	for range endingTries {
		content, err := readSmall(name, statusSize)
		if err != nil {
			break
		}
		if failed, status, settled := parseEnding(content); settled {
			return failed, status
		}
		time.Sleep(endingPause)
	}
	return true, false
}

// How long it may take a thread to go to sleep.
const (
	endingTries = 100
	endingPause = 100 * time.Microsecond
)

// parseEnding reads /proc/PID/task/TID/stat of a thread that is exiting. The last
// field is the exit code as wait(2) tells it, which the kernel sets before it closes
// the files. Those who may not see it read 0 there, and 0 in the field wchan, which
// else is 1 for a thread that sleeps. A code of less than 256 is a signal.
func parseEnding(stat []byte) (failed, status, settled bool) {
	const state, wchan, exitCode = 3, 35, 52 // as proc_pid_stat(5) numbers them
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= exitCode-state {
		return true, false, true
	}
	seen := string(fields[wchan-state]) == "1"
	code, err := strconv.Atoi(string(fields[exitCode-state]))
	known := seen && err == nil
	return !known || code != 0, known && code >= 256, string(fields[0]) != "R"
}

// programOf is what the program is called that sent the request of ctx, as far as can be
// seen.
func programOf(ctx context.Context) string {
	thread := threadOf(ctx)
	if thread == 0 {
		return ""
	}
	content, err := readSmall("/proc/"+strconv.Itoa(int(thread))+"/comm", 64)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(content))
}

// threadOf is the thread that sent the request of ctx, 0 if it cannot be seen from here.
func threadOf(ctx context.Context) uint32 {
	sender, known := fuse.FromContext(ctx)
	if !known {
		return 0
	}
	return sender.Pid
}

// identify says for whom a request is made: the user and the group that count for
// files, and the supplementary groups once they are asked for.
func identify(ctx context.Context) volume.Caller {
	sender, known := fuse.FromContext(ctx)
	if !known {
		return volume.Caller{} // nobody's request
	}
	asks := volume.Caller{UID: sender.Uid, GID: sender.Gid}
	if !asks.Trusted() {
		asks.Groups = sync.OnceValue(func() []uint32 { return groupsOf(sender) })
	}
	return asks
}

// groupsOf reads the supplementary groups of the thread that sent a request; none
// where it cannot be seen, or where another has its number by now or acts for
// somebody else.
func groupsOf(sender *fuse.Caller) []uint32 {
	if sender.Pid == 0 {
		return nil
	}
	content, err := readSmall("/proc/"+strconv.Itoa(int(sender.Pid))+"/status", statusSize)
	if err != nil {
		return nil
	}
	groups, whole := parseGroups(content, sender.Owner)
	if !whole {
		if content, err = readSmall("/proc/"+strconv.Itoa(int(sender.Pid))+"/status", longStatusSize); err == nil {
			groups, _ = parseGroups(content, sender.Owner)
		}
	}
	return groups
}

// parseGroups finds the groups in /proc/PID/status, provided that the ids that count
// for files, the last of four, are those of owner. They are not whole if the content
// ends before.
func parseGroups(content []byte, owner fuse.Owner) (groups []uint32, whole bool) {
	matched := 0
	for line := range bytes.Lines(content) {
		if line[len(line)-1] != '\n' {
			return nil, false
		}
		name, rest, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "Uid", "Gid":
			want := owner.Uid
			if name[0] == 'G' {
				want = owner.Gid
			}
			ids := bytes.Fields(rest)
			if len(ids) != 4 || string(ids[3]) != strconv.FormatUint(uint64(want), 10) {
				return nil, true
			}
			matched++
		case "Groups":
			if matched != 2 {
				return nil, true
			}
			for _, id := range bytes.Fields(rest) {
				group, err := strconv.ParseUint(string(id), 10, 32)
				if err != nil {
					return nil, true
				}
				groups = append(groups, uint32(group))
			}
			return groups, true
		}
	}
	return nil, false
}

// mostDescriptors bounds how many of a process are looked at.
const mostDescriptors = 1 << 14

// writes reports whether the sender's process still has a file of a FUSE mount open for
// writing, as far as can be seen: the one of an inode number. A shell that sends one word
// to its standard error has closed a copy of its standard output then, and goes on.
//
// It must not read the links in /proc/PID/fd, for the same reason as callerOf: their reader
// waits for the end of an execve.
func (c caller) writes(to openedFile) bool { return c.group != 0 && writesTo(c.group, to, true) }

// openedFile is a file of a mount as other processes see it.
type openedFile struct {
	device string // of the mount; empty for any FUSE file system
	inode  uint64
}

// mostProcesses bounds how many processes are looked at.
const mostProcesses = 1 << 14

// share reports whether others than the sender's process have a file of a FUSE mount open for
// writing, as far as can be seen, and may go on with it: those that it has begun, or, where
// the last word may be anybody's, any. A process that has just been begun may be about to run
// another program, and to lose descriptors by that: while the sender goes on it gets the time.
func (c caller) share(file openedFile, anybody bool) bool {
	if c.group == 0 {
		return false
	}
	var others []int
	if anybody {
		others = processes()
	} else {
		others = childrenOf(c.group)
	}
	for i := 0; i < len(others) && i < mostProcesses; i++ {
		switch {
		case others[i] == c.group:
		case writesTo(others[i], file, false), c.exiting && writesTo(others[i], file, true), !c.exiting && keeps(others[i], file):
			return true
		case !anybody:
			others = append(others, childrenOf(others[i])...)
		}
	}
	return false
}

// keeps reports whether a process has a file open for writing, and still does after the time
// that it takes one to begin running another program.
func keeps(group int, file openedFile) bool {
	for range beginningTries {
		if !writesTo(group, file, true) {
			return false
		}
		time.Sleep(beginningPause)
	}
	return true
}

// How long it may take from fork(2) to execve(2). One that takes longer has the file wait for
// it, and no harm is done but that the sender hears nothing of what becomes of it.
const (
	beginningTries = 20
	beginningPause = 2 * time.Millisecond
)

// processes are all that can be seen.
func processes() []int {
	folder, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	names, _ := folder.Readdirnames(-1)
	_ = folder.Close() // nothing was written to it
	var found []int
	for _, name := range names {
		if process, err := strconv.Atoi(name); err == nil {
			found = append(found, process)
		}
	}
	return found
}

// childrenOf are the processes that one has begun.
func childrenOf(process int) []int {
	tasks := "/proc/" + strconv.Itoa(process) + "/task/"
	folder, err := os.Open(tasks)
	if err != nil {
		return nil
	}
	threads, _ := folder.Readdirnames(mostDescriptors)
	_ = folder.Close() // nothing was written to it
	var found []int
	for _, thread := range threads {
		content, err := os.ReadFile(tasks + thread + "/children")
		if err != nil {
			continue
		}
		for _, name := range bytes.Fields(content) {
			if child, err := strconv.Atoi(string(name)); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}

// writesTo reports whether a process has a file of a FUSE mount open for writing. Passing are
// descriptors that are closed when another program is run.
func writesTo(group int, file openedFile, passing bool) bool {
	process := "/proc/" + strconv.Itoa(group)
	folder, err := os.Open(process + "/fdinfo")
	if err != nil {
		return false
	}
	descriptors, err := folder.Readdirnames(mostDescriptors)
	_ = folder.Close() // nothing was written to it
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	var mounts []byte
	for _, descriptor := range descriptors {
		content, err := readSmall(process+"/fdinfo/"+descriptor, statusSize)
		if err != nil {
			continue
		}
		mount, writes := opensForWriting(content, file.inode, passing)
		if !writes {
			continue
		}
		if mounts == nil {
			if mounts, err = os.ReadFile(process + "/mountinfo"); err != nil {
				return false
			}
		}
		if file.isOn(mounts, mount) {
			return true
		}
	}
	return false
}

// isOn reports whether the mount of an id is the file's, by /proc/PID/mountinfo.
func (f openedFile) isOn(mounts []byte, id string) bool {
	for line := range bytes.Lines(mounts) {
		if mount, rest, _ := bytes.Cut(line, []byte(" ")); string(mount) == id {
			_, kind, _ := bytes.Cut(rest, []byte(" - "))
			fields := bytes.Fields(rest)
			return bytes.HasPrefix(kind, []byte("fuse")) && (f.device == "" || len(fields) > 1 && string(fields[1]) == f.device)
		}
	}
	return false
}

// opensForWriting reports whether /proc/PID/fdinfo/FD tells of a descriptor that writes to
// an inode, and on which mount.
func opensForWriting(info []byte, inode uint64, passing bool) (mount string, is bool) {
	writes, same := false, false
	for line := range bytes.Lines(info) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		value := string(bytes.TrimSpace(rest))
		switch string(name) {
		case "flags":
			flags, err := strconv.ParseUint(value, 8, 32)
			writes = err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY && (passing || flags&unix.O_CLOEXEC == 0)
		case "mnt_id":
			mount = value
		case "ino":
			number, err := strconv.ParseUint(value, 10, 64)
			same = err == nil && number == inode
		}
	}
	return mount, writes && same
}

// longStatusSize has room for the 65536 groups that a process can be in.
const longStatusSize = 1 << 20

// statusSize is more than what parseStatus needs: the names of the fields come
// early, the lists of processors and memory nodes late.
const statusSize = 4096

// readSmall reads up to size bytes from the start of a file of the kernel's. This
// is in the way of every open and close of a stream, and os.ReadFile needs ten
// system calls where three do.
func readSmall(name string, size int) ([]byte, error) {
	descriptor, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	content := make([]byte, size)
	n, err := unix.Read(descriptor, content)
	return content[:max(n, 0)], errors.Join(err, unix.Close(descriptor))
}

// parseStatus reads /proc/PID/status. A task that exits gives its memory back
// before it closes its files, and then has no sizes of it to tell.
func parseStatus(content []byte) caller {
	_, rest, found := bytes.Cut(content, []byte("\nTgid:"))
	if !found {
		return caller{}
	}
	line, rest, _ := bytes.Cut(rest, []byte("\n"))
	group, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil {
		return caller{}
	}
	return caller{group: group, exiting: !bytes.Contains(rest, []byte("\nVmSize:"))}
}

// dying reports whether a thread has been given a signal that ends it. The kernel turns
// every such signal into SIGKILL, which it marks with each thread of the process.
func dying(thread uint32) bool {
	if thread == 0 {
		return false // out of sight
	}
	content, err := readSmall("/proc/"+strconv.Itoa(int(thread))+"/status", statusSize)
	return err != nil || killed(content)
}

// killed reports whether /proc/PID/status tells of a signal that ends the thread.
func killed(content []byte) bool {
	_, rest, found := bytes.Cut(content, []byte("\nSigPnd:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	pending, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 64)
	return found && err == nil && pending&(1<<(unix.SIGKILL-1)) != 0
}

// process is a hold on a process by which its end can be seen, and which no later
// process of the same number can be mistaken for.
type process struct {
	group      int
	descriptor int // -1 if there is none to be had
}

// open takes hold of the sender's process.
func (c caller) open() process {
	if c.group == 0 {
		return process{descriptor: -1}
	}
	descriptor, err := unix.PidfdOpen(c.group, 0)
	if err != nil {
		descriptor = -1
	}
	return process{group: c.group, descriptor: descriptor}
}

// alive reports whether the process still runs.
func (p process) alive() bool {
	if p.descriptor < 0 {
		return false
	}
	ended, err := poll(p.descriptor, unix.POLLIN)
	return err == nil && ended == 0
}

// close lets the process go.
func (p process) close() error {
	if p.descriptor < 0 {
		return nil
	}
	return unix.Close(p.descriptor)
}
