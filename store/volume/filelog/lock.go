package filelog

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"rvffs/store/volume"
)

// The writer lock is a file beside the store, `<store>.lock`, of 104 bytes: magic,
// process id, host name, time, the owner's 16 random bytes, version and a CRC-32.
const (
	lockSize       = 104
	lockMagic      = 0x52564C46
	lockHostSize   = 64
	lockStaleLocal = 30 * time.Second  // owner dead on this host
	lockStaleOther = 300 * time.Second // owner on another host
	// lockFilling is how long a file without a record counts as held. The reference
	// runtime makes its lock empty and fills it a moment later. That takes it
	// microseconds, but a machine short of memory, or stopped in between, some
	// seconds; what is older was left by a crash.
	lockFilling = 5 * time.Second
)

// lockMark begins the random bytes of locks made by this engine. Their owners
// also hold an advisory lock on the file, which ends with the process: so a lock
// left by a crash is known at once and not only after its age.
var lockMark = [4]byte{'r', 'v', 'f', 's'}

// lockRecord is the content of a lock file.
type lockRecord struct {
	process int
	host    string
	time    time.Time
	owner   [16]byte
}

func (r lockRecord) encode() []byte {
	record := make([]byte, lockSize)
	binary.LittleEndian.PutUint32(record[0:], lockMagic)
	binary.LittleEndian.PutUint32(record[4:], uint32(r.process))
	copy(record[8:8+lockHostSize-2], r.host)
	binary.LittleEndian.PutUint64(record[0x48:], uint64(r.time.UnixNano()))
	copy(record[0x50:], r.owner[:])
	binary.LittleEndian.PutUint32(record[0x60:], 1)
	binary.LittleEndian.PutUint32(record[0x64:], crc32.ChecksumIEEE(record[:0x64]))
	return record
}

// parseLock reads a lock record; false for a file that holds none: too few bytes or
// a wrong magic.
func parseLock(record []byte) (lockRecord, bool) {
	if len(record) < lockSize || binary.LittleEndian.Uint32(record) != lockMagic {
		return lockRecord{}, false
	}
	host := record[8 : 8+lockHostSize]
	if end := bytes.IndexByte(host, 0); end >= 0 {
		host = host[:end]
	}
	parsed := lockRecord{
		process: int(binary.LittleEndian.Uint32(record[4:])),
		host:    string(host),
		time:    time.Unix(0, int64(binary.LittleEndian.Uint64(record[0x48:]))),
	}
	copy(parsed.owner[:], record[0x50:0x60])
	return parsed, true
}

// stale reports whether the reference runtime would take the lock over, by its rules.
func (r lockRecord) stale(now time.Time, host string, alive func(process int) bool) bool {
	age := max(now.Sub(r.time), 0)
	if r.host == host {
		return age > lockStaleLocal && !alive(r.process)
	}
	return age > lockStaleOther
}

// HostName follows the reference runtime, for which a lock of another host name
// is one that time alone can break. It is asked at each commit and found out once.
var HostName = sync.OnceValue(func() string {
	name, set := os.LookupEnv("HOSTNAME")
	if !set {
		content, err := os.ReadFile("/etc/hostname")
		if err != nil {
			return "unknown"
		}
		name = strings.TrimSpace(string(content))
	}
	return name[:min(len(name), lockHostSize-2)]
})

// Lock is a lock that this process owns.
type Lock struct {
	files FileSystem
	path  string
	owner [16]byte
	file  File // carries the advisory lock
}

// String says whose lock it is.
func (r lockRecord) String() string {
	return fmt.Sprintf("process %d on %q since %s", r.process, r.host, r.time.UTC().Format(time.RFC3339))
}

// foundLock is a lock file as it was when it was judged.
type foundLock struct {
	content []byte
	info    volume.FileInfo
}

// Acquire takes the writer lock of the store at path. While another live
// writer holds it, it tries again until wait is over, then fails with ErrHeld.
func Acquire(ctx context.Context, files FileSystem, path string, wait time.Duration) (lock *Lock, err error) {
	err = patiently(ctx, wait, func() (bool, string, error) {
		var holder string
		var err error
		lock, holder, err = tryLock(files, path+".lock")
		if err != nil {
			err = fmt.Errorf("take writer lock: %w", err)
		}
		return lock != nil, holder, err
	})
	return lock, err
}

