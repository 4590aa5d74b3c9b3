package fs

import (
	"context"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
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
