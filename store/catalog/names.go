package catalog

import (
	"fmt"
	"strings"
	"syscall"

	"rvffs/lineage"
	"rvffs/store"
)

// ControlFolder is the name of the folder at the root that tells about the mount.
const ControlFolder = ".rvffs"

// reserved are the names that no derived store can have: those of the files and
// folders in a store's folder, of today and of versions to come, and those by which
// programs would take the folder for something else.
var reserved = map[string]bool{
	"append.log": true, "ctl": true, "dashboard": true, "ebpf": true, "error.txt": true, "identity.bin": true,
	"identity.json": true, "incoming": true, "kernel": true, "layout.svg": true, "lineage": true, "manifest.bin": true,
	"manifest.json": true, "map.svg": true, "metadata": true, "metadata.append": true, "neighbors": true, "query": true,
	"raw": true, "segments": true, "status.json": true, "vectors": true, "vectors.append": true, "vectors.delete": true,
	"wasm": true, "where": true, "witness.jsonl": true,
	ControlFolder: true, ".git": true,
}

// streams are those of them behind which a format may be named, as in
// vectors.append.npy.
var streams = []string{"vectors.append", "vectors.delete", "metadata.append"}

// ReservedName says whether a name in a store's folder can be no derived store.
func ReservedName(name string) bool {
	for _, stream := range streams {
		if strings.HasPrefix(name, stream+".") {
			return true
		}
	}
	return reserved[name]
}

// checkName refuses what cannot be the name of anything that is made through the
// tree.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%w: %q", store.ErrName, name)
	case len(name)+len(lockSuffix) > longestName:
		return fmt.Errorf("%q: %w: no writer lock could stand beside it", name, syscall.ENAMETOOLONG)
	case store.IsTemporary(name) || strings.HasSuffix(name, lockSuffix) || strings.Contains(name, tailMark):
		return fmt.Errorf("%w: %q is a name that the engine itself uses", store.ErrName, name)
	}
	return nil
}

// checkFolderName is checkName for a name in a plain folder, whose path there is
// full.
func checkFolderName(name, full string) error {
	if full == ControlFolder {
		return fmt.Errorf("%w: %q is the folder about the mount", store.ErrName, name)
	}
	return checkName(name)
}

// checkChildName is checkName for a derived store in its parent's folder.
func checkChildName(name string) error {
	if ReservedName(name) {
		return fmt.Errorf("%w: %q stands for something else in a store's folder", store.ErrName, name)
	}
	return checkName(name)
}

const (
	lockSuffix  = ".lock"  // of the file beside a store that says who writes to it
	tailMark    = ".tail-" // in the names of what was kept before it was cut from a store
	longestName = 255      // bytes
)

// isTail says whether a file of this name is what was kept before it was cut from a
// store.
func isTail(name string) bool {
	_, is := store.TailOf(name)
	return is
}

// isStoreName says whether a name's extension makes it a store's.
func isStoreName(name string) bool {
	_, named := lineage.ProfileOfName(name)
	return named
}
