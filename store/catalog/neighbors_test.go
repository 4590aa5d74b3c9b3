package catalog

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"rvffs/store"
	"rvffs/store/memory"
	"rvffs/store/storetest"
)

// TestNeighborFilesAreBounded asks for more files than are kept: numbers stay
// while a file is kept, no two files have the same, and old ones make room.
func TestNeighborFilesAreBounded(t *testing.T) {
	t.Parallel()
	c := &Catalog{}
	var files neighborFiles
	numbers := map[uint64]uint64{}
	for id := range uint64(2 * keptNeighbors) {
		number := files.keep(id, Neighbors{Text: fmt.Append(nil, id), Generation: 1}, c).Number
		if other, taken := numbers[number]; taken {
			t.Fatalf("ids %d and %d share the number %d", other, id, number)
		}
		numbers[number] = id
		if first, kept := files.find(0, nil); !kept || string(first.Text) != "0" || numbers[first.Number] != 0 {
			t.Fatalf("after id %d the one that is always used is %+v, kept %t", id, first, kept)
		}
	}
	files.use(nil, func(table *neighborTable) {
		if table.Len() != keptNeighbors {
			t.Errorf("%d files are kept, want %d", table.Len(), keptNeighbors)
		}
	})
	if _, kept := files.find(1, nil); kept {
		t.Error("an old file is still kept")
	}
	before, _ := files.find(0, nil)
	if after := files.keep(0, Neighbors{Generation: 2}, c); after.Number != before.Number || after.Generation != 2 {
		t.Errorf("a new state turned %+v into %+v", before, after)
	}
}

// TestFewerNeighborsInLittleMemory: what others need is not kept for names that may be
// asked for again.
func TestFewerNeighborsInLittleMemory(t *testing.T) {
	t.Parallel()
	budget := memory.NewBudget(10 * neighborFileBytes)
	c := &Catalog{options: Options{Memory: budget}}
	files := &neighborFiles{}
	for id := range uint64(20) {
		files.keep(id, Neighbors{Text: fmt.Append(nil, id)}, c)
	}
	if _, kept := files.find(19, budget); !kept {
		t.Error("the newest file is not kept")
	}
	if u := budget.Usage(); u.Used != u.Cached || u.Peak > u.Limit {
		t.Errorf("%+v", u)
	}
	others := budget.Charge()
	if err := others.Set(10 * neighborFileBytes); err != nil {
		t.Errorf("files that nobody uses stay: %v", err)
	}
	if _, kept := files.find(19, budget); kept {
		t.Error("a file is kept for which there is no memory")
	}
	if found := files.keep(19, Neighbors{Text: []byte("19")}, c); string(found.Text) != "19" {
		t.Errorf("without memory: %+v", found)
	}
	runtime.KeepAlive(files)
}

// TestNeighborsFollowCommits asks before and after a commit.
func TestNeighborsFollowCommits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Create(context.Background(), "a.rvf", store.CreateOptions{Dimension: 1}, store.Options{Shelf: storetest.Shelf(t, dir+"/a.rvf")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Ingest(context.Background(), nil, []float32{0, 3}); err != nil {
		t.Fatal(err)
	}
	c, err := openDirectory(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	entry, err := c.Root().Lookup(context.Background(), "a.rvf")
	if err != nil {
		t.Fatal(err)
	}
	read := func() Neighbors {
		t.Helper()
		found, err := entry.Store.Neighbors(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	first := read()
	if got := string(first.Text); got != `{"id":1,"distance":9}`+"\n" {
		t.Errorf("the neighbors are %q", got)
	}
	if again := read(); &again.Text[0] != &first.Text[0] {
		t.Error("the same state was searched twice")
	}
	if _, err := s.Ingest(context.Background(), nil, []float32{1}); err != nil {
		t.Fatal(err)
	}
	second := read()
	if got := string(second.Text); got != `{"id":2,"distance":1}`+"\n"+`{"id":1,"distance":9}`+"\n" {
		t.Errorf("after a commit the neighbors are %q", got)
	}
	if second.Number != first.Number || second.Generation == first.Generation {
		t.Errorf("a commit made of number %d, generation %d: %d, %d", first.Number, first.Generation, second.Number, second.Generation)
	}
}
