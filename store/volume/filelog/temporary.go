package filelog

import (
	"crypto/rand"
	"path"

	"rvffs/store/volume"
)

// TemporaryName is a fresh hidden name beside the file at name.
func TemporaryName(name string) string {
	return Beside(name, "."+rand.Text()[:16]+volume.TemporarySuffix)
}

// Beside is the path of another file in the folder of name.
func Beside(name, other string) string { return path.Join(path.Dir(name), other) }
