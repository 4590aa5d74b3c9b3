package incoming

import (
	"context"
	"fmt"
	"path"
	"strings"
	"syscall"

	"rvffs/store/volume"
)

// Subfolder is a folder within a drop folder: a part of the names of its files.
type Subfolder struct{ index, inode uint64 }

// Number is the inode number, and Index tells the folder apart from all else in there.
func (s *Subfolder) Number() uint64 { return s.inode }

// Index is another one for each.
func (s *Subfolder) Index() uint64 { return s.index }

// within reports whether a name is one of a folder itself, and what it is called there.
func within(folder, name string) (base string, is bool) {
	if folder != "" {
		if name, is = strings.CutPrefix(name, folder+"/"); !is {
			return "", false
		}
	}
	return name, !strings.Contains(name, "/")
}

// checkLength fails for names that no file system has.
func checkLength(name string) error {
	if len(path.Base(name)) > longestName || len(name) > longestPath {
		return fmt.Errorf("%q: %w", name, syscall.ENAMETOOLONG)
	}
	return nil
}

// reaches reports whether the folder is there that a name stands in. The caller holds mu.
func (d *Folder) reaches(name string) bool {
	folder := path.Dir(name)
	return folder == "." || d.folders[folder] != nil
}

// FindFolder is the folder of a name, nil without one.
func (d *Folder) FindFolder(name string) *Subfolder {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.folders[name]
}

// MakeFolder makes a folder, as programs do that copy or unpack a tree of files.
func (d *Folder) MakeFolder(ctx context.Context, name string) (*Subfolder, error) {
	err := checkLength(name)
	if err == nil {
		err = d.options.Destination.Admit(ctx, name, true)
	}
	if err != nil {
		return nil, d.describe(name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.files[name] != nil || d.folders[name] != nil:
		return nil, d.describe(name, volume.ErrExists)
	case !d.reaches(name):
		return nil, d.describe(name, volume.ErrNotFound)
	case len(d.folders) >= mostFolders:
		return nil, d.describe(name, fmt.Errorf("%w: there are %d folders, which is the most", ErrFull, len(d.folders)))
	}
	if err := d.memory.Hold(d.held + folderWeight(name)); err != nil {
		return nil, d.describe(name, err)
	}
	d.held += folderWeight(name)
	d.made++
	made := &Subfolder{d.made, d.options.Number(d.made)}
	d.folders[name] = made
	return made, nil
}

// folderWeight is what a folder takes in memory.
func folderWeight(name string) int64 { return fileMemory + int64(len(name)) }

// RemoveFolder removes a folder in which nothing is.
func (d *Folder) RemoveFolder(ctx context.Context, name string) error {
	if err := d.options.Destination.Admit(ctx, name, true); err != nil {
		return d.describe(name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.folders[name] == nil {
		return d.describe(name, volume.ErrNotFound)
	}
	for other := range d.files {
		if strings.HasPrefix(other, name+"/") {
			return d.describe(name, volume.ErrNotEmpty)
		}
	}
	for other := range d.folders {
		if strings.HasPrefix(other, name+"/") {
			return d.describe(name, volume.ErrNotEmpty)
		}
	}
	delete(d.folders, name)
	d.weigh(-folderWeight(name))
	return nil
}
