package catalog

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/lineage"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
)

// place is a directory that a catalog shows.
type place struct {
	*testing.T
	directory string
	catalog   *Catalog
}

// openDirectory shows the stores of a directory.
func openDirectory(dir string, options Options) (*Catalog, error) {
	place, err := directory.OpenVolume(dir)
	if err != nil {
		return nil, err
	}
	return Open(place, options), nil
}

// newPlace fills a fresh directory before the catalog sees it.
func newPlace(t *testing.T, files map[string][]byte, options Options) *place {
	t.Helper()
	p := &place{T: t, directory: t.TempDir()}
	for _, name := range slices.Sorted(maps.Keys(files)) { // the oldest comes first, as by name
		p.write(name, files[name])
	}
	var err error
	if p.catalog, err = openDirectory(p.directory, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *place) write(name string, content []byte) {
	p.Helper()
	full := filepath.Join(p.directory, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, content, 0o644)); err != nil {
		p.Fatal(err)
	}
}

// names lists a container: "name/" for folders, "name" for stores and
// "name -> target" for links.
func (p *place) names(of Container) string {
	p.Helper()
	entries, err := of.List(context.Background())
	if err != nil {
		p.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		switch entry.Kind {
		case KindFolder:
			names = append(names, entry.Name+"/")
		case KindLink:
			names = append(names, entry.Name+" -> "+entry.Link.Target())
		default:
			names = append(names, entry.Name)
		}
	}
	return strings.Join(names, ", ")
}

func (p *place) shows(of Container, want string) {
	p.Helper()
	if got := p.names(of); got != want {
		p.Errorf("listed %q, want %q", got, want)
	}
}

// find looks a path up from the root, name by name.
func (p *place) find(full string) Entry {
	p.Helper()
	var at Container = p.catalog.Root()
	var entry Entry
	for name := range strings.SplitSeq(full, "/") {
		var err error
		if entry, err = at.Lookup(context.Background(), name); err != nil {
			p.Fatal(err)
		}
		if entry.Store != nil {
			at = entry.Store
		} else if entry.Folder != nil {
			at = entry.Folder
		}
	}
	return entry
}

func (p *place) snapshot(full string) *state.Snapshot {
	p.Helper()
	snapshot, err := p.find(full).Store.Snapshot(context.Background())
	if err != nil {
		p.Fatal(err)
	}
	return snapshot
}

// age makes what the catalog knows too old to be used without a look.
func (p *place) age() {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	p.catalog.read = time.Time{}
}

// person is the image of a store whose id and parent's id are repeated bytes.
func person(id, parent byte) []byte {
	identity := lineage.Identity{FileID: fileID(id), ParentID: fileID(parent)}
	if parent != 0 {
		identity.Depth = 1
	}
	return storeImage(identity)
}

func fileID(value byte) (id lineage.FileID) {
	for i := range id {
		id[i] = value
	}
	return id
}

func TestListing(t *testing.T) {
	p := newPlace(t, map[string][]byte{
		"b.rvf": person(1, 0), "plain": person(2, 0), "notes.txt": []byte("text"), "text": []byte("no store"),
		"broken.rvf": []byte("no store either"), "folder/c.rvtext": person(3, 0), ".rvffs/d.rvf": person(4, 0),
	}, Options{})
	p.shows(p.catalog.Root(), "b.rvf, broken.rvf, folder/, plain")
	p.shows(p.find("folder").Folder, "c.rvtext")
	if again := p.find("b.rvf"); again.Store != p.find("b.rvf").Store || again.Store.Number() == p.find("plain").Store.Number() {
		t.Error("a store is not one object with a number of its own")
	}
	if problem := p.find("broken.rvf").Store.Problem(t.Context()); !errors.Is(problem, volume.ErrNotStore) {
		t.Errorf("problem %v", problem)
	}
	if _, err := p.catalog.Root().Lookup(context.Background(), "notes.txt"); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("a file that is no store: %v", err)
	}
}

