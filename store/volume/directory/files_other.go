//go:build !linux

package directory

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Files is the FileSystem below one directory. On this platform nothing
// serves other users: symlinks are followed as far as they stay inside.
type Files struct {
	root *os.Root
}

// Open gives access to the files below dir.
func Open(dir string) (*Files, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Files{root: root}, nil
}

// Folder gives access to the files below the folder at name.
func (d *Files) Folder(name string) (*Files, error) {
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Files{root: root}, nil
}

// Name is the directory as it was opened.
func (d *Files) Name() string { return d.root.Name() }

// Close gives the directory's descriptor back; open files stay open.
func (d *Files) Close() error { return d.root.Close() }

// As gives the same files: the platform knows of no callers.
func (d *Files) As(volume.Caller) *Files { return d }

// AccessList gives none: the platform knows of no lists.
func (d *Files) AccessList(name string, _ bool) (volume.AccessList, volume.FileInfo, error) {
	info, err := d.Stat(name)
	return nil, info, err
}

// Access says what is at name.
func (d *Files) Access(_ volume.Caller, name string, _ volume.Permission) (volume.FileInfo, error) {
	return d.Stat(name)
}

// Open implements filelog.FileSystem.
func (d *Files) Open(name string, write bool) (filelog.File, error) {
	if !isLocal(name) {
		return nil, refusedPath("open", name)
	}
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR
	}
	file, err := d.root.OpenFile(name, flags, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: name, Err: volume.ErrNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &osFile{file}, nil
}

// Create implements filelog.FileSystem.
func (d *Files) Create(name string, perm os.FileMode) (filelog.File, error) {
	if !isLocal(name) {
		return nil, refusedPath("create", name)
	}
	file, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	return &osFile{file}, nil
}

// Stat implements filelog.FileSystem.
func (d *Files) Stat(name string) (volume.FileInfo, error) {
	if !isLocal(name) {
		return volume.FileInfo{}, refusedPath("stat", name)
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return volume.FileInfo{}, err
	}
	return describe(info), nil
}

// Rename implements filelog.FileSystem.
func (d *Files) Rename(oldName, newName string) error {
	return d.root.Rename(oldName, newName)
}

// Replace implements filelog.FileSystem.
func (d *Files) Replace(fresh, name string, old volume.FileInfo) error {
	return filelog.ReplaceInSteps(d, fresh, name, old)
}

// RenameNew implements filelog.FileSystem.
func (d *Files) RenameNew(oldName, newName string) error {
	info, err := d.Stat(oldName)
	if err != nil {
		return err
	}
	if !info.Mode.IsDir() {
		return filelog.RenameReserved(d, oldName, newName)
	}
	if err := d.root.Mkdir(newName, 0o700); err != nil {
		return err
	}
	if err := d.root.Rename(oldName, newName); err != nil {
		return errors.Join(err, d.root.Remove(newName))
	}
	return nil
}

// Reserves implements filelog.FileSystem.
func (d *Files) Reserves(string) bool { return true }

// Remove implements filelog.FileSystem.
func (d *Files) Remove(name string) error { return d.root.Remove(name) }

// Rmdir removes an empty folder.
func (d *Files) Rmdir(name string) error { return d.root.Remove(name) }

// Mkdir makes a folder. On this platform it is its maker's.
func (d *Files) Mkdir(name string, perm os.FileMode) error {
	return d.root.Mkdir(name, perm)
}

// Space tells nothing: the platform has no such call.
func (d *Files) Space() (volume.Space, error) { return volume.Space{}, errors.ErrUnsupported }

// SyncDirectory implements filelog.FileSystem. The platform has no such promise.
func (d *Files) SyncDirectory(string) error { return nil }

// FolderFiles are the files of one folder, reached by their bare names.
type FolderFiles struct {
	files *Files
	name  string
}

// OpenFolder opens a folder for listing.
func (d *Files) OpenFolder(name string) (*FolderFiles, error) {
	return &FolderFiles{d, name}, nil
}

// Close ends the use of the folder.
func (f *FolderFiles) Close() error { return nil }

