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

// checkName refuses what cannot be the name of anything that is made through the
// tree.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%w: %q", store.ErrName, name)
	case len(name)+len(".lock") > longestName:
		return fmt.Errorf("%q: %w: no writer lock could stand beside it", name, syscall.ENAMETOOLONG)
	case store.IsTemporary(name) || strings.HasSuffix(name, ".lock"):
		return fmt.Errorf("%w: %q is a name that the engine itself uses", store.ErrName, name)
	}
	return nil
}

// longestName is the length of the longest file name, in bytes.
const longestName = 255

// isStoreName says whether a name's extension makes it a store's.
func isStoreName(name string) bool {
	_, named := lineage.ProfileOfName(name)
	return named
}
