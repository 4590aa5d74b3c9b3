package statedir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// name is that of our directory among those of other programs.
const name = "rvffs"

// candidate is a directory in which ours may be: what is above it must be there already.
type candidate struct {
	base string
	own  string // what is made in it
}

// candidates are the directories to try, the best first.
func candidates(environment func(string) string, uid int) (list []candidate) {
	// A service manager makes one for the service alone, and may name several.
	if first, _, _ := strings.Cut(environment("STATE_DIRECTORY"), ":"); filepath.IsAbs(first) {
		list = append(list, candidate{base: first})
	}
	if state := environment("XDG_STATE_HOME"); filepath.IsAbs(state) {
		list = append(list, candidate{base: state, own: name})
	} else if home := environment("HOME"); filepath.IsAbs(home) {
		list = append(list, candidate{base: home, own: filepath.Join(".local", "state", name)})
	}
	if uid == 0 {
		list = append(list, candidate{base: "/var/lib", own: name})
	}
	return list
}

// errUnsafe means that others could put something else in the place of what is written.
var errUnsafe = errors.New("others than this user and root can change it")

// make makes the directory where it is missing, and gives its real path.
func (c candidate) make() (string, error) {
	path, err := filepath.EvalSymlinks(c.base)
	if errors.Is(err, fs.ErrNotExist) && c.own != "" {
		// $XDG_STATE_HOME is made by whoever comes first.
		var above string
		if above, err = filepath.EvalSymlinks(filepath.Dir(c.base)); err == nil {
			if err = safe(above); err == nil {
				path = filepath.Join(above, filepath.Base(c.base))
				err = makeOwn(path)
			}
		}
	}
	if err != nil {
		return "", err
	}
	if err := safe(path); err != nil {
		return "", err
	}
	for part := range strings.SplitSeq(c.own, string(filepath.Separator)) {
		if part == "" {
			continue
		}
		path = filepath.Join(path, part)
		if err := makeOwn(path); err != nil {
			return "", err
		}
	}
	return path, nil
}

// makeOwn makes a directory that only this user can change, or finds that it is one.
func makeOwn(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return safeOne(path, false)
}

// safe fails if anybody else could change what the real path of a directory leads to.
func safe(path string) error {
	for above := path; ; above = filepath.Dir(above) {
		if err := safeOne(above, above != path); err != nil {
			return err
		}
		if above == filepath.Dir(above) {
			return nil
		}
	}
}

// safeOne judges one directory. In one above, others may have names of their own if they
// can change none of ours.
func safeOne(path string, above bool) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	others := info.Mode().Perm()&0o022 != 0 && !(above && info.Mode()&fs.ModeSticky != 0)
	if owner != 0 && int(owner) != os.Geteuid() || others {
		return fmt.Errorf("%s: %w", path, errUnsafe)
	}
	return nil
}

// folderName is the name of the folder for a directory that is mounted: a word for people,
// and a sum, by which it is found.
func folderName(directory string) string {
	word := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '-' {
			return r
		}
		return '_'
	}, filepath.Base(directory))
	sum := sha256.Sum256([]byte(directory))
	return word[:min(len(word), 32)] + "-" + hex.EncodeToString(sum[:12])
}

// within reports whether a real path is a directory's or lies in it.
func within(path, directory string) bool {
	relative, err := filepath.Rel(directory, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, "../")
}
