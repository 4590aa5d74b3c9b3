package catalog

import (
	"context"
	"fmt"
	"strconv"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// xattrs are the extended attributes of a store's folder.
var xattrs = []struct {
	name  string
	value func(context.Context, *Store, *state.Snapshot) string
}{
	{"user.rvf.branch_of", func(ctx context.Context, _ *Store, s *state.Snapshot) string {
		if branch, err := s.Branch(ctx); s.IsBranch() && err == nil {
			return branch.Map.ParentPath
		}
		return ""
	}},
	{"user.rvf.dimension", func(_ context.Context, _ *Store, s *state.Snapshot) string { return strconv.Itoa(s.Dimension()) }},
	{"user.rvf.epoch", func(_ context.Context, _ *Store, s *state.Snapshot) string {
		return strconv.FormatUint(uint64(s.Epoch()), 10)
	}},
	{"user.rvf.file_id", func(_ context.Context, _ *Store, s *state.Snapshot) string {
		identity, _ := s.Identity()
		return identity.FileID.String()
	}},
	{"user.rvf.frozen", func(ctx context.Context, _ *Store, s *state.Snapshot) string {
		if frozen, err := s.Frozen(ctx); err != nil || !frozen {
			return ""
		}
		return "true"
	}},
	{"user.rvf.inherited_vectors", func(ctx context.Context, of *Store, s *state.Snapshot) string {
		return of.branchCount(ctx, s, func(b *store.BranchStatus) uint64 { return b.InheritedVectors })
	}},
	{"user.rvf.lineage_depth", func(_ context.Context, _ *Store, s *state.Snapshot) string {
		identity, _ := s.Identity()
		return strconv.FormatUint(uint64(identity.Depth), 10)
	}},
	{"user.rvf.metric", func(_ context.Context, _ *Store, s *state.Snapshot) string { return s.Metric().String() }},
	{"user.rvf.own_vectors", func(ctx context.Context, of *Store, s *state.Snapshot) string {
		return of.branchCount(ctx, s, func(b *store.BranchStatus) uint64 { return b.OwnVectors })
	}},
	{"user.rvf.parent_id", func(_ context.Context, _ *Store, s *state.Snapshot) string {
		identity, _ := s.Identity()
		return identity.ParentID.String()
	}},
	{derivationTypeName, derivationType},
}

const derivationTypeName = "user.rvf.derivation_type"

// derivationType is the type that the derivation's own record states; empty for roots and for
// stores without such a record.
func derivationType(ctx context.Context, _ *Store, s *state.Snapshot) string {
	record, known, err := s.Derivation(ctx)
	if err != nil || !known {
		return ""
	}
	return record.TypeWord()
}

// branchCount is a count of a branch; empty of other stores, and where what the branch
// inherits cannot be read.
func (s *Store) branchCount(ctx context.Context, snapshot *state.Snapshot, count func(*store.BranchStatus) uint64) string {
	status, err := s.branch(ctx, snapshot)
	if err != nil || status == nil || status.Problem != "" {
		return ""
	}
	return strconv.FormatUint(count(status), 10)
}

// Xattr is the value of one extended attribute; false when there is none.
func (s *Store) Xattr(ctx context.Context, name string) (string, bool) {
	for _, attribute := range xattrs {
		if attribute.name != name {
			continue
		}
		snapshot, err := s.Snapshot(ctx)
		if err != nil {
			return "", false
		}
		value := attribute.value(ctx, s, snapshot)
		return value, value != ""
	}
	return "", false
}

// Xattrs lists the names of the extended attributes.
func (s *Store) Xattrs(ctx context.Context) []string {
	names := make([]string, 0, len(xattrs))
	for _, attribute := range xattrs {
		if _, known := s.Xattr(ctx, attribute.name); known {
			names = append(names, attribute.name)
		}
	}
	return names
}

// SetDerivationType changes how a derived store without content says that it was
// derived.
func (s *Store) SetDerivationType(ctx context.Context, name string) error {
	if name == store.ContentBranch.String() {
		if err := s.catalog.checkWritable(); err != nil {
			return err
		}
		ctx, err := s.AllowNewest(ctx, volume.Write)
		if err != nil {
			return err
		}
		return s.becomeBranch(ctx)
	}
	kind, err := lineage.ParseDerivationType(name)
	if err != nil {
		return fmt.Errorf("%w: %w", volume.ErrInput, err)
	}
	if err := s.catalog.checkWritable(); err != nil {
		return err
	}
	if ctx, err = s.AllowNewest(ctx, volume.Write); err != nil {
		return err
	}
	return s.use(ctx, func(engine *store.Store) error { return engine.SetDerivationType(ctx, kind) })
}
