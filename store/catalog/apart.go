package catalog

import (
	"context"
	"errors"
	"fmt"
	"path"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/volume"
)

// A branch needs its parent's file to keep what it shows. Who rewrites or removes the parent
// where no mount is finds the branches in the parent's folder, and those of its own list. So
// one that lies in another folder has to stand in that list: before a rename of ours parts the
// two, and as soon as it is seen that somebody else has.

// ErrParted is why a rename is refused, or what was moved is not safe: in another folder
// than its parent, a branch that does not stand in the list of that loses what it shows when
// the parent is compacted where no mount is.
var ErrParted = errors.New("a branch and its parent would lie in different folders, and the parent cannot list it")

// apartBranch is a branch that lies in another folder than a file that may be its parent, or
// is about to.
type apartBranch struct {
	file    string
	id      lineage.FileID
	parents []string // that may be its parent, in the order in which they are asked
}

// parted says where files stand after a rename.
type parted struct{ from, to string }

func (p parted) after(file string) string {
	now, _ := rebase(file, p.from, p.to)
	return now
}

func (p parted) moves(file string) bool {
	_, below := rebase(file, p.from, p.from)
	return below
}

func (p parted) apart(file, other string) bool {
	return path.Dir(p.after(file)) != path.Dir(p.after(other))
}

// partedBy finds the branches that a rename moves, or whose parents it moves, and that do not
// lie beside these afterwards.
func (t *tree) partedBy(rename parted) (branches []apartBranch) {
	for parent, files := range t.branches {
		moves := false
		for _, carrier := range t.forest.Carriers(parent) {
			moves = moves || rename.moves(t.forest.Name(carrier))
		}
		for _, file := range files {
			if !moves && !rename.moves(file) {
				continue
			}
			if branch, apart := t.apart(file, rename); apart {
				branches = append(branches, branch)
			}
		}
	}
	return branches
}

// apart describes a branch; false for one beside which all lie that may be its parent.
func (t *tree) apart(file string, rename parted) (branch apartBranch, apart bool) {
	branch = apartBranch{file: file, id: t.factsOf(file).identity.FileID}
	for _, parent := range t.candidates(file, t.factsOf(file).identity) {
		if len(branch.parents) == store.MostParents {
			break
		}
		branch.parents = append(branch.parents, parent)
		apart = apart || rename.apart(file, parent)
	}
	return branch, apart
}

// list has the parents of branches list them, as they lie after a rename: of several files
// that may be a parent the first that holds what the branch shows. What is not listed without
// an error has nothing to lose. A branch that is listed, under a name that has to be mended,
// is no error: it is found by its id.
func (c *Catalog) list(ctx context.Context, branches []apartBranch, rename parted) error {
	for round := 0; len(branches) > 0; round++ {
		var byParent = map[string][]apartBranch{}
		var order []string
		for _, branch := range branches {
			if round == len(branch.parents) {
				continue
			}
			parent := branch.parents[round]
			if byParent[parent] == nil {
				order = append(order, parent)
			}
			byParent[parent] = append(byParent[parent], branch)
		}
		branches = nil
		for _, parent := range order {
			left, err := c.listIn(ctx, parent, byParent[parent], rename)
			if err != nil {
				return err
			}
			branches = append(branches, left...)
		}
	}
	return nil
}

// listIn is list for one file, and gives the branches that show nothing of it.
func (c *Catalog) listIn(ctx context.Context, parent string, branches []apartBranch, rename parted) (left []apartBranch, err error) {
	c.mu.Lock()
	at := c.storeAt(parent)
	var beside, away []store.BranchFile
	parts := map[lineage.FileID]bool{} // that would not lie apart without the rename
	for _, branch := range branches {
		s := c.storeAt(branch.file)
		file := store.BranchFile{
			FileID: branch.id, Name: relativePath(path.Dir(rename.after(parent)), rename.after(branch.file)),
			Use: func(ctx context.Context, use func(*store.Store) error) error { return s.use(ctx, use) },
		}
		if rename.apart(branch.file, parent) {
			away = append(away, file)
			parts[branch.id] = rename == parted{} || path.Dir(branch.file) == path.Dir(parent)
		} else {
			beside = append(beside, file)
		}
	}
	c.mu.Unlock()
	kept := map[lineage.FileID]bool{}
	err = at.use(ctx, func(engine *store.Store) error {
		for _, file := range beside {
			shown, err := engine.Shows(ctx, file)
			if err != nil {
				return err
			}
			kept[file.FileID] = shown
		}
		if len(away) == 0 {
			return nil
		}
		listed, err := engine.ListBranches(ctx, away)
		for _, file := range away {
			kept[file.FileID] = listed[file.FileID]
			if err != nil && !listed[file.FileID] && parts[file.FileID] {
				return fmt.Errorf("%w: %q: %w", ErrParted, file.Name, err)
			}
		}
		if err != nil {
			at.about(c.options.Log.Warn()).Err(err).Msg("the list of branches has one under a former name")
		}
		return nil
	})
	if errors.Is(err, volume.ErrNotStore) || errors.Is(err, volume.ErrCorrupt) || errors.Is(err, volume.ErrNotFound) || vanished(err) {
		err = nil // it holds what no branch can show
	}
	for _, branch := range branches {
		if !kept[branch.id] {
			left = append(left, branch)
		}
	}
	return left, err
}

