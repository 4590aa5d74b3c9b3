package catalog

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// branchParents are the files that may be the one that the store, a branch, shows vectors
// of: those that may take it in, and, if none of them is it, the one that was made meanwhile
// where the branch has its parent.
func (s *Store) branchParents(ctx context.Context, branch lineage.Identity, where string) iter.Seq2[store.BranchParent, error] {
	return func(yield func(store.BranchParent, error) bool) {
		if err := s.catalog.refresh(ctx); err != nil {
			yield(store.BranchParent{}, err)
			return
		}
		asked := map[string]bool{}
		give := func() bool {
			for _, parent := range s.parentsOf(branch) {
				if asked[parent.file] {
					continue
				}
				asked[parent.file] = true
				if !yield(parent.BranchParent, nil) {
					return false
				}
			}
			return true
		}
		if give() && s.catalog.lookFor(ctx, s, branch.ParentID, where) {
			give()
		}
	}
}

// lookFor looks at the file of the parent's path as a branch has it, unless that is known to be
// the parent's, and reports whether it knows more now. While somebody is renaming it does not,
// nor when that file does not answer.
func (c *Catalog) lookFor(ctx context.Context, branch *Store, parent lineage.FileID, where string) (more bool) {
	c.mu.Lock()
	file := path.Join(path.Dir(branch.place.path()), where)
	_, known := c.tree.scans[path.Dir(file)]
	if path.IsAbs(where) || !known || c.tree.carries(file, parent) {
		c.mu.Unlock()
		return false
	}
	former, folder := c.tree, c.folderAt(path.Dir(file))
	c.mu.Unlock()
	if !c.naming.TryTake() {
		return false
	}
	defer c.naming.Give()
	if _, err := c.rereadInTurn(ctx, folder, path.Base(file), nil); err != nil {
		return false // who reads the branch hears that there is no parent
	}
	newest, _ := c.known()
	return newest != former
}

// whereParentsAre tells why no file is found that may be the parent which a branch has at a path.
// It says nothing of what is there, for whoever sees the branch reads it.
func (s *Store) whereParentsAre(_ context.Context, where string) string {
	if file := path.Join(path.Dir(s.Path()), where); path.IsAbs(where) || !fs.ValidPath(file) {
		return "which is outside of what is mounted, and no store of that id that may be its parent is in the mount: they can be read where a directory that holds both is mounted, or without a mount"
	}
	return "and no store of that id that may be its parent is there, nor anywhere in the mount: they can be read when it is back, or beside the branch"
}

// possibleParent is a file that may take a branch in.
type possibleParent struct {
	file string
	store.BranchParent
}

// parentsOf are those of the newest tree, in the order in which they are to be asked.
func (s *Store) parentsOf(branch lineage.Identity) (parents []possibleParent) {
	c := s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	own := s.place.path()
	for _, file := range c.tree.mayHaveDerived(own, branch) {
		if len(parents) == store.MostParents {
			break
		}
		if parent := c.storeAt(file); parent != nil {
			name := file
			if liesApart(file, own) {
				name = "a file in another folder" // who is told why the branch cannot be read need not know of it
			}
			parents = append(parents, possibleParent{file, store.BranchParent{Name: name, Use: parent.use, ListedAs: relativePath(path.Dir(file), own)}})
		}
	}
	return parents
}

// sources are the vectors that a state of the store shows.
func (s *Store) sources(ctx context.Context, snapshot *state.Snapshot) (of rows.Sources, err error) {
	err = s.use(ctx, func(engine *store.Store) error {
		of, err = engine.Sources(ctx, snapshot)
		return err
	})
	return of, err
}

// branch tells of a state what it shows of the store's parent; nil for one of no branch.
func (s *Store) branch(ctx context.Context, snapshot *state.Snapshot) (status *store.BranchStatus, err error) {
	if !snapshot.IsBranch() {
		return nil, nil
	}
	err = s.use(ctx, func(engine *store.Store) error {
		status, err = engine.Branch(ctx, snapshot)
		return err
	})
	return status, err
}

// allowInherited fails unless the one for whom an operation is done may read the files from
// which a branch has what it inherits, as he may have to read them where they lie.
func allowInherited(ctx context.Context, of rows.Sources) error {
	base, branch := of.Inherited()
	if !branch {
		return nil
	}
	all := of.Snapshots()
	for _, snapshot := range base.Snapshots() {
		parent, known := snapshot.Backing().Owner().(*Store)
		if !known {
			continue
		}
		err := parent.AllowOf(ctx, volume.Read, snapshot.Origin())
		if errors.Is(err, volume.ErrStale) {
			all[len(all)-1].Displace() // it may be found in the file that is there now
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// allowShown is allowInherited for all that the newest state of the store shows: who has it copied
// into another file reads it.
func (s *Store) allowShown(ctx context.Context) error {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	of, err := s.sources(ctx, snapshot)
	if err != nil {
		return err
	}
	return allowInherited(ctx, of)
}

// branchView is a view of vectors of which some are other files'.
type branchView struct {
	state.View
	of rows.Sources
}

// viewOf is a view of vectors, or of what was made of them.
func viewOf(of rows.Sources, view state.View) state.View {
	if _, branch := of.Inherited(); !branch || view == nil {
		return view
	}
	return branchView{view, of}
}

// Open implements state.View.
func (v branchView) Open(ctx context.Context) (state.Reader, error) {
	if err := allowInherited(ctx, v.of); err != nil {
		return nil, err
	}
	return v.View.Open(ctx)
}
