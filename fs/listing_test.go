package fs

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func TestListing(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	open := &listing{dots: [2]fuse.DirEntry{{Name: "."}, {Name: ".."}}, take: func(context.Context) (entries, syscall.Errno) {
		var list entryList
		for _, name := range names {
			list = append(list, fuse.DirEntry{Name: name})
		}
		return list, 0
	}}
	read := func() (found string) {
		for {
			entry, errno := open.Readdirent(t.Context())
			if errno != 0 {
				t.Fatal(errno)
			}
			if entry == nil {
				return found
			}
			found += entry.Name
			if want := uint64(open.next); entry.Off != want {
				t.Errorf("%s has offset %d, want %d", entry.Name, entry.Off, want)
			}
		}
	}
	seek := func(offset uint64, want syscall.Errno) {
		t.Helper()
		if errno := open.Seekdir(t.Context(), offset); errno != want {
			t.Errorf("seek to %d: %v, want %v", offset, errno, want)
		}
	}
	seek(0, 0)
	names = []string{"d"}
	if got := read(); got != "...abc" {
		t.Errorf("the list is %q", got)
	}
	seek(3, 0)
	if got := read(); got != "bc" {
		t.Errorf("after the first comes %q", got)
	}
	seek(1, 0)
	if got := read(); got != "..abc" {
		t.Errorf("after the first dot comes %q", got)
	}
	seek(6, syscall.EINVAL)
	seek(0, 0)
	if got := read(); got != "...d" {
		t.Errorf("the new list is %q", got)
	}
}

// TestListedNumbers: the inode number that a list gives of a name is the one that it
// has.
func TestListedNumbers(t *testing.T) {
	t.Parallel()
	_, mountPoint := mounted(t, Options{})
	for _, name := range []string{"a.rvf", "a.rvf/child.rvdna", "folder", "folder/b.rvf"} {
		if err := os.Mkdir(filepath.Join(mountPoint, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{".", "folder", "a.rvf", "a.rvf/vectors", "a.rvf/segments", ".rvffs"} {
		full := filepath.Join(mountPoint, folder)
		descriptor, err := unix.Open(full, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(descriptor)
		buffer := make([]byte, 64<<10)
		n, err := unix.Getdents(descriptor, buffer)
		if err != nil {
			t.Fatal(err)
		}
		names := 0
		for listed := buffer[:n]; len(listed) > 0; {
			number, length := binary.NativeEndian.Uint64(listed), binary.NativeEndian.Uint16(listed[16:])
			raw, _, _ := bytes.Cut(listed[19:length], []byte{0})
			listed = listed[length:]
			if name := string(raw); name != "." && name != ".." {
				var stat unix.Stat_t
				if err := unix.Lstat(filepath.Join(full, name), &stat); err != nil || stat.Ino != number {
					t.Errorf("%s/%s is listed with %d and has %d, %v", folder, name, number, stat.Ino, err)
				}
				names++
			}
		}
		if names == 0 {
			t.Errorf("%s lists nothing", folder)
		}
	}
}
