package store

import (
	"context"
	"fmt"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// DeriveOptions says what a derived store is.
type DeriveOptions struct {
	Type lineage.DerivationType
	// Content is what the store shows at first.
	Content Content
	// ParentPath is this store's file, relative to the folder of the new one or absolute; a
	// branch tells others by it where its parent lies. Empty: its name in this folder.
	ParentPath string
	// ListedAs is the new file, as seen from the folder of this store, if it lies in another:
	// this store lists such a branch at once, for nobody would find it. Empty: in this folder.
	ListedAs string
	// Perm is the new file's mode, nil for 0644, of which the process and the folder
	// may take some.
	Perm *os.FileMode
	// Shelf makes the store; nil for that in which the parent lies. It may be reached with
	// somebody else's rights.
	Shelf volume.Shelf

	// IDs are those of the vectors that are copied; nil: all. Those without a vector are no
	// error, unless Doubt, which may be nil, makes one of how many have one.
	IDs   *idset.Set
	Doubt func(found, all uint64) error
	// Copied is told of each part of a copy that was made: how many vectors of how many.
	Copied func(done, all uint64)
	// Filled reaches the shelf with the rights of who fills a copy, which may be others than
	// those of whom it is made for; nil: it is the same.
	Filled volume.Shelf

	name string // of the new file
}

// Content is what vectors a derived store shows when it is new.
type Content uint8

const (
	// ContentEmpty is none.
	ContentEmpty Content = iota
	// ContentBranch is those of the parent as it is now, which the new store shows without
	// having them; see Store.branchOf.
	ContentBranch
	// ContentCopy is those of the parent as it is now, copied, or some of them.
	ContentCopy
)

// contentWords are the words for them.
var contentWords = []string{ContentEmpty: "empty", ContentBranch: "branch", ContentCopy: "copy"}

// String returns the word for it.
func (c Content) String() string {
	if int(c) < len(contentWords) {
		return contentWords[c]
	}
	return fmt.Sprintf("%d", uint8(c))
}

// ParseContent reads a word that String writes.
func ParseContent(word string) (Content, error) {
	if i := slices.Index(contentWords, word); i >= 0 {
		return Content(i), nil
	}
	return 0, fmt.Errorf("%w: %.40q is none of %s", volume.ErrInput, word, strings.Join(contentWords, ", "))
}

// Derive makes a new store at name whose parent is this one: empty, a branch or a copy, with a new
// id, the parent's id, the hash of its newest manifest, depth + 1, and the
// parent's dimension, metric and hardware profile. The name's extension sets the
// domain profile; a name without any extension takes the parent's over. The child
// is on the disk when Derive returns. It fails with ErrExists when the name is
// taken.
func (s *Store) Derive(ctx context.Context, name string, options DeriveOptions) error {
	if options.Shelf == nil {
		options.Shelf = s.shelf
	}
	options.name = path.Base(name)
	if err := s.derive(ctx, name, options); err != nil {
		return describeMaking(fmt.Sprintf("derive from store %q", s.Path()), options.Shelf.Log(name, volume.LogOptions{}).Path(), err)
	}
	return nil
}

func (s *Store) derive(ctx context.Context, name string, options DeriveOptions) error {
	base := path.Base(name)
	_, named := lineage.ProfileOfName(base)
	if !named && strings.ContainsRune(strings.TrimLeft(base, "."), '.') {
		return CheckName(base)
	}
	var content newFileContent
	var from *state.Snapshot
	err := s.withNewest(ctx, func(parent *state.Snapshot) (err error) {
		from = parent
		content, err = s.childOf(ctx, parent, options, named)
		return err
	})
	if err != nil {
		return err
	}
	content.perm = permOf(options.Perm)
	switch options.Content {
	case ContentBranch:
		return s.writeBranch(ctx, name, options.Shelf, content)
	case ContentCopy:
		return s.writeCopy(ctx, from, name, options, content)
	}
	return writeNew(ctx, options.Shelf, name, content)
}

// childOf is the first content of a store derived from parent; without a profile
// in its name it takes the parent's over.
func (s *Store) childOf(ctx context.Context, parent *state.Snapshot, options DeriveOptions, named bool) (content newFileContent, err error) {
	identity, known := parent.Identity()
	if !known {
		return content, fmt.Errorf("%w: the parent is from before identities were kept and has none", volume.ErrInput)
	}
	if identity.FileID.IsZero() {
		return content, fmt.Errorf("%w: the parent's file id is zero, so that no child could name it", volume.ErrInput)
	}
	if identity.Depth == math.MaxUint32 {
		return content, fmt.Errorf("%w: the parent's lineage depth is the highest there can be", volume.ErrInput)
	}
	child := lineage.Identity{ParentID: identity.FileID, Depth: identity.Depth + 1}
	if child.ParentHash, err = parent.ParentHash(ctx); err != nil {
		return content, err
	}
	if child.FileID, err = lineage.NewFileID(); err != nil {
		return content, err
	}
	record, err := recordOf(ctx, child, parent, options.Type, lineage.Start(options.Content.String()))
	if err != nil {
		return content, err
	}
	var made []volume.NewSegment
	if options.Content == ContentBranch {
		if made, child.ParentHash, err = s.branchOf(ctx, parent, child, options); err != nil {
			return content, err
		}
	}
	witness := segments.Witness{Kind: segments.WitnessLineage, Timestamp: uint64(time.Now().UnixNano()), Action: record}
	content = newFileContent{
		manifest: &segments.Manifest{
			Dimension: parent.Manifest().Dimension, Metric: parent.Manifest().Metric,
			HardwareProfile: parent.Manifest().HardwareProfile, Identity: child, HasIdentity: true,
		},
		before: append(made, volume.NewSegment{Type: segments.TypeWitness, Flags: segments.FlagHasLineage, Payload: witness.Encode()}),
	}
	if !named {
		profile, err := s.profileOf(ctx, parent)
		if err != nil {
			return content, err
		}
		content.before = append(content.before, volume.NewSegment{Type: segments.TypeProfile, Payload: segments.EncodeProfile(profile)})
	}
	return content, nil
}

// recordOf is the record of a derivation from a state of the parent's.
func recordOf(ctx context.Context, child lineage.Identity, parent *state.Snapshot, kind lineage.DerivationType, start lineage.Start) ([]byte, error) {
	hash, err := parent.ParentHash(ctx)
	if err != nil {
		return nil, err
	}
	origin := lineage.Origin{Start: start}
	err = parent.With(ctx, state.Judging, func(in *state.Reading) (err error) {
		origin.Audit, err = in.AuditMark()
		return err
	})
	if err != nil {
		return nil, err
	}
	return lineage.Record{
		FileID: child.FileID, ParentID: child.ParentID, ParentHash: hash,
		Type: kind, MutationCount: parent.Epoch(), Timestamp: uint64(time.Now().UnixNano()), Text: origin.String(),
	}.AppendBinary(nil)
}

// Profile is the store's domain profile: that of its file name's extension, or
// of its PROFILE segment when the name has none.
func (s *Store) Profile(ctx context.Context) (profile lineage.Profile, err error) {
	err = s.withNewest(ctx, func(snapshot *state.Snapshot) error {
		profile, err = s.profileOf(ctx, snapshot)
		return err
	})
	return profile, err
}

func (s *Store) profileOf(ctx context.Context, snapshot *state.Snapshot) (lineage.Profile, error) {
	if profile, named := lineage.ProfileOfName(path.Base(s.Path())); named {
		return profile, nil
	}
	return snapshot.Profile(ctx)
}
