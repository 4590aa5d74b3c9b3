package bucket

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// TestFolders are made, held, listed and removed, and what is not there is missed.
func TestFolders(t *testing.T) {
	t.Parallel()
	for name, lax := range map[string]bool{"conditions of deletions are kept": false, "they are ignored": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folders(t, lax)
		})
	}
}

// folders is TestFolders on a server that keeps conditions of deletions, or ignores them:
// there nothing may be deleted whose name somebody else may have used again meanwhile.
func folders(t *testing.T, lax bool) {
	ctx, objects, options := t.Context(), memory.New(), Options{Prefix: "some/where/", KeepTombstones: lax}
	objects.LaxDelete = lax
	objects.Fault = func(r memory.Request) memory.Fault {
		if lax && r.Kind == "delete" && !strings.HasSuffix(r.Key, "/") && !strings.Contains(r.Key, "/"+hidden+"/") {
			t.Errorf("%s is deleted", r.Key)
		}
		return memory.None
	}
	v := Open(objects, looking(options))
	must(t, errors.Join(v.MakeFolder(ctx, "a", 0o750), v.MakeFolder(ctx, "a/b", 0o755)))
	fails(t, "make what is there", v.MakeFolder(ctx, "a", 0o755), fs.ErrExist)
	fails(t, "make in what is not there", v.MakeFolder(ctx, "none/b", 0o755), fs.ErrNotExist)
	held, err := v.Open(ctx, "a")
	must(t, err)
	must(t, held.Shelf().Create(ctx, "s.rvf", content(t, 2), 0o640))
	fails(t, "make a folder of a store's name", v.MakeFolder(ctx, "a/s.rvf", 0o755), fs.ErrExist)
	fails(t, "make a store of a folder's name", held.Shelf().Create(ctx, "b", content(t, 2), 0o640), volume.ErrExists)
	fails(t, "remove what is not empty", v.RemoveFolder(ctx, "a"), syscall.ENOTEMPTY)
	fails(t, "remove a store as a folder", v.RemoveFolder(ctx, "a/s.rvf"), syscall.ENOTDIR)
	if names := shown(t, objects, options, "a"); !slices.Equal(names, []string{"b/", "s.rvf"}) {
		t.Errorf("there are %q", names)
	}
	if info, err := v.Describe(ctx, "a"); err != nil || info.Mode != fs.ModeDir|0o750 {
		t.Errorf("a folder is %+v, %v", info, err)
	}
	for _, name := range []string{"none", "a/none", "none/none"} {
		_, err := v.Open(ctx, name)
		fails(t, "open "+name, err, fs.ErrNotExist)
		_, err = v.Describe(ctx, name)
		fails(t, "describe "+name, err, fs.ErrNotExist)
		_, err = v.List(ctx, name)
		fails(t, "list "+name, err, fs.ErrNotExist)
		_, err = v.Hold(ctx, name)
		fails(t, "hold "+name, err, fs.ErrNotExist)
		fails(t, "remove "+name, v.RemoveFolder(ctx, name), fs.ErrNotExist)
	}
	_, err = v.Describe(ctx, "a/s.rvf/none")
	fails(t, "describe what is in a store", err, syscall.ENOTDIR)
	for _, name := range []string{"..", "../a", "", "/a", "b/..", "./b", "b//c", "a/../b"} {
		_, err := v.Describe(ctx, name)
		fails(t, "describe "+name, err, syscall.EINVAL)
	}
	fails(t, "a name that is too long", v.MakeFolder(ctx, strings.Repeat("n", 300), 0o755), syscall.ENAMETOOLONG)
	log := held.Shelf().Log("s.rvf", volume.LogOptions{})
	must(t, log.Remove(ctx, held.Shelf()))
	must(t, errors.Join(v.RemoveFolder(ctx, "a/b"), v.RemoveFolder(ctx, "a")))
	fails(t, "make in a folder that is gone", held.MakeFolder(ctx, "c", 0o755), fs.ErrNotExist)
	if keys := objects.Keys(""); len(keys) != 0 && !lax {
		t.Errorf("there is still %q", keys)
	}
	if names := shown(t, objects, options, "."); len(names) != 0 {
		t.Errorf("there are still %q", names)
	}
	// What comes again is there, and its folders are.
	must(t, errors.Join(v.MakeFolder(ctx, "a", 0o755), v.Shelf().Create(ctx, "b.rvf", content(t, 2), 0o640)))
	must(t, v.Move(ctx, "b.rvf", "a/s.rvf"))
	fails(t, "remove what is not empty any more", v.RemoveFolder(ctx, "a"), syscall.ENOTEMPTY)
	if names := slices.Concat(shown(t, objects, options, "."), shown(t, objects, options, "a")); !slices.Equal(names, []string{"a/", "s.rvf"}) {
		t.Errorf("there are %q", names)
	}
	_, err = log.Close()
	must(t, errors.Join(err, held.Close(), v.Close()))
}

