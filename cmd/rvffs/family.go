package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/state"
	"rvffs/store/volume/bucket/objects"
)

// family is the files among which the relatives of stores are looked for: those that the
// command was given, and those in the folders of these.
type family struct {
	given  []string        // files that are still to be read
	seen   map[string]bool // files and folders, by absolute path
	claims []lineage.Claim
	// Of the claims, their folders, and where symlinks lead.
	folders, places []string
	index           *lineage.Index                         // of the claims; nil when there are more of them since
	records         map[lineage.FileID][]store.ChildRecord // that were read, by the parent's id
	removed         map[lineage.FileID][]string            // files of branches that this command has removed, by absolute path
	around          map[nearKey][][]string                 // folders near some, in groups
	near            *family                                // those in folders near these; nil: they are of no concern
	most            int                                    // how many possible parents of one store are looked at; 0 for all
}

func newFamily(given []string) *family {
	return &family{
		given: given, seen: map[string]bool{}, around: map[nearKey][][]string{},
		records: map[lineage.FileID][]store.ChildRecord{}, removed: map[lineage.FileID][]string{},
	}
}

// newNearFamily is one in which a parent is also looked for in the folders near a store, if it
// is nowhere else.
func newNearFamily(given []string) *family {
	f := newFamily(given)
	f.near = newFamily(nil)
	return f
}

// of finds the relatives of a store: of those that may be its parent the ones in its
// folder before the others.
func (f *family) of(ctx context.Context, file string, snapshot *state.Snapshot) (store.Relatives, error) {
	identity, known := snapshot.Identity()
	if !known {
		return store.Relatives{}, nil
	}
	folders := [...]string{folderOf(file), folderOf(storeFile(file))}
	up := 1
	if snapshot.IsBranch() {
		// Its vectors are read from there, and people go as far for them.
		if branch, err := snapshot.Branch(ctx); err == nil {
			if err := f.add(ctx, siteOf(file).beside(storeFile(file), branch.Map.ParentPath)); err != nil {
				return store.Relatives{}, err
			}
		}
		up = foldersUp
	}
	if err := f.read(ctx, folders[:]); err != nil {
		return store.Relatives{}, err
	}
	relatives := store.Relatives{Cycle: f.index.Cyclic(identity)}
	own := absolute(file)
	for _, carrier := range f.index.Carriers(identity.FileID) {
		if f.places[carrier] != own {
			relatives.Copies = append(relatives.Copies, f.index.Name(carrier))
		}
	}
	if identity.IsRoot() {
		return relatives, nil
	}
	index, candidates := f.index, f.index.Candidates(identity, func(candidate int32) int {
		if folder := f.folders[candidate]; folder == folders[0] || folder == folders[1] {
			return 0
		}
		return 1
	})
	if len(candidates) == 0 && f.near != nil {
		var err error
		if candidates, err = f.near.nearest(ctx, folders[1], up, identity); err != nil {
			return store.Relatives{}, err
		}
		index = f.near.index
	}
	for _, candidate := range candidates {
		if f.most > 0 && len(relatives.Parents) == f.most {
			relatives.Unasked++
			continue
		}
		name := index.Name(candidate)
		relatives.Parents = append(relatives.Parents, store.ParentFile{Name: name, Use: func(ctx context.Context, compare func(*state.Snapshot) error) error {
			return withStore(ctx, name, toRead, func(parent *store.Store) error { return compare(parent.Current()) })
		}})
	}
	return relatives, nil
}

