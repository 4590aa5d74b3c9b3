package volume

import (
	"fmt"
	"os"
	"time"
)

// FileInfo is what the engine asks of a file's metadata.
type FileInfo struct {
	Size     int64 // bytes
	Modified time.Time
	Identity Identity
	// Incarnation is that of the thing of this identity.
	Incarnation Incarnation
	Names       uint64 // that it has; 0 where the platform does not tell
	Mode        os.FileMode
	UID         uint32
	GID         uint32
}

// SameFile reports whether two infos are of one file, whatever its names.
func SameFile(a, b FileInfo) bool { return a.Is(b) }

// Unchanged reports whether both are of one file, in the same state as far as
// length and time of change tell.
func (i FileInfo) Unchanged(before FileInfo) bool {
	return i.Is(before) && i.Size == before.Size && i.Modified.Equal(before.Modified)
}

// Is reports whether other is about the same file.
func (i FileInfo) Is(other FileInfo) bool {
	return i.Identity == other.Identity && !i.Incarnation.contradicts(other.Incarnation)
}

// OneName refuses a file with hard links: programs that lock by name would not
// see each other, and a compaction would silently part the names.
func (i FileInfo) OneName() error {
	if i.Names <= 1 {
		return nil
	}
	return fmt.Errorf("%w: %d hard links lead to it, whose writers cannot see each other; remove the others, or give the store a file of its own: cp FILE COPY && mv COPY FILE",
		ErrManyNames, i.Names)
}
