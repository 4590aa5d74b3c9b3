package catalog

import (
	"context"
	"fmt"
	"path"
	"strings"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/volume"
)

// branches finds, for the engine, the branches of the store among all files of the tree. Who
// rewrites or removes the store has the folders read first, for a branch that has just been
// moved is not where it was.
func (s *Store) branches(ctx context.Context, of store.BranchesOf) (found store.FoundBranches, err error) {
	c := s.catalog
	if of.Thorough {
		if err := c.readNow(ctx); err != nil {
			return found, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tree == nil {
		return found, nil
	}
	own := s.place.path()
	facts := c.tree.factsOf(own)
	add := func(id lineage.FileID, file string, flat bool) {
		at := c.storeAt(file)
		found.Files = append(found.Files, store.BranchFile{
			FileID: id, Name: relativePath(path.Dir(own), file), Flat: flat, Seen: c.apart.seen[id].listed,
			Use: func(ctx context.Context, use func(*store.Store) error) error { return at.use(ctx, use) },
		})
	}
	found.Missing = c.missing(c.tree, of)
	given := map[string]bool{own: true}
	for _, listed := range of.Listed {
		for _, carrier := range c.tree.forest.Carriers(listed.FileID) {
			file := c.tree.forest.Name(carrier)
			if !given[file] {
				add(listed.FileID, file, !c.tree.factsOf(file).branch)
			}
			given[file] = true
		}
		file := path.Join(path.Dir(own), listed.Name)
		if facts := c.tree.factsOf(file); facts != nil && !facts.hasIdentity && !given[file] {
			add(listed.FileID, file, false) // whatever it is, it may be that branch
			given[file] = true
		}
	}
	for _, file := range c.tree.branches[of.Parent] {
		branch := storeFile{file, c.tree.factsOf(file)}
		if !given[file] && facts != nil && (storeFile{own, facts}).mayTakeIn(branch) {
			add(branch.found.identity.FileID, file, false)
		}
	}
	return found, nil
}

// branchesBelow are the branches of the store, and theirs, that somebody uses.
func (s *Store) branchesBelow() (below []*Store) {
	s.mu.Lock()
	engine := s.engine
	s.mu.Unlock()
	if engine == nil {
		return nil
	}
	c := s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tree == nil {
		return nil
	}
	files, known := map[string]bool{}, map[lineage.FileID]bool{}
	for waiting := []lineage.FileID{engine.FileID()}; len(waiting) > 0; waiting = waiting[1:] {
		if id := waiting[0]; !known[id] {
			known[id] = true
			for _, file := range c.tree.branches[id] {
				files[file] = true
				waiting = append(waiting, c.tree.factsOf(file).identity.FileID)
			}
		}
	}
	for other := range c.stores {
		if other != s && files[other.place.path()] {
			below = append(below, other)
		}
	}
	return below
}

// releaseBranch lets the parent of a branch that was removed keep nothing more for it. What
// it keeps in vain costs room alone.
func (c *Catalog) releaseBranch(ctx context.Context, parent, branch lineage.FileID, file string) {
	c.mu.Lock()
	var stores []*Store
	if c.tree != nil {
		for _, carrier := range c.tree.forest.Carriers(parent) {
			stores = append(stores, c.storeAt(c.tree.forest.Name(carrier)))
		}
	}
	c.mu.Unlock()
	for _, s := range stores {
		err := s.use(ctx, func(engine *store.Store) error {
			folder := path.Dir(s.place.path())
			names := []string{relativePath(folder, file)}
			for _, former := range engine.ListedAs(ctx, branch) {
				// It was moved since, where no other of its id is found; what is not in this tree
				// may be there all the same.
				if !path.IsAbs(former) && !strings.HasPrefix(path.Join(folder, former), "..") {
					names = append(names, former)
				}
			}
			_, err := engine.ReleaseBranch(ctx, branch, names...)
			return err
		})
		if err != nil {
			s.about(c.options.Log.Warn()).Err(err).Msg("the list of branches still has one that was removed")
		}
	}
}

// becomeBranch makes a branch of an empty derived store.
func (s *Store) becomeBranch(ctx context.Context) error {
	c := s.catalog
	c.mu.Lock()
	var parent *Store
	var above, below string
	if c.tree != nil {
		own := s.place.path()
		if file, nested := c.tree.parent[own]; nested {
			parent, above, below = c.storeAt(file), relativePath(path.Dir(own), file), relativePath(path.Dir(file), own)
		}
	}
	c.mu.Unlock()
	if parent == nil {
		return fmt.Errorf("%w: the store it was derived from is not there", volume.ErrNotPermitted)
	}
	if err := parent.Allow(ctx, volume.Read); err != nil {
		return err
	}
	err := parent.use(ctx, func(engine *store.Store) error {
		return s.use(ctx, func(child *store.Store) error { return child.BecomeBranch(ctx, engine, above, below) })
	})
	if err != nil {
		return err
	}
	return c.afterwards(ctx, func(ctx context.Context) error {
		folder, name := s.where()
		return c.reread(ctx, folder, name)
	})
}
