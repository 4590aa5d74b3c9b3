package main

import (
	"context"
	"errors"
	"iter"
	"path/filepath"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/volume/directory"
)

// branchParents are the stores that branches show vectors of, opened for as long as a
// command uses the branch.
type branchParents struct {
	options store.Options // of the branch
	opened  map[string]*store.Store
	close   []func() error
}

// withBranchParents are options of a store that finds those of the store in file. They are
// good until done.
func withBranchParents(file string, options store.Options) (with store.Options, done func() error) {
	p := &branchParents{options: options, opened: map[string]*store.Store{}}
	return p.optionsOf(file), func() (err error) {
		for _, close := range p.close {
			err = errors.Join(err, close())
		}
		return err
	}
}

// optionsOf are those of the branch for the store in file.
func (p *branchParents) optionsOf(file string) store.Options {
	options := p.options
	options.Parents = func(ctx context.Context, branch lineage.Identity, path string) iter.Seq2[store.BranchParent, error] {
		return p.find(ctx, file, branch, path)
	}
	return options
}

// find gives the file at the path that the branch has, if it is one of the parent's id, and
// then the others in its folder.
func (p *branchParents) find(ctx context.Context, file string, branch lineage.Identity, path string) iter.Seq2[store.BranchParent, error] {
	return func(yield func(store.BranchParent, error) bool) {
		folder := filepath.Dir(storeFile(file))
		family := newFamily(nil)
		give := func() bool {
			for _, candidate := range family.index.Candidates(branch, func(int32) int { return 0 }) {
				if name := family.index.Name(candidate); !yield(p.parent(name), nil) {
					return false
				}
			}
			return true
		}
		family.add(ctx, besideStore(file, path))
		if err := family.read(ctx, nil); err != nil {
			yield(store.BranchParent{}, err)
			return
		}
		if !give() {
			return
		}
		family.claims, family.index = nil, nil
		if err := family.read(ctx, []string{folder}); err != nil {
			yield(store.BranchParent{}, err)
			return
		}
		give()
	}
}

// parent is a file that may be it.
func (p *branchParents) parent(file string) store.BranchParent {
	return store.BranchParent{Name: file, Use: func(ctx context.Context, use func(*store.Store) error) error {
		s, err := p.open(ctx, file)
		if err != nil {
			return err
		}
		return use(s)
	}}
}

func (p *branchParents) open(ctx context.Context, file string) (*store.Store, error) {
	if known := p.opened[file]; known != nil {
		return known, nil
	}
	target := storeFile(file)
	shelf, err := directory.OpenShelf(filepath.Dir(target))
	if err != nil {
		return nil, err
	}
	options := p.optionsOf(file)
	options.Shelf, options.Known = shelf, store.Known{}
	s, err := toRead.open(ctx, filepath.Base(target), options)
	if err != nil {
		return nil, errors.Join(err, shelf.Close())
	}
	p.opened[file] = s
	p.close = append(p.close, s.Close, shelf.Close)
	return s, nil
}
