package catalog

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"path"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/state"
)

// identityText is identity.json.
type identityText struct {
	state.IdentityDescription
	Root    bool   `json:"root"`
	Profile string `json:"profile"`
	// Branch tells of a branch what it shows of its parent's.
	Branch *store.BranchStatus `json:"branch,omitempty"`
	lineage.Verdict
}

// renderedIdentity is the newest identity.json for those from whom nothing of it is
// kept. It stays the same file as long as nothing in it changes.
type renderedIdentity struct {
	snapshot   *state.Snapshot   // and
	parents    []*state.Snapshot // it was made from
	tree       *tree
	text       []byte
	generation uint64
}

// identitySeed makes the generations of texts; they mean nothing to another process.
var identitySeed = maphash.MakeSeed()

// Identity is what identity.json says.
type Identity struct {
	View       state.View
	Generation uint64 // another one for each different text
	// Private says that it speaks of files that not everybody reaches: others may be
	// told less.
	Private bool
}

// Identity tells who the store is and whether its lineage holds, and names of other
// stores those that the one who asks could reach.
func (s *Store) Identity(ctx context.Context) (Identity, error) {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return Identity{}, err
	}
	if err := s.catalog.refresh(ctx); err != nil {
		return Identity{}, err
	}
	var t *tree
	var told relatives
	if err := s.catalog.look(ctx, func(v *viewer) {
		t = s.catalog.tree
		identity, known := snapshot.Identity()
		told = s.relatives(identity, known, v)
		told.addCopies(t, s.place.path(), identity, s.catalog, v)
	}); err != nil {
		return Identity{}, err
	}
	s.mu.Lock()
	known := s.identity
	s.mu.Unlock()
	if told.all && known.snapshot == snapshot && known.tree == t {
		fits, err := known.fits(ctx, told.parents)
		if err != nil {
			return Identity{}, err
		}
		if fits {
			return Identity{state.TextView(known.text), known.generation, told.private}, nil
		}
	}
	text, parents, final, err := s.describe(ctx, snapshot, told)
	if err != nil {
		return Identity{}, err
	}
	next := renderedIdentity{snapshot: snapshot, parents: parents, tree: t, text: text, generation: maphash.Bytes(identitySeed, text)}
	if told.all && final {
		s.mu.Lock()
		s.identity = next
		s.mu.Unlock()
	}
	return Identity{state.TextView(text), next.generation, told.private}, nil
}

// fits reports whether the text is what it would become: made from the first of these
// parents in the same states.
func (r *renderedIdentity) fits(ctx context.Context, parents []parentFile) (bool, error) {
	for i, former := range r.parents {
		if now, err := parents[i].store.Snapshot(ctx); ctx.Err() != nil {
			return false, err
		} else if now != former {
			return false, nil
		}
	}
	return true, nil
}

// relatives are the other files that a store's identity speaks of.
type relatives struct {
	parents []parentFile // that may be the parent
	unasked int          // others, which are not looked at
	cycle   bool
	copies  []string
	private bool // some of them not everybody reaches
	all     bool // this viewer reaches all
}

// parentFile is a file that may be a store's parent.
type parentFile struct {
	path  string
	store *Store
}

// relatives finds those that a viewer may be told of: who reaches the store has
// searched its folder and those above, and needs no leave to hear of what lies there.
// The caller holds the catalog's mu.
func (s *Store) relatives(identity lineage.Identity, known bool, viewer *viewer) relatives {
	t, file := s.catalog.tree, s.place.path()
	told := relatives{all: true}
	if !known {
		return told
	}
	told.cycle = t.forest.Cyclic(identity)
	candidates := t.mayHaveDerived(file, identity)
	for i, parent := range candidates {
		switch {
		case i >= store.MostParents && viewer.seesAll() && (told.private || !s.catalog.shared()):
			told.unasked += len(candidates) - i
			return told
		case i >= store.MostParents:
			if told.may(s.catalog, parent, file, viewer.reaches) {
				told.unasked++
			}
		case told.may(s.catalog, parent, file, viewer.mayRead):
			told.parents = append(told.parents, parentFile{parent, s.catalog.storeAt(parent)})
		}
	}
	return told
}

