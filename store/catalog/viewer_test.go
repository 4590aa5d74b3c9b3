package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"rvffs/lineage"
	"rvffs/store"
)

// asking is the key of a context's value, the store.Caller who asks in a test.
type asking struct{}

func by(user uint32) context.Context {
	return context.WithValue(context.Background(), asking{}, store.Caller{UID: user, GID: user})
}

// newCommons is a place for several users.
func newCommons(t *testing.T, files map[string][]byte) *place {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can act for others")
	}
	p := newPlace(t, files, Options{})
	p.catalog.IdentifyCallers(func(ctx context.Context) store.Caller {
		caller, _ := ctx.Value(asking{}).(store.Caller)
		return caller
	})
	return p
}

func (p *place) give(name string, owner int, mode os.FileMode) {
	p.Helper()
	full := filepath.Join(p.directory, name)
	if err := errors.Join(os.Chown(full, owner, owner), os.Chmod(full, mode)); err != nil {
		p.Fatal(err)
	}
}

// namesFor is names as a user sees them.
func (p *place) namesFor(user uint32, of Container) map[string]string {
	p.Helper()
	entries, err := of.List(by(user))
	if err != nil {
		p.Fatal(err)
	}
	names := map[string]string{}
	for _, entry := range entries {
		names[entry.Name] = ""
		switch entry.Kind {
		case KindLink:
			names[entry.Name] = "-> " + entry.Link.Target()
		case KindStore:
			names[entry.Name] = entry.Store.Path()
		}
	}
	return names
}

// Two children have one name, and the one that would get it is hidden from alice.
func TestNamesTellNothingOfHiddenChildren(t *testing.T) {
	t.Parallel()
	p := newCommons(t, map[string][]byte{
		"a.rvf": person(1, 0), "x/b.rvf": person(2, 1), "z/b.rvf": person(3, 1), "z/c.rvf": person(4, 2), "d.rvf": person(5, 2),
		"q/w/a.rvf": person(6, 0), "q/b.rvf": person(7, 6), "q/w/e.rvf": person(8, 6), "q/a/b.rvf": person(9, 6),
	})
	p.give("q/a", bob, 0o700)
	p.give("x", bob, 0o700)
	parent, z, root := p.find("a.rvf").Store, p.find("z").Folder, p.catalog.Root()
	deep := p.find("q/w/a.rvf").Store
	for _, test := range []struct {
		user uint32
		of   Container
		want map[string]string
	}{
		{0, parent, map[string]string{"b.rvf": "x/b.rvf", "b@z.rvf": "z/b.rvf"}},
		{bob, parent, map[string]string{"b.rvf": "x/b.rvf", "b@z.rvf": "z/b.rvf"}},
		{alice, parent, map[string]string{"b.rvf": "z/b.rvf"}},
		{0, z, map[string]string{"b.rvf": "-> ../a.rvf/b@z.rvf", "c.rvf": "-> ../a.rvf/b.rvf/c.rvf"}},
		{bob, z, map[string]string{"b.rvf": "-> ../a.rvf/b@z.rvf", "c.rvf": "-> ../a.rvf/b.rvf/c.rvf"}},
		{alice, z, map[string]string{"b.rvf": "-> ../a.rvf/b.rvf", "c.rvf": "z/c.rvf"}},
		{alice, root, map[string]string{"a.rvf": "a.rvf", "d.rvf": "d.rvf", "q": "", "x": "", "z": ""}},
		{bob, root, map[string]string{"a.rvf": "a.rvf", "d.rvf": "-> a.rvf/b.rvf/d.rvf", "q": "", "x": "", "z": ""}},
		// What everybody sees has the same name for all.
		{alice, deep, map[string]string{"b.rvf": "q/b.rvf", "e.rvf": "q/w/e.rvf"}},
		{bob, deep, map[string]string{"b.rvf": "q/b.rvf", "e.rvf": "q/w/e.rvf", "b@q+a.rvf": "q/a/b.rvf"}},
	} {
		got := p.namesFor(test.user, test.of)
		for name, want := range test.want {
			entry, err := test.of.Lookup(by(test.user), name)
			if got[name] != want || err != nil || entry.Name != name {
				t.Errorf("%d sees %s as %q, want %q (%v)", test.user, name, got[name], want, err)
			}
		}
		if len(got) != len(test.want) {
			t.Errorf("%d sees %v, want %v", test.user, got, test.want)
		}
	}
	if _, err := parent.Lookup(by(alice), "b@z.rvf"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the name that others see: %v", err)
	}
	for _, private := range []struct {
		of   Container
		name string
		want bool
	}{{parent, "b.rvf", true}, {z, "c.rvf", true}, {root, "a.rvf", false}, {deep, "b.rvf", false}, {deep, "e.rvf", false}} {
		if entry, err := private.of.Lookup(by(alice), private.name); err != nil || entry.Private != private.want {
			t.Errorf("%s: private %v, want %v (%v)", private.name, entry.Private, private.want, err)
		}
	}
}

// A parent whose only child is hidden from its owner can be removed by him: that it has
// one is nothing for him to know, and the child stands where its file lies.
func TestHiddenChildrenKeepNobody(t *testing.T) {
	t.Parallel()
	p := newCommons(t, map[string][]byte{"y/x/c.rvf": person(3, 0)})
	p.give("y", alice, 0o755)
	p.give("y/x", bob, 0o700)
	y := p.find("y").Folder
	if _, err := y.Mkdir(by(alice), "a.rvf", 0o755); err != nil {
		t.Fatal(err)
	}
	identity, _ := p.snapshot("y/a.rvf").Identity()
	p.write("y/x/b.rvf", storeImage(lineage.Identity{FileID: fileID(2), ParentID: identity.FileID, Depth: 1}))
	p.give("y/x/b.rvf", alice, 0o644)
	p.age()
	if err := y.Rmdir(by(bob), "a.rvf"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("somebody else: %v", err)
	}
	if err := y.Rmdir(by(0), "a.rvf"); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("root: %v", err)
	}
	if err := y.Rmdir(by(alice), "a.rvf"); err != nil {
		t.Errorf("its owner: %v", err)
	}
	if got := p.namesFor(bob, p.find("y/x").Folder); got["b.rvf"] != "y/x/b.rvf" {
		t.Errorf("the child is %v", got)
	}
}

// A store stands in the folder in which it was derived, although a copy of the parent
// would come first.
func TestDerivedStoresStayWhereTheyWereMade(t *testing.T) {
	t.Parallel()
	p := newCommons(t, map[string][]byte{"team/a.rvf": person(1, 0), "home/a.rvf": person(1, 0)})
	p.give("team", alice, 0o777)
	p.give("team/a.rvf", bob, 0o666)
	p.give("home/a.rvf", alice, 0o644)
	parent, other := p.find("team/a.rvf").Store, p.find("home/a.rvf").Store
	if _, err := parent.Derive(by(alice), "b.rvf", 0o755); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		if got := p.namesFor(alice, parent); got["b.rvf"] != "team/b.rvf" {
			t.Errorf("its parent's folder shows %v", got)
		}
		if got := p.namesFor(alice, other); len(got) != 0 {
			t.Errorf("the copy shows %v", got)
		}
	}
	check()
	p.age()
	check()
	p.write("home/c.rvf", person(9, 0))
	p.age()
	check()
	if info, err := os.Stat(filepath.Join(p.directory, "team/b.rvf")); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
