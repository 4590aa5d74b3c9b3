package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"rvffs/store"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// remove deletes the store's file if it holds nothing that would be lost.
func (s *Store) remove(ctx context.Context) error {
	if err := s.removeFile(ctx); err != nil {
		return fmt.Errorf("remove store %q: %w", s.Path(), err)
	}
	return nil
}

func (s *Store) removeFile(ctx context.Context) error {
	c := s.catalog
	folder, name := s.where()
	if err := folder.mayChange(ctx); err != nil {
		return err
	}
	mayGo := func(engine *store.Store) error {
		newest, err := engine.Snapshot(ctx)
		if err == nil {
			err = newest.Writable(ctx)
		}
		if err == nil {
			err = engine.CheckBranches(ctx)
		}
		return err
	}
	if err := s.use(ctx, mayGo); err != nil && !errors.Is(err, volume.ErrNotStore) {
		return err
	}
	if err := s.holdsNothing(ctx); err != nil {
		return err
	}
	if err := s.use(ctx, func(engine *store.Store) error { return engine.AwaitStreams(ctx) }); err != nil {
		return err
	}
	if err := s.holdsNothing(ctx); err != nil {
		return err // what came with the last stream
	}
	var removed *state.Snapshot
	err := s.use(ctx, func(engine *store.Store) error {
		folder, name = s.where()
		removed = engine.Current()
		seen, known := c.forgetBranch(removed)
		err := engine.Remove(ctx, folder.files.as(ctx).shelf())
		if err != nil && known {
			c.rememberBranch(removed, seen)
		}
		return err
	})
	closed, closeErr := s.closeIdle()
	if closed {
		s.forgetKnown()
	}
	shown := c.afterwards(ctx, func(ctx context.Context) error { return c.reread(ctx, folder, name) })
	if err = errors.Join(err, closeErr); err == nil {
		c.mu.Lock()
		if folder.stores[name] == s {
			delete(folder.stores, name)
			delete(c.stores, s)
		}
		c.mu.Unlock()
		if identity, _ := removed.Identity(); removed.IsBranch() {
			c.releaseBranch(ctx, identity.ParentID, identity.FileID, joinPath(folder.Path(), name))
		}
	}
	return errors.Join(err, shown)
}

// holdsNothing is why the store must not be removed, but for streams that are open.
func (s *Store) holdsNothing(ctx context.Context) error {
	snapshot, err := s.Snapshot(ctx)
	if errors.Is(err, volume.ErrNotStore) {
		return fmt.Errorf("%w: its file cannot be read, and may hold something: %w", volume.ErrNotEmpty, err)
	}
	if err != nil {
		return err
	}
	if err := store.HoldsNothing(ctx, snapshot); err != nil {
		return err
	}
	children, err := s.List(ctx)
	if err == nil && len(children) > 0 {
		err = fmt.Errorf("%w: stores are derived from it", volume.ErrNotEmpty)
	}
	return err
}

// moveTo gives the store's file a new name, in another folder or in the same one.
func (s *Store) moveTo(ctx context.Context, target *Folder, newName string) error {
	before := s.Path()
	if err := s.moveFile(ctx, target, newName); err != nil {
		return fmt.Errorf("rename store %q to %q: %w", before, joinPath(target.Path(), newName), err)
	}
	return nil
}

func (s *Store) moveFile(ctx context.Context, target *Folder, newName string) error {
	// A store without an extension says in its file what it is; it can have other
	// such names, and those with one.
	plain := !strings.ContainsRune(strings.TrimLeft(newName, "."), '.')
	if isStoreName(s.Name()) || !plain {
		if err := store.CheckName(newName); err != nil {
			return err
		}
	}
	folder, _ := s.where()
	if err := errors.Join(folder.mayChange(ctx), target.mayChange(ctx)); err != nil {
		return err
	}
	if err := folder.catalog.beforeMove(ctx, parted{s.Path(), joinPath(target.Path(), newName)}); err != nil {
		return err
	}
	err := s.use(ctx, func(engine *store.Store) error {
		return engine.MoveInto(ctx, target.files.shelf(), newName, func() error { return s.relocate(ctx, target, newName) }, func(tail, moved string) error {
			return folder.moveBeside(ctx, target, tail, moved)
		})
	})
	if errors.Is(err, fs.ErrExist) && !errors.Is(err, volume.ErrExists) {
		err = fmt.Errorf("%w: %w", volume.ErrExists, err)
	}
	return err
}

