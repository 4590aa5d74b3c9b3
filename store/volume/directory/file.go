package directory

import (
	"errors"
	"os"
	"path"
	"strings"
	"syscall"
)

// isLocal reports whether a path leads from the root of a Files down and
// nowhere else. Every name but the directory's own, ".", is a plain one.
func isLocal(name string) bool {
	if name == "." {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.IndexByte(part, 0) >= 0 {
			return false
		}
	}
	return true
}

// refusedPath is the error of an operation on a path that isLocal does not let pass.
func refusedPath(operation, name string) error {
	return &os.PathError{Op: operation, Path: name, Err: syscall.EINVAL}
}

// Siblings implements filelog.FileSystem.
func (d *Files) Siblings(name string) ([]string, error) {
	folder, err := d.OpenFolder(path.Dir(name))
	if err != nil {
		return nil, err
	}
	entries, err := folder.Entries()
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name
	}
	return names, errors.Join(err, folder.Close())
}

type osFile struct{ *os.File }
