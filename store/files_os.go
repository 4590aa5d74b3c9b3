package store

import (
	"errors"
	"os"
	"path"
)

// DirectoryFiles is the FileSystem below one directory. Symlinks are followed
// only as far as they stay inside it.
type DirectoryFiles struct {
	root *os.Root
}

// OpenDirectory gives access to the files below dir.
func OpenDirectory(dir string) (*DirectoryFiles, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &DirectoryFiles{root: root}, nil
}

// Root is the directory itself, for listings and for metadata.
func (d *DirectoryFiles) Root() *os.Root { return d.root }

// Close gives the directory's descriptor back; open files stay open.
func (d *DirectoryFiles) Close() error { return d.root.Close() }

// Open implements FileSystem.
func (d *DirectoryFiles) Open(name string, write bool) (File, error) {
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR
	}
	file, err := d.root.OpenFile(name, flags|openNonBlocking, 0)
	if err != nil {
		return nil, err
	}
	return &osFile{file}, nil
}

// Create implements FileSystem.
func (d *DirectoryFiles) Create(name string, perm os.FileMode) (File, error) {
	file, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	return &osFile{file}, nil
}

// Stat implements FileSystem.
func (d *DirectoryFiles) Stat(name string) (FileInfo, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return FileInfo{}, err
	}
	return describe(info), nil
}

// Link implements FileSystem.
func (d *DirectoryFiles) Link(oldName, newName string) error { return d.root.Link(oldName, newName) }

// Rename implements FileSystem.
func (d *DirectoryFiles) Rename(oldName, newName string) error {
	return d.root.Rename(oldName, newName)
}

// linkRename is a rename that never replaces, in two steps.
func linkRename(files FileSystem, oldName, newName string) error {
	if err := files.Link(oldName, newName); err != nil {
		return err
	}
	return files.Remove(oldName)
}

// Remove implements FileSystem.
func (d *DirectoryFiles) Remove(name string) error { return d.root.Remove(name) }

// SyncDirectory implements FileSystem.
func (d *DirectoryFiles) SyncDirectory(name string) error {
	folder, err := d.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(folder), folder.Close())
}

type osFile struct{ *os.File }

func (f *osFile) Stat() (FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return FileInfo{}, err
	}
	return describe(info), nil
}