// may reports whether a viewer may be told of another file than the store's, for which
// could says what he could do with it.
func (r *relatives) may(c *Catalog, other, file string, could func(string) bool) bool {
	if !liesApart(other, file) {
		return true
	}
	r.private = c.shared()
	seen := could(other)
	r.all = r.all && seen
	return seen
}

// addCopies finds the other files of a store's id that a viewer may be told of. The caller
// holds the catalog's mu.
func (r *relatives) addCopies(t *tree, file string, identity lineage.Identity, c *Catalog, viewer *viewer) {
	for _, carrier := range t.forest.Carriers(identity.FileID) {
		if other := t.forest.Name(carrier); other != file && r.may(c, other, file, viewer.reaches) {
			r.copies = append(r.copies, other)
		}
	}
}

// mayHaveDerived are the files that may be the parent of a store: the one in whose
// folder it stands, then those beside it, then the others. The caller holds the catalog's
// mu, and does not change the list: it is kept for the next store of which it is true.
func (t *tree) mayHaveDerived(file string, identity lineage.Identity) []string {
	child := storeFile{file, t.factsOf(file)}
	if child.found == nil || identity.IsRoot() || identity.FileID == identity.ParentID {
		return nil
	}
	folder := path.Dir(file)
	asked := brothers{identity.ParentID, identity.Depth, t.parent[file], folder, child.found.info.UID}
	if t.derived.of == asked {
		return t.derived.by
	}
	t.derived.of, t.derived.by = asked, t.candidates(file, identity)
	return t.derived.by
}

// candidates is mayHaveDerived for who does not hold the catalog's mu.
func (t *tree) candidates(file string, identity lineage.Identity) (files []string) {
	folder, child := path.Dir(file), storeFile{file, t.factsOf(file)}
	if child.found == nil || identity.IsRoot() || identity.FileID == identity.ParentID {
		return nil
	}
	candidates := t.forest.Candidates(identity, func(candidate int32) int {
		switch name := t.forest.Name(candidate); {
		case name == t.parent[file]:
			return 0
		case path.Dir(name) == folder:
			return 1
		}
		return 2
	})
	for _, candidate := range candidates {
		name := t.forest.Name(candidate)
		if (storeFile{name, t.factsOf(name)}).mayTakeIn(child) {
			files = append(files, name)
		}
	}
	return files
}

// brothers are stores that may have been derived from the same files.
type brothers struct {
	parent lineage.FileID
	depth  uint32
	nested string // the parent's file in whose folder they stand
	folder string // that their files lie in
	owner  uint32
}

// describe writes the text, and tells which states of the parents it was made from. It
// is final when all of them could be read.
func (s *Store) describe(ctx context.Context, snapshot *state.Snapshot, told relatives) (text []byte, compared []*state.Snapshot, final bool, err error) {
	identity, _ := snapshot.Identity()
	described := identityText{IdentityDescription: state.DescribeIdentity(identity), Root: identity.IsRoot()}
	err = s.use(ctx, func(engine *store.Store) error {
		profile, err := engine.Profile(ctx)
		described.Profile = profile.String()
		return err
	})
	if err != nil {
		return nil, nil, false, err
	}
	if described.Branch, err = s.branch(ctx, snapshot); err != nil {
		return nil, nil, false, err
	}
	facts, compared, final, err := s.judge(ctx, snapshot, told)
	if err != nil {
		return nil, nil, false, err
	}
	described.Verdict = facts.Judge()
	final = final && (described.Branch == nil || described.Branch.Problem == "")
	encoded, err := json.MarshalIndent(described, "", "  ")
	if err != nil {
		return nil, nil, false, err
	}
	return append(encoded, '\n'), compared, final, nil
}

// asked are the relatives as the judge asks for them. Asked is called with the state of
// each parent that was looked at, or why it could not be.
func (r relatives) asked(asked func(*state.Snapshot, error)) store.Relatives {
	parents := make([]store.ParentFile, 0, len(r.parents))
	for _, parent := range r.parents {
		parents = append(parents, store.ParentFile{Name: parent.path, Use: func(ctx context.Context, compare func(*state.Snapshot) error) error {
			snapshot, err := parent.store.Snapshot(ctx)
			if err == nil {
				err = compare(snapshot)
			}
			asked(snapshot, err)
			return err
		}})
	}
	return store.Relatives{Parents: parents, Unasked: r.unasked, Cycle: r.cycle, Copies: r.copies}
}
