package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"rvffs/lineage"
	"rvffs/store"
)

// branchesOf finds, for the engine, the branches of the store in a file: those in its folder,
// those that a mount shows in its folder, and those of its list that lie where they did.
func branchesOf(file string) store.Branches {
	return func(ctx context.Context, of store.BranchesOf) (found store.FoundBranches, err error) {
		if !of.Thorough {
			return found, nil // who only writes does not look into all files beside it
		}
		folder := filepath.Dir(storeFile(file))
		given := shownChildren(file)
		for _, listed := range of.Listed {
			name := listed.Name
			if !filepath.IsAbs(name) {
				name = filepath.Join(folder, name)
			}
			if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
				found.Gone = append(found.Gone, listed.FileID)
				continue
			}
			given = append(given, name)
		}
		family := newFamily(given)
		if err := family.read(ctx, []string{folder}); err != nil {
			return found, err
		}
		there := map[lineage.FileID]bool{}
		for _, claim := range family.claims {
			there[claim.Identity.FileID] = true
			if claim.Identity.ParentID != of.Parent {
				continue
			}
			found.Files = append(found.Files, store.BranchFile{
				FileID: claim.Identity.FileID, Name: seenFrom(file, claim.Name),
				Use: func(ctx context.Context, use func(*store.Store) error) error {
					return withOptions(ctx, claim.Name, toRead, store.Options{}, use)
				},
			})
		}
		var gone []lineage.FileID
		for _, id := range found.Gone {
			if !there[id] { // it may have got another name
				gone = append(gone, id)
			}
		}
		found.Gone = gone
		return found, nil
	}
}
