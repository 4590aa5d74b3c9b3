package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"path"
	"slices"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// The names in the folder of a store's lineage.
const (
	NameParent   = "parent"
	NameChildren = "children"
	NameAncestry = "ancestry.json"
)

// judgedLineage is the newest account of a store's lineage, and what it is true for.
type judgedLineage struct {
	files   []judgedFile // the store's own, and those that may be its parent
	unasked int
	cycle   bool
	told    toldLineage
	// stage is the catalog's, when nothing was kept from the one who asked; 0 for never.
	stage uint64
}

// toldLineage is an account of a store's lineage.
type toldLineage struct {
	lineage.Account
	text    []byte // the same in JSON
	private bool   // it speaks of files that not everybody reaches
}

// judgedFile is a file as the newest listing saw it, and how often this process has changed
// it since it was opened.
type judgedFile struct {
	path    string
	info    volume.FileInfo
	changes uint64
}

// of reports whether the account is true for these files.
func (j *judgedLineage) of(files []judgedFile, told relatives) bool {
	return slices.Equal(j.files, files) && j.unasked == told.unasked && j.cycle == told.cycle
}

// account tells the lineage of the store, and names of other files those that the one who
// asks could reach. The error is that of ctx, or volume.ErrNotFound.
func (s *Store) account(ctx context.Context) (toldLineage, error) {
	c := s.catalog
	c.mu.Lock()
	stage := c.stages
	c.mu.Unlock()
	s.mu.Lock()
	known := s.lineage
	s.mu.Unlock()
	all := c.SeesAll(ctx)
	if all && known.stage == stage {
		return known.told, nil
	}
	var file string
	var told relatives
	var files []judgedFile
	err := c.look(ctx, func(v *viewer) {
		t := c.tree
		stage = c.stages
		file, files = s.place.path(), nil
		found := t.factsOf(file)
		if found == nil {
			return
		}
		told = s.relatives(found.identity, found.hasIdentity, v)
		files = append(make([]judgedFile, 0, 1+len(told.parents)), judgedFile{file, found.info, s.changes})
		for _, parent := range told.parents {
			files = append(files, judgedFile{parent.path, t.factsOf(parent.path).info, parent.store.changes})
		}
	})
	if err == nil && files == nil {
		err = fmt.Errorf("store %q: %w", file, volume.ErrNotFound)
	}
	if err != nil {
		return toldLineage{}, err
	}
	if !all {
		stage = 0
	}
	if known.of(files, told) {
		known.stage = stage
		s.mu.Lock()
		s.lineage = known
		s.mu.Unlock()
		return known.told, nil
	}
	var account lineage.Account
	final := true
	snapshot, err := s.Snapshot(ctx)
	if err == nil {
		var facts lineage.Facts
		if facts, _, final, err = s.judge(ctx, snapshot, told); err == nil {
			account, err = store.AccountOf(ctx, file, snapshot, facts)
		}
		if err == nil && snapshot.IsBranch() {
			unsure := s.use(ctx, func(engine *store.Store) (err error) {
				account.Lacks, err = engine.Lacks(ctx, snapshot)
				return err
			})
			final = final && unsure == nil && !account.Lacks
		}
	}
	if ctx.Err() != nil {
		return toldLineage{}, ctx.Err()
	}
	if err != nil {
		account = lineage.NoAccount(file, err)
		final = errors.Is(err, volume.ErrNotStore) || errors.Is(err, volume.ErrCorrupt)
	}
	text, err := json.MarshalIndent(account, chainIndent, "  ")
	if err != nil {
		return toldLineage{}, err
	}
	result := toldLineage{account, text, told.private}
	if final {
		s.mu.Lock()
		s.lineage = judgedLineage{files, told.unasked, told.cycle, result, stage}
		s.mu.Unlock()
	}
	return result, nil
}

// Ancestry is the way from a store up to its root, as a text.
type Ancestry struct {
	View       state.View
	Generation uint64 // another one for each different text
	// Private says that it speaks of files that not everybody reaches: others may be
	// told less.
	Private bool
}

