package catalog

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/storetest"
)

// TestBranchesThatDisappear: what a branch shows that somebody moves out of the directory is kept
// from then on, as soon as it is seen that it is gone, and by a compaction that comes at once;
// until the parent hears that it was removed.
func TestBranchesThatDisappear(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, at := range map[string]struct {
		look    bool // before the parent is rewritten
		removed bool
		listed  int
	}{
		"seen":                    {look: true, listed: 1},
		"before anybody looks":    {listed: 1},
		"removed on purpose":      {look: true, removed: true},
		"removed, and nobody saw": {removed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, nil, Options{})
			file := filepath.Join(p.directory, "p.rvf")
			parent, err := store.Create(ctx, "p.rvf", store.CreateOptions{Dimension: 1}, store.Options{Shelf: storetest.Shelf(t, file)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := parent.Close(); err != nil {
					t.Error(err)
				}
			})
			if err := parent.Derive(ctx, "b.rvf", store.DeriveOptions{Content: store.ContentBranch}); err != nil {
				t.Fatal(err)
			}
			branch := p.find("p.rvf/b.rvf").Store
			var id lineage.FileID
			err = branch.use(ctx, func(engine *store.Store) error {
				id = engine.FileID()
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			p.catalog.background.Wait()
			if err := os.Rename(filepath.Join(p.directory, "b.rvf"), filepath.Join(t.TempDir(), "b.rvf")); err != nil {
				t.Fatal(err)
			}
			if at.removed {
				if kept, err := parent.LetBranchGo(ctx, id, "b.rvf"); err != nil || kept != "" {
					t.Fatal(err, kept)
				}
			}
			if at.look {
				p.age()
				p.names(p.catalog.Root())
				p.catalog.background.Wait()
				p.lists("p.rvf", at.listed)
			}
			seen := p.find("p.rvf").Store
			err = seen.use(ctx, func(engine *store.Store) error {
				_, err := engine.Compact(ctx)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			p.lists("p.rvf", at.listed)
		})
	}
}

// lists fails unless a store lists so many branches.
func (p *place) lists(name string, want int) {
	p.Helper()
	err := p.find(name).Store.use(context.Background(), func(engine *store.Store) error {
		status, err := engine.Status(context.Background())
		if len(status.Branches) != want {
			p.Errorf("%s lists %v, want %d branches", name, status.Branches, want)
		}
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
}