// TestAFolderStaysWhenItsLastStoreGoes also if another program has put that there.
func TestAFolderStaysWhenItsLastStoreGoes(t *testing.T) {
	t.Parallel()
	for _, lax := range []bool{false, true} {
		folderStays(t, Options{KeepTombstones: lax})
	}
}

func folderStays(t *testing.T, options Options) {
	ctx, objects := t.Context(), memory.New()
	objects.LaxDelete = options.KeepTombstones
	v := Open(objects, looking(options))
	objects.Upload("far/away/a.rvf", content(t, 2))
	must(t, v.Move(ctx, "far/away/a.rvf", "b.rvf"))
	if names := shown(t, objects, options, "far/away"); len(names) != 0 {
		t.Errorf("there are %q", names)
	}
	must(t, errors.Join(v.RemoveFolder(ctx, "far/away"), v.RemoveFolder(ctx, "far")))
	if names := shown(t, objects, options, "."); !slices.Equal(names, []string{"b.rvf"}) {
		t.Errorf("there are %q", names)
	}
}

// TestListingTellsWhatAStoreIs by its end alone, once for each state of it.
func TestListingTellsWhatAStoreIs(t *testing.T) {
	t.Parallel()
	ctx, objects := t.Context(), memory.New()
	create(t, objects, inExtents(&clock{}), "a.rvf")
	p := open(t, objects, inExtents(&clock{}), "a.rvf")
	must(t, p.put(strings.Repeat("text", 3000)))
	objects.Upload("b.rvf", content(t, 7))
	v := Open(objects, looking(Options{}))
	for range 2 {
		listing, err := v.List(ctx, ".")
		must(t, err)
		entries, err := listing.Entries()
		must(t, err)
		if len(entries) != 2 {
			t.Errorf("there are %+v", entries)
		}
		info, err := listing.Describe("a.rvf")
		must(t, err)
		by, err := v.Describe(ctx, "a.rvf")
		must(t, err)
		if of := p.log.newest.Generation.Info(); !info.Is(of) || !by.Is(of) || info.Size != p.log.newest.State.End {
			t.Errorf("listed is %+v, described %+v, opened %+v", info, by, of)
		}
		peeked, about, err := listing.Peek("a.rvf")
		must(t, err)
		whole := assembled(t, objects, "a.rvf")
		for _, from := range []int64{0, 100, about.Size - 200, about.Size - 1} {
			got := read(peeked, from, about.Size-from)
			if !bytes.Equal(got, whole[from:]) {
				t.Errorf("from %d on, %d bytes are read of %d", from, len(got), len(whole)-int(from))
			}
		}
		if n, err := peeked.ReadAt(make([]byte, 10), about.Size-5); n != 5 || err != io.EOF {
			t.Errorf("%d bytes over the end, %v", n, err)
		}
		_, _, err = listing.Peek("none")
		fails(t, "peek at what is not there", err, fs.ErrNotExist)
		must(t, listing.Close())
	}
	listing, err := v.List(ctx, ".")
	must(t, err)
	_, err = listing.Entries()
	must(t, err)
	before := objects.Requests("get")
	if _, err := listing.Describe("a.rvf"); err != nil || objects.Requests("get") != before {
		t.Errorf("what is known is asked for again, %v", err)
	}
}

// TestManyNamesAreListed page by page.
func TestManyNamesAreListed(t *testing.T) {
	t.Parallel()
	objects := memory.New()
	for i := range 2500 {
		objects.Upload("f/"+strings.Repeat("a", i%7)+time.Unix(int64(i), 0).UTC().Format("150405")+".rvf", []byte("x"))
	}
	v := Open(objects, looking(Options{}))
	listing, err := v.List(t.Context(), "f")
	must(t, err)
	entries, err := listing.Entries()
	if len(entries) != 2500 || err != nil {
		t.Errorf("%d names, %v", len(entries), err)
	}
}