func TestLineage(t *testing.T) {
	tests := map[string]struct {
		files map[string][]byte
		shown map[string]string // folder to its names
	}{
		"a grandchild": {
			map[string][]byte{"a.rvf": person(1, 0), "b.rvf": person(2, 1), "x/c.rvf": person(3, 2)},
			map[string]string{
				".": "a.rvf, b.rvf -> a.rvf/b.rvf, x/", "a.rvf": "b.rvf", "a.rvf/b.rvf": "c.rvf",
				"a.rvf/b.rvf/c.rvf": "", "x": "c.rvf -> ../a.rvf/b.rvf/c.rvf",
			},
		},
		"a missing parent": {map[string][]byte{"b.rvf": person(2, 1)}, map[string]string{".": "b.rvf"}},
		"its own parent":   {map[string][]byte{"a.rvf": person(1, 1)}, map[string]string{".": "a.rvf"}},
		"a loop with a tail": {
			map[string][]byte{"a.rvf": person(1, 2), "b.rvf": person(2, 1), "c.rvf": person(3, 1)},
			map[string]string{".": "a.rvf, b.rvf, c.rvf -> a.rvf/c.rvf", "a.rvf": "c.rvf", "b.rvf": ""},
		},
		"copies of the parent": {
			map[string][]byte{"a.rvf": person(1, 0), "x/a.rvf": person(1, 0), "x/b.rvf": person(2, 1), "y/c.rvf": person(3, 1)},
			map[string]string{".": "a.rvf, x/, y/", "a.rvf": "c.rvf", "x/a.rvf": "b.rvf", "x": "a.rvf, b.rvf -> a.rvf/b.rvf"},
		},
		"children of the same name": {
			map[string][]byte{"a.rvf": person(1, 0), "b.rvf": person(2, 1), "x/b.rvf": person(3, 1), "x/y/b.rvf": person(4, 1)},
			map[string]string{"a.rvf": "b.rvf, b@x+y.rvf, b@x.rvf"},
		},
		"a child with the name of a view": {
			map[string][]byte{"a.rvf": person(1, 0), "raw": person(2, 1)},
			map[string]string{".": "a.rvf, raw -> a.rvf/raw@.", "a.rvf": "raw@."},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, test.files, Options{})
			for full, want := range test.shown {
				var shown Container = p.catalog.Root()
				if full != "." {
					if entry := p.find(full); entry.Store != nil {
						shown = entry.Store
					} else {
						shown = entry.Folder
					}
				}
				p.shows(shown, want)
			}
		})
	}
}

// TestDeepLineage has more generations than the tree is deep: the one too many
// stands where its file is.
func TestDeepLineage(t *testing.T) {
	files := map[string][]byte{}
	const generations = 65
	name := func(i int) string { return string(rune('A'+i/26)) + string(rune('a'+i%26)) + ".rvf" }
	for i := range generations {
		files[name(i)] = person(byte(i+1), byte(i))
	}
	p := newPlace(t, files, Options{})
	entries, err := p.catalog.Root().List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	roots := slices.DeleteFunc(entries, func(e Entry) bool { return e.Kind == KindLink })
	if len(roots) != 2 || roots[0].Name != name(0) || roots[1].Name != name(generations-1) {
		t.Errorf("at the root stand %v, want the first and the one too deep", roots)
	}
}

// TestLinksOfLongNames derives stores with names so long that the place of a late
// descendant is longer than a link's text can be. Each is shown all the same: in its
// parent, with a link where its file lies, or there.
func TestLinksOfLongNames(t *testing.T) {
	files := map[string][]byte{}
	const generations = 40
	for i := range generations {
		files[strings.Repeat("d/", i%5)+strings.Repeat(string(rune('A'+i)), 246)+".rvf"] = person(byte(i+1), byte(i))
	}
	p := newPlace(t, files, Options{})
	shown := map[string]bool{}
	longest, roots := 0, 0
	var visit func(c Container, place string)
	visit = func(c Container, place string) {
		entries, err := c.List(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			at := path.Join(place, e.Name)
			switch e.Kind {
			case KindFolder:
				visit(e.Folder, at)
			case KindStore:
				if shown[e.Store.Path()] {
					t.Errorf("%.20s is shown twice", e.Name)
				}
				shown[e.Store.Path()] = true
				if _, folder := c.(*Folder); folder {
					roots++
				}
				visit(e.Store, at)
			case KindLink:
				longest = max(longest, len(e.Link.Target()))
			}
		}
	}
	visit(p.catalog.Root(), ".")
	if len(shown) != generations || longest > longestTarget || longest < longestTarget-2*256 {
		t.Errorf("%d of %d stores are shown; the longest link has %d bytes", len(shown), generations, longest)
	}
	if want := (generations + 15) / 16; roots < want || roots > want+1 {
		t.Errorf("%d stores stand where their files are, want about %d", roots, want)
	}
}

