package main

import (
	"context"
	"errors"
	iofs "io/fs"
	"iter"
	"path/filepath"
	"strings"
	"syscall"

	"rvffs/fs"
	"rvffs/store/volume"
)

// site is a kind of place in which stores lie: the directories of this machine, or buckets.
// It tells what the paths of files and folders there mean.
type site interface {
	// folderOf is the folder that a file is in.
	folderOf(file string) string
	// followLinks is the file that a path leads to through symlinks, or the path itself where
	// it leads nowhere, and absolute that of the store that it leads to, or that is about to be
	// made there, from wherever.
	followLinks(path string) string
	absolute(path string) string
	// seenFrom is the path of a store's file as seen from the real folder of another; absolute
	// where there is no other. beside is the reverse: the file of a path that a store's file holds.
	seenFrom(file, other string) string
	beside(file, path string) string
	// near are the folders near one, in groups, those first that are nearest: itself, and
	// those below and above it, as many up.
	near(folder string, up int) iter.Seq[[]string]

	// isGone reports whether nothing is at a path any more. Where nobody can tell, because a
	// server does not answer or a folder cannot be entered, something may be.
	isGone(ctx context.Context, file string) bool
	// born is when a store's file was made, as far as that is known.
	born(file string) int64
	// isStore reports whether a path is meant to be that of one store, and not of a folder
	// of many.
	isStore(path string) (bool, error)
	// stores are the files in a folder that may be stores, and with deep in those below it.
	stores(ctx context.Context, folder string, deep bool) ([]string, error)
	// mountOf is the mount of ours in which a path lies, and the path below it.
	mountOf(path string) (place fs.Mounted, below string, found bool)

	// openShelf reaches the stores of the folder that a file is in, until done.
	openShelf(file string, changes bool) (shelf volume.Shelf, done func() error, err error)
	// findBacking is where the stores are that are to be mounted, in the form in which a
	// mount names it.
	findBacking(text, mountPoint string) (string, error)
	// openBacking opens the place of the stores, and says what that cannot promise. One to
	// which nothing can be written makes the mount read-only.
	openBacking(options *mountOptions, backing string) (place volume.Volume, limits []string, err error)
	// maker is what stands behind the stores and makes promises.
	maker() string
}

// siteOf is where a path leads.
func siteOf(path string) site {
	if strings.HasPrefix(path, bucketScheme) {
		return bucketSite{}
	}
	return diskSite{}
}

// tellsOfNothing reports whether an error says that nothing is where somebody looked.
func tellsOfNothing(err error) bool {
	return errors.Is(err, iofs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// folderOf is the folder that a file is in.
func folderOf(file string) string { return siteOf(file).folderOf(file) }

// followLinks is the file that a path leads to through symlinks, or the path itself where
// it leads nowhere.
func followLinks(path string) string { return siteOf(path).followLinks(path) }

// absolute is where symlinks lead a path.
func absolute(path string) string { return siteOf(path).absolute(path) }

// relativeTo is an absolute path as seen from a folder, if there is another.
func relativeTo(folder, target string) string {
	if relative, err := filepath.Rel(folder, target); err == nil {
		return relative
	}
	return target
}
