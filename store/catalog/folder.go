package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"rvffs/store"
	"rvffs/store/incoming"
	"rvffs/store/volume"
)

// Folder is a plain folder of the backing directory. There is one object for each,
// whatever its name, for as long as the catalog is open.
type Folder struct {
	catalog *Catalog
	number  uint64
	shown   shownFile
	files   folderFiles

	// The catalog's mu guards what follows.
	place    position
	identity volume.Identity // zero before it is known
	folders  map[string]*Folder
	stores   map[string]*Store
	links    map[string]*Link
	// Files that are to be stores; nil before there are any.
	dropped, restoring *incoming.Folder
}

func (c *Catalog) newFolder(at position, identity volume.Identity) *Folder {
	f := &Folder{
		catalog: c, number: c.nextNumber(), place: at, identity: identity,
		folders: map[string]*Folder{}, stores: map[string]*Store{}, links: map[string]*Link{},
	}
	f.files.folder = f
	return f
}

// Number is the folder's inode number.
func (f *Folder) Number() uint64 { return f.number }

// Path is the folder's path below the backing directory, "." for that itself.
func (f *Folder) Path() string { return f.catalog.pathOf(&f.place) }

// recognize fails when an open folder is another one than this.
func (f *Folder) recognize(ctx context.Context, opened volume.Folder) error {
	info, err := opened.Describe(ctx, ".")
	if err != nil {
		return err
	}
	found := info.Identity
	f.catalog.mu.Lock()
	defer f.catalog.mu.Unlock()
	if f.identity == (volume.Identity{}) {
		f.identity = found
	}
	if f.identity != found {
		return fmt.Errorf("%w: %w", volume.ErrNotFound, errReplaced)
	}
	return nil
}

// below is the folder of a name in this one. When another than before stands there by
// now, it is another object, and those who hold the former one go on with that. The
// caller holds the catalog's mu.
func (f *Folder) below(name string) *Folder {
	c := f.catalog
	var identity volume.Identity
	if scan, known := c.tree.scans[joinPath(f.place.path(), name)]; known {
		identity = scan.key()
	}
	folder, known := f.folders[name]
	if known && folder.identity == (volume.Identity{}) {
		folder.identity = identity
	}
	if !known || identity != (volume.Identity{}) && folder.identity != identity {
		folder = c.newFolder(position{folder: f, name: name}, identity)
		f.folders[name] = folder
	}
	return folder
}

// storeNamed is the store of a file in this folder. The caller holds the catalog's mu.
func (f *Folder) storeNamed(name string) *Store {
	s, known := f.stores[name]
	if !known {
		s = newStore(f.catalog, position{folder: f, name: name})
		f.stores[name] = s
		f.catalog.stores[s] = struct{}{}
	}
	return s
}

// describe tells what stands at a name in the folder.
func (f *Folder) describe(ctx context.Context, name string) (info volume.FileInfo, err error) {
	err = f.files.with(ctx, func(folder volume.Folder) error {
		info, err = folder.Describe(ctx, name)
		return err
	})
	return info, err
}

// Attributes are those of the backing folder.
func (f *Folder) Attributes(ctx context.Context) (Attributes, error) {
	info, err := f.describe(ctx, ".")
	if err != nil {
		return Attributes{}, fmt.Errorf("folder %q: %w", f.Path(), err)
	}
	f.shown.set(info)
	return AttributesOf(info), nil
}

// List gives all names of the folder in order: folders, stores, and links for
// stores that stand elsewhere.
func (f *Folder) List(ctx context.Context) ([]Entry, error) {
	entries, err := f.list(ctx)
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, err
}

func (f *Folder) list(ctx context.Context) (entries []Entry, err error) {
	c := f.catalog
	if err := c.refresh(ctx); err != nil {
		return nil, err
	}
	problem := c.look(ctx, func(v *viewer) {
		path := f.place.path()
		scan, known := c.tree.scans[path]
		if !known {
			err = fmt.Errorf("folder %q: %w", path, volume.ErrNotFound)
			return
		}
		if scan.problem != nil {
			err = fmt.Errorf("folder %q: %w", path, scan.problem)
			return
		}
		entries = make([]Entry, 0, len(scan.folders)+len(scan.stores)+len(scan.links))
		for _, name := range scan.folders {
			entries = append(entries, f.folderEntry(name))
		}
		for name := range scan.stores {
			entries = append(entries, f.storeEntry(v, path, name, scan))
		}
		for name, link := range scan.links {
			entries = append(entries, f.linkEntry(name, link.target, link.info))
		}
	})
	return entries, errors.Join(problem, err)
}

