package filelog_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// put makes a file of these bytes.
func putFile(t testing.TB, files filelog.FileSystem, name string, content []byte) filelog.File {
	t.Helper()
	file, err := files.Create(name, 0o644)
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
	record := filelog.LockFile(1, filelog.HostName(), time.Now())
	foreign := append([]byte("XXXX"), record[4:]...)
	for _, content := range [][]byte{nil, record[:1], record[:filelog.LockSize-1], make([]byte, filelog.LockSize), foreign, append(foreign, 0)} {
		for _, c := range []struct {
			age  time.Duration
			held bool
		}{{0, true}, {-time.Hour, true}, {filelog.LockFilling - time.Second/2, true}, {filelog.LockFilling + time.Second/2, false}, {time.Hour, false}} {
			t.Run(fmt.Sprintf("%d bytes, %v old", len(content), c.age), func(t *testing.T) {
				t.Parallel()
				files := volumes.New()
				putFile(t, files, "a.rvf.lock", content)
				files.Age("a.rvf.lock", c.age)
				lock, err := filelog.Acquire(t.Context(), files, "a.rvf", 0)
				if c.held != errors.Is(err, volume.ErrHeld) || !c.held && err != nil {
					t.Fatalf("held %t, taken: %v", c.held, err)
				}
				if err == nil {
					err = lock.Release()
				}
				if err != nil && !c.held {
					t.Error(err)
				}
				if _, left := files.Names["a.rvf.lock"]; left != c.held {
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
	files := volumes.New()
	file := putFile(t, files, "a.rvf.lock", nil)
	looks := 0
	files.Fail = func(operation string) error {
		switch looks++; looks {
		case 20: // filled
			node := files.Names["a.rvf.lock"]
			node.Write(filelog.LockFile(1, filelog.HostName(), time.Now()), 0)
		case 40: // and given back
			delete(files.Names, "a.rvf.lock")
		}
		return nil
	}
	lock, err := filelog.Acquire(t.Context(), files, "a.rvf", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if looks < 40 {
		t.Errorf("the lock was taken at look %d", looks)
	}
	if err := errors.Join(lock.Release(), file.Close()); err != nil {
		t.Error(err)
	}
}

// TestYoungLockIsNotRemovedForAnOldOne: between a look at a stale lock and its
// removal another may have been put in its place that looks the same.
func TestYoungLockIsNotRemovedForAnOldOne(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	putFile(t, files, "a.rvf.lock", nil)
	judged, err := filelog.ReadLock(files, "a.rvf.lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Remove("a.rvf.lock"); err != nil {
		t.Fatal(err)
	}
	putFile(t, files, "a.rvf.lock", nil)
	if err := filelog.RemoveStale(files, "a.rvf.lock", judged); err != nil {
		t.Fatal(err)
	}
	if _, there := files.Names["a.rvf.lock"]; !there || len(files.Names) != 1 {
		t.Errorf("left: %v", files.Names)
	}
}

// unreadableLocks are files among which locks can be seen and not read.
type unreadableLocks struct{ *volumes.Files }

func (u unreadableLocks) Open(name string, write bool) (filelog.File, error) {
	if strings.HasSuffix(name, ".lock") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return u.Files.Open(name, write)
}

// TestUnreadableLockIsNoneToBreak: nobody knows whose it is.
func TestUnreadableLockIsNoneToBreak(t *testing.T) {
	t.Parallel()
	files := unreadableLocks{volumes.New()}
	putFile(t, files, "a.rvf.lock", filelog.LockFile(1, "elsewhere", time.Now()))
	if taken, err := filelog.Acquire(t.Context(), files, "a.rvf", -1); taken != nil || !errors.Is(err, syscall.EACCES) {
		t.Errorf("got a lock: %v, %v", taken != nil, err)
	}
	if _, err := files.Stat("a.rvf.lock"); err != nil {
		t.Errorf("the lock of another: %v", err)
	}
}

// TestLockOnAFailingDisk is taken or not, and never half: what is left behind is litter
// at most, that others know by its name, and the next one gets it.
func TestLockOnAFailingDisk(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		files := volumes.New()
		count, struck := 0, ""
		files.Fail = func(operation string) error {
			if count++; count == at {
				struck = operation
				return syscall.EIO
			}
			return nil
		}
		lock, err := filelog.Acquire(t.Context(), files, "a.rvf", -1)
		if err == nil {
			err = lock.Release()
		}
		files.Fail = nil
		if struck == "" {
			if err != nil {
				t.Error(err)
			}
			break
		}
		for name := range files.Names {
			if !volume.IsTemporary(name) && struck != "remove" {
				t.Errorf("%s fails (%d): %s is left", struck, at, name)
			}
		}
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s fails (%d): %v", struck, at, err)
		}
		lock, err = filelog.Acquire(t.Context(), files, "a.rvf", -1)
		if err == nil {
			err = lock.Release()
		}
		if err != nil {
			t.Errorf("after %s failed (%d): %v", struck, at, err)
		}
	}
}
