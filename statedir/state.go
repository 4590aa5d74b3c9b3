package statedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// logLimit bounds each log, in bytes; half of it is kept when it is reached.
	logLimit = 256 << 10
	// mostLogs and mostBytes bound the logs of one mounted directory together.
	mostLogs, mostBytes = 4096, 64 << 20
	// mostFolders bounds of how many directories something is kept that are not mounted.
	mostFolders = 64
	// queueLimit bounds, in bytes, what waits to be written. A disk that does not answer
	// must stop nobody who has something to say.
	queueLimit = 4 << 20
	// closePatience is how long it may take to write what waits at the end.
	closePatience = time.Second

	lockName  = "lock"
	crashName = "crash"
	olderName = "crash.before"
)

// State is the folder for one directory that is mounted.
type State struct {
	path   string
	passed error // why it is not in the directory that a service manager has made
	folder *os.File
	lock   *os.File
	crash  *os.File

	mu      sync.Mutex
	waiting []change       // to be made, in this order
	at      map[string]int // which of them lines of a log are added to
	size    int            // of the lines, in bytes
	busy    bool           // some are being made
	closed  bool

	wake chan struct{} // something waits; closed at the end
	done chan struct{} // closed when all is written
}

// Open finds a place for the state of a mount: not in the directory that is mounted, and
// not where it is shown. Why others would not do is told with the one that does.
func Open(directory, mountPoint string) (*State, error) {
	var problems []error
	var passed error
	for _, c := range candidates(os.Getenv, os.Geteuid()) {
		path, err := c.make()
		switch {
		case err != nil:
			problems = append(problems, err)
			if c.own == "" {
				passed = err
			}
			continue
		case within(path, directory), within(path, mountPoint):
			problems = append(problems, fmt.Errorf("%s is part of the mount", path))
			continue
		}
		s, err := open(path, folderName(directory))
		if err == nil {
			s.passed = passed
			return s, nil
		}
		problems = append(problems, err)
	}
	return nil, errors.Join(append(problems, errors.New("there is no directory for logs that outlast the mount"))...)
}

