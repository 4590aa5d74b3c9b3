package catalog

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// A branch beside its parent stands in no list, for it is found there. If somebody moves it out
// of the directory, nobody finds it any more. So what each branch shows is remembered once it
// was seen, and its parent lists it when it is gone.

// seenBranch is a branch as it was seen last.
type seenBranch struct {
	parent lineage.FileID
	file   string
	from   apartFiles            // in which it was looked up what it shows
	listed segments.ListedBranch // as its parent would list it; zero: it shows nothing of it
	told   string                // the files of its parent that list it since it is gone
}

// seeBranches remembers the branches of a tree, and forgets those that were flattened. It
// reports whether one has to be looked at again.
func (c *Catalog) seeBranches(t *tree) (again bool) {
	for parent, files := range t.branches {
		for _, file := range files {
			facts := t.factsOf(file)
			id := facts.identity.FileID
			at, stands := t.parentOf(file)
			if !stands || id.IsZero() {
				continue
			}
			now := seenBranch{parent: parent, file: file, from: apartFiles{branch: facts.info.Identity, parent: t.factsOf(at).content(), parentFile: at}}
			c.mu.Lock()
			before := c.apart.seen[id]
			c.mu.Unlock()
			if before.parent == parent && (before.listed.FileID == id || before.from == now.from) {
				now.from, now.listed = before.from, before.listed
				now.listed.Name = relativePath(path.Dir(at), file)
			} else if err := c.lookUp(&now, id); err != nil {
				if c.life.Err() != nil {
					return false
				}
				again = again || errors.Is(err, volume.ErrHeld)
				continue // who reads it hears of it
			}
			c.mu.Lock()
			if c.apart.seen == nil {
				c.apart.seen = map[lineage.FileID]seenBranch{}
			}
			c.apart.seen[id] = now
			c.mu.Unlock()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, seen := range c.apart.seen {
		if !t.isBranch(id) && t.carries(seen.file, id) {
			delete(c.apart.seen, id)
		}
	}
	return again
}

// lookUp finds out what a branch shows of its parent.
func (c *Catalog) lookUp(seen *seenBranch, id lineage.FileID) error {
	c.mu.Lock()
	parent, branch := c.storeAt(seen.from.parentFile), c.storeAt(seen.file)
	c.mu.Unlock()
	return parent.use(c.life, func(engine *store.Store) error {
		listed, some, err := engine.Listing(c.life, store.BranchFile{
			FileID: id, Name: relativePath(path.Dir(seen.from.parentFile), seen.file),
			Use: func(ctx context.Context, use func(*store.Store) error) error { return branch.use(ctx, use) },
		})
		if some {
			seen.listed = listed
		}
		return err
	})
}

// isBranch reports whether a file of the id is a branch.
func (t *tree) isBranch(id lineage.FileID) bool {
	for _, carrier := range t.forest.Carriers(id) {
		if t.factsOf(t.forest.Name(carrier)).branch {
			return true
		}
	}
	return false
}

// carries reports whether a file has the id.
func (t *tree) carries(file string, id lineage.FileID) bool {
	facts := t.factsOf(file)
	return facts != nil && facts.hasIdentity && facts.identity.FileID == id
}

// missing are the branches of a store that were seen, and are not in the tree any more. Those
// that were let go are forgotten. The caller holds mu.
func (c *Catalog) missing(t *tree, of store.BranchesOf) (missing []segments.ListedBranch) {
	for _, id := range of.LetGo {
		if !t.isBranch(id) {
			delete(c.apart.seen, id)
		}
	}
	for id, seen := range c.apart.seen {
		if seen.parent == of.Parent && seen.isMissing(t, id) {
			missing = append(missing, seen.listed)
		}
	}
	return missing
}

// isMissing reports whether a branch that shows something is gone.
func (s seenBranch) isMissing(t *tree, id lineage.FileID) bool {
	return s.listed.FileID == id && !t.isBranch(id) && !t.carries(s.file, id)
}

// listMissing has the parents of branches that are gone list them, and reports whether one
// has to be tried again.
func (c *Catalog) listMissing(t *tree) (again bool) {
	waiting := map[lineage.FileID][]lineage.FileID{}
	files := map[lineage.FileID]string{}
	c.mu.Lock()
	for id, seen := range c.apart.seen {
		if !seen.isMissing(t, id) {
			continue
		}
		if _, known := files[seen.parent]; !known {
			files[seen.parent] = t.contentsOf(seen.parent)
		}
		if seen.told != files[seen.parent] {
			waiting[seen.parent] = append(waiting[seen.parent], id)
		}
	}
	c.mu.Unlock()
	for parent, ids := range waiting {
		for _, carrier := range t.forest.Carriers(parent) {
			c.mu.Lock()
			at := c.storeAt(t.forest.Name(carrier))
			c.mu.Unlock()
			err := at.use(c.life, func(engine *store.Store) error { return engine.ListMissing(c.life) })
			switch {
			case c.life.Err() != nil:
				return false
			case errors.Is(err, volume.ErrHeld):
				again = true
				continue
			case err != nil:
				at.about(c.options.Log.Warn()).Err(err).Msg("branches of it are gone, and its list does not have them")
			}
			c.mu.Lock()
			for _, id := range ids {
				if seen, known := c.apart.seen[id]; known {
					seen.told = files[parent]
					c.apart.seen[id] = seen
				}
			}
			c.mu.Unlock()
		}
	}
	return again
}

// contentsOf tells apart what the files of an id hold.
func (t *tree) contentsOf(id lineage.FileID) string {
	var all []string
	for _, carrier := range t.forest.Carriers(id) {
		all = append(all, fmt.Sprint(t.factsOf(t.forest.Name(carrier)).content()))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// forgetBranch lets a branch go that is about to be removed, if it is one that is known.
func (c *Catalog) forgetBranch(branch *state.Snapshot) (seen seenBranch, known bool) {
	identity, _ := branch.Identity()
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, known = c.apart.seen[identity.FileID]
	delete(c.apart.seen, identity.FileID)
	return seen, known
}

// rememberBranch undoes forgetBranch.
func (c *Catalog) rememberBranch(branch *state.Snapshot, seen seenBranch) {
	identity, _ := branch.Identity()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apart.seen[identity.FileID] = seen
}
