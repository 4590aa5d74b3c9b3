package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/store"
	"rvffs/store/volume/bucket"
	"rvffs/store/volume/bucket/memory"
)

// namesIn are those of the folders and stores that something lists.
func namesIn(ctx context.Context, f Container) (names []string, err error) {
	entries, err := f.List(ctx)
	for _, entry := range entries {
		if entry.Folder != nil || entry.Store != nil {
			names = append(names, entry.Name)
		}
	}
	slices.Sort(names)
	return names, err
}

// TestTwoMachinesShowOneBucket: what one makes, derives, moves, fills and removes, the other
// shows.
func TestTwoMachinesShowOneBucket(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	objects := memory.New()
	machine := func() *inMemory {
		place := bucket.Open(objects, bucket.Options{Freshness: -1})
		m := &inMemory{T: t, catalog: Open(place, Options{Dimension: 2, TurnWait: time.Second})}
		t.Cleanup(func() {
			if err := errors.Join(m.catalog.Close(), place.Close()); err != nil {
				t.Error(err)
			}
		})
		return m
	}
	one, two := machine(), machine()
	shows := func(what string, m *inMemory, folder, want string) {
		t.Helper()
		m.age()
		var f Container = m.catalog.Root()
		if folder != "." {
			entry, err := m.catalog.Root().Lookup(ctx, folder)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				return
			}
			if f = entry.Folder; entry.Folder == nil {
				f = entry.Store
			}
		}
		names, err := namesIn(ctx, f)
		if got := strings.Join(names, " "); got != want || err != nil {
			t.Errorf("%s: %s shows %q, want %q, %v", what, folder, got, want, err)
		}
	}
	for _, name := range []string{"a.rvf", "team", "void"} {
		if _, err := one.catalog.Root().Make(ctx, name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	shows("made", two, ".", "a.rvf team void")
	if err := two.derive("a.rvf", "child.rvf"); err != nil {
		t.Fatal(err)
	}
	shows("derived", one, "a.rvf", "child.rvf")
	shows("derived", two, "a.rvf", "child.rvf")
	entry, err := two.catalog.Root().Lookup(ctx, "a.rvf")
	if err != nil {
		t.Fatal(err)
	}
	err = entry.Store.use(ctx, func(engine *store.Store) error {
		_, err := engine.Ingest(ctx, []uint64{1, 2}, []float32{1, 2, 3, 4})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	mine, err := one.catalog.Root().Lookup(ctx, "a.rvf")
	if err != nil {
		t.Fatal(err)
	}
	if status, _, err := mine.Store.StatusJSON(ctx); err != nil || !strings.Contains(string(status), `"live_vectors": 2,`) {
		t.Errorf("the other machine shows %s, %v", status, err)
	}
	team, err := one.folder("team")
	if err == nil {
		err = one.catalog.Root().Move(ctx, "a.rvf", team, "b.rvf")
	}
	if err != nil {
		t.Fatal(err)
	}
	shows("moved", two, "team", "b.rvf")
	shows("moved", two, ".", "team void")
	if err := two.catalog.Root().Remove(ctx, "void"); err != nil {
		t.Error(err)
	}
	shows("removed", one, ".", "team")
	if err := one.catalog.Root().Move(ctx, "team", one.catalog.Root(), "crew"); err == nil {
		t.Error("a folder of a bucket can be renamed")
	}
	shows("not renamed", two, ".", "team")
}
