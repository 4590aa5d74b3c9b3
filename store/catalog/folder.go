package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"rvffs/store"
)

// Folder is a plain folder of the backing directory. There is one object for each
// path, for as long as the catalog is open.
type Folder struct {
	catalog *Catalog
	path    string
	number  uint64
	shown   shownFile
}

// Number is the folder's inode number.
func (f *Folder) Number() uint64 { return f.number }

// Path is the folder's path below the backing directory, "." for that itself.
func (f *Folder) Path() string { return f.path }

// Attributes are those of the backing folder.
func (f *Folder) Attributes() (Attributes, error) {
	info, err := f.catalog.files.Stat(f.path)
	if err != nil {
		return Attributes{}, fmt.Errorf("folder %q: %w", f.path, err)
	}
	f.shown.set(info)
	return attributesOf(info), nil
}

// List gives all names of the folder in order: folders, stores, and links for
// stores that stand elsewhere.
func (f *Folder) List(ctx context.Context) ([]Entry, error) {
	t, err := f.catalog.current(ctx)
	if err != nil {
		return nil, err
	}
	scan, known := t.scans[f.path]
	if !known {
		return nil, fmt.Errorf("folder %q: %w", f.path, store.ErrNotFound)
	}
	entries := make([]Entry, 0, len(scan.folders)+len(scan.stores)+len(scan.symlinks))
	for _, name := range scan.folders {
		entries = append(entries, f.folderEntry(name))
	}
	for name := range scan.stores {
		entries = append(entries, f.storeEntry(t, scan, name))
	}
	for name, link := range scan.symlinks {
		entries = append(entries, f.linkEntry(name, link.target, link.info))
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, nil
}

// Lookup finds one name.
func (f *Folder) Lookup(ctx context.Context, name string) (Entry, error) {
	t, err := f.catalog.current(ctx)
	if err != nil {
		return Entry{}, err
	}
	if entry, found := f.find(t, name); found {
		return entry, nil
	}
	if _, err := f.catalog.files.Stat(path.Join(f.path, name)); err == nil {
		// Another process made it since the folder was read.
		f.catalog.changed()
		if t, err = f.catalog.current(ctx); err != nil {
			return Entry{}, err
		}
		if entry, found := f.find(t, name); found {
			return entry, nil
		}
	}
	return Entry{}, fmt.Errorf("%q in folder %q: %w", name, f.path, store.ErrNotFound)
}

// find looks a name up in one picture of the tree.
func (f *Folder) find(t *tree, name string) (Entry, bool) {
	scan, known := t.scans[f.path]
	if !known {
		return Entry{}, false
	}
	if _, known := slices.BinarySearch(scan.folders, name); known {
		return f.folderEntry(name), true
	}
	if _, known := scan.stores[name]; known {
		return f.storeEntry(t, scan, name), true
	}
	if link, known := scan.symlinks[name]; known {
		return f.linkEntry(name, link.target, link.info), true
	}
	return Entry{}, false
}

func (f *Folder) folderEntry(name string) Entry {
	return Entry{Name: name, Kind: KindFolder, Folder: f.catalog.folder(path.Join(f.path, name))}
}

func (f *Folder) storeEntry(t *tree, scan *folderScan, name string) Entry {
	file := join(f.path, name)
	if place, nested := t.place[file]; nested {
		return f.linkEntry(name, relative(f.path, place), scan.info)
	}
	return Entry{Name: name, Kind: KindStore, Store: f.catalog.store(file)}
}

// linkEntry is a symlink with owner and time of info.
func (f *Folder) linkEntry(name, target string, info store.FileInfo) Entry {
	return Entry{Name: name, Kind: KindLink, Link: f.catalog.link(join(f.path, name), target, info)}
}

// Mkdir makes a new, empty root store when name has a store's extension, else a
// plain folder. It is on the disk when Mkdir returns.
func (f *Folder) Mkdir(ctx context.Context, name string, perm os.FileMode, uid, gid uint32) (Entry, error) {
	c := f.catalog
	full := path.Join(f.path, name)
	if err := c.checkChange(checkFolderName(name, full)); err != nil {
		return Entry{}, err
	}
	defer c.changed()
	if isStoreName(name) {
		created, err := store.Create(full, store.CreateOptions{
			Dimension: c.options.Dimension, Metric: c.options.Metric, Perm: filePerm(perm), SetOwner: true, UID: uid, GID: gid,
		}, store.Options{Files: c.files})
		if err != nil {
			return Entry{}, err
		}
		return Entry{Name: name, Kind: KindStore, Store: c.store(full)}, created.Close()
	}
	err := c.files.Mkdir(full, perm, uid, gid)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %w", store.ErrExists, err)
	}
	if err == nil {
		err = c.files.SyncDirectory(full)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("make folder %q: %w", full, err)
	}
	return f.folderEntry(name), nil
}