// TestAttributesAndRights are those of files, as far as modes say.
func TestAttributesAndRights(t *testing.T) {
	t.Parallel()
	ctx, objects := t.Context(), memory.New()
	v := Open(objects, looking(Options{}))
	const alice, bob = 20001, 20002
	as := func(uid uint32, folder string) volume.Folder {
		in, err := v.Open(ctx, folder)
		must(t, err)
		return in.As(volume.Caller{UID: uid, GID: uid})
	}
	change := func(in volume.Folder, name string, c volume.AttributeChange) error {
		held, err := in.Hold(ctx, name)
		if err != nil {
			return err
		}
		return errors.Join(held.Change(ctx, c), held.Close())
	}
	must(t, v.MakeFolder(ctx, "hers", 0o755))
	must(t, change(v, "hers", volume.AttributeChange{UID: alice, GID: alice, Mode: new(os.FileMode(0o700))}))
	fails(t, "bob makes a store in hers", as(bob, "hers").Shelf().Create(ctx, "b.rvf", content(t, 2), 0o600), fs.ErrPermission)
	must(t, as(alice, "hers").Shelf().Create(ctx, "a.rvf", content(t, 2), 0o640))
	if info, err := v.Describe(ctx, "hers/a.rvf"); err != nil || info.UID != alice || info.GID != alice || info.Mode != 0o640 {
		t.Errorf("hers is %+v, %v", info, err)
	}
	_, err := as(bob, ".").Describe(ctx, "hers/a.rvf")
	fails(t, "bob looks into hers", err, fs.ErrPermission)
	must(t, change(v, "hers", volume.AttributeChange{UID: -1, GID: -1, Mode: new(os.FileMode(0o755))}))
	for want, of := range map[volume.Permission]error{0: nil, volume.Read: fs.ErrPermission, volume.Write: fs.ErrPermission} {
		_, err := as(bob, "hers").Allow(ctx, "a.rvf", want)
		fails(t, "bob may", err, of)
	}
	fails(t, "bob changes hers", change(as(bob, "hers"), "a.rvf", volume.AttributeChange{UID: -1, GID: -1, Mode: new(os.FileMode(0o666))}), syscall.EPERM)
	fails(t, "alice gives it away", change(as(alice, "hers"), "a.rvf", volume.AttributeChange{UID: bob, GID: -1}), syscall.EPERM)
	long := time.Unix(1_000_000_000, 0)
	p := open(t, objects, Options{}, "hers/a.rvf")
	must(t, p.put("one"))
	must(t, change(as(alice, "hers"), "a.rvf", volume.AttributeChange{UID: -1, GID: -1, Mode: new(os.FileMode(0o604)), Modified: long}))
	info, err := v.Describe(ctx, "hers/a.rvf")
	if err != nil || info.Mode != 0o604 || !info.Modified.Equal(long) || !info.Is(p.log.newest.Generation.Info()) {
		t.Errorf("changed it is %+v, %v", info, err)
	}
	// Who commits next keeps what was changed meanwhile.
	must(t, p.put("two"))
	if info, err := v.Describe(ctx, "hers/a.rvf"); err != nil || info.Mode != 0o604 {
		t.Errorf("after a commit it is %+v, %v", info, err)
	}
	if texts, err := p.texts(); err != nil || !slices.Equal(texts, []string{"one", "two"}) {
		t.Errorf("it holds %q, %v", texts, err)
	}
}

// TestLookingBesideCommits: what is read in two parts may change between them. Who looks once more
// reads it at once, and whoever commits then is no hindrance.
func TestLookingBesideCommits(t *testing.T) {
	t.Parallel()
	bucket := memory.New()
	create(t, bucket, Options{}, "a.rvf")
	p := open(t, bucket, Options{}, "a.rvf")
	must(t, p.put(strings.Repeat("long ", 2*tailRead)))
	v := Open(bucket, looking(Options{}))
	listing, err := v.List(t.Context(), ".")
	must(t, err)
	_, err = listing.Entries()
	must(t, err)
	for _, want := range []error{volume.ErrStale, nil, nil} {
		file, info, err := listing.Peek("a.rvf")
		must(t, err)
		must(t, p.put("more"))
		magic := make([]byte, 4)
		_, err = file.ReadAt(magic, 0)
		if fails(t, "read", err, want); want == nil {
			_, err := segments.FindState(file, info.Size, segments.FindOptions{})
			must(t, err)
		}
		must(t, file.Close())
	}
	must(t, errors.Join(listing.Close(), v.Close()))
}
