package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// heir is the image of a store that was derived from the one of the next lower id.
func heir(id, parent byte) []byte {
	return storeImage(lineage.Identity{FileID: fileID(id), ParentID: fileID(parent), Depth: uint32(id) - 1})
}

// ancestry is what is told of the way up from the store at a path.
func (p *place) ancestry(ctx context.Context, full string) (told lineage.Ancestry, private bool) {
	p.Helper()
	ancestry, err := p.find(full).Store.Ancestry(ctx)
	if err != nil {
		p.Fatal(err)
	}
	reader, err := ancestry.View.Open(ctx)
	if err != nil {
		p.Fatal(err)
	}
	defer reader.Close()
	err = json.NewDecoder(io.NewSectionReader(state.ReaderAt(ctx, reader), 0, ancestry.View.Size())).Decode(&told)
	if err != nil {
		p.Fatal(err)
	}
	return told, ancestry.Private
}

// TestLineageForViewers: nobody is led to a store, or told of it, that he cannot read where
// it lies, and what others are told stays what it is.
func TestLineageForViewers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to ask as others")
	}
	p := newPlace(t, map[string][]byte{
		"hidden/top.rvf": heir(1, 0), "middle.rvf": heir(2, 1), "child.rvf": heir(3, 2), "secret/kid.rvf": heir(4, 3), "mine.rvf": heir(4, 3),
	}, Options{})
	for _, folder := range []string{"hidden", "secret"} {
		if err := os.Chmod(filepath.Join(p.directory, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(p.directory, "mine.rvf"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.age()
	p.catalog.IdentifyCallers(func(ctx context.Context) volume.Caller {
		caller, _ := ctx.Value(askedBy{}).(volume.Caller)
		return caller
	})
	root := context.Background()
	bob := context.WithValue(root, askedBy{}, volume.Caller{UID: 1002, GID: 1002})
	const middle, child = "hidden/top.rvf/middle.rvf", "hidden/top.rvf/middle.rvf/child.rvf"
	for range 2 { // what one is told is not what the other was told before
		if told, private := p.ancestry(root, child); told.Ancestors != 2 || told.End != "root" || !private {
			t.Errorf("root is told %+v, private %t", told, private)
		}
		if told, _ := p.ancestry(bob, child); told.Ancestors != 1 || told.End != "parent-missing" || strings.Contains(told.Chain[1].Verification.Reason+told.Chain[1].Verification.Parent, "top") {
			t.Errorf("bob is told %+v", told)
		}
	}
	for _, test := range []struct {
		who      context.Context
		store    string
		parent   string // where the link leads, "" for none
		children string
	}{
		{root, middle, "../../../top.rvf", "child.rvf"}, {bob, middle, "", "child.rvf"},
		{root, child, "../../../middle.rvf", "kid.rvf mine.rvf"}, {bob, child, "../../middle.rvf", "mine.rvf"},
	} {
		store := p.find(test.store).Store
		link, err := store.ParentLink(test.who)
		if test.parent == "" && !errors.Is(err, volume.ErrNotFound) || test.parent != "" && (err != nil || !strings.HasSuffix(link.Link.Target(), strings.TrimLeft(test.parent, "./"))) {
			t.Errorf("%s leads to %+v, %v", test.store, link.Link, err)
		}
		links, err := store.ChildLinks(test.who)
		var names []string
		for _, link := range links {
			names = append(names, link.Name)
			if found, err := store.ChildLink(test.who, link.Name); err != nil || found.Link.Target() != link.Link.Target() || found.Link.Number() != link.Link.Number() {
				t.Errorf("%s among the children of %s: %+v, %v", link.Name, test.store, found, err)
			}
		}
		if err != nil || strings.Join(names, " ") != test.children {
			t.Errorf("the children of %s are %v, %v", test.store, names, err)
		}
	}
	if _, err := p.find(child).Store.ChildLink(bob, "kid.rvf"); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("bob finds a child in a folder that he cannot enter: %v", err)
	}

	told := func(who context.Context) (status map[string]lineage.Status, text string) {
		t.Helper()
		status = map[string]lineage.Status{}
		for _, ending := range PedigreeEndings {
			drawn, err := p.catalog.Pedigree(who, ending)
			if err != nil {
				t.Fatal(err)
			}
			text += string(drawn)
			if ending != ".json" {
				continue
			}
			var pedigree lineage.Pedigree
			if err := json.Unmarshal(drawn, &pedigree); err != nil {
				t.Fatal(err)
			}
			for _, store := range pedigree.Stores {
				status[store.File] = store.Verification.Status
			}
		}
		return status, text
	}
	for range 2 {
		if all, _ := told(root); len(all) != 5 || all["mine.rvf"] != "unmatched" || all["hidden/top.rvf"] != "root" {
			t.Errorf("root is told %v", all)
		}
		seen, text := told(bob)
		if len(seen) != 3 || seen["mine.rvf"] != "not-permitted" || seen["middle.rvf"] != "parent-missing" || seen["child.rvf"] != "unmatched" {
			t.Errorf("bob is told %v", seen)
		}
		if strings.Contains(text, "top.rvf") || strings.Contains(text, "kid.rvf") {
			t.Errorf("bob is told of what he cannot reach: %s", text)
		}
	}
}

// TestAncestryFollows: a long text is made anew when it is opened, and one that is no
// longer true is not read.
func TestAncestryFollows(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for i := byte(1); i <= 20; i++ {
		files[string('a'+rune(i))+".rvf"] = heir(i, i-1)
	}
	p := newPlace(t, files, Options{})
	ctx := t.Context()
	p.find("u.rvf") // so that there is a tree
	p.catalog.mu.Lock()
	at := p.catalog.storeAt("u.rvf")
	p.catalog.mu.Unlock()
	before, err := at.Ancestry(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if reader, err := before.View.Open(ctx); err != nil {
		t.Error(err)
	} else if err := reader.Close(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(p.directory, "f.rvf")); err != nil {
		t.Fatal(err)
	}
	p.age()
	after, err := at.Ancestry(ctx)
	if err != nil || after.Generation == before.Generation {
		t.Fatalf("%v, generation %d", err, after.Generation)
	}
	if _, err := before.View.Open(ctx); !errors.Is(err, volume.ErrStale) {
		t.Errorf("the former text is opened: %v", err)
	}
}
