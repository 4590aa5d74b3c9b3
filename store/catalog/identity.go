package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"

	"rvffs/lineage"
	"rvffs/store"
)

// identityText is identity.json.
type identityText struct {
	store.IdentityDescription
	Root         bool             `json:"root"`
	Profile      string           `json:"profile"`
	Verification verificationText `json:"verification"`
	Copies       []string         `json:"copies,omitempty"` // other files of the mount that carry the same id
}

// verificationText tells how the store's word about its parent was checked.
type verificationText struct {
	// Status is "root", "verified", "parent-missing" (not in the mount), "mismatch"
	// (ids or depth contradict the parent's), "unmatched" (the parent's file holds
	// no state of that hash, as after a compaction), or "unknown" (no identity).
	Status         string  `json:"status"`
	Method         string  `json:"method,omitempty"`          // of the parent hash
	Parent         string  `json:"parent,omitempty"`          // its file
	ParentEpoch    *uint32 `json:"parent_epoch,omitempty"`    // of the state derived from
	ParentManifest *int64  `json:"parent_manifest,omitempty"` // offset of that state's manifest
	Reason         string  `json:"reason,omitempty"`
}

// renderedIdentity is the newest identity.json, which stays the same file as long
// as nothing in it changes.
type renderedIdentity struct {
	snapshot   *store.Snapshot // and
	parent     *store.Snapshot // it was made from
	tree       *tree
	text       []byte
	generation uint64
}

// identityGenerations numbers different texts of one process.
var identityGenerations atomic.Uint64

// IdentityJSON tells who the store is and whether its lineage holds. The
// generation is another one for each different text.
func (s *Store) IdentityJSON(ctx context.Context) (store.View, uint64, error) {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return nil, 0, err
	}
	t, path, err := s.catalog.picture(ctx, &s.place)
	if err != nil {
		return nil, 0, err
	}
	var parent *store.Snapshot
	parentFile, nested := t.parent[path]
	if nested {
		if parent, err = s.catalog.store(parentFile).Snapshot(ctx); err != nil && ctx.Err() != nil {
			return nil, 0, err
		}
	}
	s.mu.Lock()
	known := s.identity
	s.mu.Unlock()
	if known.snapshot == snapshot && known.parent == parent && known.tree == t {
		return store.TextView(known.text), known.generation, nil
	}
	text, err := s.describe(ctx, t, path, snapshot, parentFile, parent)
	if err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := renderedIdentity{snapshot: snapshot, parent: parent, tree: t, text: text, generation: s.identity.generation}
	if next.generation == 0 || !bytes.Equal(text, s.identity.text) {
		next.generation = identityGenerations.Add(1)
	}
	s.identity = next
	return store.TextView(next.text), next.generation, nil
}

func (s *Store) describe(ctx context.Context, t *tree, path string, snapshot *store.Snapshot, parentFile string, parent *store.Snapshot) ([]byte, error) {
	identity, known := snapshot.Identity()
	text := identityText{IdentityDescription: store.DescribeIdentity(identity), Root: identity.IsRoot()}
	err := s.use(ctx, func(engine *store.Store) error {
		profile, err := engine.Profile(ctx)
		text.Profile = profile.String()
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, file := range t.copies[identity.FileID] {
		if known && file != path {
			text.Copies = append(text.Copies, file)
		}
	}
	switch {
	case !known:
		text.Verification = verificationText{Status: "unknown", Reason: "the file is from before identities were kept"}
	case identity.IsRoot():
		text.Verification.Status = "root"
	case parent == nil:
		text.Verification = verificationText{Status: "parent-missing", Parent: parentFile}
	default:
		if text.Verification, err = verify(ctx, identity, parentFile, parent); err != nil {
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
