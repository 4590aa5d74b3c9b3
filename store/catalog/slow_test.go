package catalog

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
	"rvffs/store/volume/filelog"
)

// gate is a disk that does not answer to some operations, on one store and the files
// beside it, while it is shut.
type gate struct {
	store string // its file's name

	mu      sync.Mutex
	closed  []string      // operations
	open    chan struct{} // closed when they go on
	waiting int
}

func newGate(name string) *gate { return &gate{store: name} }

func (g *gate) shut(operations ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.open = operations, make(chan struct{})
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = nil
	close(g.open)
}

// stands reports whether somebody waits.
func (g *gate) stands() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting > 0
}

// pass waits while the gate is shut, if the name is the store's or one beside it.
func (g *gate) pass(operation, name string) {
	if !strings.HasPrefix(path.Base(name), g.store) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for slices.Contains(g.closed, operation) {
		open := g.open
		g.waiting++
		g.mu.Unlock()
		<-open
		g.mu.Lock()
		g.waiting--
	}
}

// gatedFolder is a folder behind a gate.
type gatedFolder struct {
	volume.Folder
	gate *gate
}

func (f gatedFolder) Open(ctx context.Context, name string) (volume.Folder, error) {
	folder, err := f.Folder.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return gatedFolder{folder, f.gate}, nil
}

func (f gatedFolder) List(ctx context.Context, name string) (volume.Listing, error) {
	folder, err := f.Folder.List(ctx, name)
	if err != nil {
		return nil, err
	}
	return gatedListing{folder, f.gate}, nil
}

func (f gatedFolder) As(caller volume.Caller) volume.Folder {
	return gatedFolder{f.Folder.As(caller), f.gate}
}

func (f gatedFolder) Describe(ctx context.Context, name string) (volume.FileInfo, error) {
	f.gate.pass("stat", name)
	return f.Folder.Describe(ctx, name)
}

func (f gatedFolder) Shelf() volume.Shelf {
	return filelog.Shelf{Files: gatedFiles{filelog.FilesOf(f.Folder.Shelf()), f.gate}}
}

// gatedVolume is a volume behind a gate.
type gatedVolume struct {
	gatedFolder
	volume volume.Volume
}

func (v gatedVolume) ShelfOf(holder volume.Holder) volume.Shelf { return filelog.ShelfOf(holder) }

func (v gatedVolume) Name() string { return v.volume.Name() }

func (v gatedVolume) Space(ctx context.Context) (volume.Space, error) { return v.volume.Space(ctx) }

// gatedFiles are the files of a folder behind a gate.
type gatedFiles struct {
	filelog.FileSystem
	gate *gate
}

func (f gatedFiles) Open(name string, write bool) (filelog.File, error) {
	f.gate.pass("open", name)
	file, err := f.FileSystem.Open(name, write)
	if err != nil {
		return nil, err
	}
	return gatedFile{file, f.gate, name}, nil
}

func (f gatedFiles) Stat(name string) (volume.FileInfo, error) {
	f.gate.pass("stat", name)
	return f.FileSystem.Stat(name)
}

type gatedListing struct {
	volume.Listing
	gate *gate
}

func (l gatedListing) Describe(base string) (volume.FileInfo, error) {
	l.gate.pass("stat", base)
	return l.Listing.Describe(base)
}

func (l gatedListing) Peek(base string) (volume.Peeked, volume.FileInfo, error) {
	l.gate.pass("open", base)
	return l.Listing.Peek(base)
}

type gatedFile struct {
	filelog.File
	gate *gate
	name string
}

func (f gatedFile) ReadAt(p []byte, offset int64) (int, error) {
	f.gate.pass("read", f.name)
	return f.File.ReadAt(p, offset)
}

func (f gatedFile) Describe() (volume.FileInfo, error) {
	f.gate.pass("stat", f.name)
	return f.File.Describe()
}

func (f gatedFile) Close() error {
	f.gate.pass("close", f.name)
	return f.File.Close()
}

