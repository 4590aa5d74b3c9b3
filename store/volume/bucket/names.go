package bucket

import (
	"crypto/rand"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"
)

// hidden is the folder of a prefix in which all stands but the stores.
const hidden = ".rvffs"

// The folders in it: of logs, and of what is noted of those whose stores were removed.
const logs, removed = "x", "removed"

// logOf is the log of the extents of a store that this volume begins: their folder in the bucket,
// so that a volume of another prefix, to which the store belongs as well, finds them.
func (v *Volume) logOf(id string) string { return v.prefix + hidden + "/" + logs + "/" + id }

// logFolder is that of a log. Of one that has a name alone it is in the volume.
func (v *Volume) logFolder(log string) string {
	if strings.Contains(log, "/") {
		return log
	}
	return v.logOf(log)
}

// logKey is what the keys begin with in a log.
func (v *Volume) logKey(log string) string { return v.logFolder(log) + "/" }

// newID is a name of a store, and of the log of its extents, that no two get.
func newID() string { return strings.ToLower(rand.Text()) }

// newWriter is a name of who commits.
func newWriter() string { return strings.ToLower(rand.Text()[:10]) }

// timeDigits is how long the part of an extent's name is that says when it was made: in
// milliseconds since 1970, in hexadecimal.
const timeDigits = 12

// newExtentName is a name that nobody else can choose, and that is not before a horizon.
func (v *Volume) newExtentName(horizon string) string {
	return max(timeName(v.options.Now()), horizon) + strings.ToLower(rand.Text()[:14])
}

func timeName(t time.Time) string { return fmt.Sprintf("%0*x", timeDigits, max(0, t.UnixMilli())) }

// before reports whether an extent's name is from before a horizon.
func before(name, horizon string) bool { return name < horizon }

// checkName refuses a name that does not lead down.
func checkName(name string) error {
	if name == "." {
		return nil
	}
	if name == "" || path.Clean(name) != name || strings.HasPrefix(name, "/") || name == ".." || strings.HasPrefix(name, "../") {
		return syscall.EINVAL
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > longestName {
			return syscall.ENAMETOOLONG
		}
	}
	return nil
}

const (
	longestName = 255  // bytes of a name
	longestKey  = 1024 // bytes of a key
)
