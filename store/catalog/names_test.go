package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"rvffs/store/volume"
)

// hardNames are names on which something went wrong once, or could.
var hardNames = []string{
	"", ".", "..", "...", "..a", ".a", ".a.rvf", "..rvf", ".rvf", "rvf", "a.rvf", "A.RVF", "a.rvf.", "a.rvf ", " ", "a b.rvdna", "-", "--", "~",
	".git", ".git.rvf", ".rvffs", ".rvffs.rvf", ".rvffs-tmp", "a.rvffs-tmp", "a.rvf.lock", "a.lock", ".lock", "lock", "a.rvf.tail-7", ".tail-", "a.tail-1.rvf",
	"raw", "raw.rvf", "incoming", "metadata", "metadata.append", "metadata.append.jsonl", "metadata.rvf", "where", "lineage", "lineage.rvf",
	"layout.svg", "map.svg", "status.json", "error.txt", "append.log", "ctl", "query", "vectors", "vectors.append", "vectors.append.rvf", "vectors.append.npy",
	"vectors.append.x", "vectors.appendix", "vectors.delete.u64", "vectors.delete.rvf", "kernel", "ebpf", "wasm", "dashboard", "segments", "neighbors",
	"identity.json", "identity.bin", "manifest.json", "manifest.bin", "witness.jsonl",
	"a\nb.rvf", "a\tb", `a\b.rvf`, `"a".rvf`, "ä.rvf", "a\u0308.rvf", "\u202egnp.rvf", "\xff", "\xff.rvf", "\x01.rvf", "a@b.rvf", "a+b", "a%2Fb.rvf", "CON", "NUL.rvf",
	"a/b", "a\x00b", strings.Repeat("x", 250), strings.Repeat("x", 251), strings.Repeat("x", 256), strings.Repeat("x", 246) + ".rvf", strings.Repeat("x", 247) + ".rvf",
	strings.Repeat("ä", 123) + ".rvf",
}

// someNames are the hard names and others put together from their parts.
func someNames(random *rand.Rand, count int) []string {
	parts := []string{"a", "raw", ".", "..", "vectors", ".append", ".rvf", ".rvdna", ".lock", ".tail-", ".rvffs", "-tmp", ".git", "\xfe", "ß", " ", "@", "ctl", "metadata", ".json"}
	names := slices.Clone(hardNames)
	for range count {
		var name strings.Builder
		for range 1 + random.IntN(4) {
			name.WriteString(parts[random.IntN(len(parts))])
		}
		names = append(names, name.String())
	}
	return names
}

