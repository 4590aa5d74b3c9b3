package fs

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// overlays find out whether an overlay file system may lie above the mount.
//
// When one is made, it asks each lower layer for its statistics, in the name of the program
// that makes it, and that before it takes the first name of the layer. It cannot be told
// apart by what it asks. So everybody is taken for one who asks, may mount anything, and is
// not seen to be in the system call by which programs ask for themselves. In which mount
// namespace that is, and how the layer is named, makes no difference.
type overlays struct {
	names *expiry
	log   zerolog.Logger
	first sync.Once // that was taken for one
	found atomic.Bool
}

// above reports whether there may be an overlay.
func (o *overlays) above() bool { return o.found.Load() }

// asked is told of a question for statistics before it is answered: what may be an overlay
// has taken no name yet.
func (o *overlays) asked(ctx context.Context) {
	if asksForItself(threadOf(ctx)) {
		return
	}
	o.first.Do(func() {
		o.found.Store(true)
		// To an overlay, a name of an earlier epoch is no name any more, whatever it leads to.
		o.names.now()
		o.names.close()
		o.log.Info().Msg("an overlay may lie above the mount: names keep their inodes from now on")
	})
}

// ownQuestions are the system calls by which programs ask for statistics for themselves. For the
// last one the kernel asks, to tell file systems apart in events.
var ownQuestions = []int{unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_FANOTIFY_MARK}

// asksForItself reports whether a thread that asks for statistics is certainly no overlay
// that is being made.
func asksForItself(thread uint32) bool {
	if thread == 0 {
		return false // out of sight
	}
	process := "/proc/" + strconv.Itoa(int(thread))
	status, err := readSmall(process+"/status", longStatusSize)
	if err == nil && !mayMount(status) {
		return true
	}
	for range endingTries {
		call, err := readSmall(process+"/syscall", statusSize)
		if err != nil {
			return false
		}
		if number, asleep := callOf(call); asleep {
			return slices.Contains(ownQuestions, number)
		}
		time.Sleep(endingPause)
	}
	return false
}

// mayMount reports whether /proc/PID/status tells of the right to mount, in whatever user
// namespace; or of nothing.
func mayMount(status []byte) bool {
	_, rest, found := bytes.Cut(status, []byte("\nCapEff:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	rights, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 64)
	return !found || err != nil || rights&(1<<unix.CAP_SYS_ADMIN) != 0
}

// callOf is the number of the system call that /proc/PID/syscall tells of. It tells of none
// while the thread is about to go to sleep.
func callOf(line []byte) (number int, asleep bool) {
	if bytes.HasPrefix(line, []byte("running")) {
		return 0, false
	}
	first, _, _ := bytes.Cut(line, []byte(" "))
	number, err := strconv.Atoi(string(bytes.TrimSpace(first)))
	if err != nil {
		number = -1
	}
	return number, true
}
