package filelog

import (
	"path"

	"rvffs/store/volume"
)

// TemporaryName is a fresh hidden name beside the file at name.
func TemporaryName(name string) string {
	return Beside(name, volume.TemporaryName())
}

// Beside is the path of another file in the folder of name.
func Beside(name, other string) string { return path.Join(path.Dir(name), other) }
