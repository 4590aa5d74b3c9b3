package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rvffs/fs"
	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/catalog"
	"rvffs/store/volume"
)

// removedStore is what rm tells in JSON of a store.
type removedStore struct {
	File    string   `json:"file"`
	Removed []string `json:"removed"` // names of files in its folder
}

func newRmCommand() *cobra.Command {
	var force bool
	var gone []string
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "rm FILE...",
		Short: "Remove whole stores",
		Long: "rm removes stores with all that they hold, and what recover could bring back of them. One to which somebody is\n" +
			"writing is not removed; neither is one that is frozen, nor one from which others in its folder were derived,\n" +
			"unless these go, too: their lineage could no longer be verified, and branches would lose the vectors that they\n" +
			"show of it. A copy of the file that these have them from may go. If one of several cannot be read or is frozen,\n" +
			"none is removed; one that others need stays, and the rest goes. With --branch it removes nothing: FILE then\n" +
			"keeps nothing more for a branch in its list that is gone, by its name or id there.",
		Args:              takes("FILE..."),
		ValidArgsFunction: offerStores,
		RunE: func(command *cobra.Command, arguments []string) error {
			if len(gone) > 0 {
				return letGo(command.Context(), arguments, gone)
			}
			ordered, err := childrenFirst(command.Context(), arguments, force)
			if errors.Is(err, volume.ErrNotStore) {
				err = fmt.Errorf("%w; a file of which nothing is needed goes as any other, with rm(1)", err)
			}
			if err != nil && len(arguments) > 1 {
				return errors.Join(err, errors.New("nothing was removed: name only stores that are there, can be read and may be removed"))
			}
			if err != nil {
				return err
			}
			family, results := newFamily(nil), []removedStore{}
			how := toChange
			how.near = newFamily(nil)
			var failed error
			for _, file := range ordered {
				removed, err := rm(command.Context(), file, how, family, force)
				if len(removed) > 0 {
					results = append(results, removedStore{file, removed})
				}
				failed = errors.Join(failed, err)
			}
			return errors.Join(failed, printLines(answer, command.OutOrStdout(), results, func(r removedStore) string {
				return fmt.Sprintf("%s: removed %s", r.File, strings.Join(r.Removed, ", "))
			}))
		},
	}
	command.Flags().BoolVar(&force, "force", false, "also remove stores from which others were derived, and frozen ones")
	command.Flags().StringArrayVar(&gone, "branch", nil, "remove nothing, and keep nothing more for this branch, which is gone")
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// letGo has stores keep nothing more for branches that are gone.
func letGo(ctx context.Context, files, branches []string) error {
	for _, file := range files {
		err := withStore(ctx, file, toChange, func(s *store.Store) error {
			for _, branch := range branches {
				if err := s.LetGoListed(ctx, branch); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// childrenFirst puts files in an order in which no store goes before those that were derived
// from it: so a parent stays where a child has to. All of them can be read then.
func childrenFirst(ctx context.Context, files []string, force bool) ([]string, error) {
	depths := make(map[string]uint32, len(files))
	var unreadable error
	for _, file := range files {
		if info, err := os.Lstat(file); err == nil && info.Mode().Type() == os.ModeSymlink && storeFile(file) == followLinks(file) {
			unreadable = errors.Join(unreadable, fmt.Errorf("%s is a symbolic link to %s: name the file itself, or remove the link with rm(1)", file, followLinks(file)))
			continue
		}
		unreadable = errors.Join(unreadable, withStore(ctx, file, toRead, func(s *store.Store) error {
			identity, _ := s.Identity()
			depths[file] = identity.Depth
			if force {
				return nil
			}
			frozen, err := s.Current().Frozen(ctx)
			if err == nil && frozen {
				err = fmt.Errorf("%s: %w: it is frozen: rvffs rm --force removes it", file, volume.ErrReadOnly)
			}
			return err
		}))
	}
	ordered := slices.Clone(files)
	slices.SortStableFunc(ordered, func(a, b string) int { return cmp.Compare(depths[b], depths[a]) })
	return ordered, unreadable
}

// rm removes the store in a file.
func rm(ctx context.Context, file string, how opening, family *family, force bool) (removed []string, err error) {
	_, _, mounted := behind(file)
	shown := followLinks(file) // a link to the folder goes before that
	if !mounted {
		shown = absolute(file)
	}
	err = withStore(ctx, file, how, func(s *store.Store) error {
		if identity, known := s.Identity(); known && !force {
			for branch := range family.removed {
				if len(s.ListedAs(ctx, branch)) == 0 {
					continue
				}
				if _, err := s.ReleaseBranch(ctx, branch, family.removedFrom(file, branch)...); err != nil {
					return err
				}
			}
			if err := how.near.checkBranches(ctx, file, s); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if err := family.mayLose(ctx, file, identity.FileID); err != nil {
				return err
			}
		}
		parents, err := parentsOfBranch(ctx, file, s, how.near)
		if err != nil {
			return err
		}
		place := absolute(file)
		if removed, err = s.RemoveWhole(ctx); err != nil {
			return err
		}
		if s.Current().IsBranch() {
			family.removed[s.FileID()] = append(family.removed[s.FileID()], place)
		}
		for _, parent := range parents {
			names := append(family.removedFrom(parent.file, s.FileID()), parent.former...)
			tellParent(ctx, parent.file, how, s.FileID(), names, file+" was removed")
		}
		return nil
	})
	switch {
	case err != nil:
	case mounted:
		awaitGone(ctx, file, shown)
	default:
		awaitGone(ctx, shownAt(shown)...)
	}
	return removed, err
}

// shownAt are the paths at which mounts of ours show a file of their directories.
func shownAt(file string) (paths []string) {
	mounts, _ := fs.Mounts() // none are known where there is no table of them
	for _, mount := range mounts {
		below, err := filepath.Rel(mount.Source, file)
		if mount.Ours() && err == nil && filepath.IsLocal(below) {
			paths = append(paths, filepath.Join(mount.Point, below))
		}
	}
	return paths
}

// tellParent has the parent of what was a branch, at these names, strike it off its list. That it
// stays there costs room alone, and is told after what has happened.
func tellParent(ctx context.Context, parent string, how opening, branch lineage.FileID, names []string, happened string) {
	why := ""
	err := withStore(ctx, parent, how, func(above *store.Store) error {
		kept, err := above.LetBranchGo(ctx, branch, names...)
		if frozen, unknown := above.Current().Frozen(ctx); errors.Is(err, volume.ErrReadOnly) && unknown == nil && frozen {
			why, err = "for it is frozen, which harms nothing", nil
		} else if kept != "" {
			why = fmt.Sprintf("for it knows it as %s, which may be another file of that id", kept)
		}
		return err
	})
	if err != nil {
		why = fmt.Sprintf("and a compaction of it keeps what that showed: %v", err)
	}
	if why != "" {
		tell("%s; its parent %s goes on listing it, %s", happened, parent, why)
	}
}

// removedFrom are the files of a branch that were removed, as seen from the folder of a parent.
func (f *family) removedFrom(parent string, branch lineage.FileID) (names []string) {
	for _, file := range f.removed[branch] {
		names = append(names, siteOf(parent).seenFrom(parent, file))
	}
	return names
}

// isShown reports whether a folder is there, or listed in the one above: a mount may know of
// a file that it is gone before it knows so of the folder that showed it.
func isShown(folder string) bool {
	_, _ = os.Lstat(filepath.Join(folder, catalog.NameStatus)) // whoever asks for what is in it has the mount look
	if _, err := os.Lstat(folder); err == nil {
		return true
	}
	entries, err := os.ReadDir(filepath.Dir(folder))
	return err == nil && slices.ContainsFunc(entries, func(entry os.DirEntry) bool { return entry.Name() == filepath.Base(folder) })
}

// branchParent is a file that may list a store as a branch of it, and the names that the list
// has for it at which nothing stands any more: it was moved.
type branchParent struct {
	file   string
	former []string
}

// parentsOfBranch are those of a store that are to hear of its end: none where it is no branch. They
// are the file that it has its vectors from, and the oldest of all near it that list it, if that is
// another: it may have been found elsewhere when it was listed.
func parentsOfBranch(ctx context.Context, file string, s *store.Store, near *family) (parents []branchParent, err error) {
	if !s.Current().IsBranch() {
		return nil, nil
	}
	from, _, err := s.InheritsFrom(ctx)
	if err != nil {
		return nil, err
	}
	if from != "" {
		near.given = append(near.given, from)
	}
	if err := near.readNear(ctx, folderOf(storeFile(file))); err != nil {
		return nil, err
	}
	// A copy of the branch says nothing of the one that was listed.
	isMoved := len(near.filesOf(ctx, s.FileID(), absolute(file))) == 0
	lists := false // one of them
	for _, parent := range near.filesOf(ctx, s.ParentID(), "") {
		reads, listed, found := from != "" && absolute(parent) == absolute(from), false, branchParent{file: parent}
		if lists && !reads {
			continue
		}
		_ = withOptions(ctx, parent, toRead, store.Options{}, func(above *store.Store) error {
			for _, name := range above.ListedAs(ctx, s.FileID()) {
				listed = true
				if was := siteOf(parent).beside(parent, name); isMoved && siteOf(was).isGone(ctx, was) {
					found.former = append(found.former, name)
				}
			}
			return nil
		})
		if lists = lists || listed; reads || listed {
			parents = append(parents, found)
		}
	}
	return parents, nil
}

// The mount finds out within a second that a store is gone, or a little later where it has
// much to do.
const (
	noticing     = 5 * time.Second
	noticingLook = 20 * time.Millisecond
)

// awaitGone waits until a mount shows none of the folders of a store any more that is
// removed, so that the next command can make another of that name. One that does not answer
// is waited for as long.
func awaitGone(ctx context.Context, folders ...string) {
	ctx, cancel := context.WithTimeout(ctx, noticing)
	defer cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		look := time.NewTicker(noticingLook)
		defer look.Stop()
		for slices.ContainsFunc(folders, isShown) {
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
		}
	}()
	select {
	case <-ctx.Done():
	case <-gone:
	}
}

// mayLose refuses to let a store go of which others in its folder say that they descend
// from it.
func (f *family) mayLose(ctx context.Context, file string, id lineage.FileID) error {
	if id.IsZero() {
		return nil
	}
	f.given = append(f.given, shownChildren(file)...)
	if err := f.read(ctx, []string{folderOf(storeFile(file))}); err != nil {
		return err
	}
	var children []string
	copied := len(f.filesOf(ctx, id, absolute(file))) > 0
	for _, claim := range f.claims {
		if claim.Identity.ParentID == id && !siteOf(claim.Name).isGone(ctx, claim.Name) && // it may have gone before its parent
			!(copied && f.comesFromOther(ctx, claim.Name, absolute(file))) {
			children = append(children, filepath.Base(claim.Name))
		}
	}
	switch {
	case len(children) == 1:
		return fmt.Errorf("%s is the parent of %s, whose lineage could not be verified any more: remove that first, or say --force", file, children[0])
	case len(children) > 1:
		return fmt.Errorf("%s is the parent of %s, whose lineage could not be verified any more: remove these first, or say --force", file, strings.Join(children, ", "))
	}
	return nil
}

// shownChildren are the stores that a store's folder in a mount shows as derived from it,
// wherever their files lie.
func shownChildren(folder string) (files []string) {
	names, err := filepath.Glob(filepath.Join(literal(folder), "*", catalog.NameStatus))
	if err != nil {
		return nil
	}
	for _, name := range names {
		files = append(files, storeFile(filepath.Dir(name)))
	}
	return files
}