// patiently tries to take a lock until wait is over, then fails with ErrHeld and
// the word on who holds it.
func patiently(ctx context.Context, wait time.Duration, try func() (taken bool, holder string, err error)) error {
	deadline := time.Now().Add(wait)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		taken, holder, err := try()
		if taken || err != nil {
			return err
		}
		if time.Now().Add(pause).After(deadline) {
			return fmt.Errorf("%w: %s", volume.ErrHeld, holder)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// tryLock makes one attempt. Without a lock and without an error, holder tells who
// has it.
func tryLock(files FileSystem, path string) (lock *Lock, holder string, err error) {
	found, err := readLock(files, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, "", err
	default:
		if holder, err = lockHolder(files, path, found); holder != "" || err != nil {
			return nil, holder, err
		}
		if err := removeStale(files, path, found); err != nil {
			return nil, "", err
		}
	}
	lock, err = createLock(files, path)
	if errors.Is(err, fs.ErrExist) {
		return nil, "a writer that was faster", nil
	}
	return lock, "", err
}

// lockHolder tells who holds the lock; nobody if it may be broken.
func lockHolder(files FileSystem, path string, found foundLock) (holder string, err error) {
	record, valid := parseLock(found.content)
	if valid {
		if breakable(files, path, record) {
			return "", nil
		}
		return record.String(), nil
	}
	now, err := clock(files, path)
	if err != nil || now.Sub(found.info.Modified) >= lockFilling {
		return "", err
	}
	return fmt.Sprintf("a lock file of %d bytes without a record, which its maker may be filling; it counts until it is %v old", found.info.Size, lockFilling), nil
}

// clock is the time by which the file system dates its files, which may be another
// machine's.
func clock(files FileSystem, path string) (time.Time, error) {
	name := TemporaryName(path)
	file, err := files.Create(name, 0o600)
	if err != nil {
		return time.Time{}, err
	}
	info, err := file.Describe()
	return info.Modified, errors.Join(err, file.Close(), files.Remove(name))
}

// createLock writes the record under a name of its own and then moves it into
// place, for a reader takes an incomplete lock file for none. Where that would need a
// reservation, the lock is its own one, and is made in place, as the reference runtime
// makes its own: who takes it away meanwhile is noticed at the end, and later by owned.
func createLock(files FileSystem, path string) (*Lock, error) {
	lock := &Lock{files: files, path: path}
	if _, err := rand.Read(lock.owner[:]); err != nil {
		return nil, err
	}
	inPlace, first := files.Reserves(path), path
	if !inPlace {
		first = TemporaryName(path)
	}
	file, err := files.Create(first, 0o644)
	if err != nil {
		return nil, err
	}
	lock.file = file
	locked, err := lockIfCan(file)
	if locked {
		copy(lock.owner[:], lockMark[:])
	}
	record := lockRecord{process: os.Getpid(), host: HostName(), time: time.Now(), owner: lock.owner}
	if err == nil {
		_, err = file.WriteAt(record.encode(), 0)
	}
	switch {
	case inPlace && err == nil:
		if err = lock.owned(); errors.Is(err, volume.ErrHeld) {
			return nil, errors.Join(fs.ErrExist, file.Close())
		}
	case inPlace:
	case err == nil:
		err = files.RenameNew(first, path)
	}
	if err != nil {
		return nil, errors.Join(err, lock.drop(first))
	}
	return lock, nil
}

// drop gives up a lock that was not completed, at the name that it was given first.
func (l *Lock) drop(first string) error {
	own, err := l.file.Describe()
	if err == nil {
		err = removeOwn(l.files, first, own)
	}
	return errors.Join(err, l.file.Close())
}

// lockIfCan takes the advisory lock of a file that nobody else knows, and reports whether
// there is such a lock.
func lockIfCan(file File) (locked bool, err error) {
	locked, err = file.TryLock()
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return locked, err
}

func readLock(files FileSystem, path string) (foundLock, error) {
	file, err := files.Open(path, false)
	if err != nil {
		return foundLock{}, err
	}
	record := make([]byte, lockSize)
	n, err := file.ReadAt(record, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	info, statErr := file.Describe()
	return foundLock{record[:n], info}, errors.Join(err, statErr, file.Close())
}

// breakable reports whether the lock's owner is certainly gone.
func breakable(files FileSystem, path string, record lockRecord) bool {
	host := HostName()
	if record.stale(time.Now(), host, processAlive) {
		return true
	}
	if !bytes.Equal(record.owner[:4], lockMark[:]) || record.host != host {
		return false
	}
	file, err := files.Open(path, true)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	free, err := file.TryLock()
	return err == nil && free
}

// removeStale takes the lock file away, but only if it still is the one that was
// judged: two writers may find the same stale lock, and the slower must not
// remove the faster one's new lock.
func removeStale(files FileSystem, path string, judged foundLock) error {
	aside := TemporaryName(path)
	err := files.Rename(path, aside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	moved, err := readLock(files, aside)
	if err == nil && !(volume.SameFile(moved.info, judged.info) && bytes.Equal(moved.content, judged.content)) {
		if err = files.RenameNew(aside, path); !errors.Is(err, fs.ErrExist) {
			return err
		}
		err = nil
	}
	return errors.Join(err, files.Remove(aside))
}

// owned fails unless the lock file still is ours. A writer whose lock was broken
// must not commit.
func (l *Lock) owned() error {
	there, err := l.files.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writer lock lost: %w: its file was removed", volume.ErrHeld)
	}
	if err != nil {
		return fmt.Errorf("look at the writer lock: %w", err)
	}
	own, err := l.file.Describe()
	if err != nil {
		return fmt.Errorf("look at the writer lock: %w", err)
	}
	if !volume.SameFile(there, own) {
		return fmt.Errorf("writer lock lost: %w: another writer took it", volume.ErrHeld)
	}
	return nil
}

// Release gives the lock back; a lock that is no longer ours stays.
func (l *Lock) Release() error {
	err := l.owned()
	switch {
	case err == nil:
		err = l.files.Remove(l.path)
	case errors.Is(err, volume.ErrHeld):
		err = nil
	}
	return errors.Join(err, l.file.Close())
}

// Held reports whether somebody holds the writer lock of the store at a path.
func Held(files FileSystem, path string) bool {
	path += ".lock"
	found, err := readLock(files, path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	record, valid := parseLock(found.content)
	return err == nil && valid && !breakable(files, path, record)
}