func open(parent, folder string) (*State, error) {
	s := &State{
		path: filepath.Join(parent, folder), at: map[string]int{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	for s.lock == nil {
		if err := makeOwn(s.path); err != nil {
			return nil, err
		}
		var err error
		if s.folder, err = os.OpenFile(s.path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0); err != nil {
			return nil, err
		}
		if s.lock, err = s.use(); err != nil {
			return nil, errors.Join(err, s.folder.Close())
		}
		if s.lock == nil { // somebody removed the folder meanwhile
			_ = s.folder.Close()
		}
	}
	if err := s.keepCrash(); err != nil {
		return nil, errors.Join(err, s.lock.Close(), s.folder.Close())
	}
	go s.write(parent)
	return s, nil
}

// use says that the folder is in use for as long as the lock is open; nil if it is no
// longer there.
func (s *State) use() (*os.File, error) {
	lock, err := s.openAt(lockName, unix.O_RDWR|unix.O_CREAT)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_SH); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if gone(lock) {
		return nil, lock.Close()
	}
	// What is used longest ago is removed first.
	now := unix.Timespec{Nsec: unix.UTIME_NOW}
	_ = unix.UtimesNanoAt(int(s.folder.Fd()), lockName, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW)
	return lock, nil
}

// gone reports whether a file has no name any more.
func gone(file *os.File) bool {
	var stat unix.Stat_t
	return unix.Fstat(int(file.Fd()), &stat) == nil && stat.Nlink == 0
}

// openAt opens a file of the folder, which must be a plain one.
func (s *State) openAt(name string, flags int) (*os.File, error) {
	descriptor, err := unix.Openat(int(s.folder.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(s.path, name), Err: err}
	}
	var stat unix.Stat_t
	if err = unix.Fstat(descriptor, &stat); err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG {
		err = unix.EINVAL
	}
	if err != nil {
		_ = unix.Close(descriptor)
		return nil, &os.PathError{Op: "open", Path: filepath.Join(s.path, name), Err: err}
	}
	return os.NewFile(uintptr(descriptor), filepath.Join(s.path, name)), nil
}

// keepCrash opens the file for the trace of a crash. The trace of a mount before stays
// beside it.
func (s *State) keepCrash() (err error) {
	if s.crash, err = s.openAt(crashName, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT); err != nil {
		return err
	}
	if info, err := s.crash.Stat(); err != nil || info.Size() == 0 {
		return err
	}
	at := int(s.folder.Fd())
	if err := unix.Renameat(at, crashName, at, olderName); err != nil {
		return err
	}
	_ = s.crash.Close()
	s.crash, err = s.openAt(crashName, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_EXCL)
	return err
}

// Path is where the state is; "" where there is none.
func (s *State) Path() string {
	if s == nil {
		return ""
	}
	return s.path
}

// Passed is why the state is not in the directory that a service manager has named; nil where
// it is, or none was.
func (s *State) Passed() error {
	if s == nil {
		return nil
	}
	return s.passed
}

// Crash is the file for the trace of a crash of this process.
func (s *State) Crash() *os.File { return s.crash }

// CrashBefore is the file that holds the trace of a crash that was found when the state was
// opened, and has not been told yet; "" where there is none.
func (s *State) CrashBefore() string {
	const told = olderName + ".told"
	at := int(s.folder.Fd())
	if unix.Renameat(at, olderName, at, told) != nil {
		return ""
	}
	return filepath.Join(s.path, told)
}

// change is one to what is kept: lines for a log, or another name for it.
type change struct {
	log   string
	lines []byte
	to    string
	made  chan struct{} // closed when those before are made; such a one is no change
}

// Load gives what is kept of a log.
func (s *State) Load(log string) ([]byte, error) {
	s.await()
	file, err := s.openAt(log, unix.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readTail(file, logLimit)
}

// Keep adds whole lines to a log, soon. They are lost where the disk cannot take them.
func (s *State) Keep(log string, lines []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.size+len(lines) > queueLimit {
		return
	}
	i, waits := s.at[log]
	if !waits {
		i = len(s.waiting)
		s.at[log] = i
		s.put(change{log: log})
	}
	s.waiting[i].lines = append(s.waiting[i].lines, lines...)
	s.size += len(lines)
}

// Move has a log be kept under another name, soon, in the place of what is kept there.
// Where nothing is kept of it, nothing is changed.
func (s *State) Move(log, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.size+len(log)+len(to) > queueLimit {
		return
	}
	delete(s.at, log)
	delete(s.at, to)
	s.size += len(log) + len(to)
	s.put(change{log: log, to: to})
}

// put has a change be made. The caller holds mu.
func (s *State) put(c change) {
	s.waiting = append(s.waiting, c)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// await returns when all changes are made that wait.
func (s *State) await() {
	s.mu.Lock()
	if s.closed || !s.busy && len(s.waiting) == 0 {
		s.mu.Unlock()
		return
	}
	made := make(chan struct{})
	s.put(change{made: made})
	s.mu.Unlock()
	<-made
}

// take gives the changes that wait, after those that it gave before are made.
func (s *State) take() []change {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.waiting
	s.waiting, s.at, s.size, s.busy = nil, map[string]int{}, 0, len(taken) > 0
	return taken
}

// write writes what is to be kept, until the end.
func (s *State) write(parent string) {
	defer close(s.done)
	removeUnused(parent, filepath.Base(s.path))
	var made int
	for open := true; open; {
		_, open = <-s.wake
		for changes := s.take(); len(changes) > 0; changes = s.take() {
			for _, c := range changes {
				if new, _ := s.change(c); new { // there is nobody to tell: this is the log
					made++
				}
			}
		}
		if made >= mostLogs/16 {
			made = 0
			s.trim()
		}
	}
	s.trim()
}

// Close writes what waits, unless the disk does not answer, and gives the folder back. Of
// a state that there is not it does nothing.
func (s *State) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	s.closed = true
	close(s.wake)
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(closePatience):
		return fmt.Errorf("%s: the last lines of logs could not be kept within %v", s.path, closePatience)
	}
	return errors.Join(s.crash.Close(), s.lock.Close(), s.folder.Close())
}

// trim removes the logs that were written to longest ago where there are too many.
func (s *State) trim() {
	entries, err := os.ReadDir(s.path)
	if err != nil {
		return
	}
	type kept struct {
		name    string
		size    int64
		changed time.Time
	}
	var logs []kept
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && !slices.Contains([]string{lockName, crashName, olderName}, entry.Name()) {
			logs = append(logs, kept{entry.Name(), info.Size(), info.ModTime()})
		}
	}
	slices.SortFunc(logs, func(a, b kept) int { return b.changed.Compare(a.changed) })
	var size int64
	for i, log := range logs {
		if size += log.size; i >= mostLogs || size > mostBytes {
			_ = unix.Unlinkat(int(s.folder.Fd()), log.name, 0)
		}
	}
}

// removeUnused removes the folders that were used longest ago where there are too many.
// Those in use are locked.
func removeUnused(parent, own string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	type folder struct {
		path string
		used time.Time
	}
	var folders []folder
	for _, entry := range entries {
		path := filepath.Join(parent, entry.Name())
		if info, err := os.Lstat(filepath.Join(path, lockName)); err == nil && entry.IsDir() && entry.Name() != own {
			folders = append(folders, folder{path, info.ModTime()})
		}
	}
	slices.SortFunc(folders, func(a, b folder) int { return b.used.Compare(a.used) })
	for i, f := range folders {
		if i >= mostFolders {
			_ = removeUnlocked(f.path)
		}
	}
}

// removeUnlocked removes a folder that nobody uses, the lock last.
func removeUnlocked(path string) error {
	folder, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer folder.Close()
	s := &State{path: path, folder: folder}
	lock, err := s.openAt(lockName, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != lockName {
			if err := unix.Unlinkat(int(folder.Fd()), name, 0); err != nil {
				return err
			}
		}
	}
	return errors.Join(unix.Unlinkat(int(folder.Fd()), lockName, 0), os.Remove(path))
}
