package store

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
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

func TestLockErrorTellsTheHolder(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	putFile(t, files, "a.rvf.lock", lockOf(4711, "elsewhere", since))
	_, err = s.Ingest(context.Background(), []uint64{1}, []float32{1, 2})
	for _, part := range []string{`"a.rvf"`, "4711", `"elsewhere"`, since.UTC().Format(time.RFC3339)} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not contain %s", err, part)
		}
	}
}

// TestLostLockEndsItsWriter: whatever somebody else did to the lock, what its owner has
// not committed yet is not committed beside him, and his lock stays.
func TestLostLockEndsItsWriter(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	theirs := lockOf(1, "elsewhere", time.Now())
	for name, lose := range map[string]func(t *testing.T, files *volumes.Files){
		"removed": func(t *testing.T, files *volumes.Files) {
			if err := files.Remove("a.rvf.lock"); err != nil {
				t.Fatal(err)
			}
		},
		"another file": func(t *testing.T, files *volumes.Files) {
			putFile(t, files, "theirs", theirs)
			if err := files.Rename("theirs", "a.rvf.lock"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := volumes.New()
			s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
			if err != nil {
				t.Fatal(err)
			}
			before := files.Content("a.rvf")
			a := s.NewAppender()
			if err := a.Append(ctx, []uint64{1}, encodeRows([]float32{1, 2})); err != nil {
				t.Fatal(err)
			}
			lose(t, files)
			lock := files.Names["a.rvf.lock"]
			if _, _, err := a.Commit(context.Background()); !errors.Is(err, volume.ErrHeld) || !strings.Contains(err.Error(), "writer lock lost") {
				t.Errorf("commit: %v", err)
			}
			if now := files.Content("a.rvf"); !strings.HasPrefix(string(now), string(before)) {
				t.Error("the store's committed bytes changed")
			}
			if reopened, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}}); err != nil || reopened.Current().Manifest().TotalVectors != 0 {
				t.Errorf("the store: %v", err)
			}
			if files.Names["a.rvf.lock"] != lock {
				t.Error("the lock of another was touched")
			}
		})
	}
}

// lockOf is the lock file of a process on some host.
func lockOf(process uint32, host string, since time.Time) []byte {
	record := make([]byte, 104)
	binary.LittleEndian.PutUint32(record, 0x52564C46)
	binary.LittleEndian.PutUint32(record[4:], process)
	copy(record[8:], host)
	binary.LittleEndian.PutUint64(record[0x48:], uint64(since.UnixNano()))
	copy(record[0x50:], "somebody's token")
	binary.LittleEndian.PutUint32(record[0x60:], 1)
	binary.LittleEndian.PutUint32(record[0x64:], crc32.ChecksumIEEE(record[:0x64]))
	return record
}