// Folder implements volume.Listing.
func (f *FolderFiles) Folder() (volume.FileInfo, error) { return f.files.Stat(f.name) }

// Describe implements volume.Listing and does not follow symlinks.
func (f *FolderFiles) Describe(base string) (volume.FileInfo, error) {
	return f.files.Stat(path.Join(f.name, base))
}

// Target implements volume.Listing: the text of a symlink, as it is.
func (f *FolderFiles) Target(base string) (string, error) {
	return f.files.root.Readlink(path.Join(f.name, base))
}

// peekedFile is an open file of which it is not known when it was made.
type peekedFile struct{ filelog.File }

// Born implements volume.Peeked.
func (peekedFile) Born() int64 { return 0 }

// Born says nothing: when a file was made the platform does not tell.
func Born(string) int64 { return 0 }

// Peek implements volume.Listing with a regular file.
func (f *FolderFiles) Peek(base string) (volume.Peeked, volume.FileInfo, error) {
	file, err := f.files.Open(path.Join(f.name, base), false)
	if err != nil {
		return nil, volume.FileInfo{}, err
	}
	info, err := file.Describe()
	if err != nil {
		return nil, volume.FileInfo{}, errors.Join(err, file.Close())
	}
	return peekedFile{file}, info, nil
}

// Entries implements volume.Listing.
func (f *FolderFiles) Entries() ([]volume.FolderEntry, error) {
	listed, err := fs.ReadDir(f.files.root.FS(), f.name)
	entries := make([]volume.FolderEntry, 0, len(listed))
	for _, entry := range listed {
		entries = append(entries, volume.FolderEntry{Name: entry.Name(), Type: entry.Type()})
	}
	return entries, err
}

// Limits says nothing: what the platform promises is not known.
func Limits(string) ([]string, error) { return nil, nil }

// HeldFile is the file or folder at a name.
type HeldFile struct {
	files *Files
	name  string
	info  volume.FileInfo
}

// Hold takes hold of the regular file or the folder at name.
func (d *Files) Hold(name string) (*HeldFile, error) {
	info, err := d.Stat(name)
	if err != nil {
		return nil, err
	}
	return &HeldFile{d, name, info}, nil
}

// Info tells about it as it was found.
func (h *HeldFile) Info() volume.FileInfo { return h.info }

// Close lets it go.
func (h *HeldFile) Close() error { return nil }

// Chmod sets permission bits.
func (h *HeldFile) Chmod(mode os.FileMode) error { return h.files.root.Chmod(h.name, mode) }

// Chown changes the owner; -1 leaves a part as it is.
func (h *HeldFile) Chown(uid, gid int) error { return h.files.root.Chown(h.name, uid, gid) }

// Chtimes sets the times; the zero time leaves one as it is, and volume.Now is the present one.
func (h *HeldFile) Chtimes(accessed, modified time.Time) error {
	now := time.Now()
	for _, t := range []*time.Time{&accessed, &modified} {
		if t.Equal(volume.Now) {
			*t = now
		}
	}
	return h.files.root.Chtimes(h.name, accessed, modified)
}

// Describe implements filelog.File.
func (f *osFile) Describe() (volume.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return volume.FileInfo{}, err
	}
	return describe(info), nil
}

func describe(info os.FileInfo) volume.FileInfo {
	described := volume.FileInfo{Size: info.Size(), Modified: info.ModTime(), Mode: info.Mode()}
	described.Identity = volume.NewIdentity(identify(info))
	return described
}

// Attributes implements filelog.File; files on other platforms keep their creator's.
func (f *osFile) Attributes() (filelog.FileAttributes, error) { return filelog.FileAttributes{}, nil }

// SetAttributes implements filelog.File.
func (f *osFile) SetAttributes(filelog.FileAttributes) error { return nil }

// SyncData implements filelog.File with the strongest call that the platform has.
func (f *osFile) SyncData() error { return f.Sync() }

// StartWriteback implements filelog.File; other platforms have no such hint.
func (f *osFile) StartWriteback(int64, int64) {}

// TryLock implements filelog.File; without advisory locks every claim succeeds, and the
// writer lock's file alone decides.
func (f *osFile) TryLock() (bool, error) { return true, nil }
