package store

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
)

// The writer lock is a file beside the store, `<store>.lock`, of 104 bytes: magic,
// process id, host name, time, the owner's 16 random bytes, version and a CRC-32.
const (
	lockSize       = 104
	lockMagic      = 0x52564C46
	lockHostSize   = 64
	lockStaleLocal = 30 * time.Second  // owner dead on this host
	lockStaleOther = 300 * time.Second // owner on another host
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

// parseLock reads a lock record; false for what every writer treats as no lock:
// too few bytes or a wrong magic.
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

// stale applies the rules by which the reference runtime takes a lock over.
func (r lockRecord) stale(now time.Time, host string, alive func(process int) bool) bool {
	age := max(now.Sub(r.time), 0)
	if r.host == host {
		return age > lockStaleLocal && !alive(r.process)
	}
	return age > lockStaleOther
}

// hostName follows the reference runtime, for which a lock of another host name
// is one that time alone can break. It is asked at each commit and found out once.
var hostName = sync.OnceValue(func() string {
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

// writerLock is a lock that this process owns.
type writerLock struct {
	files FileSystem
	path  string
	owner [16]byte
	file  File // carries the advisory lock
}

// acquireLock takes the writer lock of the store at path. While another live
// writer holds it, it tries again until wait is over, then fails with ErrLocked.
func acquireLock(ctx context.Context, files FileSystem, path string, wait time.Duration) (*writerLock, error) {
	deadline := time.Now().Add(wait)
	pause := 2 * time.Millisecond
	for {
		lock, holder, err := tryLock(files, path+".lock")
		if err != nil {
			return nil, fmt.Errorf("take writer lock: %w", err)
		}
		if lock != nil {
			return lock, nil
		}
		if time.Now().Add(pause).After(deadline) {
			return nil, fmt.Errorf("%w: process %d on %q since %s", ErrLocked, holder.process, holder.host, holder.time.UTC().Format(time.RFC3339))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// tryLock makes one attempt. Without a lock and without an error, the record
// tells who holds it.
func tryLock(files FileSystem, path string) (*writerLock, lockRecord, error) {
	held, err := readLock(files, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, lockRecord{}, err
	default:
		record, valid := parseLock(held)
		if valid && !breakable(files, path, record) {
			return nil, record, nil
		}
		if err := removeStale(files, path, held); err != nil {
			return nil, lockRecord{}, err
		}
	}
	lock, err := createLock(files, path)
	if errors.Is(err, fs.ErrExist) {
		held, err = readLock(files, path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, lockRecord{}, nil
		}
		record, _ := parseLock(held)
		return nil, record, err
	}
	return lock, lockRecord{}, err
}

// createLock writes the record under a name of its own and then links it into
// place, for a reader takes an incomplete lock file for none.
func createLock(files FileSystem, path string) (*writerLock, error) {
	lock := &writerLock{files: files, path: path}
	if _, err := rand.Read(lock.owner[:]); err != nil {
		return nil, err
	}
	copy(lock.owner[:], lockMark[:])
	record := lockRecord{process: os.Getpid(), host: hostName(), time: time.Now(), owner: lock.owner}
	temporary := temporaryName(path)
	file, err := files.Create(temporary, 0o644)
	if err != nil {
		return nil, err
	}
	lock.file = file
	_, err = file.WriteAt(record.encode(), 0)
	if err == nil {
		_, err = file.TryLock()
	}
	if err == nil {
		err = files.Link(temporary, path)
	}
	err = errors.Join(err, files.Remove(temporary))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return lock, nil
}

func readLock(files FileSystem, path string) ([]byte, error) {
	file, err := files.Open(path, false)
	if err != nil {
		return nil, err
	}
	record := make([]byte, lockSize)
	n, err := file.ReadAt(record, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return record[:n], errors.Join(err, file.Close())
}

// breakable says whether the lock's owner is certainly gone.
func breakable(files FileSystem, path string, record lockRecord) bool {
	host := hostName()
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
func removeStale(files FileSystem, path string, judged []byte) error {
	aside := temporaryName(path)
	err := files.Rename(path, aside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	moved, err := readLock(files, aside)
	if err == nil && !bytes.Equal(moved, judged) {
		err = files.Link(aside, path)
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	return errors.Join(err, files.Remove(aside))
}

// held says whether the lock file still is ours. A writer whose lock was broken
// must not commit.
func (l *writerLock) held() error {
	there, err := l.files.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writer lock lost: %w: its file was removed", ErrLocked)
	}
	if err != nil {
		return fmt.Errorf("look at the writer lock: %w", err)
	}
	own, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("look at the writer lock: %w", err)
	}
	if !sameFile(there, own) {
		return fmt.Errorf("writer lock lost: %w: another writer took it", ErrLocked)
	}
	return nil
}

// release gives the lock back; a lock that is no longer ours stays.
func (l *writerLock) release() error {
	err := l.held()
	switch {
	case err == nil:
		err = l.files.Remove(l.path)
	case errors.Is(err, ErrLocked):
		err = nil
	}
	return errors.Join(err, l.file.Close())
}
