package fs

import (
	"os"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
)

func TestRightsToFolders(t *testing.T) {
	t.Parallel()
	for file, want := range map[os.FileMode]os.FileMode{
		0o644: 0o755,
		0o600: 0o700,
		0o640: 0o750,
		0o444: 0o555,
		0o777: 0o777,
		0o200: 0o200,
		0:     0,
	} {
		if got := ownedBy(catalog.Attributes{Mode: file}, asFolder).mode; got != want {
			t.Errorf("the folder of a file of mode %o has mode %o, want %o", file, got, want)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	modified := time.Unix(1700000000, 123456789)
	described := ownedBy(catalog.Attributes{Mode: 0o640, UID: 7, GID: 8, Modified: modified}, only(readable))
	described.size, described.allocated = 1000, 513
	var out fuse.Attr
	described.fill(&out)
	if out.Mode != 0o440 || out.Uid != 7 || out.Gid != 8 || out.Size != 1000 || out.Nlink != 1 {
		t.Errorf("unexpected attributes %+v", out)
	}
	if out.Blocks != 2 || out.Blksize != pageSize {
		t.Errorf("%d sectors, preferred size %d; want 2 and %d", out.Blocks, out.Blksize, pageSize)
	}
	if !out.ModTime().Equal(modified) {
		t.Errorf("time %v, want %v", out.ModTime(), modified)
	}
}
