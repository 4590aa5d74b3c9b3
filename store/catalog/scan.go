package catalog

import (
	"context"
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
	info     store.FileInfo // of the folder itself, when it was read
	settled  bool           // a later change cannot carry the same time
	folders  []string       // names, in order
	stores   map[string]*facts
	symlinks map[string]symlink
}

// symlink is one that somebody put into the backing directory. It is shown as it
// is, wherever it leads, and followed by nobody here.
type symlink struct {
	target string
	info   store.FileInfo
}

// settleTime is how old a folder's time must be before an equal time means that
// nothing changed: file systems keep time in steps of a clock tick.
const settleTime = 50 * time.Millisecond

// scanFolder reads the folder at a path below another, unless it still is as former
// describes it.
func (c *Catalog) scanFolder(ctx context.Context, from directory, name string, former *folderScan) (*folderScan, error) {
	info, err := from.Stat(name)
	if err != nil {
		return nil, err
	}
	if former != nil && former.settled && former.is(info) {
		return former, nil
	}
	folder, err := from.OpenFolder(name)
	if err != nil {
		return nil, err
	}
	scan := &folderScan{symlinks: map[string]symlink{}}
	if scan.info, err = folder.Info(); err == nil {
		scan.settled = time.Since(scan.info.Modified) > settleTime
		err = c.fill(ctx, scan, from, folder, name, former)
	}
	if err = errors.Join(err, folder.Close()); err != nil {
		return nil, err
	}
	slices.Sort(scan.folders)
	return scan, nil
}

// is says whether info is of the folder that was read, and as it was then.
func (s *folderScan) is(info store.FileInfo) bool {
	return s.info.Device == info.Device && s.info.Inode == info.Inode && s.info.Modified.Equal(info.Modified)
}

// fill reads what an open folder holds into scan.
func (c *Catalog) fill(ctx context.Context, scan *folderScan, from directory, folder listing, name string, former *folderScan) error {
	entries, err := folder.Entries()
	if err != nil {
		return err
	}
	candidates := make([]string, 0, len(entries))
	for _, entry := range entries {
		full := join(name, entry.Name)
		switch {
		case full == ControlFolder && from == c.files:
		case entry.Type.IsRegular() && store.IsTemporary(entry.Name):
			c.sweep(from, full)
		case entry.Type.IsDir():
			scan.folders = append(scan.folders, entry.Name)
		case entry.Type == fs.ModeSymlink:
			if link, there := readSymlink(folder, entry.Name); there {
				scan.symlinks[entry.Name] = link
			}
		case entry.Type.IsRegular() && candidate(entry.Name):
			candidates = append(candidates, entry.Name)
		}
	}
	var known map[string]*facts
	if former != nil {
		known = former.stores
	}
	found, err := look(ctx, folder, candidates, known)
	if err != nil {
		return err
	}
	scan.stores = make(map[string]*facts, len(candidates))
	for i, candidate := range candidates {
		before := known[candidate]
		if now := found[i]; now.shown(before) {
			scan.stores[candidate] = now
		}
	}
	return nil
}

// readSymlink reads a symlink of an open folder; false when it is gone.
func readSymlink(folder listing, name string) (symlink, bool) {
	info, err := folder.Stat(name)
	if err != nil {
		return symlink{}, false
	}
	target, err := folder.Readlink(name)
	return symlink{target, info}, err == nil
}

// litterAge is how long a temporary file without an owner is left alone: whoever
// makes one takes its lock a moment later.
const litterAge = time.Minute

// sweep removes a temporary file that a crash left behind.
func (c *Catalog) sweep(from directory, name string) {
	if c.options.ReadOnly {
		return
	}
	info, err := from.Stat(name)
	if err != nil || time.Since(info.Modified) < litterAge {
		return
	}
	file, err := from.Open(name, true)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	if free, err := file.TryLock(); err == nil && free && !errors.Is(from.Remove(name), os.ErrNotExist) {
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

// split takes a path apart into its folder and its name there.
func split(full string) (folder, name string) { return path.Dir(full), path.Base(full) }

func parts(name string) []string {
	if name == "." {
		return nil
	}
	return strings.Split(name, "/")
}