// Ancestry tells where the store comes from, as far as the one who asks may read the
// stores above it.
func (s *Store) Ancestry(ctx context.Context) (Ancestry, error) {
	if err := s.catalog.refresh(ctx); err != nil {
		return Ancestry{}, err
	}
	text, private, err := s.ancestry(ctx)
	if err != nil {
		return Ancestry{}, err
	}
	told := Ancestry{View: state.TextView(text), Generation: maphash.Bytes(identitySeed, text), Private: private}
	if len(text) > longAncestry {
		told.View = &ancestryView{s, int64(len(text)), told.Generation}
	}
	return told, nil
}

// chainIndent stands before the lines of an account in the text of an ancestry.
const chainIndent = "    "

func (s *Store) ancestry(ctx context.Context) (text []byte, private bool, err error) {
	first, err := s.account(ctx)
	if err != nil {
		return nil, false, err
	}
	texts := [][]byte{first.text}
	private = first.private
	chain := lineage.Climb(first.Account, func(file string) (lineage.Account, lineage.End) {
		next, end, problem := s.catalog.accountAt(ctx, file)
		if err = problem; end == "" {
			texts = append(texts, next.text)
		}
		private = private || next.private
		return next.Account, end
	})
	if err != nil {
		return nil, false, err
	}
	text = fmt.Appendf(nil, "{\n  \"ancestors\": %d,\n  \"end\": %q,\n  \"weakest\": %q,\n  \"chain\": [\n%s", chain.Ancestors, chain.End, chain.Weakest, chainIndent)
	text = append(text, bytes.Join(texts, []byte(",\n"+chainIndent))...)
	return append(text, "\n  ]\n}\n"...), private, nil
}

// accountAt is the account of the store in a file, or why there is none for the one who
// asks. An error means that ctx is over.
func (c *Catalog) accountAt(ctx context.Context, file string) (told toldLineage, end lineage.End, err error) {
	var next *Store
	var permitted bool
	err = c.look(ctx, func(v *viewer) {
		if next = nil; c.tree.factsOf(file) != nil {
			next, permitted = c.storeAt(file), v.mayRead(file)
		}
	})
	switch {
	case err != nil:
		return told, lineage.EndUnreadable, err
	case next == nil:
		return told, lineage.EndMissing, nil
	case !permitted:
		return toldLineage{private: true}, lineage.EndNotPermitted, nil
	}
	told, err = next.account(ctx)
	told.private = told.private || c.shared()
	switch {
	case errors.Is(err, volume.ErrNotFound):
		return told, lineage.EndMissing, nil
	case err != nil:
		return told, lineage.EndUnreadable, err
	case told.Verification.Status == lineage.StatusNoStore:
		return told, lineage.EndUnreadable, nil
	}
	return told, "", ctx.Err()
}

// longAncestry is the length in bytes from which on a text is not kept for those who only
// look at its size.
const longAncestry = 4 << 10

// ancestryView is a long text, which is made anew when it is opened.
type ancestryView struct {
	store      *Store
	size       int64
	generation uint64
}

// Size implements state.View.
func (v *ancestryView) Size() int64 { return v.size }

// Open implements state.View: a text that has changed is looked up again.
func (v *ancestryView) Open(ctx context.Context) (state.Reader, error) {
	giveBack, err := v.store.catalog.options.Memory.Lend(ctx, v.size)
	if err != nil {
		return nil, err
	}
	text, _, err := v.store.ancestry(ctx)
	if err == nil && maphash.Bytes(identitySeed, text) != v.generation {
		err = fmt.Errorf("the ancestry of store %q: %w", v.store.Path(), volume.ErrStale)
	}
	var reader state.Reader
	if err == nil {
		reader, err = state.TextView(text).Open(ctx)
	}
	if err != nil {
		giveBack()
		return nil, err
	}
	return lentReader{reader, giveBack}, nil
}

// lentReader gives memory back when it is closed.
type lentReader struct {
	state.Reader
	giveBack func()
}

func (r lentReader) Close() error {
	defer r.giveBack()
	return r.Reader.Close()
}

