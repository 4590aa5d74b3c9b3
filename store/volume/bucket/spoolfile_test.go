package bucket

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSpoolFiles: what waits on this machine is there as it was written, under no name, and
// is refused where there is no room for it.
func TestSpoolFiles(t *testing.T) {
	folder, room := filepath.Join(t.TempDir(), "a", "b"), int64(1<<20)
	make := SpoolFiles(folder, func() (int64, error) { return room, nil })
	spool, err := make()
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("the folder shows %v, %v", left, err)
	}
	want := bytes.Repeat([]byte("rows "), 1000)
	for _, at := range []int64{5000, 0} { // in any order
		if _, err := spool.WriteAt(want, at); err != nil {
			t.Fatal(err)
		}
	}
	got, err := io.ReadAll(io.NewSectionReader(spool, 0, 1<<30))
	if err != nil || !bytes.Equal(got, append(want, want...)) {
		t.Errorf("%d bytes are there, %v", len(got), err)
	}
	end := room
	room = 1000
	if _, err := spool.WriteAt(want, end); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("more than there is room for: %v", err)
	}
	other, err := make()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.WriteAt(want, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("another where there is no room: %v", err)
	}
	if err := spool.SetLength(7); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(spool, 0, 1<<30)); err != nil || string(got) != "rows ro" {
		t.Errorf("cut off, it is %q, %v", got, err)
	}
}
