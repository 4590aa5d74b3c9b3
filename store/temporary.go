package store

import (
	"crypto/rand"
	"path"
	"strings"
)

// temporaryName is a fresh hidden name beside the file at name.
func temporaryName(name string) string {
	return beside(name, "."+rand.Text()[:16]+temporarySuffix)
}

// beside is the path of another file in the folder of name.
func beside(name, other string) string { return path.Join(path.Dir(name), other) }

// IsTemporary says whether a file of this name is one that the engine makes
// while it works. After a crash such a file is litter.
func IsTemporary(name string) bool { return strings.HasSuffix(name, temporarySuffix) }
