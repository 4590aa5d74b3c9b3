package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"
)

// age dates a file back.
func (m *memoryFiles) age(name string, by time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.names[name]
	node.modified = node.modified.Add(-by)
}

// put makes a file of these bytes.
func (m *memoryFiles) put(t *testing.T, name string, content []byte) File {
	t.Helper()
	file, err := m.Create(name, 0o644)
	if err == nil && len(content) > 0 {
		_, err = file.WriteAt(content, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestLockWithoutRecordCountsUntilItIsOld: the reference runtime makes its lock file
// empty and fills it afterwards.
func TestLockWithoutRecordCountsUntilItIsOld(t *testing.T) {
	t.Parallel()
	record := lockRecord{process: 1, host: hostName(), time: time.Now()}.encode()
	foreign := append([]byte("XXXX"), record[4:]...)
	for _, content := range [][]byte{nil, record[:1], record[:lockSize-1], make([]byte, lockSize), foreign, append(foreign, 0)} {
		for _, c := range []struct {
			age  time.Duration
			held bool
		}{{0, true}, {-time.Hour, true}, {lockFilling - time.Second/2, true}, {lockFilling + time.Second/2, false}, {time.Hour, false}} {
			t.Run(fmt.Sprintf("%d bytes, %v old", len(content), c.age), func(t *testing.T) {
				t.Parallel()
				files := newMemoryFiles()
				s, err := Create("a.rvf", CreateOptions{Dimension: 2}, Options{Files: files, LockWait: -1})
				if err != nil {
					t.Fatal(err)
				}
				files.put(t, "a.rvf.lock", content)
				files.age("a.rvf.lock", c.age)
				_, err = s.Ingest(context.Background(), []uint64{1}, []float32{1, 2})
				if c.held != errors.Is(err, ErrLocked) || !c.held && err != nil {
					t.Errorf("held %t, ingest: %v", c.held, err)
				}
				if _, left := files.names["a.rvf.lock"]; left != c.held {
					t.Errorf("held %t, and the lock file is there: %t", c.held, left)
				}
			})
		}
	}
}

// TestLockIsNotTakenWhileItsMakerFillsIt has a writer wait for a lock that is empty
// at first, and taken then.
func TestLockIsNotTakenWhileItsMakerFillsIt(t *testing.T) {
	t.Parallel()
	files := newMemoryFiles()
	s, err := Create("a.rvf", CreateOptions{Dimension: 2}, Options{Files: files, LockWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	file := files.put(t, "a.rvf.lock", nil)
	looks := 0
	files.fail = func(operation string) error {
		switch looks++; looks {
		case 20: // filled
			node := files.names["a.rvf.lock"]
			node.write(lockRecord{process: 1, host: hostName(), time: time.Now()}.encode(), 0)
		case 40: // and given back
			delete(files.names, "a.rvf.lock")
		}
		return nil
	}
	ingest(t, s, []uint64{1}, 1, 2)
	if looks < 40 {
		t.Errorf("the lock was taken at look %d", looks)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

// TestYoungLockIsNotRemovedForAnOldOne: between a look at a stale lock and its
// removal another may have been put in its place that looks the same.
func TestYoungLockIsNotRemovedForAnOldOne(t *testing.T) {
	t.Parallel()
	files := newMemoryFiles()
	files.put(t, "a.rvf.lock", nil)
	judged, err := readLock(files, "a.rvf.lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Remove("a.rvf.lock"); err != nil {
		t.Fatal(err)
	}
	files.put(t, "a.rvf.lock", nil)
	if err := removeStale(files, "a.rvf.lock", judged); err != nil {
		t.Fatal(err)
	}
	if _, there := files.names["a.rvf.lock"]; !there || len(files.names) != 1 {
		t.Errorf("left: %v", files.names)
	}
}

func TestLockErrorTellsTheHolder(t *testing.T) {
	t.Parallel()
	files := newMemoryFiles()
	s, err := Create("a.rvf", CreateOptions{Dimension: 2}, Options{Files: files, LockWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	files.put(t, "a.rvf.lock", lockRecord{process: 4711, host: "elsewhere", time: since}.encode())
	_, err = s.Ingest(context.Background(), []uint64{1}, []float32{1, 2})
	for _, part := range []string{`"a.rvf"`, "4711", `"elsewhere"`, since.UTC().Format(time.RFC3339)} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not contain %s", err, part)
		}
	}
}

// unreadableLocks are files among which locks can be seen and not read.
type unreadableLocks struct{ *memoryFiles }

func (u unreadableLocks) Open(name string, write bool) (File, error) {
	if strings.HasSuffix(name, ".lock") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return u.memoryFiles.Open(name, write)
}

// TestUnreadableLockIsNoneToBreak: nobody knows whose it is.
func TestUnreadableLockIsNoneToBreak(t *testing.T) {
	t.Parallel()
	files := unreadableLocks{newMemoryFiles()}
	files.put(t, "a.rvf.lock", lockRecord{process: 1, host: "elsewhere", time: time.Now()}.encode())
	if taken, err := acquireLock(t.Context(), files, "a.rvf", -1); taken != nil || !errors.Is(err, syscall.EACCES) {
		t.Errorf("got a lock: %v, %v", taken != nil, err)
	}
	if _, err := files.Stat("a.rvf.lock"); err != nil {
		t.Errorf("the lock of another: %v", err)
	}
}

// TestLostLockEndsItsWriter: whatever somebody else did to the lock, what its owner has
// not committed yet is not committed beside him, and his lock stays.
func TestLostLockEndsItsWriter(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	theirs := lockRecord{process: 1, host: "elsewhere", time: time.Now()}.encode()
	for name, lose := range map[string]func(t *testing.T, files *memoryFiles){
		"removed": func(t *testing.T, files *memoryFiles) {
			if err := files.Remove("a.rvf.lock"); err != nil {
				t.Fatal(err)
			}
		},
		"another file": func(t *testing.T, files *memoryFiles) {
			files.put(t, "theirs", theirs)
			if err := files.Rename("theirs", "a.rvf.lock"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := newMemoryFiles()
			s, err := Create("a.rvf", CreateOptions{Dimension: 2}, Options{Files: files, LockWait: -1})
			if err != nil {
				t.Fatal(err)
			}
			before := files.content("a.rvf")
			a := s.NewAppender()
			if err := a.Append(ctx, []uint64{1}, encodeRows([]float32{1, 2})); err != nil {
				t.Fatal(err)
			}
			lose(t, files)
			lock := files.names["a.rvf.lock"]
			if _, _, err := a.Commit(); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "writer lock lost") {
				t.Errorf("commit: %v", err)
			}
			if now := files.content("a.rvf"); !strings.HasPrefix(string(now), string(before)) {
				t.Error("the store's committed bytes changed")
			}
			if reopened, err := Open("a.rvf", Options{Files: files}); err != nil || reopened.Current().Manifest().TotalVectors != 0 {
				t.Errorf("the store: %v", err)
			}
			if files.names["a.rvf.lock"] != lock {
				t.Error("the lock of another was touched")
			}
		})
	}
}
