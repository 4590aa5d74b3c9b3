package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"

	"rvffs/lineage"
	"rvffs/store"
)

// identityText is identity.json.
type identityText struct {
	store.IdentityDescription
	Root         bool             `json:"root"`
	Profile      string           `json:"profile"`
	Verification verificationText `json:"verification"`
	Copies       []string         `json:"copies,omitempty"`      // other files of the mount that carry the same id, the first of them
	MoreCopies   int              `json:"more_copies,omitempty"` // how many there are beside these
}

// namedCopies bounds how many copies a text names: each of a thousand copies would
// name all others.
const namedCopies = 64

// verificationText tells how the store's word about its parent was checked.
type verificationText struct {
	// Status is "root", "verified", "parent-missing" (none in the mount whose child it
	// could be, for all that the reader may know), "mismatch"
	// (ids or depth contradict the parent's), "unmatched" (the parent's file holds
	// no state of that hash, as after a compaction), or "unknown" (no identity).
	Status         string  `json:"status"`
	Method         string  `json:"method,omitempty"`          // of the parent hash
	Parent         string  `json:"parent,omitempty"`          // its file
	ParentEpoch    *uint32 `json:"parent_epoch,omitempty"`    // of the state derived from
	ParentManifest *int64  `json:"parent_manifest,omitempty"` // offset of that state's manifest
	Reason         string  `json:"reason,omitempty"`
}

// renderedIdentity is the newest identity.json for those from whom nothing of it is
// kept. It stays the same file as long as nothing in it changes.
type renderedIdentity struct {
	snapshot   *store.Snapshot // and
	parent     *store.Snapshot // it was made from
	tree       *tree
	text       []byte
	generation uint64
}

// identitySeed makes the generations of texts; they mean nothing to another process.
var identitySeed = maphash.MakeSeed()

// Identity is what identity.json says.
type Identity struct {
	View       store.View
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
		told = s.relatives(snapshot, v)
	}); err != nil {
		return Identity{}, err
	}
	var parent *store.Snapshot
	if told.parent != "" {
		if parent, err = told.store.Snapshot(ctx); err != nil && ctx.Err() != nil {
			return Identity{}, err
		}
	}
	s.mu.Lock()
	known := s.identity
	s.mu.Unlock()
	if told.all && known.snapshot == snapshot && known.parent == parent && known.tree == t {
		return Identity{store.TextView(known.text), known.generation, told.private}, nil
	}
	text, err := s.describe(ctx, snapshot, told, parent)
	if err != nil {
		return Identity{}, err
	}
	next := renderedIdentity{snapshot: snapshot, parent: parent, tree: t, text: text, generation: maphash.Bytes(identitySeed, text)}
	if told.all {
		s.mu.Lock()
		s.identity = next
		s.mu.Unlock()
	}
	return Identity{store.TextView(text), next.generation, told.private}, nil
}

// relatives are the other files that a store's identity speaks of.
type relatives struct {
	parent  string // "" for none
	store   *Store // the parent
	copies  []string
	more    int  // copies that are not named
	private bool // some of them not everybody reaches
	all     bool // this viewer reaches all
}

// relatives finds those that a viewer may be told of: who reaches the store has
// searched its folder and those above, and needs no leave to hear of what lies there.
// The caller holds the catalog's mu.
func (s *Store) relatives(snapshot *store.Snapshot, viewer *viewer) relatives {
	t, file := s.catalog.tree, s.place.path()
	told := relatives{all: true}
	may := func(other string, could func(string) bool) bool {
		if !apart(other, file) {
			return true
		}
		told.private = s.catalog.shared()
		seen := could(other)
		told.all = told.all && seen
		return seen
	}
	if parent, nested := t.parent[file]; nested && may(parent, viewer.mayRead) {
		told.parent, told.store = parent, s.catalog.storeAt(parent)
	}
	if identity, known := snapshot.Identity(); known {
		for _, other := range t.copies[identity.FileID] {
			switch {
			case other == file || !may(other, viewer.reaches):
			case len(told.copies) < namedCopies:
				told.copies = append(told.copies, other)
			default:
				told.more++
			}
		}
	}
	return told
}

func (s *Store) describe(ctx context.Context, snapshot *store.Snapshot, told relatives, parent *store.Snapshot) ([]byte, error) {
	identity, known := snapshot.Identity()
	text := identityText{IdentityDescription: store.DescribeIdentity(identity), Root: identity.IsRoot(), Copies: told.copies, MoreCopies: told.more}
	err := s.use(ctx, func(engine *store.Store) error {
		profile, err := engine.Profile(ctx)
		text.Profile = profile.String()
		return err
	})
	if err != nil {
		return nil, err
	}
	switch {
	case !known:
		text.Verification = verificationText{Status: "unknown", Reason: "the file is from before identities were kept"}
	case identity.IsRoot():
		text.Verification.Status = "root"
	case parent == nil:
		text.Verification = verificationText{Status: "parent-missing", Parent: told.parent}
	default:
		if text.Verification, err = verify(ctx, identity, told.parent, parent); err != nil {
			return nil, err
		}
	}
	encoded, err := json.MarshalIndent(text, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(encoded, '\n'), nil
}

// verify compares what a store says of its parent with the parent.
func verify(ctx context.Context, identity lineage.Identity, parentFile string, parent *store.Snapshot) (verificationText, error) {
	result := verificationText{Parent: parentFile}
	parentIdentity, _ := parent.Identity()
	if err := lineage.CheckLink(identity, parentIdentity); err != nil {
		result.Status, result.Reason = "mismatch", err.Error()
		return result, nil
	}
	match, err := parent.FindParentState(ctx, identity.ParentHash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		result.Status, result.Reason = "unmatched", err.Error()
	case err != nil:
		return result, err
	default:
		result.Status, result.Method = "verified", string(match.Method)
		result.ParentEpoch, result.ParentManifest = &match.Epoch, &match.Offset
	}
	return result, nil
}