// newGatedPlace is newPlace behind a gate for the store of a name.
func newGatedPlace(t *testing.T, files map[string][]byte, options Options, name string) (*place, *gate) {
	t.Helper()
	p, g := &place{T: t, directory: t.TempDir()}, newGate(name)
	for name, content := range files {
		p.write(name, content)
	}
	disk, err := directory.OpenVolume(p.directory)
	if err != nil {
		t.Fatal(err)
	}
	p.catalog = Open(gatedVolume{gatedFolder{disk, g}, disk}, options)
	p.catalog.patience = 20 * time.Millisecond
	t.Cleanup(func() {
		if err := p.catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, g
}

// within makes a test fail, and tell where it hangs, when f takes far longer than
// anything should that does not wait for the gate.
func within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	hangs := time.AfterFunc(limit, func() { panic("it hangs: " + t.Name()) })
	defer hangs.Stop()
	f()
}

// TestOneSlowDiskKeepsNobodyElse shuts the gate for one store, at rest, open, while it
// is being opened, read, written to and closed, and does everything else meanwhile.
func TestOneSlowDiskKeepsNobodyElse(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	// One store may be open without being used, so that each look at another closes one.
	p, g := newGatedPlace(t, map[string][]byte{
		"slow.rvf": person(1, 0), "a.rvf": person(2, 0), "child.rvdna": person(3, 2), "team/b.rvf": person(4, 0), "team/slow.rvf.d/c.rvf": person(5, 0),
	}, Options{OpenStores: 1, TurnWait: time.Minute}, "slow.rvf")
	root := p.catalog.Root()
	p.shows(root, "a.rvf, child.rvdna -> a.rvf/child.rvdna, slow.rvf, team/")
	p.mkdir("written.rvf")
	slow, other, team := p.find("slow.rvf").Store, p.find("a.rvf").Store, p.find("team").Folder

	round := 0
	everythingElse := func(during string) {
		t.Helper()
		round++
		within(t, time.Minute, func() {
			must := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Errorf("%s, while %s: %v", what, during, err)
				}
			}
			for range 2 { // with a tree that is fresh, and with an old one
				p.age()
				if _, err := root.List(ctx); err != nil {
					t.Errorf("list, while %s: %v", during, err)
				}
				_, err := root.Lookup(ctx, "slow.rvf")
				must("look up the store's name", err)
				for _, full := range []string{"a.rvf", "team/b.rvf", "a.rvf/child.rvdna", "written.rvf"} {
					s := p.find(full).Store
					_, err := s.Attributes(ctx)
					must("stat "+full, err)
					_, err = s.Snapshot(ctx)
					must("look at "+full, err)
					_, err = s.Identity(ctx)
					must("identity of "+full, err)
					_, err = s.List(ctx)
					must("list "+full, err)
				}
				stream, err := p.find("written.rvf").Store.OpenAppend(ctx, vecio.Auto)
				must("append", err)
				_, err = stream.Write(ctx, []byte("[1,2]\n"))
				must("write", err)
				must("close", stream.Close(ctx))
				must("compact", p.find("written.rvf").Store.Compact(ctx))
				_, err = p.find("written.rvf").Store.Query(ctx, []byte(`{"vector":[1,2],"k":1}`))
				must("search", err)

				_, err = root.Make(ctx, "new.rvf", 0o755)
				must("mkdir", err)
				_, err = team.Make(ctx, "folder", 0o755)
				must("mkdir of a folder", err)
				_, err = other.Derive(ctx, "new.rvdna", 0o755)
				must("derive", err)
				must("rename", root.Move(ctx, "new.rvf", team, "newer.rvf"))
				must("rename of a folder", team.Move(ctx, "folder", root, "moved"))
				must("rename of a folder with stores", root.Move(ctx, "team", root, "crew"))
				_, err = p.find("crew/b.rvf").Store.Snapshot(ctx)
				must("look below it", err)
				must("rename back", root.Move(ctx, "crew", root, "team"))
				must("rmdir", team.Remove(ctx, "newer.rvf"))
				must("rmdir of a folder", root.Remove(ctx, "moved"))
				must("rmdir of a child", other.Remove(ctx, "new.rvdna"))
				// What another process made.
				name := fmt.Sprintf("theirs%d.rvf", round)
				p.write(name, person(byte(100+round), 0))
				_, err = root.Lookup(ctx, name)
				must("look up what another made", err)
				must("remove it", os.Remove(filepath.Join(p.directory, name)))
			}
		})
	}
	var users sync.WaitGroup
	with := func(during string, operations []string, use func()) {
		t.Helper()
		g.shut(operations...)
		users.Go(use)
		within(t, time.Minute, func() {
			for !g.stands() {
				runtime.Gosched()
			}
		})
		everythingElse(during)
		g.lift()
		within(t, time.Minute, users.Wait)
	}
	look := func() {
		if _, err := slow.Snapshot(ctx); err != nil {
			t.Errorf("when the disk answers again: %v", err)
		}
	}
	everything := []string{"open", "stat", "read", "close"}
	with("its attributes are asked for", everything, func() { _, _ = slow.Attributes(ctx) })
	with("it is opened", []string{"open"}, look)
	with("it is looked at", everything, look)
	with("a stream is opened into it", []string{"open"}, func() {
		stream, err := slow.OpenAppend(ctx, vecio.RawF32)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := stream.Write(ctx, make([]byte, 2*1200)); err != nil {
			t.Error(err)
		}
		if err := stream.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	with("its vectors are read", []string{"read"}, func() {
		if _, _, err := slow.VectorByID(ctx, 0, vecio.FileF32); err != nil {
			t.Error(err)
		}
	})
	search := func() {
		if _, err := slow.Query(ctx, []byte(`{"vector":[`+strings.Repeat("0,", 299)+`1],"k":1}`)); err != nil {
			t.Error(err)
		}
	}
	search() // so that nothing but the search itself has to read
	with("several search it", []string{"read"}, func() {
		var searches sync.WaitGroup
		for range 4 {
			searches.Go(search)
		}
		searches.Wait()
	})
	// Whoever needs the place of an idle store does not wait for its close either.
	look()
	g.shut("close")
	within(t, time.Minute, func() {
		if _, err := p.find("team/b.rvf").Store.Snapshot(ctx); err != nil {
			t.Error(err)
		}
		for !g.stands() {
			runtime.Gosched()
		}
	})
	everythingElse("it is closed")
	g.lift()
	look()
}
