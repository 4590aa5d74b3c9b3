package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"rvffs/store/vecio"
	"rvffs/store/volume"
)

func (p *place) rename(from Container, name string, to Container, newName string) {
	p.Helper()
	if err := from.Move(context.Background(), name, to, newName); err != nil {
		p.Fatal(err)
	}
}

func (p *place) missing(in Container, name string) {
	p.Helper()
	if _, err := in.Lookup(context.Background(), name); !errors.Is(err, volume.ErrNotFound) {
		p.Errorf("look-up of %q: %v", name, err)
	}
}

// TestMovedFolder: a folder and all below it are the same objects under the new name,
// and the tree shows them there at once.
func TestMovedFolder(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlace(t, map[string][]byte{
		"team/a.rvf": person(1, 0), "team/sub/child.rvf": person(2, 1), "team/sub/b.rvf": person(3, 0), "other/c.rvf": person(4, 1), "teams/d.rvf": person(5, 0),
	}, Options{})
	root, team, sub, deep := p.catalog.Root(), p.find("team").Folder, p.find("team/sub").Folder, p.find("team/sub/b.rvf").Store
	parent, child := p.find("team/a.rvf").Store, p.find("team/a.rvf/child.rvf").Store
	p.shows(root, "other/, team/, teams/")
	p.shows(sub, "b.rvf, child.rvf -> ../a.rvf/child.rvf")
	snapshot := p.snapshot("team/sub/b.rvf")
	stream, err := deep.OpenAppend(ctx, vecio.JSON)
	if err != nil {
		t.Fatal(err)
	}
	vector := []byte(`{"id":1,"vector":[` + zeros(300) + "]}\n")
	if _, err := stream.Write(ctx, vector); err != nil {
		t.Fatal(err)
	}

	p.rename(root, "team", p.find("other").Folder, "crew")
	p.shows(root, "other/, teams/")
	p.shows(p.find("other").Folder, "c.rvf -> crew/a.rvf/c.rvf, crew/")
	p.shows(p.find("other/crew/a.rvf").Store, "c.rvf, child.rvf")
	p.shows(sub, "b.rvf, child.rvf -> ../a.rvf/child.rvf")
	p.missing(root, "team")
	for _, moved := range []struct {
		same bool
		path string
		want string
	}{
		{p.find("other/crew").Folder == team, team.Path(), "other/crew"},
		{p.find("other/crew/sub").Folder == sub, sub.Path(), "other/crew/sub"},
		{p.find("other/crew/sub/b.rvf").Store == deep, deep.Path(), "other/crew/sub/b.rvf"},
		{p.find("other/crew/a.rvf/child.rvf").Store == child, child.Path(), "other/crew/sub/child.rvf"},
		{p.find("other/crew/a.rvf").Store == parent, parent.Path(), "other/crew/a.rvf"},
	} {
		if !moved.same || moved.path != moved.want {
			t.Errorf("%s is at %s, the same: %v", moved.want, moved.path, moved.same)
		}
	}
	if again := p.snapshot("other/crew/sub/b.rvf"); again != snapshot {
		t.Error("a store that was not changed has another state")
	}
	if _, err := stream.Write(ctx, vector); err != nil {
		t.Errorf("a stream that was open goes on with %v", err)
	}
	if err := stream.Close(ctx); err != nil {
		t.Errorf("and ends with %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(p.directory, "other/crew/sub/*")); err != nil || len(left) != 2 {
		t.Errorf("after the stream the folder holds %v, %v", left, err)
	}
	if err := p.snapshotError("other/crew/sub/b.rvf"); err != nil {
		t.Error(err)
	}
	// And back again, now that all of it was in use.
	p.rename(p.find("other").Folder, "crew", root, "team")
	p.shows(root, "other/, team/, teams/")
	p.shows(sub, "b.rvf, child.rvf -> ../a.rvf/child.rvf")
	if p.find("team").Folder != team || sub.Path() != "team/sub" {
		t.Errorf("the folders are at %s and %s", team.Path(), sub.Path())
	}
}

func zeros(count int) string {
	text := make([]byte, 0, 2*count)
	for range count {
		text = append(text, '0', ',')
	}
	return string(text[:len(text)-1])
}

func (p *place) snapshotError(full string) error {
	_, err := p.find(full).Store.Snapshot(context.Background())
	return err
}

// TestMovedStore: so it is with a store, from one folder to another too.
func TestMovedStore(t *testing.T) {
	t.Parallel()
	p := newPlace(t, map[string][]byte{"a.rvf": person(1, 0), "team/child.rvf": person(2, 1), "team/b.rvf": person(3, 0), "plain": person(4, 1)}, Options{})
	root, team := p.catalog.Root(), p.find("team").Folder
	a, b := p.find("a.rvf").Store, p.find("team/b.rvf").Store
	snapshot := p.snapshot("team/b.rvf")
	p.rename(team, "b.rvf", root, "moved.rvdna")
	p.shows(root, "a.rvf, moved.rvdna, plain -> a.rvf/plain, team/")
	p.shows(team, "child.rvf -> ../a.rvf/child.rvf")
	p.missing(team, "b.rvf")
	if p.find("moved.rvdna").Store != b || b.Path() != "moved.rvdna" || p.snapshot("moved.rvdna") != snapshot {
		t.Errorf("it is another one, at %s", b.Path())
	}
	p.rename(root, "a.rvf", team, "parent.rvf")
	p.shows(root, "moved.rvdna, plain -> team/parent.rvf/plain, team/")
	p.shows(team, "child.rvf -> parent.rvf/child.rvf, parent.rvf")
	p.shows(a, "child.rvf, plain")
	// In its parent a store keeps its folder.
	p.rename(a, "child.rvf", a, "renamed.rvf")
	p.shows(a, "plain, renamed.rvf")
	p.shows(team, "parent.rvf, renamed.rvf -> parent.rvf/renamed.rvf")
	// A name without an extension can become one with, and another without.
	p.rename(a, "plain", a, "simple")
	p.rename(a, "simple", a, "simple.rvf")
	p.shows(a, "renamed.rvf, simple.rvf")
	if entries, err := os.ReadDir(p.directory); err != nil || len(entries) != 3 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestMovesThatCannotBe(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files := map[string][]byte{"a.rvf": person(1, 0), "child.rvf": person(2, 1), "b.rvf": person(3, 0), "team/c.rvf": person(4, 0), "folder/d.rvf": person(5, 0)}
	p := newPlace(t, files, Options{})
	root, a, b, team := p.catalog.Root(), p.find("a.rvf").Store, p.find("b.rvf").Store, p.find("team").Folder
	for what, test := range map[string]struct {
		from    Container
		name    string
		to      Container
		newName string
		want    error
	}{
		"a store over another":              {root, "b.rvf", root, "a.rvf", volume.ErrExists},
		"a store over a folder":             {root, "b.rvf", root, "team", volume.ErrName},
		"a store over a folder of stores":   {root, "b.rvf", team, "c.rvf", volume.ErrExists},
		"a folder over another":             {root, "folder", root, "team", volume.ErrExists},
		"a folder over a store":             {root, "folder", root, "a.rvf", volume.ErrName},
		"a folder to a store's name":        {root, "folder", root, "new.rvf", volume.ErrName},
		"a folder to the control folder's":  {root, "folder", root, ControlFolder, volume.ErrName},
		"a folder into a store":             {root, "folder", a, "folder", volume.ErrCrossParent},
		"a store into a store":              {root, "b.rvf", a, "b.rvf", volume.ErrCrossParent},
		"a child out of its parent":         {a, "child.rvf", root, "x.rvf", volume.ErrCrossParent},
		"a child to another parent":         {a, "child.rvf", b, "child.rvf", volume.ErrCrossParent},
		"a child over its parent":           {a, "child.rvf", a, "a.rvf", volume.ErrExists},
		"a child to a view's name":          {a, "child.rvf", a, "raw", volume.ErrName},
		"a link":                            {root, "child.rvf", root, "x.rvf", volume.ErrNotPermitted},
		"a store to a name without meaning": {root, "b.rvf", root, "b.txt", volume.ErrName},
		"a store to a plain name":           {root, "b.rvf", root, "b", volume.ErrName},
		"nothing":                           {root, "nothing", root, "x.rvf", volume.ErrNotFound},
		"nothing of a store's":              {a, "nothing", a, "x.rvf", volume.ErrNotFound},
	} {
		if err := test.from.Move(ctx, test.name, test.to, test.newName); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", what, err, test.want)
		}
	}
	p.shows(root, "a.rvf, b.rvf, child.rvf -> a.rvf/child.rvf, folder/, team/")
	p.shows(a, "child.rvf")
	// What failed keeps nobody waiting: all goes on under the old names.
	p.age()
	p.rename(root, "b.rvf", team, "b.rvf")
	p.rename(root, "folder", team, "folder")
	p.shows(team, "b.rvf, c.rvf, folder/")

	frozen := newPlace(t, files, Options{ReadOnly: true})
	for _, name := range []string{"b.rvf", "team"} {
		if err := frozen.catalog.Root().Move(ctx, name, frozen.catalog.Root(), "x.rvf"); !errors.Is(err, volume.ErrReadOnly) {
			t.Errorf("in a mount that is read-only: %v", err)
		}
	}
}

// TestReplacedFolder: when another program puts another folder in the place of one,
// who looks finds the new one, and who is in the old one stays there.
func TestReplacedFolder(t *testing.T) {
	t.Parallel()
	p := newPlace(t, map[string][]byte{"team/a.rvf": person(1, 0), "team/x/b.rvf": person(2, 0)}, Options{})
	team, a := p.find("team").Folder, p.find("team/a.rvf").Store
	before := p.snapshot("team/a.rvf")
	if err := os.Rename(filepath.Join(p.directory, "team"), filepath.Join(p.directory, "former")); err != nil {
		t.Fatal(err)
	}
	p.write("team/a.rvf", person(7, 0))
	p.age()
	fresh := p.find("team/a.rvf").Store
	if fresh == a || p.find("team").Folder == team || p.find("team").Folder.Number() == team.Number() {
		t.Error("another folder is shown as the former one")
	}
	if identity, _ := p.snapshot("team/a.rvf").Identity(); identity.FileID != fileID(7) {
		t.Errorf("the new store shows %v", identity.FileID)
	}
	if snapshot, err := a.Snapshot(t.Context()); err != nil || snapshot != before {
		t.Errorf("who was in the former one finds %v, %v", snapshot, err)
	}
	if identity, _ := p.snapshot("former/a.rvf").Identity(); identity.FileID != fileID(1) {
		t.Errorf("under its new name the former one shows %v", identity.FileID)
	}
	p.shows(p.find("former/x").Folder, "b.rvf")
}

// TestMovesBesideLateLooks renames a folder while those who read folders lose their
// patience at once. What they find too late says nothing of what was renamed since: by
// either name the folder is always the same object, or is not there.
func TestMovesBesideLateLooks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlace(t, map[string][]byte{"team/a.rvf": person(1, 0), "team/sub/b.rvf": person(2, 0), "c.rvf": person(3, 0)}, Options{})
	p.catalog.patience = 20 * time.Microsecond
	root, team, sub := p.catalog.Root(), p.find("team").Folder, p.find("team/sub").Folder
	a, b := p.find("team/a.rvf").Store, p.find("team/sub/b.rvf").Store
	over := make(chan struct{})
	var looking sync.WaitGroup
	loop := func(look func()) {
		looking.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					look()
				}
			}
		})
	}
	loop(func() {
		p.age()
		if _, err := root.List(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"team", "crew"} {
		loop(func() {
			entry, err := root.Lookup(ctx, name)
			if errors.Is(err, volume.ErrNotFound) {
				return
			}
			if err != nil || entry.Folder != team {
				t.Errorf("%s is another one now, or %v", name, err)
			}
		})
	}
	loop(func() {
		for in, of := range map[*Folder]string{team: "a.rvf", sub: "b.rvf"} {
			entry, err := in.Lookup(ctx, of)
			if err != nil || entry.Store != a && entry.Store != b {
				t.Errorf("%s in a folder that is held is another one now, or %v", of, err)
			}
		}
	})
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		p.rename(root, "team", root, "crew")
		p.rename(root, "crew", root, "team")
	}
	close(over)
	looking.Wait()
}
