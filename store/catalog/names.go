package catalog

import (
	"fmt"
	"strings"
	"syscall"

	"rvffs/lineage"
	"rvffs/store/volume"
)

// ControlFolder is the name of the folder at the root that tells about the mount.
const ControlFolder = ".rvffs"

// checkName refuses what cannot be the name of anything that is made through the
// tree.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%w: %q", volume.ErrName, name)
	case len(name)+len(lockSuffix) > longestName:
		return fmt.Errorf("%q: %w: no writer lock could stand beside it", name, syscall.ENAMETOOLONG)
	case volume.IsTemporary(name) || strings.HasSuffix(name, lockSuffix) || strings.Contains(name, tailMark):
		return fmt.Errorf("%w: %q is a name that the engine itself uses", volume.ErrName, name)
	}
	return nil
}

// checkFolderName is checkName for a name in a plain folder, whose path there is
// full.
func checkFolderName(name, full string) error {
	if full == ControlFolder {
		return fmt.Errorf("%w: %q is the folder about the mount", volume.ErrName, name)
	}
	return checkName(name)
}

// checkChildName is checkName for a derived store in its parent's folder.
func checkChildName(name string) error {
	if IsOwnName(name) {
		return fmt.Errorf("%w: %q stands for something else in a store's folder", volume.ErrName, name)
	}
	return checkName(name)
}

const (
	lockSuffix  = ".lock"  // of the file beside a store that says who writes to it
	tailMark    = ".tail-" // in the names of what was kept before it was cut from a store
	longestName = 255      // bytes
)

// isTail reports whether a file of this name is what was kept before it was cut from a
// store.
func isTail(name string) bool {
	_, is := volume.RemnantOf(name)
	return is
}

// isStoreName reports whether a name's extension makes it a store's.
func isStoreName(name string) bool {
	_, named := lineage.ProfileOfName(name)
	return named
}