// relocate moves the file, and the store in the tree.
func (s *Store) relocate(ctx context.Context, target *Folder, newName string) error {
	c := s.catalog
	if err := target.files.keep(ctx, s); err != nil {
		return err
	}
	if err := c.naming.Take(ctx); err != nil {
		return err
	}
	defer c.naming.Give()
	c.mu.Lock()
	t, from, folder := c.tree, s.place.path(), s.place.folder
	to := joinPath(target.place.path(), newName)
	c.begin(&s.place)
	c.mu.Unlock()
	err := c.as(ctx).Move(ctx, from, to)
	if err != nil {
		c.show(t, func() { c.settle(&s.place) })
		return err
	}
	c.outdate(t, from)
	c.outdate(t, to)
	found := t.factsOf(from)
	oldFolder, oldName := splitPath(from)
	newFolder, _ := splitPath(to)
	next := t.edited(edit{folder: oldFolder, name: oldName}, edit{folder: newFolder, name: newName, now: standsAt{store: found}})
	moved := renamedSince(t.scans, next.scans)
	c.show(next, func() {
		delete(folder.stores, oldName)
		target.stores[newName] = s
		s.place.folder, s.place.name = target, newName
		c.settle(&s.place)
		c.carryOn(moved)
	})
	return nil
}

// moveBeside renames a file of a folder that is not shown.
func (f *Folder) moveBeside(ctx context.Context, target *Folder, name, newName string) error {
	c := f.catalog
	if err := c.naming.Take(ctx); err != nil {
		return err
	}
	defer c.naming.Give()
	c.mu.Lock()
	from, to := joinPath(f.place.path(), name), joinPath(target.place.path(), newName)
	c.mu.Unlock()
	return c.as(ctx).Move(ctx, from, to)
}

// moveFolder renames a plain folder. All that is below it moves along in one moment,
// for those who look as for those who use it.
func (c *Catalog) moveFolder(ctx context.Context, folder, target *Folder, newName string) error {
	if isStoreName(newName) {
		return fmt.Errorf("%w: %q is a store's name, not a folder's", volume.ErrName, newName)
	}
	if _, err := target.Lookup(ctx, newName); err == nil {
		return fmt.Errorf("rename folder %q to %q: %w", folder.Path(), newName, volume.ErrExists)
	}
	if err := c.beforeMove(ctx, parted{folder.Path(), joinPath(target.Path(), newName)}); err != nil {
		return fmt.Errorf("rename folder %q: %w", folder.Path(), err)
	}
	from, former, err := c.relocateFolder(ctx, folder, target, newName)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %w", volume.ErrExists, err)
	}
	if err == nil {
		err = errors.Join(target.settle(ctx, newName), former.settle(ctx, newName))
	}
	if err != nil {
		return fmt.Errorf("rename folder %q: %w", from, err)
	}
	return nil
}

// settle returns when it is certain to last what was done to a name in the folder.
func (f *Folder) settle(ctx context.Context, name string) error {
	return f.files.with(ctx, func(folder volume.Folder) error { return folder.Settle(ctx, name) })
}

// relocateFolder moves a folder on the disk and in the tree, and says where it stood.
func (c *Catalog) relocateFolder(ctx context.Context, folder, target *Folder, newName string) (from string, former *Folder, err error) {
	if err := c.naming.Take(ctx); err != nil {
		return folder.Path(), nil, err
	}
	defer c.naming.Give()
	c.mu.Lock()
	t, former := c.tree, folder.place.folder
	from, oldName := folder.place.path(), folder.place.name
	to := joinPath(target.place.path(), newName)
	c.begin(&folder.place)
	c.mu.Unlock()
	if err := c.as(ctx).Move(ctx, from, to); err != nil {
		c.show(t, func() { c.settle(&folder.place) })
		return from, former, err
	}
	c.outdate(t, from)
	c.outdate(t, to)
	next := t.moved(from, to)
	moved := renamedSince(t.scans, next.scans)
	c.show(next, func() {
		if former.folders[oldName] == folder {
			delete(former.folders, oldName)
		}
		target.folders[newName] = folder
		folder.place.folder, folder.place.name = target, newName
		c.settle(&folder.place)
		c.carryOn(moved)
	})
	return from, former, nil
}