// TestWhatIsMadeIsSeen: whatever name a container takes, it then lists it, finds it
// and removes it again; and a name that it refuses leaves nothing behind.
func TestWhatIsMadeIsSeen(t *testing.T) {
	t.Parallel()
	count := 100
	if testing.Short() {
		count = 30
	}
	random := rand.New(rand.NewPCG(8, 3))
	ctx := context.Background()
	p := newPlace(t, map[string][]byte{"parent.rvf": person(1, 0), "team/parent.rvf": person(2, 0), "team/spare.rvf": person(3, 0), "team/folder/x": nil}, Options{})
	mkdir := func(at Container, name string) error {
		switch at := at.(type) {
		case *Folder:
			_, err := at.Make(ctx, name, 0o755)
			return err
		case *Store:
			_, err := at.Derive(ctx, name, 0o755)
			return err
		}
		return nil
	}
	backing := func() string {
		var found []string
		for _, folder := range []string{".", "team"} {
			entries, err := os.ReadDir(path.Join(p.directory, folder))
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				found = append(found, path.Join(folder, entry.Name()))
			}
		}
		return strings.Join(found, "\n")
	}
	listed := func(at Container) (names []string) {
		entries, err := at.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			names = append(names, entry.Name)
		}
		return names
	}
	team := p.find("team").Folder
	for where, at := range map[string]Container{"root": p.catalog.Root(), "folder": team, "store": p.find("parent.rvf").Store, "store in a folder": p.find("team/parent.rvf").Store} {
		for _, name := range someNames(random, count) {
			before, names := backing(), listed(at)
			err := mkdir(at, name)
			if err != nil {
				if !errors.Is(err, volume.ErrName) && !errors.Is(err, syscall.ENAMETOOLONG) && !errors.Is(err, volume.ErrExists) {
					t.Errorf("%q in %s: %v", name, where, err)
				}
				if backing() != before {
					t.Fatalf("%q in %s was refused (%v) and left\n%q", name, where, err, backing())
				}
				continue
			}
			if !slices.Equal(listed(at), sorted(append(slices.Clone(names), name))) {
				t.Fatalf("%q in %s was made, and the list is %q", name, where, listed(at))
			}
			if err := found(at, name); err != nil {
				t.Fatalf("%q in %s was made: %v", name, where, err)
			}
			if err := at.Remove(ctx, name); err != nil {
				t.Fatalf("%q in %s was made and cannot be removed: %v", name, where, err)
			}
			if backing() != before || !slices.Equal(listed(at), names) {
				t.Fatalf("%q in %s was removed, and there are\n%q", name, where, backing())
			}
		}
	}
	// The same names as targets of a rename, of a folder and of a store.
	for _, source := range []string{"folder", "spare.rvf"} {
		for _, name := range someNames(random, count) {
			before := backing()
			if err := team.Move(ctx, source, team, name); err != nil {
				if backing() != before {
					t.Fatalf("a rename of %q to %q was refused (%v) and left\n%q", source, name, err, backing())
				}
				continue
			}
			if !slices.Contains(listed(team), name) {
				t.Fatalf("%q was renamed to %q, and the list is %q", source, name, listed(team))
			}
			if err := errors.Join(found(team, name), team.Move(ctx, name, team, source)); err != nil {
				t.Fatalf("%q was renamed to %q: %v", source, name, err)
			}
		}
	}
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// found looks a name up and asks for its attributes.
func found(at Container, name string) error {
	entry, err := at.Lookup(context.Background(), name)
	if err != nil {
		return err
	}
	switch entry.Kind {
	case KindFolder:
		_, err = entry.Folder.Attributes(context.Background())
	case KindStore:
		if _, err = entry.Store.Attributes(context.Background()); err == nil {
			_, err = entry.Store.Snapshot(context.Background())
		}
	default:
		err = fmt.Errorf("it is a link to %q", entry.Link.Target())
	}
	return err
}

func TestNamesAreRefusedForWhatTheyMean(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlace(t, map[string][]byte{"parent.rvf": person(1, 0)}, Options{})
	parent, root := p.find("parent.rvf").Store, p.catalog.Root()
	for _, name := range []string{
		"vectors.append.rvf", "vectors.delete.rvf", "metadata.append.rvf", "metadata", "incoming", "where", ".rvffs", ".git", "raw",
		"layout.svg", "map.svg", "status.json", "a.rvf.lock", "a.rvf.tail-3", "a.rvffs-tmp",
	} {
		if _, err := parent.Derive(ctx, name, 0o755); !errors.Is(err, volume.ErrName) {
			t.Errorf("deriving %q: %v", name, err)
		}
	}
	for _, name := range []string{".rvffs", "a.rvf.lock", "a.rvf.tail-3", "a.rvffs-tmp"} {
		if _, err := root.Make(ctx, name, 0o755); !errors.Is(err, volume.ErrName) {
			t.Errorf("making %q: %v", name, err)
		}
		if err := root.Move(ctx, "parent.rvf", root, name); !errors.Is(err, volume.ErrName) {
			t.Errorf("renaming to %q: %v", name, err)
		}
	}
	p.shows(root, "parent.rvf")
}

// Children of one name whose files lie deep down get names that are not too long to
// be looked up.
func TestNamesOfChildrenAreNeverTooLong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 110)
	files := map[string][]byte{"parent.rvf": person(1, 0)}
	for i := range 3 {
		files[path.Join(long, fmt.Sprint(i), "child.rvf")] = person(byte(2+i), 1)
	}
	files["child.rvf"] = person(9, 1)
	files["raw/"+strings.Repeat("y", 240)+".rvf"] = person(10, 1)
	files["rew/"+strings.Repeat("y", 240)+".rvf"] = person(11, 1)
	p := newPlace(t, files, Options{})
	parent := p.find("parent.rvf").Store
	entries, err := parent.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 6 {
		t.Errorf("%d children", len(entries))
	}
	for _, entry := range entries {
		if len(entry.Name) > 255 || !utf8.ValidString(entry.Name) || !strings.HasSuffix(entry.Name, ".rvf") {
			t.Errorf("a child is called %q", entry.Name)
		}
		if err := found(parent, entry.Name); err != nil {
			t.Error(err)
		}
	}
}
