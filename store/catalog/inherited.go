package catalog

import (
	"context"
	"errors"
	"iter"
	"path"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// branchParents are the files that may be the one that the store, a branch, shows vectors
// of: those that may take it in.
func (s *Store) branchParents(ctx context.Context, branch lineage.Identity, _ string) iter.Seq2[store.BranchParent, error] {
	return func(yield func(store.BranchParent, error) bool) {
		if err := s.catalog.refresh(ctx); err != nil {
			yield(store.BranchParent{}, err)
			return
		}
		for _, parent := range s.parentsOf(branch) {
			if !yield(parent, nil) {
				return
			}
		}
	}
}

func (s *Store) parentsOf(branch lineage.Identity) (parents []store.BranchParent) {
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
			parents = append(parents, store.BranchParent{Name: name, Use: parent.use, ListedAs: relativePath(path.Dir(file), own)})
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