// Lookup finds one name.
func (f *Folder) Lookup(ctx context.Context, name string) (Entry, error) {
	if err := f.catalog.refresh(ctx); err != nil {
		return Entry{}, err
	}
	if entry, err := f.find(ctx, name); !errors.Is(err, volume.ErrNotFound) {
		return entry, err
	}
	_, err := f.describe(ctx, name)
	if err == nil {
		// Another process made it since the folder was read.
		err = f.catalog.reread(ctx, f, name)
	}
	if err != nil && !vanished(err) && !errors.Is(err, syscall.ENAMETOOLONG) {
		return Entry{}, fmt.Errorf("%q in folder %q: %w", name, f.Path(), err)
	}
	return f.find(ctx, name)
}

// find looks a name up in the newest tree.
func (f *Folder) find(ctx context.Context, name string) (entry Entry, err error) {
	c := f.catalog
	problem := c.look(ctx, func(v *viewer) {
		path := f.place.path()
		err = nil
		scan, known := c.tree.scans[path]
		switch {
		case !known:
		case slices.Contains(scan.folders, name):
			entry = f.folderEntry(name)
			return
		case scan.stores[name] != nil:
			entry = f.storeEntry(v, path, name, scan)
			return
		case scan.has(name):
			entry = f.linkEntry(name, scan.links[name].target, scan.links[name].info)
			return
		}
		err = fmt.Errorf("%q in folder %q: %w", name, path, volume.ErrNotFound)
	})
	return entry, errors.Join(problem, err)
}

// folderEntry is a folder in this one. For this and the next two the caller holds the
// catalog's mu.
func (f *Folder) folderEntry(name string) Entry {
	return Entry{Name: name, Kind: KindFolder, Folder: f.below(name)}
}

// storeEntry is a store whose file lies in this folder, of the given path, or the link
// to where it stands. One that is nested stands here for those who cannot enter its
// parent's folder.
func (f *Folder) storeEntry(v *viewer, path, name string, scan *folderScan) Entry {
	t, file := f.catalog.tree, joinPath(path, name)
	_, nested := t.parent[file]
	if nested {
		if place := t.placeFor(v, file); place != file {
			return f.linkEntry(name, relativePath(path, place), scan.info)
		}
	}
	return Entry{Name: name, Kind: KindStore, Store: f.storeNamed(name), Private: nested, Aside: nested}
}

// linkEntry is a symlink with owner and time of info.
func (f *Folder) linkEntry(name, target string, info volume.FileInfo) Entry {
	link, known := f.links[name]
	described := AttributesOf(info)
	described.Mode, described.Size = 0o777, int64(len(target))
	if !known || link.target != target || link.attributes != described {
		next := &Link{target: target, attributes: described}
		if known {
			next.number = link.number
		} else {
			next.number = f.catalog.nextNumber()
		}
		f.links[name] = next
		link = next
	}
	return Entry{Name: name, Kind: KindLink, Link: link}
}

// Make makes a new, empty root store when name has a store's extension, else a
// plain folder. It is the caller's, and on the disk when it returns.
func (f *Folder) Make(ctx context.Context, name string, perm os.FileMode) (Entry, error) {
	c := f.catalog
	if err := c.checkChange(checkFolderName(name, joinPath(f.Path(), name))); err != nil {
		return Entry{}, err
	}
	if err := f.mayChange(ctx); err != nil {
		return Entry{}, fmt.Errorf("make %q in folder %q: %w", name, f.Path(), err)
	}
	if err := f.make(ctx, name, perm); err != nil {
		return Entry{}, err
	}
	err := c.afterwards(ctx, func(ctx context.Context) error { return errors.Join(c.refresh(ctx), c.reread(ctx, f, name)) })
	if err != nil {
		return Entry{}, err
	}
	return f.find(ctx, name)
}

