package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

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
	described := ownedBy(catalog.Attributes{Mode: 0o640, UID: 7, GID: 8, Modified: modified}, masked(readable))
	described.size = 1000
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

// TestAttributesReachTheFile: what is changed of a store's folder, and of a plain one,
// is changed of what stands behind it, and nothing else is.
func TestAttributesReachTheFile(t *testing.T) {
	t.Parallel()
	directory, mountPoint := mounted(t, Options{})
	day := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	for _, name := range []string{"a.rvf", "folder"} {
		shown, behind := filepath.Join(mountPoint, name), filepath.Join(directory, name)
		if err := os.Mkdir(shown, 0o750); err != nil {
			t.Fatal(err)
		}
		state := func() string {
			t.Helper()
			var stat unix.Stat_t
			if err := unix.Lstat(behind, &stat); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%d:%d %o %d", stat.Uid, stat.Gid, stat.Mode&0o7777, time.Unix(stat.Mtim.Unix()).UnixNano())
		}
		want := func(what string, uid, gid int, mode os.FileMode, modified time.Time) {
			t.Helper()
			if name == "a.rvf" {
				mode &^= 0o111
			}
			if got := state(); got != fmt.Sprintf("%d:%d %o %d", uid, gid, mode, modified.UnixNano()) {
				t.Errorf("%s, after %s: %s", name, what, got)
			}
		}
		for _, step := range []struct {
			what     string
			do       func() error
			uid, gid int
			mode     os.FileMode
		}{
			{"setting the time", func() error { return os.Chtimes(shown, day, day) }, 0, 0, 0o750},
			{"changing the owner", func() error { return os.Chown(shown, 1234, -1) }, 1234, 0, 0o750},
			{"changing the group", func() error { return os.Chown(shown, -1, 5678) }, 1234, 5678, 0o750},
			{"changing the mode", func() error { return os.Chmod(shown, 0o705) }, 1234, 5678, 0o705},
			{"changing both", func() error { return os.Chown(shown, 0, 0) }, 0, 0, 0o705},
		} {
			if err := step.do(); err != nil {
				t.Errorf("%s of %s: %v", step.what, name, err)
			}
			want(step.what, step.uid, step.gid, step.mode, day)
		}
		if err := os.Chtimes(shown, time.Time{}, day.Add(time.Hour)); err != nil {
			t.Error(err)
		}
		want("setting one of the times", 0, 0, 0o705, day.Add(time.Hour))
		info, err := os.Stat(shown)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s is shown as %v, %v", name, info, err)
		}
	}
}