// TestSymlinks puts links of all kinds into the backing directory: each is shown as
// it is, and none is a way to anything.
func TestSymlinks(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "o.rvf"), person(9, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	p := newPlace(t, map[string][]byte{"a.rvf": person(1, 0), "x/b.rvf": person(2, 0), "notes.txt": nil}, Options{})
	for name, target := range map[string]string{
		"inside.rvf": "x/b.rvf", "x/up.rvf": "../a.rvf", "absolute.rvf": filepath.Join(p.directory, "a.rvf"), "folder": "x",
		"out.rvf": filepath.Join(outside, "o.rvf"), "x/out.rvf": "../../o.rvf", "nowhere.rvf": "gone.rvf", "text": "notes.txt", "self.rvf": "self.rvf",
	} {
		if err := os.Symlink(target, filepath.Join(p.directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	p.shows(p.catalog.Root(), "a.rvf, absolute.rvf -> "+p.directory+"/a.rvf, folder -> x, inside.rvf -> x/b.rvf, "+
		"nowhere.rvf -> gone.rvf, out.rvf -> "+outside+"/o.rvf, self.rvf -> self.rvf, text -> notes.txt, x/")
	p.shows(p.find("x").Folder, "b.rvf, out.rvf -> ../../o.rvf, up.rvf -> ../a.rvf")
}

func TestChangesFromOutside(t *testing.T) {
	p := newPlace(t, map[string][]byte{"a.rvf": person(1, 0)}, Options{})
	p.shows(p.catalog.Root(), "a.rvf")
	p.write("b.rvf", person(2, 0))
	if p.find("b.rvf").Store == nil { // at once, without waiting for the listing to age
		t.Error("a new store is not found")
	}
	before := p.snapshot("b.rvf").Generation()
	p.write("new.rvf", person(3, 1))
	if err := os.Rename(filepath.Join(p.directory, "new.rvf"), filepath.Join(p.directory, "b.rvf")); err != nil {
		t.Fatal(err)
	}
	p.age()
	p.shows(p.catalog.Root(), "a.rvf, b.rvf -> a.rvf/b.rvf")
	if p.snapshot("a.rvf/b.rvf").Generation() == before {
		t.Error("a replaced store keeps its generation")
	}
	if err := os.Remove(filepath.Join(p.directory, "b.rvf")); err != nil {
		t.Fatal(err)
	}
	p.age()
	p.shows(p.catalog.Root(), "a.rvf")
}

// TestProblemPasses sees a store that is no store, then is gone, then is one: no
// verdict outlives what it was about.
func TestProblemPasses(t *testing.T) {
	p := newPlace(t, map[string][]byte{"a.rvf": []byte("broken"), "b.rvf": person(2, 0)}, Options{})
	broken, moved := p.find("a.rvf").Store, p.find("b.rvf").Store
	for range 3 {
		if !errors.Is(broken.Problem(t.Context()), volume.ErrNotStore) {
			t.Fatal("a broken file has no problem")
		}
	}
	p.write("a.rvf", person(1, 0))
	if problem := broken.Problem(t.Context()); problem != nil {
		t.Error(problem)
	}
	file, away := filepath.Join(p.directory, "b.rvf"), filepath.Join(t.TempDir(), "b.rvf")
	if err := os.Rename(file, away); err != nil {
		t.Fatal(err)
	}
	if _, err := moved.Snapshot(context.Background()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
	if err := os.Rename(away, file); err != nil {
		t.Fatal(err)
	}
	if _, err := moved.Snapshot(context.Background()); err != nil {
		t.Errorf("a file that came back: %v", err)
	}
}

func TestMakingAndRemoving(t *testing.T) {
	ctx := context.Background()
	p := newPlace(t, nil, Options{Dimension: 2})
	root := p.catalog.Root()
	for _, name := range []string{"a.rvf", "x"} {
		if _, err := root.Make(ctx, name, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := root.Make(ctx, name, 0o755); !errors.Is(err, volume.ErrExists) {
			t.Errorf("%s made twice: %v", name, err)
		}
	}
	a := p.find("a.rvf").Store
	if _, err := a.Derive(ctx, "c.rvf", 0o755); err != nil {
		t.Fatal(err)
	}
	p.shows(root, "a.rvf, c.rvf -> a.rvf/c.rvf, x/")
	if err := root.Remove(ctx, "a.rvf"); !errors.Is(err, volume.ErrNotEmpty) {
		t.Errorf("a parent is removed: %v", err)
	}
	if err := root.Remove(ctx, "c.rvf"); !errors.Is(err, volume.ErrNotPermitted) {
		t.Errorf("a link is removed: %v", err)
	}
	if err := a.Move(ctx, "c.rvf", a, "d.rvf"); err != nil {
		t.Fatal(err)
	}
	if err := a.Move(ctx, "d.rvf", root, "d.rvf"); !errors.Is(err, volume.ErrCrossParent) {
		t.Errorf("a store gets another parent: %v", err)
	}
	if err := root.Move(ctx, "a.rvf", p.find("x").Folder, "b.rvf"); err != nil {
		t.Fatal(err)
	}
	if err := root.Move(ctx, "x", root, "y"); err != nil {
		t.Fatal(err)
	}
	p.shows(root, "d.rvf -> y/b.rvf/d.rvf, y/")
	if p.find("y/b.rvf").Store != a || a.Path() != "y/b.rvf" {
		t.Error("a moved store is another one")
	}
	if err := root.Remove(ctx, "y"); !errors.Is(err, volume.ErrNotEmpty) {
		t.Errorf("a folder that holds something is removed: %v", err)
	}
	y := p.find("y").Folder
	if err := errors.Join(a.Remove(ctx, "d.rvf"), y.Remove(ctx, "b.rvf"), root.Remove(ctx, "y")); err != nil {
		t.Error(err)
	}
	p.shows(root, "")
}

func TestLitter(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		p := newPlace(t, map[string][]byte{".old.rvffs-tmp": nil, ".new.rvffs-tmp": nil}, Options{ReadOnly: readOnly})
		if !volume.IsTemporary(".old.rvffs-tmp") {
			t.Fatal("the test does not know the engine's temporary names")
		}
		long := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(p.directory, ".old.rvffs-tmp"), long, long); err != nil {
			t.Fatal(err)
		}
		p.shows(p.catalog.Root(), "")
		_, err := os.Stat(filepath.Join(p.directory, ".old.rvffs-tmp"))
		if swept := errors.Is(err, fs.ErrNotExist); swept == readOnly {
			t.Errorf("read-only %v: swept %v", readOnly, swept)
		}
		if _, err := os.Stat(filepath.Join(p.directory, ".new.rvffs-tmp")); err != nil {
			t.Errorf("what may have an owner is gone: %v", err)
		}
		// A store in the making is none that anybody can find.
		p.write(".making.rvffs-tmp", person(1, 0))
		p.missing(p.catalog.Root(), ".making.rvffs-tmp")
		p.shows(p.catalog.Root(), "")
	}
}

// TestNamesWithoutExtension: a store that says in its file what it is may have any
// name without an extension, and one with; a store that does not needs one.
func TestNamesWithoutExtension(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil, Options{Dimension: 2})
	ctx := context.Background()
	if _, err := p.catalog.Root().Make(ctx, "a.rvf", 0o755); err != nil {
		t.Fatal(err)
	}
	a := p.find("a.rvf").Store
	if _, err := a.Derive(ctx, "kid", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		from, to string
		want     error
	}{
		{"kid", "child", nil},
		{"child", "child.txt", volume.ErrName},
		{"child", "child.rvtext", nil},
		{"child.rvtext", "child", volume.ErrName},
		{"child.rvtext", "kid.rvf", nil},
	} {
		if err := a.Move(ctx, step.from, a, step.to); !errors.Is(err, step.want) {
			t.Errorf("%s to %s: %v, want %v", step.from, step.to, err, step.want)
		}
	}
	if p.find("a.rvf/kid.rvf").Store == nil {
		t.Error("the renamed store is not shown")
	}
}
