package catalog

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"rvffs/store"
)

// folderScan is what one backing folder held when it was last read.
type folderScan struct {
	modified time.Time // the folder's own time, when it was read
	settled  bool      // a later change cannot carry the same time
	folders  []string  // names, in order
	stores   map[string]*facts
	symlinks map[string]string // name to target, as it is shown
}

// settleTime is how old a folder's time must be before an equal time means that
// nothing changed: file systems keep time in steps of a clock tick.
const settleTime = 50 * time.Millisecond

// scanFolder reads the folder at name, unless it still is as former describes it.
func (c *Catalog) scanFolder(name string, former *folderScan) (*folderScan, error) {
	root := c.files.Root()
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if former != nil && former.settled && former.modified.Equal(info.ModTime()) {
		return former, nil
	}
	scan := &folderScan{
		modified: info.ModTime(), settled: time.Since(info.ModTime()) > settleTime,
		symlinks: map[string]string{},
	}
	folder, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	if err = errors.Join(c.fill(scan, folder, name, former), folder.Close()); err != nil {
		return nil, err
	}
	slices.Sort(scan.folders)
	return scan, nil
}

// fill reads what an open folder holds into scan.
func (c *Catalog) fill(scan *folderScan, folder *os.File, name string, former *folderScan) error {
	entries, err := readNames(folder)
	if err != nil {
		return err
	}
	candidates := make([]string, 0, len(entries))
	for _, entry := range entries {
		full := join(name, entry.Name())
		switch {
		case full == ControlFolder:
		case entry.IsDir():
			scan.folders = append(scan.folders, entry.Name())
		case entry.Type()&fs.ModeSymlink != 0:
			if target, inside := c.symlink(name, full); inside {
				scan.symlinks[entry.Name()] = target
			}
		case entry.Type().IsRegular() && candidate(entry.Name()):
			candidates = append(candidates, entry.Name())
		case entry.Type().IsRegular() && store.IsTemporary(entry.Name()):
			c.sweep(full)
		}
	}
	var known map[string]*facts
	if former != nil {
		known = former.stores
	}
	found, err := c.look(folder, name, candidates, known)
	if err != nil {
		return err
	}
	scan.stores = make(map[string]*facts, len(candidates))
	for i, candidate := range candidates {
		before := known[candidate]
		if now := found[i]; now != nil && (now.isStore || before != nil && before.isStore) {
			scan.stores[candidate] = now
		}
	}
	return nil
}

// symlink says where a symlink of the backing directory leads within the mount;
// false when it leads out of it, nowhere, or to a file that is no store.
func (c *Catalog) symlink(folder, name string) (string, bool) {
	root := c.files.Root()
	target, err := root.Readlink(name)
	if err != nil {
		return "", false
	}
	if path.IsAbs(target) {
		inside, under := strings.CutPrefix(path.Clean(target), c.directory+"/")
		if !under {
			return "", false
		}
		target = relative(folder, inside)
	}
	full := path.Join(folder, target)
	if full == ".." || strings.HasPrefix(full, "../") {
		return "", false
	}
	info, err := root.Stat(full)
	if err != nil || !info.IsDir() && !(info.Mode().IsRegular() && candidate(path.Base(full))) {
		return "", false
	}
	return target, true
}

// litterAge is how long a temporary file without an owner is left alone: whoever
// makes one takes its lock a moment later.
const litterAge = time.Minute

// sweep removes a temporary file that a crash left behind.
func (c *Catalog) sweep(name string) {
	if c.options.ReadOnly {
		return
	}
	info, err := c.files.Stat(name)
	if err != nil || time.Since(info.Modified) < litterAge {
		return
	}
	file, err := c.files.Open(name, true)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	if free, err := file.TryLock(); err == nil && free && !errors.Is(c.files.Remove(name), os.ErrNotExist) {
		c.options.Log.Info().Str("file", name).Msg("removed what a crash left behind")
	}
}

// relative is the path from folder to target, both relative to the same root.
func relative(folder, target string) string {
	from, to := parts(folder), parts(target)
	shared := 0
	for shared < len(from) && shared < len(to)-1 && from[shared] == to[shared] {
		shared++
	}
	return strings.Repeat("../", len(from)-shared) + strings.Join(to[shared:], "/")
}

// join is path.Join for a folder and a bare name, which need no cleaning.
func join(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}

func parts(name string) []string {
	if name == "." {
		return nil
	}
	return strings.Split(name, "/")
}