// filePerm is the mode of a store file whose folder is to have the given one.
func filePerm(folder os.FileMode) os.FileMode { return folder.Perm() &^ 0o111 }

// Rmdir removes an empty plain folder, or a store that holds nothing.
func (f *Folder) Rmdir(ctx context.Context, name string) error {
	c := f.catalog
	if err := c.checkWritable(); err != nil {
		return err
	}
	entry, err := f.Lookup(ctx, name)
	if err != nil {
		return err
	}
	defer c.changed()
	switch entry.Kind {
	case KindStore:
		return entry.Store.remove(ctx)
	case KindFolder:
		full := path.Join(f.path, name)
		entries, err := entry.Folder.List(ctx)
		if err == nil && len(entries) > 0 {
			err = store.ErrNotEmpty
		}
		if err == nil {
			err = errors.Join(c.files.Rmdir(full), c.files.SyncDirectory(full))
		}
		if err != nil {
			return fmt.Errorf("remove folder %q: %w", full, err)
		}
		return nil
	}
	return fmt.Errorf("remove %q: %w: it is a link to a derived store's folder", name, store.ErrNotPermitted)
}

// Rename gives a folder or a store in this folder a new name in to.
func (f *Folder) Rename(ctx context.Context, name string, to Container, newName string) error {
	entry, err := f.Lookup(ctx, name)
	if err != nil {
		return err
	}
	target, plain := to.(*Folder)
	if !plain {
		return fmt.Errorf("rename %q: %w", name, store.ErrCrossParent)
	}
	full := path.Join(target.path, newName)
	if err := f.catalog.checkChange(checkFolderName(newName, full)); err != nil {
		return fmt.Errorf("rename %q: %w", name, err)
	}
	switch entry.Kind {
	case KindStore:
		return entry.Store.move(ctx, full)
	case KindFolder:
		return f.catalog.moveFolder(ctx, entry.Folder, target, newName)
	}
	return fmt.Errorf("rename %q: %w: it is a link to a derived store's folder", name, store.ErrNotPermitted)
}

// moveFolder renames a plain folder. Objects of what is below it stay behind under
// the old paths and are forgotten.
func (c *Catalog) moveFolder(ctx context.Context, folder, target *Folder, newName string) error {
	if isStoreName(newName) {
		return fmt.Errorf("%w: %q is a store's name, not a folder's", store.ErrName, newName)
	}
	if _, err := target.Lookup(ctx, newName); err == nil {
		return fmt.Errorf("rename %q to %q: %w", folder.path, newName, store.ErrExists)
	}
	defer c.changed()
	full := path.Join(target.path, newName)
	err := c.files.RenameNew(folder.path, full)
	if err == nil {
		err = errors.Join(c.files.SyncDirectory(full), c.files.SyncDirectory(folder.path))
	}
	if err != nil {
		return fmt.Errorf("rename folder %q: %w", folder.path, err)
	}
	c.movedBelow(folder.path, full)
	return nil
}

func (c *Catalog) checkWritable() error {
	if c.options.ReadOnly {
		return fmt.Errorf("%w: the mount is read-only", store.ErrReadOnly)
	}
	return nil
}

// checkChange refuses to make anything in a mount that is read-only, or of a name
// of which this is said.
func (c *Catalog) checkChange(ofName error) error {
	if err := c.checkWritable(); err != nil {
		return err
	}
	return ofName
}

// SetAttributes changes owner, mode and times of the backing folder.
func (f *Folder) SetAttributes(_ context.Context, change AttributeChange) error {
	if err := f.catalog.checkWritable(); err != nil {
		return err
	}
	if err := f.catalog.setAttributes(f.path, &f.shown, change); err != nil {
		return fmt.Errorf("change attributes of folder %q: %w", f.path, err)
	}
	return nil
}