func (f *Folder) make(ctx context.Context, name string, perm os.FileMode) error {
	if isStoreName(name) {
		options := f.catalog.options
		return store.Make(ctx, name, store.CreateOptions{
			Dimension: options.Dimension, Metric: options.Metric, Perm: new(filePerm(perm)), Shelf: f.files.as(ctx).shelf(),
		}, store.Options{Shelf: f.files.shelf()})
	}
	err := f.files.as(ctx).with(ctx, func(folder volume.Folder) error {
		if err := folder.MakeFolder(ctx, name, perm); err != nil {
			return err
		}
		return folder.Settle(ctx, name)
	})
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %w", volume.ErrExists, err)
	}
	if err != nil {
		return fmt.Errorf("make folder %q: %w", joinPath(f.Path(), name), err)
	}
	return nil
}

// filePerm is the mode of a store file whose folder is to have the given one.
func filePerm(folder os.FileMode) os.FileMode { return folder.Perm() &^ 0o111 }

// Remove removes an empty plain folder, or a store that holds nothing.
func (f *Folder) Remove(ctx context.Context, name string) error {
	if err := f.catalog.checkWritable(); err != nil {
		return err
	}
	entry, err := f.Lookup(ctx, name)
	if err != nil {
		return err
	}
	switch entry.Kind {
	case KindStore:
		return entry.Store.remove(ctx)
	case KindFolder:
		if err := f.removeFolder(ctx, entry.Folder, name); err != nil {
			return fmt.Errorf("remove folder %q: %w", joinPath(f.Path(), name), err)
		}
		return nil
	}
	return fmt.Errorf("remove %q: %w: it is a link to a derived store's folder", name, volume.ErrNotPermitted)
}

func (f *Folder) removeFolder(ctx context.Context, folder *Folder, name string) error {
	if err := f.mayChange(ctx); err != nil {
		return err
	}
	entries, err := folder.List(ctx)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return volume.ErrNotEmpty
	}
	err = f.files.as(ctx).with(ctx, func(parent volume.Folder) error {
		if err := parent.RemoveFolder(ctx, name); err != nil {
			return err
		}
		return parent.Settle(ctx, name)
	})
	if err != nil {
		return err
	}
	f.catalog.mu.Lock()
	if f.folders[name] == folder {
		delete(f.folders, name)
	}
	f.catalog.mu.Unlock()
	return f.catalog.afterwards(ctx, func(ctx context.Context) error { return f.catalog.reread(ctx, f, name) })
}

// Move gives a folder or a store in this folder a new name in to.
func (f *Folder) Move(ctx context.Context, name string, to Container, newName string) error {
	entry, err := f.Lookup(ctx, name)
	if err != nil {
		return err
	}
	target, plain := to.(*Folder)
	if !plain {
		return fmt.Errorf("rename %q: %w", name, volume.ErrCrossParent)
	}
	if err := f.catalog.checkChange(checkFolderName(newName, joinPath(target.Path(), newName))); err != nil {
		return fmt.Errorf("rename %q: %w", name, err)
	}
	switch entry.Kind {
	case KindStore:
		return entry.Store.moveTo(ctx, target, newName)
	case KindFolder:
		return f.catalog.moveFolder(ctx, entry.Folder, target, newName)
	}
	return fmt.Errorf("rename %q: %w: it is a link to a derived store's folder", name, volume.ErrNotPermitted)
}

func (c *Catalog) checkWritable() error {
	if c.options.ReadOnly {
		return fmt.Errorf("%w: the mount is read-only", volume.ErrReadOnly)
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
func (f *Folder) SetAttributes(ctx context.Context, change volume.AttributeChange) error {
	if err := f.catalog.checkWritable(); err != nil {
		return err
	}
	err := f.files.as(ctx).with(ctx, func(folder volume.Folder) error { return setAttributes(ctx, folder, ".", &f.shown, change) })
	if err != nil {
		return fmt.Errorf("change attributes of folder %q: %w", f.Path(), err)
	}
	return nil
}
