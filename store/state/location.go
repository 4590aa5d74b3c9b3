package state

import (
	"path/filepath"

	"rvffs/store/volume"
)

// Location is where a file lies: its name, and the files among which it is a name.
type Location struct {
	Files volume.FileSystem
	Name  string
}

// Path is the file's path as far as the files tell where they are.
func (l Location) Path() string {
	if named, tells := l.Files.(interface{ Name() string }); tells {
		return filepath.Join(named.Name(), l.Name)
	}
	return l.Name
}
