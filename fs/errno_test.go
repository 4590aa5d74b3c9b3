package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"rvffs/store/catalog"
	"rvffs/store/volume"
)

func TestErrno(t *testing.T) {
	t.Parallel()
	stores, err := openCatalog(t.TempDir(), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stores.Close() })
	wrap := func(err error) error { return fmt.Errorf("append to store %q: %w", "a.rvf", err) }
	for _, test := range []struct {
		name   string
		err    error
		want   syscall.Errno
		logged int
	}{
		{"none", nil, 0, 0},
		{"bad input", wrap(volume.ErrInput), syscall.EINVAL, 1},
		{"bad name", wrap(volume.ErrName), syscall.EINVAL, 1},
		{"locked", wrap(volume.ErrHeld), syscall.EBUSY, 1},
		{"others are faster", wrap(volume.ErrMoved), syscall.EBUSY, 1},
		{"hard links", wrap(volume.ErrManyNames), syscall.EMLINK, 1},
		{"read-only", wrap(volume.ErrReadOnly), syscall.EROFS, 1},
		{"corrupt", wrap(volume.ErrCorrupt), syscall.EIO, 1},
		{"over a limit", wrap(volume.ErrTooLarge), syscall.EFBIG, 1},
		{"exists", wrap(volume.ErrExists), syscall.EEXIST, 1},
		{"not empty", wrap(volume.ErrNotEmpty), syscall.ENOTEMPTY, 1},
		{"nothing there", wrap(volume.ErrNotFound), syscall.ENOENT, 0},
		{"stale", wrap(volume.ErrStale), syscall.ESTALE, 1},
		{"not offered", wrap(volume.ErrNotPermitted), syscall.EPERM, 1},
		{"other parent", wrap(volume.ErrCrossParent), syscall.EXDEV, 1},
		{"closed", wrap(volume.ErrClosed), syscall.EIO, 1},
		{"interrupted", wrap(context.Canceled), syscall.EINTR, 0},
		{"a cause before the system's own", wrap(errors.Join(volume.ErrCorrupt, syscall.ENOENT)), syscall.EIO, 1},
		{"of the system", wrap(&os.PathError{Op: "write", Path: "a.rvf", Err: syscall.ENOSPC}), syscall.ENOSPC, 1},
		{"never ENOSYS", wrap(syscall.ENOSYS), syscall.EIO, 1},
		{"anything else", io.ErrUnexpectedEOF, syscall.EIO, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var lines bytes.Buffer
			shown := &tree{log: zerolog.New(&lines), catalog: stores}
			if got := shown.errno("a.rvf", "write", test.err); got != test.want {
				t.Errorf("errno of %v is %v, want %v", test.err, got, test.want)
			}
			if got := strings.Count(lines.String(), "\n"); got != test.logged {
				t.Errorf("%d lines in the log, want %d: %s", got, test.logged, &lines)
			}
			if test.logged > 0 && !strings.Contains(lines.String(), `"store":"a.rvf"`) {
				t.Errorf("the log does not name the store: %s", &lines)
			}
		})
	}
}

// TestStaleOpenIsNotLogged: the kernel opens what the name shows now.
func TestStaleOpenIsNotLogged(t *testing.T) {
	t.Parallel()
	stores, err := openCatalog(t.TempDir(), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stores.Close() })
	entry, err := stores.Root().Make(t.Context(), "a.rvf", 0o755)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cause  error
		want   syscall.Errno
		logged int
	}{{volume.ErrStale, syscall.ESTALE, 0}, {volume.ErrCorrupt, syscall.EIO, 1}} {
		var lines bytes.Buffer
		n := &viewNode{node: node{tree: &tree{log: zerolog.New(&lines), catalog: stores}}, store: entry.Store}
		if got := n.openErrno(fmt.Errorf("open view: %w", c.cause)); got != c.want || strings.Count(lines.String(), "\n") != c.logged {
			t.Errorf("%v: %v, logged %q", c.cause, got, &lines)
		}
	}
}

// TestErrnoOfRename: mv(1) says of EINVAL that a folder was to be moved into itself.
func TestErrnoOfRename(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause error
		want  syscall.Errno
	}{{volume.ErrInput, syscall.EBADMSG}, {volume.ErrNotWhole, syscall.EBADMSG}, {volume.ErrName, syscall.EPERM}, {volume.ErrExists, syscall.EEXIST}} {
		shown := &tree{log: zerolog.Nop()}
		if got := shown.folderErrno("team", operationRename+" a file", fmt.Errorf("rename: %w", c.cause)); got != c.want {
			t.Errorf("%v: %v, want %v", c.cause, got, c.want)
		}
	}
}
