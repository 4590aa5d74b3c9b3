package catalog

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"rvffs/store/state"
)

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func heap() uint64 {
	var statistics runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&statistics)
	return statistics.HeapAlloc
}

// touch looks into every store of a listing once.
func touch(t *testing.T, p *place) []*state.Snapshot {
	t.Helper()
	entries, err := p.catalog.Root().List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	snapshots := make([]*state.Snapshot, 0, len(entries))
	for _, entry := range entries {
		snapshot, err := p.catalog.store(entry.Name).Snapshot(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		snapshots = append(snapshots, snapshot)
	}
	return snapshots
}

// openPlace shows a directory that is there already.
func openPlace(t *testing.T, directory string, options Options) *place {
	t.Helper()
	c, err := openDirectory(directory, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &place{T: t, directory: directory, catalog: c}
}

// TestIdleStoresClose touches many stores with room for a few, twice over and from
// several goroutines: descriptors stay few, and what did not change keeps its
// generation.
func TestIdleStoresClose(t *testing.T) {
	const limit, workers = 8, 8 // what all of the stores know is kept
	p := openPlace(t, manyStores(t, 100), Options{OpenStores: limit})
	before := descriptors(t)
	first := touch(t, p)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			entries, err := p.catalog.Root().List(context.Background())
			if err != nil {
				t.Error(err)
			}
			for i, entry := range entries {
				again, err := p.catalog.store(entry.Name).Snapshot(context.Background())
				if err != nil || again.Generation() != first[i].Generation() {
					t.Errorf("%s: generation changed: %v", entry.Name, err)
				}
			}
		})
	}
	group.Wait()
	touch(t, p) // whatever was in use when it should have been closed
	if after := descriptors(t); after > before+limit {
		t.Errorf("%d descriptors, %d before, room for %d", after, before, limit)
	}
}

// heapPerStore bounds, in bytes, what a store that was looked into once may leave in
// memory beyond the few that are remembered: its names and facts.
const heapPerStore = 2 << 10

func TestMemoryOfManyStores(t *testing.T) {
	const count, limit = 20000, 16
	directory := manyStores(t, count)
	descriptorsBefore, heapBefore := descriptors(t), heap()
	p := openPlace(t, directory, Options{OpenStores: limit})
	if _, err := p.catalog.Root().List(context.Background()); err != nil {
		t.Fatal(err)
	}
	listed := heap() - heapBefore
	if open := descriptors(t) - descriptorsBefore; open > 2 {
		t.Errorf("a listing keeps %d descriptors", open)
	}
	touch(t, p)
	touched := heap() - heapBefore
	t.Logf("heap per store: %d bytes listed, %d touched", listed/count, touched/count)
	if touched/count > heapPerStore {
		t.Errorf("%d bytes per store, at most %d expected", touched/count, heapPerStore)
	}
	if open := descriptors(t) - descriptorsBefore; open > limit+4 {
		t.Errorf("%d descriptors for %d open stores", open, limit)
	}
	runtime.KeepAlive(p)
}

// TestFoldersAreClosed looks into many folders, of which only so many stay open.
func TestFoldersAreClosed(t *testing.T) {
	files := map[string][]byte{}
	const folders = 4 * keptFolders
	for i := range folders {
		files[fmt.Sprintf("%d/a.rvf", i)] = person(1, 0)
	}
	const others = 4 // the directory's, and those of the runtime
	before := descriptors(t)
	t.Run("in use", func(t *testing.T) {
		p := newPlace(t, files, Options{})
		for range 2 {
			for i := range folders {
				if _, err := p.find(fmt.Sprintf("%d/a.rvf", i)).Store.Attributes(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if open := descriptors(t); open > before+keptFolders+others {
			t.Errorf("%d descriptors, %d before", open, before)
		}
	})
	if open := descriptors(t); open > before+others {
		t.Errorf("%d descriptors at the end, %d before", open, before)
	}
}

// store is the one whose file lies at a path.
func (c *Catalog) store(file string) *Store {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.storeAt(file)
}
