package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/volume"
)

// branchParents are the stores that branches show vectors of, opened for as long as a
// command uses the branch.
type branchParents struct {
	options store.Options // of the branch
	changes bool          // it is opened for change
	among   *family       // the files that the command was given, if it takes several
	opened  map[string]*store.Store
	close   []func() error
}

// withBranchParents are options of a store that finds those of the store in file. They are
// good until done.
func withBranchParents(file string, options store.Options, how opening) (with store.Options, done func() error) {
	p := &branchParents{options: options, changes: how.changes, among: how.among, opened: map[string]*store.Store{}}
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
	options.Searched = func(ctx context.Context, path string) string { return whereParentsAre(ctx, file, path) }
	options.Parents = func(ctx context.Context, branch lineage.Identity, path string) iter.Seq2[store.BranchParent, error] {
		return p.find(ctx, file, branch, path)
	}
	return options
}

// whereParentsAre tells why no file is found that may be the parent which a branch has at a path.
func whereParentsAre(ctx context.Context, branch, path string) string {
	at := siteOf(branch).beside(branch, path)
	elsewhere := fmt.Sprintf("in the folders up to %d below that of the branch, and in the %d above", foldersDown, foldersUp)
	err := withOptions(ctx, at, toRead, store.Options{}, func(*store.Store) error { return nil })
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, volume.ErrNotFound) {
		return "and no store of that id is there, nor " + elsewhere + ": they can be read when it is back, or beside the branch"
	}
	return fmt.Sprintf("which cannot be read (%s), and no store of that id is %s: they can be read when that can be", inWords(err), elsewhere)
}

// Where parents are looked for that do not lie where the branch has it, nor beside it: in the
// folders below its own and in those above, so far and in so many at most.
const (
	foldersDown = 3
	foldersUp   = 2
	mostFolders = 256
)

// find gives the file at the path that the branch has, if it is one of the parent's id, and the
// one that a mount shows as the parent, if the branch is named by its folder there; then
// those that the command was given, the others in its folder, and then those in folders near
// it. Nobody looks farther when one of them will do.
func (p *branchParents) find(ctx context.Context, file string, branch lineage.Identity, path string) iter.Seq2[store.BranchParent, error] {
	return func(yield func(store.BranchParent, error) bool) {
		folder := folderOf(storeFile(file))
		family := newFamily(nil)
		give := func() bool { return p.give(file, family, branch, yield) }
		hints := []string{siteOf(file).beside(file, path)}
		if parent, shown := shownParent(file); shown {
			hints = append(hints, parent)
		}
		for _, hint := range hints {
			_ = family.add(ctx, hint) // where that does not answer, another may be of the parent's id
		}
		if err := family.read(ctx, nil); err != nil {
			yield(store.BranchParent{}, err)
			return
		}
		if !give() {
			return
		}
		if p.among != nil {
			if err := p.among.read(ctx, nil); err != nil {
				yield(store.BranchParent{}, err)
				return
			}
			if !p.give(file, p.among, branch, yield) {
				return
			}
		}
		for folders := range siteOf(folder).near(folder, foldersUp) {
			family.claims, family.index, family.folders, family.places = nil, nil, nil, nil
			if err := family.read(ctx, folders); err != nil {
				yield(store.BranchParent{}, err)
				return
			}
			if !give() {
				return
			}
		}
	}
}

// give yields the files of a family that may be the parent, and reports whether to go on.
func (p *branchParents) give(file string, family *family, branch lineage.Identity, yield func(store.BranchParent, error) bool) bool {
	for _, candidate := range family.index.Candidates(branch, func(int32) int { return 0 }) {
		if !yield(p.parent(family.index.Name(candidate), file), nil) {
			return false
		}
	}
	return true
}

// parent is a file that may be that of the branch in another.
func (p *branchParents) parent(file, branch string) store.BranchParent {
	parent := store.BranchParent{Name: file, ListedAs: siteOf(file).seenFrom(file, branch), Use: func(ctx context.Context, use func(*store.Store) error) error {
		s, err := p.open(ctx, file)
		if err != nil {
			return err
		}
		return use(s)
	}}
	if p.changes {
		parent.Change = func(ctx context.Context, use func(*store.Store) error) error {
			err := withStore(ctx, file, toChange, use)
			if err != nil && !errors.Is(err, volume.ErrReadOnly) { // nothing rewrites one that is frozen
				tell("%s, the parent of the branch %s, does not list it, and cannot be changed: %v: the next change of the branch tries again", file, branch, err)
			}
			return err
		}
	}
	return parent
}

func (p *branchParents) open(ctx context.Context, file string) (*store.Store, error) {
	if known := p.opened[file]; known != nil {
		return known, nil
	}
	target := storeFile(file)
	shelf, done, err := siteOf(target).openShelf(target, false)
	if err != nil {
		return nil, err
	}
	options := p.optionsOf(file)
	options.Shelf, options.Known = shelf, store.Known{}
	s, err := toRead.open(ctx, filepath.Base(target), options)
	if err != nil {
		return nil, errors.Join(err, done())
	}
	p.opened[file] = s
	p.close = append(p.close, s.Close, done)
	return s, nil
}