// ParentLink leads from the folder of the store's lineage to its parent's folder. The error
// is volume.ErrNotFound where there is none that the one who asks can enter.
func (s *Store) ParentLink(ctx context.Context) (entry Entry, err error) {
	c := s.catalog
	if err := c.refresh(ctx); err != nil {
		return Entry{}, err
	}
	problem := c.look(ctx, func(v *viewer) {
		t, file := c.tree, s.place.path()
		err = fmt.Errorf("the parent of store %q: %w", file, volume.ErrNotFound)
		parent, stands := t.parentOf(file)
		if !stands || !v.enters(t, parent, file) {
			return
		}
		if target, fits := t.linkFor(v, path.Join(t.placeFor(v, file), NameLineage), parent); fits {
			entry, err = s.link(t, NameParent, s.NumberOf(NameLineage+"/"+NameParent), target), nil
		}
	})
	return entry, errors.Join(problem, err)
}

// ChildLinks lead from the folder of the store's children to theirs, in order of name.
func (s *Store) ChildLinks(ctx context.Context) (entries []Entry, err error) {
	c := s.catalog
	if err := c.refresh(ctx); err != nil {
		return nil, err
	}
	problem := c.look(ctx, func(v *viewer) {
		children, from := s.kin(v)
		entries, err = make([]Entry, 0, len(children)), c.tree.unknown(s.place.path())
		for _, child := range children {
			if entry, fits := s.childLink(v, from, child); fits {
				entries = append(entries, entry)
			}
		}
	})
	return entries, errors.Join(problem, err)
}

// ChildLink is one of them.
func (s *Store) ChildLink(ctx context.Context, name string) (entry Entry, err error) {
	c := s.catalog
	if err := c.refresh(ctx); err != nil {
		return Entry{}, err
	}
	problem := c.look(ctx, func(v *viewer) {
		children, from := s.kin(v)
		err = fmt.Errorf("%q among the children of store %q: %w", name, s.place.path(), volume.ErrNotFound)
		if i, found := slices.BinarySearchFunc(children, name, func(c child, name string) int { return cmp.Compare(c.name, name) }); found {
			if link, fits := s.childLink(v, from, children[i]); fits {
				entry, err = link, nil
			}
		}
	})
	return entry, errors.Join(problem, err)
}

// kin are the store's children that a viewer could reach, and the folder in which they are
// linked. For this and the next two the caller holds the catalog's mu.
func (s *Store) kin(v *viewer) (children []child, from string) {
	t, file := s.catalog.tree, s.place.path()
	children = t.childrenFor(v, file)
	if far := t.apartBelow[file]; len(far) > 0 {
		children = slices.Clone(children)
		for _, c := range far {
			if !liesApart(c.file, file) || v.reaches(c.file) {
				children = append(children, c)
			}
		}
		nameChildren(file, children)
	}
	return children, path.Join(t.placeFor(v, file), NameLineage, NameChildren)
}

func (s *Store) childLink(v *viewer, from string, of child) (Entry, bool) {
	t := s.catalog.tree
	target, fits := t.linkFor(v, from, of.file)
	if !fits {
		return Entry{}, false
	}
	return s.link(t, of.name, s.catalog.storeAt(of.file).number+1, target), true
}

// link is a symlink with owner and time of the store's file.
func (s *Store) link(t *tree, name string, number uint64, target string) Entry {
	described := AttributesOf(t.factsOf(s.place.path()).info)
	described.Mode, described.Size = 0o777, int64(len(target))
	return Entry{Name: name, Kind: KindLink, Link: &Link{number: number, target: target, attributes: described}}
}

// linkFor is what leads a viewer from a folder to a store's: to where it stands for him, or,
// if that is too far, to where its file lies, from where a link leads on.
func (t *tree) linkFor(v *viewer, from, file string) (target string, fits bool) {
	if target = relativePath(from, t.placeFor(v, file)); len(target) > longestTarget {
		target = relativePath(from, file)
	}
	return target, len(target) <= longestTarget
}
