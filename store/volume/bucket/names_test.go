package bucket

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
)

// shown are the names of the stores and folders that a new process lists in a folder.
func shown(t testing.TB, objects *memory.Bucket, options Options, folder string) (names []string) {
	t.Helper()
	v := Open(objects, looking(options))
	listing, err := v.List(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := listing.Entries()
	for _, entry := range entries {
		if entry.Type.IsDir() {
			entry.Name += "/"
		} else if _, gone := listing.Describe(entry.Name); gone != nil {
			if !errors.Is(gone, fs.ErrNotExist) {
				t.Error(gone)
			}
			continue
		}
		names = append(names, entry.Name)
	}
	if err = errors.Join(err, listing.Close(), v.Close()); err != nil {
		t.Fatal(err)
	}
	return names
}

// TestMovingAndRemovingEndsSomewhere dies at every moment of a move or a removal: whoever
// looks then finds the store once, whole, or removed.
func TestMovingAndRemovingEndsSomewhere(t *testing.T) {
	t.Parallel()
	for placement, options := range placements {
		for _, lax := range []bool{false, true} {
			options := options
			options.KeepTombstones = lax
			t.Run(fmt.Sprintf("%s, tombstones stay: %t", placement, lax), func(t *testing.T) {
				t.Parallel()
				for what, change := range map[string]func(v *Volume, log *Log) error{
					"move":   func(v *Volume, _ *Log) error { return v.Move(t.Context(), "a.rvf", "folder/b.rvf") },
					"remove": func(v *Volume, log *Log) error { return log.Remove(t.Context(), v.Shelf()) },
				} {
					objects := memory.New()
					objects.LaxDelete = lax
					create(t, objects, options, "a.rvf")
					p := open(t, objects, options, "a.rvf")
					if err := errors.Join(p.put("text"), p.volume.MakeFolder(t.Context(), "folder", 0o755)); err != nil {
						t.Fatal(err)
					}
					from := objects.Changes()
					if err := change(p.volume, p.log); err != nil {
						t.Fatal(err)
					}
					for at := from; at <= objects.Changes(); at++ {
						left := objects.State(at)
						first := shown(t, left, options, ".")
						found := slices.Concat(shown(t, left, options, "."), shown(t, left, options, "folder"))
						found = slices.DeleteFunc(found, func(name string) bool { return name == "folder/" })
						switch {
						case len(found) == 1 && found[0] == "a.rvf" && at < objects.Changes():
							wants(t, left, options, "text")
						case len(found) == 1 && found[0] == "b.rvf" && what == "move":
							if texts, err := open(t, left, options, "folder/b.rvf").texts(); err != nil || !slices.Equal(texts, []string{"text"}) {
								t.Errorf("%s, at change %d: %q, %v", what, at-from, texts, err)
							}
						case len(found) == 0 && what == "remove" && at > from:
							v := Open(left, looking(options))
							if err := v.Shelf().Create(t.Context(), "a.rvf", content(t, 3), 0o644); err != nil {
								t.Errorf("create where something was removed: %v", err)
							}
							wants(t, left, options)
						default:
							t.Errorf("%s, at change %d: first %q, then %q", what, at-from, first, found)
						}
					}
				}
			})
		}
	}
}

// TestMovesThatCannotBe leave all as it was.
func TestMovesThatCannotBe(t *testing.T) {
	t.Parallel()
	objects := memory.New()
	create(t, objects, Options{}, "a.rvf")
	create(t, objects, Options{}, "taken.rvf")
	p := open(t, objects, Options{}, "a.rvf")
	v := p.volume
	if err := errors.Join(p.put("text"), v.MakeFolder(t.Context(), "folder", 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		want     error
	}{
		{"a.rvf", "taken.rvf", fs.ErrExist}, {"a.rvf", "folder", fs.ErrExist}, {"a.rvf", "none/a.rvf", fs.ErrNotExist},
		{"none.rvf", "b.rvf", fs.ErrNotExist}, {"folder", "other", syscall.EXDEV}, {"a.rvf", "../b.rvf", syscall.EINVAL}, {"a.rvf", ".rvffs/b.rvf", fs.ErrNotExist},
	} {
		if err := v.Move(t.Context(), c.from, c.to); !errors.Is(err, c.want) {
			t.Errorf("%s to %s: %v, want %v", c.from, c.to, err, c.want)
		}
	}
	if names := shown(t, objects, Options{}, "."); !slices.Equal(names, []string{"a.rvf", "folder/", "taken.rvf"}) {
		t.Errorf("there are %q", names)
	}
	wants(t, objects, Options{}, "text")
	// The name is taken between the look and the move.
	found, err := v.read(t.Context(), "a.rvf", "")
	if err != nil {
		t.Fatal(err)
	}
	tombstone, err := v.bury(t.Context(), found, moved{To: "taken.rvf"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.finish(t.Context(), tombstone); !errors.Is(err, fs.ErrExist) {
		t.Errorf("finish what cannot be: %v", err)
	}
	wants(t, objects, Options{}, "text")
}

// TestWhatIsLeftOfAMoveIsDoneBeforeTheNext, also where the server forgets for a moment that the
// former name was left.
func TestWhatIsLeftOfAMoveIsDoneBeforeTheNext(t *testing.T) {
	t.Parallel()
	objects := memory.New()
	create(t, objects, Options{}, "a.rvf")
	if err := Open(objects, looking(Options{})).Move(t.Context(), "a.rvf", "b.rvf"); err != nil {
		t.Fatal(err)
	}
	left := objects.State(objects.Changes() - 1) // the tombstone is not spent
	forgets := true
	left.Fault = func(r memory.Request) memory.Fault {
		if r.Kind == "get" && r.Key == "a.rvf" && forgets {
			forgets = false
			return memory.Older
		}
		return memory.None
	}
	v := Open(left, looking(Options{}))
	if err := v.Move(t.Context(), "b.rvf", "c.rvf"); err != nil {
		t.Fatal(err)
	}
	create(t, left, Options{}, "b.rvf")
	if names := shown(t, left, Options{}, "."); forgets || !slices.Equal(names, []string{"b.rvf", "c.rvf"}) {
		t.Errorf("there are %q", names)
	}
	if names := shown(t, left, Options{}, "."); !slices.Equal(names, []string{"b.rvf", "c.rvf"}) {
		t.Errorf("then there are %q", names)
	}
}

// TestAStoreThatCameBackIsNotTheOneThatLeft: who knows it from before commits behind what it is
// now, so that its changes are counted on, and nobody takes it for an older one.
func TestAStoreThatCameBackIsNotTheOneThatLeft(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]func(v *Volume) error{
		"there and back": func(v *Volume) error {
			return errors.Join(v.Move(t.Context(), "a.rvf", "b.rvf"), v.Move(t.Context(), "b.rvf", "a.rvf"))
		},
		"a move that cannot be": func(v *Volume) error {
			found, err := v.read(t.Context(), "a.rvf", "")
			if err == nil {
				found, err = v.bury(t.Context(), found, moved{To: "taken.rvf"}, false)
			}
			if err == nil {
				_, err = v.finish(t.Context(), found)
			}
			if errors.Is(err, fs.ErrExist) {
				return nil
			}
			return err
		},
	} {
		objects := memory.New()
		create(t, objects, Options{}, "a.rvf")
		create(t, objects, Options{}, "taken.rvf")
		p, v := open(t, objects, Options{}, "a.rvf"), Open(objects, looking(Options{}))
		if err := errors.Join(p.put("before"), leaves(v)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := v.read(t.Context(), "a.rvf", "")
		if err = errors.Join(err, p.put("after")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if now, err := v.read(t.Context(), "a.rvf", ""); err != nil || now.Change <= back.Change {
			t.Errorf("%s: change %d comes after %d: %v", name, now.Change, back.Change, err)
		}
		wants(t, objects, Options{}, "before", "after")
		if plain := objects.Content("a.rvf"); bytes.HasPrefix(plain, []byte(extentsMark)) {
			t.Errorf("%s: it does not become plain again", name)
		}
	}
}

// TestWhereAStoreCameFromHasRoom beside all else that is kept there, however long the name and
// however many have committed.
func TestWhereAStoreCameFromHasRoom(t *testing.T) {
	t.Parallel()
	v := Open(memory.New(), looking(Options{}))
	long := strings.Repeat("é", longestKey/2)
	s := &stored{key: long, about: about{ID: newID(), Change: 1}, inline: content(t, 2)}
	for range mostWriters {
		s.says(newWriter(), 1<<40)
	}
	_, err := v.create(t.Context(), s)
	if err = errors.Join(err, v.moveObject(t.Context(), long, "b.rvf")); err != nil {
		t.Fatal(err)
	}
	if found, err := v.read(t.Context(), "b.rvf", ""); err != nil || found.From != long {
		t.Errorf("it came from %q, %v", found.From, err)
	}
}

// TestAForeignUploadIsAStore: a small one and a large one that another program has put there,
// with a torn tail, are read where they lie; who uploads another one has made another store;
// and the first commit has nothing of it sent again.
func TestAForeignUploadIsAStore(t *testing.T) {
	t.Parallel()
	for what, size := range map[string]int{"small": 1000, "large": 12_000_000} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			objects := memory.New()
			source := memory.New()
			create(t, source, Options{}, "a.rvf")
			text := strings.Repeat("t", size)
			if err := open(t, source, Options{}, "a.rvf").put(text); err != nil {
				t.Fatal(err)
			}
			plain := assembled(t, source, "a.rvf")
			objects.Upload("a.rvf", append(slices.Clone(plain), "torn"...))
			wants(t, objects, Options{}, text)
			p, q := open(t, objects, Options{}, "a.rvf"), open(t, objects, Options{}, "a.rvf")
			before, sent := p.log.newest, objects.Bytes()
			if err := p.put("more"); err != nil {
				t.Fatal(err)
			}
			if sent = objects.Bytes() - sent; sent > 20_000_000 {
				t.Errorf("%d bytes were sent and received for one commit", sent)
			}
			wants(t, objects, Options{}, text, "more")
			if now := p.log.newest; now.Generation != before.Generation || !now.Generation.Info().Is(before.Generation.Info()) {
				t.Error("the first commit makes another store of it")
			}
			if err := q.put("another"); err != nil {
				t.Fatal(err)
			}
			wants(t, objects, Options{}, text, "more", "another")
			if whole := assembled(t, objects, "a.rvf"); !bytes.HasPrefix(whole, plain) {
				t.Error("what was uploaded is not at the front of what is there")
			}
			p.begin()
			objects.Upload("a.rvf", plain)
			if _, err := p.commit(p.extent("lost")); !errors.Is(err, volume.ErrStale) {
				t.Errorf("commit to what was replaced: %v", err)
			}
			p.end()
			wants(t, objects, Options{}, text)
		})
	}
}

// TestACopiedLineIsAStoreOfItsOwn: another program has copied a store object that names
// extents. It reads the same; what is committed to it is in it alone, and the other's sweeper
// takes nothing of it.
func TestACopiedLineIsAStoreOfItsOwn(t *testing.T) {
	t.Parallel()
	objects, clock := memory.New(), &clock{}
	options := inExtents(clock)
	create(t, objects, options, "b.rvf")
	first := open(t, objects, options, "b.rvf")
	if err := errors.Join(first.put("one"), first.put("two")); err != nil {
		t.Fatal(err)
	}
	objects.Copied("b.rvf", "a.rvf")
	p := open(t, objects, options, "a.rvf")
	if p.log.newest.Generation.Info().Is(first.log.newest.Generation.Info()) {
		t.Error("a copy is taken for the same store")
	}
	wants(t, objects, options, "one", "two")
	if err := errors.Join(p.put("mine"), first.compact()); err != nil {
		t.Fatal(err)
	}
	if err := first.put("theirs"); err != nil {
		t.Fatal(err)
	}
	clock.turn(100 * 3600e9)
	if err := first.log.tidyUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants(t, objects, options, "one", "two", "mine")
	if texts, err := first.texts(); err != nil || !slices.Equal(texts, []string{"one", "two", "theirs"}) {
		t.Errorf("the one that was copied holds %q, %v", texts, err)
	}
}

// TestACorruptLineIsNoStore, whatever it says.
func TestACorruptLineIsNoStore(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"no end":          "#rvffs-extents 1 {",
		"no json":         "#rvffs-extents 1 x\n",
		"negative extent": `#rvffs-extents 1 {"log":"x","base":-1,"manifest":0,"extents":[["a",-1]]}` + "\n",
		"huge extents":    `#rvffs-extents 1 {"log":"x","base":2,"manifest":2,"extents":[["a",9223372036854775807],["b",9223372036854775807],["c",4]]}` + "\n",
		"beyond":          `#rvffs-extents 1 {"log":"x","base":4,"manifest":5,"extents":[["a",4]]}` + "\n",
		"before":          `#rvffs-extents 1 {"log":"x","base":4,"manifest":0,"extents":[["a",4]]}` + "\n",
		"no manifest":     `#rvffs-extents 1 {"log":"x","base":4,"manifest":4,"extents":[["a",4]]}` + "\n" + strings.Repeat("z", 100),
		"nothing":         `#rvffs-extents 1 {"log":"x","base":0,"manifest":0,"extents":[]}` + "\n",
		"a way out":       `#rvffs-extents 1 {"log":"../../x","base":1,"manifest":1,"extents":[["a",1]]}` + "\n",
	} {
		objects := memory.New()
		objects.Upload("a.rvf", []byte(text))
		v := Open(objects, looking(Options{}))
		log := v.Shelf().Log("a.rvf", volume.LogOptions{})
		if _, err := log.Open(t.Context(), volume.Known{}); !errors.Is(err, volume.ErrNotStore) {
			t.Errorf("%s: %v", what, err)
		}
		_, _ = log.Close()
	}
}
