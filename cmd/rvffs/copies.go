package main

import (
	"context"
	"errors"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store"
)

// A copy of a parent has its id and its list of branches. None of these needs the copy if it has its
// vectors from another file of that id, which stays.

// checkBranches is CheckBranches for who looks through the folders near the store: without the
// branches that have all from another file, and those of which such a file says that they were
// removed.
func (f *family) checkBranches(ctx context.Context, file string, s *store.Store) error {
	err := s.CheckBranches(ctx)
	var has *store.HasBranches
	if !errors.As(err, &has) {
		return err
	}
	if err := f.readNear(ctx, folderOf(storeFile(file))); err != nil {
		return err
	}
	own := absolute(file)
	fromOther := func(branch string) bool { return f.comesFromOther(ctx, branch, own) }
	has.Found = slices.DeleteFunc(has.Found, func(name string) bool { return fromOther(siteOf(file).beside(file, name)) })
	copies := f.filesOf(ctx, s.FileID(), own)
	has.Missing = slices.DeleteFunc(has.Missing, func(branch segments.ListedBranch) bool {
		files := f.filesOf(ctx, branch.FileID, "")
		return len(files) > 0 && !slices.ContainsFunc(files, func(name string) bool { return !fromOther(name) }) ||
			slices.ContainsFunc(copies, func(name string) bool { return hasLetGo(ctx, name, branch.FileID) })
	})
	if len(has.Found)+len(has.Missing) == 0 {
		return nil
	}
	return toldAs{has, file}
}

// hasLetGo reports whether the store in a file says that a branch was removed.
func hasLetGo(ctx context.Context, file string, branch lineage.FileID) (letGo bool) {
	err := withOptions(ctx, file, toRead, store.Options{}, func(s *store.Store) (err error) {
		letGo, err = s.HasLetGo(ctx, branch)
		return err
	})
	return err == nil && letGo
}

// comesFromOther reports whether a derived store needs nothing of the file of its parent's id at a
// place: a branch has its vectors from another, which keeps them for it, and the lineage of others
// is judged by another.
func (f *family) comesFromOther(ctx context.Context, child, place string) (other bool) {
	err := withOptions(ctx, child, toRead, store.Options{}, func(s *store.Store) error {
		if s.Current().IsBranch() {
			parent, kept, err := s.InheritsFrom(ctx)
			other = kept && absolute(parent) != place
			return err
		}
		relatives, err := f.of(ctx, child, s.Current())
		if err != nil {
			return err
		}
		verdict, err := store.JudgeLineage(ctx, s.Current(), relatives)
		parent := verdict.Verification.Parent
		other = verdict.Verification.Status == lineage.StatusVerified && absolute(parent) != place
		return err
	})
	return err == nil && other
}

// toldAs is what store.HasBranches says of a store that has a name in a command.
type toldAs struct {
	*store.HasBranches
	file string
}

// Error implements error.
func (e toldAs) Error() string { return e.Tell(e.file) }
