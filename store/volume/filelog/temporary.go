package filelog

import (
	"crypto/rand"
	"errors"
	"path"
	"strings"

	"rvffs/store/volume"
)

// TemporaryName is a fresh hidden name beside the file at name.
func TemporaryName(name string) string {
	return Beside(name, "."+rand.Text()[:16]+temporarySuffix)
}

// Beside is the path of another file in the folder of name.
func Beside(name, other string) string { return path.Join(path.Dir(name), other) }

// IsTemporary reports whether a file of this name is one that the engine makes
// while it works. After a crash such a file is litter.
func IsTemporary(name string) bool { return strings.HasSuffix(name, temporarySuffix) }

// temporarySuffix ends the names of files that exist only while something is
// being made; none of them is ever shown as a store.
const temporarySuffix = ".rvffs-tmp"

// Nameless makes a file beside the log at name that has no name itself: nothing of it
// stays when it is closed.
func Nameless(files volume.FileSystem, name string) (volume.File, error) {
	temporary := TemporaryName(name)
	file, err := files.Create(temporary, 0o600)
	if err != nil {
		return nil, err
	}
	if err := files.Remove(temporary); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
