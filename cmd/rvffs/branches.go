package main

import (
	"context"
	"os"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store"
)

// branchesOf finds, for the engine, the branches of the store in a file: those in its folder,
// those that a mount shows in its folder, those of its list that lie where they did, or in
// the same folder by another name, and those in the folders near it: an older copy of the store
// may have been put back, which lists none that was made since. Near are these, if several
// stores are asked for theirs.
func branchesOf(file string, near *family) store.Branches {
	return func(ctx context.Context, of store.BranchesOf) (found store.FoundBranches, err error) {
		if !of.Thorough {
			return found, nil // who only writes does not look into all files beside it
		}
		folder := folderOf(storeFile(file))
		folders, given := []string{folder}, shownChildren(file)
		for _, listed := range of.Listed {
			name := siteOf(file).beside(file, listed.Name)
			given = append(given, name)
			if beside := folderOf(name); !slices.Contains(folders, beside) {
				if _, err := os.ReadDir(beside); err == nil { // there it may have got another name
					folders = append(folders, beside)
				}
			}
		}
		family := newFamily(given)
		if err := family.read(ctx, folders); err != nil {
			return found, err
		}
		add := func(id lineage.FileID, name string, near bool) {
			found.Files = append(found.Files, store.BranchFile{
				FileID: id, Name: siteOf(file).seenFrom(file, name), Near: near,
				Use: func(ctx context.Context, use func(*store.Store) error) error {
					return withOptions(ctx, name, toRead, store.Options{}, use)
				},
			})
		}
		read := map[string]bool{}
		for i, claim := range family.claims {
			read[family.places[i]] = true
			if claim.Identity.ParentID == of.Parent || slices.ContainsFunc(of.Listed, func(listed segments.ListedBranch) bool { return listed.FileID == claim.Identity.FileID }) {
				add(claim.Identity.FileID, claim.Name, false)
			}
		}
		for _, listed := range of.Listed {
			name := siteOf(file).beside(file, listed.Name)
			if _, err := os.Lstat(name); err == nil && !read[absolute(name)] {
				add(listed.FileID, name, false) // whatever it is, it may be that branch
				read[absolute(name)] = true
			}
		}
		if near == nil {
			near = newFamily(nil)
		}
		for folders := range near.foldersNear(folder, foldersUp) {
			if folders[0] == folder {
				continue // they are read
			}
			if err := near.read(ctx, folders); err != nil {
				return found, err
			}
		}
		for i, claim := range near.claims {
			if claim.Identity.ParentID == of.Parent && !read[near.places[i]] && !siteOf(claim.Name).isGone(ctx, claim.Name) {
				add(claim.Identity.FileID, claim.Name, true)
			}
		}
		return found, nil
	}
}
