package directory

import (
	"context"
	"os"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// folder is a folder of the operating system that is held open.
type folder struct {
	own    *Files // with the server's rights
	theirs *Files // with those of who it is for
	caller volume.Caller
}

// root is the topmost one.
type root struct{ *folder }

var (
	_ volume.Volume  = root{}
	_ volume.Listing = (*FolderFiles)(nil)
)

// OpenVolume gives access to the stores below a directory. Symlinks in its own name are
// followed, and none below it.
func OpenVolume(dir string) (volume.Volume, error) {
	files, err := Open(dir)
	if err != nil {
		return nil, err
	}
	return root{newFolder(files)}, nil
}

func newFolder(files *Files) *folder { return &folder{own: files, theirs: files} }

// ShelfOf implements volume.Volume.
func (r root) ShelfOf(holder volume.Holder) volume.Shelf { return filelog.ShelfOf(holder) }

// Space implements volume.Volume.
func (r root) Space(context.Context) (volume.Space, error) { return r.own.Space() }

// Name implements volume.Volume.
func (r root) Name() string { return r.own.Name() }

// Close implements volume.Folder.
func (f *folder) Close() error { return f.own.Close() }

// As implements volume.Folder.
func (f *folder) As(caller volume.Caller) volume.Folder {
	return &folder{own: f.own, theirs: f.own.As(caller), caller: caller}
}

// Open implements volume.Folder.
func (f *folder) Open(_ context.Context, name string) (volume.Folder, error) {
	files, err := f.theirs.Folder(name)
	if err != nil {
		return nil, err
	}
	return newFolder(files), nil
}

// Shelf implements volume.Folder.
func (f *folder) Shelf() volume.Shelf { return filelog.Shelf{Files: f.theirs} }

// List implements volume.Folder.
func (f *folder) List(_ context.Context, name string) (volume.Listing, error) {
	listing, err := f.theirs.OpenFolder(name)
	if err != nil {
		return nil, err
	}
	return listing, nil
}

// Describe implements volume.Folder.
func (f *folder) Describe(_ context.Context, name string) (volume.FileInfo, error) {
	return f.theirs.Stat(name)
}

// Allow implements volume.Folder.
func (f *folder) Allow(_ context.Context, name string, want volume.Permission) (volume.FileInfo, error) {
	return f.own.Access(f.caller, name, want)
}

// AccessList implements volume.Folder.
func (f *folder) AccessList(_ context.Context, name string, handedDown bool) (volume.AccessList, volume.FileInfo, error) {
	return f.theirs.AccessList(name, handedDown)
}

// Hold implements volume.Folder.
func (f *folder) Hold(_ context.Context, name string) (volume.Held, error) {
	held, err := f.theirs.Hold(name)
	if err != nil {
		return nil, err
	}
	return held, nil
}

// MakeFolder implements volume.Folder.
func (f *folder) MakeFolder(_ context.Context, name string, perm os.FileMode) error {
	return f.theirs.Mkdir(name, perm)
}

// RemoveFolder implements volume.Folder.
func (f *folder) RemoveFolder(_ context.Context, name string) error { return f.theirs.Rmdir(name) }

// Move implements volume.Folder.
func (f *folder) Move(_ context.Context, from, to string) error { return f.theirs.RenameNew(from, to) }

// Settle implements volume.Folder.
func (f *folder) Settle(_ context.Context, name string) error { return f.theirs.SyncDirectory(name) }

// litterAge is how long a file without an owner is left alone: whoever makes one takes
// its lock a moment later.
const litterAge = time.Minute

// Sweep implements volume.Folder: a file on which nobody works is locked by nobody.
func (f *folder) Sweep(ctx context.Context, name string) bool {
	if removed, decided := filelog.Sweep(ctx, f.theirs, name); decided {
		return removed
	}
	info, err := f.theirs.Stat(name)
	if err != nil || time.Since(info.Modified) < litterAge {
		return false
	}
	file, err := f.theirs.Open(name, true)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	free, err := file.TryLock()
	return err == nil && free && f.theirs.Remove(name) == nil
}
