package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"rvffs/store"
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
	snapshot, err := s.Snapshot(ctx)
	if errors.Is(err, store.ErrNotStore) {
		return fmt.Errorf("%w: its file cannot be read, and may hold something: %w", store.ErrNotEmpty, err)
	}
	if err != nil {
		return err
	}
	if snapshot.HasContent() {
		return fmt.Errorf("%w: it holds vectors or embedded segments", store.ErrNotEmpty)
	}
	children, err := s.List(ctx)
	if err != nil {
		return err
	}
	if len(children) > 0 {
		return fmt.Errorf("%w: stores are derived from it", store.ErrNotEmpty)
	}
	s.mu.Lock()
	writing := len(s.streams) > 0
	s.mu.Unlock()
	if writing {
		return fmt.Errorf("%w: a stream into it is open", store.ErrLocked)
	}
	defer c.changed()
	name := s.Path()
	err = s.use(ctx, func(engine *store.Store) error { return engine.Remove() })
	closed, closeErr := s.closeIdle()
	if closed {
		c.open.forget(s)
	}
	if err = errors.Join(err, closeErr); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stores[name] == s {
		delete(c.stores, name)
	}
	return nil
}

// move renames the store's file to the path full.
func (s *Store) move(ctx context.Context, full string) error {
	name := s.Path()
	if err := s.moveFile(ctx, name, full); err != nil {
		return fmt.Errorf("rename store %q to %q: %w", name, full, err)
	}
	return nil
}

func (s *Store) moveFile(ctx context.Context, name, full string) error {
	c := s.catalog
	// A store without an extension says in its file what it is; it can have other
	// such names, and those with one.
	plain := !strings.ContainsRune(strings.TrimLeft(path.Base(full), "."), '.')
	if !isStoreName(full) && (isStoreName(name) || !plain) {
		return fmt.Errorf("%w: %q does not end in .rvf, .rvdna, .rvtext, .rvgraph or .rvvis", store.ErrName, path.Base(full))
	}
	defer c.changed()
	err := s.use(ctx, func(engine *store.Store) error { return engine.MoveTo(full) })
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %w", store.ErrExists, err)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.stores, name)
	c.stores[full] = s
	c.mu.Unlock()
	s.mu.Lock()
	s.path = full
	s.mu.Unlock()
	return nil
}

// movedBelow follows the renaming of a plain folder for all objects below it.
func (c *Catalog) movedBelow(from, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, folder := range c.folders {
		if moved, below := underneath(name, from, to); below {
			delete(c.folders, name)
			c.folders[moved] = folder
			folder.path = moved
		}
	}
	for name, s := range c.stores {
		if moved, below := underneath(name, from, to); below {
			delete(c.stores, name)
			c.stores[moved] = s
			s.mu.Lock()
			s.path = moved
			engine := s.engine
			s.mu.Unlock()
			if engine != nil {
				engine.Moved(moved)
			}
		}
	}
}

// underneath translates a path at or below the folder from to where it is after
// the folder became to.
func underneath(name, from, to string) (string, bool) {
	if name == from {
		return to, true
	}
	rest, below := strings.CutPrefix(name, from+"/")
	return path.Join(to, rest), below
}
