package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"rvffs/store"
)

// branchesOf finds, for the engine, the branches of the store in a file: those in its folder,
// those that a mount shows in its folder, and those of its list that lie where they did, or in
// the same folder by another name.
func branchesOf(file string) store.Branches {
	return func(ctx context.Context, of store.BranchesOf) (found store.FoundBranches, err error) {
		if !of.Thorough {
			return found, nil // who only writes does not look into all files beside it
		}
		folder := filepath.Dir(storeFile(file))
		folders, given := []string{folder}, shownChildren(file)
		for _, listed := range of.Listed {
			name := besideStore(file, listed.Name)
			given = append(given, name)
			if beside := filepath.Dir(name); !slices.Contains(folders, beside) {
				if _, err := os.ReadDir(beside); err == nil { // there it may have got another name
					folders = append(folders, beside)
				}
			}
		}
		family := newFamily(given)
		if err := family.read(ctx, folders); err != nil {
			return found, err
		}
		for _, claim := range family.claims {
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
		return found, nil
	}
}
