package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"rvffs/fs"
	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
)

// diskSite are the directories of this machine, among them those that mounts of ours show.
type diskSite struct{}

func (diskSite) folderOf(file string) string { return filepath.Dir(file) }

func (diskSite) followLinks(path string) string {
	if plain, err := filepath.EvalSymlinks(path); err == nil {
		return plain
	}
	return path
}

func (diskSite) absolute(path string) string {
	plain := storeFile(path)
	if _, err := os.Lstat(plain); err != nil {
		plain = filepath.Join(followLinks(folderFor(filepath.Dir(path))), filepath.Base(path))
	}
	if absolute, err := filepath.Abs(plain); err == nil {
		return absolute
	}
	return path
}

func (diskSite) seenFrom(file, other string) string {
	return relativeTo(filepath.Dir(absolute(file)), absolute(other))
}

func (diskSite) beside(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(storeFile(file)), path)
}

// near gives, after the folder, those below it with the one above and those below that, and
// those farther above. What cannot be read is left out, and where the system or a mount of ours
// shows files that no disk holds.
func (diskSite) near(folder string, up int) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		if !yield([]string{folder}) {
			return
		}
		left := mostFolders
		seen, made := map[string]bool{folder: true}, madeUp()
		top, err := filepath.Abs(folder)
		if err != nil {
			return
		}
		for above := range up + 1 {
			down := foldersDown
			if above > 1 {
				down = 0 // what lies there has mostly nothing to do with the branch
			}
			var group []string
			level := []string{top}
			for depth := 0; depth <= down && left > 0; depth++ {
				var below []string
				for _, at := range level {
					entries, err := os.ReadDir(at)
					if err != nil || left == 0 {
						continue
					}
					if !seen[at] {
						seen[at], left = true, left-1
						group = append(group, at)
					}
					for _, entry := range entries {
						if next := filepath.Join(at, entry.Name()); entry.IsDir() && !made[next] {
							below = append(below, next)
						}
					}
				}
				level = below
			}
			if len(group) > 0 && !yield(group) {
				return
			}
			above := filepath.Dir(top)
			if above == top {
				return
			}
			top = above
		}
	}
}

// madeUp are the folders in which files are shown that no disk holds. To read one may take
// something away, or wait for it, or show a store that lies elsewhere a second time.
func madeUp() map[string]bool {
	folders := map[string]bool{}
	mounts, _ := fs.Mounts() // none are known where there is no table of them
	for _, mount := range mounts {
		switch mount.Type {
		case "proc", "sysfs", "tracefs", "debugfs", "securityfs", "configfs", "cgroup", "cgroup2", "bpf", "pstore", "efivarfs":
			folders[mount.Point] = true
		default:
			folders[mount.Point] = mount.Ours()
		}
	}
	return folders
}

func (diskSite) isGone(_ context.Context, file string) bool {
	_, err := os.Stat(file)
	return tellsOfNothing(err)
}

func (diskSite) born(file string) int64 { return directory.Born(storeFile(file)) }

func (diskSite) isStore(name string) (bool, error) {
	info, err := os.Stat(name)
	return err == nil && !info.IsDir(), err
}

// stores gives, in the folder alone, also those that are there by a symlink. What is gone
// meanwhile is no error.
func (diskSite) stores(_ context.Context, folder string, deep bool) (files []string, err error) {
	if !deep {
		entries, err := os.ReadDir(folder)
		for _, entry := range entries {
			if file := filepath.Join(folder, entry.Name()); mayBeStore(file) {
				files = append(files, file)
			}
		}
		return files, err
	}
	err = filepath.WalkDir(folder, func(name string, entry os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) && name != folder {
			return nil // gone meanwhile
		}
		if err == nil && entry.Type().IsRegular() && mayBeStore(name) {
			files = append(files, name)
		}
		return err
	})
	return files, err
}

// mayBeStore reports whether a file may be a store: by its extension, or, without any,
// by its first bytes.
func mayBeStore(file string) bool {
	name := filepath.Base(file)
	if volume.IsTemporary(name) {
		return false
	}
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if _, named := lineage.ProfileOfName(name); named {
		return true
	}
	if strings.ContainsRune(strings.TrimLeft(name, "."), '.') {
		return false
	}
	opened, err := os.Open(file)
	if err != nil {
		return false
	}
	defer func() { _ = opened.Close() }()
	var start [segments.HeaderSize]byte
	if _, err := opened.ReadAt(start[:], 0); err != nil {
		return false
	}
	_, err = segments.ParseHeader(start[:])
	return err == nil
}

func (diskSite) mountOf(path string) (place fs.Mounted, below string, found bool) {
	plain, err := filepath.Abs(followLinks(path))
	if err != nil {
		return place, "", false
	}
	mounts, err := fs.Mounts()
	if err != nil {
		return place, "", false
	}
	for _, m := range mounts {
		if m.Holds(plain) && len(m.Point) >= len(place.Point) {
			place = m
		}
	}
	below, err = filepath.Rel(place.Point, plain)
	return place, below, err == nil && place.Ours()
}

func (diskSite) openShelf(file string, changes bool) (shelf volume.Shelf, done func() error, err error) {
	opened, err := directory.OpenShelf(folderFor(filepath.Dir(file)))
	if err != nil {
		return nil, nil, err
	}
	return opened, opened.Close, nil
}

// findBacking is the real path.
func (diskSite) findBacking(text, mountPoint string) (string, error) {
	backing, err := realPath(text)
	if err != nil {
		return "", makeFirst(fmt.Errorf("directory of stores: %w", err))
	}
	return backing, checkApart(backing, mountPoint)
}

// checkApart refuses a mount point within the directory, which would show itself,
// and the other way round, which would hide the stores.
func checkApart(directory, mountPoint string) error {
	if directory == mountPoint {
		return fmt.Errorf("%s is both the directory of stores and the mount point: mount it at an empty directory elsewhere", directory)
	}
	for _, pair := range [][2]string{{directory, mountPoint}, {mountPoint, directory}} {
		if below, err := filepath.Rel(pair[0], pair[1]); err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			return fmt.Errorf("%s and %s must not lie one within the other", directory, mountPoint)
		}
	}
	return nil
}

func (diskSite) openBacking(options *mountOptions, backing string) (place volume.Volume, limits []string, err error) {
	if place, err = directory.OpenVolume(backing); err != nil {
		return nil, nil, fmt.Errorf("open directory %q: %w", backing, err)
	}
	if !options.readOnly {
		if limits, err = directory.Limits(backing); err != nil {
			return nil, nil, errors.Join(err, place.Close())
		}
	}
	return place, limits, nil
}

func (diskSite) maker() string { return "the file system of" }
