package fs

import (
	"context"
	"strings"
	"syscall"
	"testing"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/memory"
)

// TestOpenFoldersAreCharged: the names of an open folder count until it is closed, and
// one for which there is no memory cannot be opened.
func TestOpenFoldersAreCharged(t *testing.T) {
	t.Parallel()
	budget := memory.NewBudget(1 << 20)
	shown := &tree{memory: budget}
	names := func(context.Context) ([]fuse.DirEntry, syscall.Errno) {
		entries := make([]fuse.DirEntry, 1000)
		for i := range entries {
			entries[i].Name = strings.Repeat("x", 100)
		}
		return entries, 0
	}
	var open []*listing
	for {
		l, errno := shown.openListing(t.Context(), &nodefs.Inode{}, names)
		if errno == syscall.ENOMEM {
			break
		}
		if errno != 0 || len(open) > 100 {
			t.Fatalf("folder %d: %v", len(open), errno)
		}
		open = append(open, l)
	}
	if len(open) < 2 || budget.Usage().Used < int64(len(open))*1000*100 {
		t.Errorf("%d folders are open: %+v", len(open), budget.Usage())
	}
	if errno := open[0].Seekdir(t.Context(), 0); errno != 0 {
		t.Errorf("read again: %v", errno)
	}
	for _, l := range open {
		l.Releasedir(t.Context(), 0)
	}
	if u := budget.Usage(); u.Used != 0 {
		t.Errorf("after closing: %+v", u)
	}
}
