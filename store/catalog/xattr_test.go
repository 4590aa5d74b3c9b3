package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// attributes are all that a store's folder lists, with their values.
func attributes(s *Store) map[string]string {
	all := map[string]string{}
	for _, name := range s.Xattrs(context.Background()) {
		all[name], _ = s.Xattr(context.Background(), name)
	}
	return all
}

func TestXattrs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlace(t, map[string][]byte{"a.rvf": person(1, 0), "orphan.rvf": person(3, 9)}, Options{Metric: segments.Cosine})
	zeros, ones := strings.Repeat("00", 16), strings.Repeat("01", 16)
	is := func(full string, want map[string]string) {
		t.Helper()
		s := p.find(full).Store
		got := attributes(s)
		for name, value := range want {
			if got["user.rvf."+name] != value {
				t.Errorf("%s: user.rvf.%s is %q, want %q", full, name, got["user.rvf."+name], value)
			}
		}
		if len(got) != len(want) || !slices.IsSorted(s.Xattrs(ctx)[:6]) {
			t.Errorf("%s lists %v", full, s.Xattrs(ctx))
		}
		for _, unknown := range []string{"user.rvf.", "user.rvf.Epoch", "epoch", "user.rvf.segments"} {
			if value, known := s.Xattr(ctx, unknown); known {
				t.Errorf("%s has %s = %q", full, unknown, value)
			}
		}
	}
	is("a.rvf", map[string]string{
		"dimension": "300", "epoch": "1", "file_id": ones, "lineage_depth": "0", "metric": "l2", "parent_id": zeros,
	})
	is("orphan.rvf", map[string]string{
		"dimension": "300", "epoch": "1", "file_id": strings.Repeat("03", 16), "lineage_depth": "1", "metric": "l2", "parent_id": strings.Repeat("09", 16),
	})
	if _, err := p.catalog.Root().Make(ctx, "new.rvf", 0o755); err != nil {
		t.Fatal(err)
	}
	if got := attributes(p.find("new.rvf").Store); got["user.rvf.metric"] != "cosine" || got["user.rvf.dimension"] != "0" || got["user.rvf.epoch"] != "0" {
		t.Errorf("a new store has %v", got)
	}
	child, err := p.find("a.rvf").Store.Derive(ctx, "c.rvf", 0o755)
	if err != nil {
		t.Fatal(err)
	}
	id := p.snapshot("a.rvf/c.rvf")
	identity, _ := id.Identity()
	is("a.rvf/c.rvf", map[string]string{
		"dimension": "300", "epoch": "0", "file_id": identity.FileID.String(), "lineage_depth": "1", "metric": "l2",
		"parent_id": ones, "derivation_type": "clone",
	})
	epoch := id.Epoch()
	for name, kind := range map[string]lineage.DerivationType{
		"filter": lineage.Filter, "MERGE": lineage.Merge, "user-defined": lineage.UserDefined, "snapshot": lineage.Snapshot,
	} {
		if err := child.SetDerivationType(ctx, name); err != nil {
			t.Fatal(err)
		}
		if got, _ := child.Xattr(ctx, derivationTypeName); got != kind.String() {
			t.Errorf("set to %s, the type is %q", name, got)
		}
		record, known, err := p.snapshot("a.rvf/c.rvf").Derivation(ctx)
		if err != nil || !known || record.Type != kind || record.ParentID != fileID(1) || record.FileID != identity.FileID {
			t.Errorf("set to %s, the record is %+v, %v, %v", name, record, known, err)
		}
		if epoch++; p.snapshot("a.rvf/c.rvf").Epoch() != epoch {
			t.Errorf("set to %s, the epoch is %d, want %d", name, p.snapshot("a.rvf/c.rvf").Epoch(), epoch)
		}
	}
	before, _ := child.Xattr(ctx, derivationTypeName)
	for _, name := range []string{"", "clones", "1"} {
		if err := child.SetDerivationType(ctx, name); !errors.Is(err, volume.ErrInput) {
			t.Errorf("set to %q: %v", name, err)
		}
	}
	if err := p.find("new.rvf").Store.SetDerivationType(ctx, "filter"); !errors.Is(err, volume.ErrNotPermitted) {
		t.Errorf("the type of a root: %v", err)
	}
	if err := p.find("a.rvf").Store.SetDerivationType(ctx, "filter"); !errors.Is(err, volume.ErrNotEmpty) {
		t.Errorf("the type of a store with vectors: %v", err)
	}
	if after, _ := child.Xattr(ctx, derivationTypeName); after != before {
		t.Errorf("refused changes made it %q, it was %q", after, before)
	}
}

func TestXattrsReadOnly(t *testing.T) {
	t.Parallel()
	p := newPlace(t, map[string][]byte{"a.rvf": person(1, 0), "b.rvf": person(2, 1)}, Options{ReadOnly: true})
	if err := p.find("a.rvf/b.rvf").Store.SetDerivationType(context.Background(), "filter"); !errors.Is(err, volume.ErrReadOnly) {
		t.Errorf("set on a read-only mount: %v", err)
	}
	p.write("broken.rvf", []byte("no store"))
	if s := p.find("broken.rvf").Store; len(s.Xattrs(t.Context())) != 0 {
		t.Errorf("a file that is no store lists %v", s.Xattrs(t.Context()))
	}
}