// nearest are the possible parents of a store that lie nearest to its folder: in those below
// it, those so many above and those below these.
func (f *family) nearest(ctx context.Context, folder string, up int, identity lineage.Identity) ([]int32, error) {
	for folders := range f.foldersNear(folder, up) {
		if err := f.read(ctx, folders); err != nil {
			return nil, err
		}
		if found := f.index.Candidates(identity, func(int32) int { return 0 }); len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

// nearKey says near which folder, and how far above it.
type nearKey struct {
	folder string
	up     int
}

// foldersNear is what is near a folder, found once for each folder.
func (f *family) foldersNear(folder string, up int) iter.Seq[[]string] {
	key := nearKey{folder, up}
	if _, known := f.around[key]; !known {
		f.around[key] = slices.Collect(siteOf(folder).near(folder, up))
	}
	return slices.Values(f.around[key])
}

// readNear reads the folders near one, itself among them.
func (f *family) readNear(ctx context.Context, folder string) error {
	for folders := range f.foldersNear(folder, foldersUp) {
		if err := f.read(ctx, folders); err != nil {
			return err
		}
	}
	return nil
}

// filesOf are the files that carry an id and are there, the oldest first, but for the one at a place.
func (f *family) filesOf(ctx context.Context, id lineage.FileID, but string) (files []string) {
	for _, carrier := range f.index.Carriers(id) {
		if name := f.index.Name(carrier); f.places[carrier] != but && !siteOf(name).isGone(ctx, name) {
			files = append(files, name)
		}
	}
	return files
}

// mostChildren is how many children of a store are asked what they know of it.
const mostChildren = 64

// recordsOf are those that children of a store keep of it, of the first of them that are among
// the files which were read. What cannot be read is for the child's own verdict to tell.
func (f *family) recordsOf(ctx context.Context, parent lineage.FileID) []store.ChildRecord {
	if known, read := f.records[parent]; read {
		return known
	}
	var records []store.ChildRecord
	asked := 0
	for _, claim := range f.claims {
		if claim.Identity.ParentID != parent || claim.Identity.IsRoot() || asked == mostChildren {
			continue
		}
		asked++
		_ = withOptions(ctx, claim.Name, toRead, store.Options{}, func(child *store.Store) error {
			record, recorded, err := child.Current().Derivation(ctx)
			if err == nil && recorded {
				records = append(records, store.ChildRecord{File: claim.Name, Record: record})
			}
			return err
		})
	}
	f.records[parent] = records
	return records
}

// read looks at the files given, and at those in the folders.
func (f *family) read(ctx context.Context, folders []string) error {
	for ; len(f.given) > 0; f.given = f.given[1:] {
		if err := f.add(ctx, f.given[0]); err != nil {
			return err
		}
	}
	for _, folder := range folders {
		if err := f.addFolder(ctx, folder); err != nil {
			return err
		}
	}
	if f.index == nil {
		f.index = lineage.NewIndex(f.claims)
	}
	return nil
}

// addFolder remembers the ids of the stores in a folder, also of those that are
// there by a symlink.
func (f *family) addFolder(ctx context.Context, folder string) (err error) {
	if !f.begin(folder) {
		return nil
	}
	defer func() {
		if err != nil {
			f.again(folder)
		}
	}()
	files, err := siteOf(folder).stores(ctx, folder, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone meanwhile, with all that was in it
	}
	for _, file := range files {
		if err := f.add(ctx, file); err != nil {
			return err
		}
	}
	return err
}

// add remembers the id of a file; one that cannot be read is nobody's relative. One whose server
// does not answer may be.
func (f *family) add(ctx context.Context, file string) error {
	if !f.begin(file) {
		return nil
	}
	err := withOptions(ctx, file, toRead, store.Options{}, func(s *store.Store) error {
		if identity, known := s.Identity(); known {
			f.claims, f.index = append(f.claims, lineage.Claim{Name: file, Identity: &identity, Born: siteOf(file).born(file)}), nil
			f.folders, f.places = append(f.folders, folderOf(file)), append(f.places, absolute(file))
		}
		return nil
	})
	if errors.Is(err, objects.ErrSilent) {
		f.again(file)
		return fmt.Errorf("nobody can tell whose relative %s is: %w", file, err)
	}
	return nil
}

// begin reports whether path, wherever symlinks lead it, has not been looked at before.
func (f *family) begin(path string) bool {
	at := absolute(path)
	seen := f.seen[at]
	f.seen[at] = true
	return !seen
}

// again has a path looked at once more, of which nobody could tell what is there.
func (f *family) again(path string) { delete(f.seen, absolute(path)) }