// beforeMove has branches listed that a rename parts from their parents.
func (c *Catalog) beforeMove(ctx context.Context, rename parted) error {
	if err := c.refresh(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	branches := c.tree.partedBy(rename)
	c.mu.Unlock()
	return c.list(ctx, branches, rename)
}

// apartBranches is what is known of the branches that lie apart from their parents, as they
// are found. One goroutine looks for them at a time. The catalog's mu guards the flags;
// the maps are the goroutine's.
type apartBranches struct {
	looking, again bool
	waiting        bool // for another writer of a parent

	known  map[string]apartFiles // those whose parents need not be asked again, by their files
	failed map[string]bool       // of which it was told that they could not be listed

	seen map[lineage.FileID]seenBranch // guarded by the catalog's mu
}

// apartFiles are the files of a branch and its parent as they were found.
type apartFiles struct {
	branch     volume.Identity
	parent     contentKey
	parentFile string
	copies     int // of the branch
}

// contentKey tells contents of files apart: an older copy of a store may have been put back, as
// another file or into the same.
type contentKey struct {
	file           volume.Identity
	size, modified int64
}

// content is that of a file as it was found.
func (f *fileFacts) content() contentKey {
	return contentKey{f.info.Identity, f.info.Size, f.info.Modified.UnixNano()}
}

// listApart has branches listed that somebody has moved apart from their parents. The caller
// holds mu.
func (c *Catalog) listApart() {
	switch {
	case c.options.ReadOnly || c.tree == nil || len(c.tree.branches) == 0 && len(c.apart.seen) == 0 || c.life.Err() != nil:
	case c.apart.looking:
		c.apart.again = true
	default:
		c.apart.looking, c.apart.waiting = true, false
		c.background.Go(c.lookApart)
	}
}

func (c *Catalog) lookApart() {
	for {
		c.mu.Lock()
		t := c.tree
		c.apart.again = false
		c.mu.Unlock()
		waiting := c.listFound(t)
		waiting = c.seeBranches(t) || waiting
		waiting = c.listMissing(t) || waiting
		c.mu.Lock()
		c.apart.waiting = waiting
		if !c.apart.again || c.life.Err() != nil {
			c.apart.looking = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
}

// parentOf is the file of a store's parent, also where it does not stand in that one's folder;
// false where there is none.
func (t *tree) parentOf(file string) (at string, stands bool) {
	if at, stands = t.parent[file]; !stands {
		at, stands = t.apartAbove[file]
	}
	return at, stands
}

// lookAtParents looks at the files of parents of which branches lie in other folders: an older
// copy that somebody writes into one changes nothing of its folder. The caller holds the turn.
func (c *Catalog) lookAtParents(ctx context.Context, t *tree) error {
	parents := map[string]bool{}
	for parent, files := range t.branches {
		if t.together(files, t.forest.Carriers(parent)) {
			continue
		}
		for _, file := range files {
			if at, stands := t.parentOf(file); stands {
				parents[at] = true
			}
		}
	}
	for file := range parents {
		c.mu.Lock()
		folder := c.folderAt(path.Dir(file))
		c.mu.Unlock()
		if _, err := c.rereadInTurn(ctx, folder, path.Base(file), nil); err != nil {
			return err
		}
	}
	return nil
}

// listFound lists those of a tree, and reports whether one has to be tried again.
func (c *Catalog) listFound(t *tree) (again bool) {
	known := map[string]apartFiles{}
	groups := map[string][]apartBranch{}
	for parent, files := range t.branches {
		if t.together(files, t.forest.Carriers(parent)) {
			continue
		}
		for _, file := range files {
			at, stands := t.parentOf(file)
			if !stands {
				continue
			}
			known[file] = apartFiles{t.factsOf(file).info.Identity, t.factsOf(at).content(), at, len(t.forest.Carriers(t.factsOf(file).identity.FileID))}
			if known[file] == c.apart.known[file] {
				continue
			}
			if branch, apart := t.apart(file, parted{}); apart {
				groups[branch.parents[0]] = append(groups[branch.parents[0]], branch)
			}
		}
	}
	failed := map[string]bool{}
	for parent, branches := range groups {
		err := c.list(c.life, branches, parted{})
		if err == nil {
			continue
		}
		if c.life.Err() != nil {
			return false
		}
		held := errors.Is(err, volume.ErrHeld)
		told := true
		for _, branch := range branches {
			told = told && c.apart.failed[branch.file]
			failed[branch.file] = true
			if held {
				delete(known, branch.file)
			}
		}
		if again = again || held; !told {
			c.About(c.options.Log.Warn(), parent).Err(err).Msg("branches of it lie in other folders, and its list does not have them")
		}
	}
	c.apart.known, c.apart.failed = known, failed
	return again
}

// together reports whether all files of two lists lie in one folder.
func (t *tree) together(files []string, carriers []int32) bool {
	for _, file := range files {
		if path.Dir(file) != path.Dir(files[0]) {
			return false
		}
	}
	for _, carrier := range carriers {
		if path.Dir(t.forest.Name(carrier)) != path.Dir(files[0]) {
			return false
		}
	}
	return true
}
