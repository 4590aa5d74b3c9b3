package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Place is a volume with nothing in it, and what is done to it from outside.
type Place struct {
	volume.Volume
	// Link makes a symbolic link.
	Link func(target, name string) error
	// Callers says that the volume can be used as somebody else.
	Callers bool
}

// TestVolume tries everything on a place, each time on one of its own.
func TestVolume(t *testing.T, fresh func(t *testing.T) Place) {
	for name, test := range map[string]func(*testing.T, Place){
		"folders": folders, "moving": moving, "held folders": heldFolders, "listing": listing, "identities": identities,
		"links": links, "names that lead elsewhere": elsewhere, "changing": changing, "what is missing": absent,
		"rights": rights, "sticky folders": sticky, "lists": lists, "sweeping": sweeping, "reservations": reservations, "successions": successions, "room": room,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place := fresh(t)
			test(t, place)
			if err := place.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// must fails the test for what has to go well.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// folder makes a folder.
func folder(t *testing.T, in volume.Folder, name string, perm os.FileMode) {
	t.Helper()
	must(t, errors.Join(in.MakeFolder(t.Context(), name, perm), in.Settle(t.Context(), name)))
}

// shows checks what a folder lists, "name/" for folders and "name@" for links.
func shows(t *testing.T, in volume.Folder, name, want string) {
	t.Helper()
	listing, err := in.List(t.Context(), name)
	if err != nil {
		t.Errorf("list %s: %v", name, err)
		return
	}
	entries, err := listing.Entries()
	found := make([]string, 0, len(entries))
	for _, entry := range entries {
		switch entry.Type {
		case fs.ModeDir:
			entry.Name += "/"
		case fs.ModeSymlink:
			entry.Name += "@"
		}
		found = append(found, entry.Name)
	}
	slices.Sort(found)
	if got := strings.Join(found, " "); got != want || errors.Join(err, listing.Close()) != nil {
		t.Errorf("%s lists %q, want %q, %v", name, got, want, err)
	}
}

// described is what a name is.
func described(t *testing.T, in volume.Folder, name string) volume.FileInfo {
	t.Helper()
	info, err := in.Describe(t.Context(), name)
	if err != nil {
		t.Error(err)
	}
	return info
}

func folders(t *testing.T, p Place) {
	ctx := t.Context()
	folder(t, p, "a", 0o750)
	if info := described(t, p, "a"); !info.Mode.IsDir() || info.Mode.Perm() != 0o750 {
		t.Errorf("a folder is %+v", info)
	}
	fails(t, "make a folder of a name that is taken", p.MakeFolder(ctx, "a", 0o755), fs.ErrExist)
	fails(t, "make a folder in none", p.MakeFolder(ctx, "none/b", 0o755), fs.ErrNotExist)
	put(t, filelog.FilesOf(p.Shelf()), "file", "")
	fails(t, "make a folder in a file", p.MakeFolder(ctx, "file/b", 0o755), syscall.ENOTDIR)
	fails(t, "make a folder of a file's name", p.MakeFolder(ctx, "file", 0o755), fs.ErrExist)
	folder(t, p, "a/b", 0o755)
	put(t, filelog.FilesOf(p.Shelf()), "a/b/c", "deep")
	holds(t, filelog.FilesOf(p.Shelf()), "a/b/c", "deep")
	shows(t, p, ".", "a/ file")
	shows(t, p, "a", "b/")
	shows(t, p, "a/b", "c")
	fails(t, "remove a folder that holds something", p.RemoveFolder(ctx, "a/b"), syscall.ENOTEMPTY)
	fails(t, "remove a file as a folder", p.RemoveFolder(ctx, "file"), syscall.ENOTDIR)
	if err := filelog.FilesOf(p.Shelf()).Remove("a"); err == nil {
		t.Error("a folder is removed as a file")
	}
	shows(t, p, "a/b", "c")
	must(t, errors.Join(filelog.FilesOf(p.Shelf()).Remove("a/b/c"), p.RemoveFolder(ctx, "a/b"), p.Settle(ctx, "a/b")))
	shows(t, p, "a", "")
}

func moving(t *testing.T, p Place) {
	ctx := t.Context()
	folder(t, p, "a", 0o755)
	folder(t, p, "a/b", 0o755)
	folder(t, p, "z", 0o755)
	put(t, filelog.FilesOf(p.Shelf()), "a/b/c", "one")
	put(t, filelog.FilesOf(p.Shelf()), "d", "two")
	before := described(t, p, "a/b/c")
	must(t, errors.Join(p.Move(ctx, "a", "z/y"), p.Settle(ctx, "a"), p.Settle(ctx, "z/y")))
	shows(t, p, ".", "d z/")
	holds(t, filelog.FilesOf(p.Shelf()), "z/y/b/c", "one")
	if now := described(t, p, "z/y/b/c"); !now.Is(before) || now.Identity != before.Identity {
		t.Errorf("moved with its folder, %+v became %+v", before, now)
	}
	must(t, p.Move(ctx, "d", "z/y/d"))
	for what, names := range map[string][2]string{
		"a file to a file": {"z/y/d", "z/y/b/c"}, "a file to a folder": {"z/y/d", "z/y/b"},
		"a folder to a file": {"z/y/b", "z/y/d"}, "a folder to a folder": {"z/y/b", "z"},
	} {
		fails(t, "move "+what, p.Move(ctx, names[0], names[1]), fs.ErrExist)
	}
	fails(t, "move a folder into itself", p.Move(ctx, "z", "z/y/z"), syscall.EINVAL)
	fails(t, "move to where no folder is", p.Move(ctx, "z/y/d", "none/d"), fs.ErrNotExist)
	holds(t, filelog.FilesOf(p.Shelf()), "z/y/b/c", "one")
	holds(t, filelog.FilesOf(p.Shelf()), "z/y/d", "two")
	shows(t, p, "z/y", "b/ d")
}

// heldFolders are reached whatever becomes of their names.
func heldFolders(t *testing.T, p Place) {
	ctx := t.Context()
	folder(t, p, "a", 0o755)
	folder(t, p, "a/b", 0o755)
	held, err := p.Open(ctx, "a/b")
	must(t, err)
	before := described(t, held, ".")
	must(t, p.Move(ctx, "a", "z"))
	put(t, filelog.FilesOf(held.Shelf()), "c", "here")
	folder(t, held, "d", 0o755)
	shows(t, held, ".", "c d/")
	holds(t, filelog.FilesOf(p.Shelf()), "z/b/c", "here")
	if now := described(t, held, "."); now.Identity != before.Identity {
		t.Errorf("moved, a folder became %+v, and was %+v", now, before)
	}
	if now := described(t, p, "z/b"); now.Identity != before.Identity {
		t.Errorf("held it is %+v, and by name %+v", before, now)
	}
	below, err := held.Open(ctx, "d")
	must(t, err)
	put(t, filelog.FilesOf(below.Shelf()), "e", "below")
	must(t, errors.Join(held.Move(ctx, "d", "f"), below.Settle(ctx, "e"), below.Close(), held.Close()))
	holds(t, filelog.FilesOf(p.Shelf()), "z/b/f/e", "below")
	// Another folder of the name is another folder.
	folder(t, p, "a", 0o755)
	folder(t, p, "a/b", 0o755)
	if now := described(t, p, "a/b"); now.Identity == before.Identity {
		t.Errorf("two folders are %+v", now)
	}
}

func listing(t *testing.T, p Place) {
	ctx := t.Context()
	folder(t, p, "a", 0o755)
	made := described(t, p, "a").Modified
	for i := range 300 {
		put(t, filelog.FilesOf(p.Shelf()), fmt.Sprintf("a/%03d", i), "x")
	}
	put(t, filelog.FilesOf(p.Shelf()), "a/peek", "0123456789")
	listing, err := p.List(ctx, "a")
	must(t, err)
	defer func() { must(t, listing.Close()) }()
	info, err := listing.Folder()
	if err != nil || info.Identity != described(t, p, "a").Identity || info.Modified.Before(made) {
		t.Errorf("the folder is %+v, %v", info, err)
	}
	entries, err := listing.Entries()
	if err != nil || len(entries) != 301 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	file, info, err := listing.Peek("peek")
	must(t, err)
	p10 := make([]byte, 10)
	n, err := file.ReadAt(p10[:6], 4)
	if info.Size != 10 || n != 6 || err != nil && err != io.EOF || string(p10[:6]) != "456789" {
		t.Errorf("peeked %q of %d bytes, %v", p10[:n], info.Size, err)
	}
	if n, err := file.ReadAt(p10, 5); n != 5 || err != io.EOF {
		t.Errorf("%d bytes over the end, %v", n, err)
	}
	must(t, file.Close())
	if about, err := listing.Describe("peek"); err != nil || !about.Is(info) || about.Size != 10 {
		t.Errorf("described as %+v, peeked at as %+v, %v", about, info, err)
	}
	_, err = listing.Describe("none")
	fails(t, "describe what is not there", err, fs.ErrNotExist)
	_, _, err = listing.Peek("none")
	fails(t, "peek at what is not there", err, fs.ErrNotExist)
	_, err = p.List(ctx, "a/peek")
	fails(t, "list a file", err, syscall.ENOTDIR)
	folder(t, p, "a/folder", 0o755)
	if _, _, err := listing.Peek("folder"); err == nil {
		t.Error("a folder can be peeked at")
	}
}

// identities are the same by whatever way a file is found.
func identities(t *testing.T, p Place) {
	ctx := t.Context()
	open := put(t, filelog.FilesOf(p.Shelf()), "a", "one")
	other := put(t, filelog.FilesOf(p.Shelf()), "b", "two")
	want, err := open.Describe()
	must(t, err)
	theirs, err := other.Describe()
	must(t, err)
	if want.Is(theirs) || want.Identity == theirs.Identity || want.Identity == (volume.Identity{}) {
		t.Errorf("two files are %+v and %+v", want, theirs)
	}
	must(t, p.Move(ctx, "a", "c"))
	listing, err := p.List(ctx, ".")
	must(t, err)
	held, err := p.Hold(ctx, "c")
	must(t, err)
	byListing, err1 := listing.Describe("c")
	byAllowing, err2 := p.Allow(ctx, "c", volume.Read)
	byFiles, err3 := filelog.FilesOf(p.Shelf()).Stat("c")
	_, ofList, err4 := p.AccessList(ctx, "c", false)
	must(t, errors.Join(err1, err2, err3, err4, listing.Close(), held.Close()))
	for way, found := range map[string]volume.FileInfo{
		"by name": described(t, p, "c"), "by listing": byListing, "by allowing": byAllowing, "by files": byFiles, "held": held.Info(), "of its list": ofList,
	} {
		if !found.Is(want) || found.Identity != want.Identity || found.Is(theirs) {
			t.Errorf("%s it is %+v, want %+v", way, found, want)
		}
	}
}

func links(t *testing.T, p Place) {
	ctx := t.Context()
	folder(t, p, "a", 0o755)
	put(t, filelog.FilesOf(p.Shelf()), "a/b", "secret")
	must(t, errors.Join(p.Link("a", "folder"), p.Link("a/b", "file"), p.Link("nowhere/at all", "a/broken")))
	shows(t, p, ".", "a/ file@ folder@")
	listing, err := p.List(ctx, "a")
	must(t, err)
	target, err := listing.Target("broken")
	if info, err2 := listing.Describe("broken"); target != "nowhere/at all" || info.Mode.Type() != fs.ModeSymlink || errors.Join(err, err2) != nil {
		t.Errorf("a link is %+v and leads to %q, %v, %v", info, target, err, err2)
	}
	if _, err := listing.Target("b"); err == nil {
		t.Error("a file leads somewhere")
	}
	_, _, err = listing.Peek("broken")
	fails(t, "peek through a link", errors.Join(err, listing.Close()), syscall.ELOOP)
	for name, ofFolder := range map[string]bool{"folder": true, "file": false, "folder/b": false} {
		what := "through the link " + name
		if ofFolder {
			_, err := p.Open(ctx, name)
			fails(t, "open "+what, err, syscall.ELOOP)
			_, err = p.List(ctx, name)
			fails(t, "list "+what, err, syscall.ELOOP)
		} else {
			_, err := filelog.FilesOf(p.Shelf()).Open(name, false)
			fails(t, "open a file "+what, err, syscall.ELOOP)
		}
		_, err := p.Allow(ctx, name, volume.Read)
		fails(t, "allow "+what, err, syscall.ELOOP)
		_, err = p.Hold(ctx, name)
		fails(t, "hold "+what, err, syscall.ELOOP)
		_, _, err = p.AccessList(ctx, name, false)
		fails(t, "read the list "+what, err, syscall.ELOOP)
	}
	for what, err := range map[string]error{
		"make": p.MakeFolder(ctx, "folder/c", 0o755), "remove": p.RemoveFolder(ctx, "folder/c"),
		"move from": p.Move(ctx, "folder/b", "c"), "move to": p.Move(ctx, "a/b", "folder/c"),
	} {
		fails(t, what+" through a link", err, syscall.ELOOP)
	}
	shows(t, p, "a", "b broken@")
	must(t, p.Move(ctx, "file", "moved")) // the link itself
	shows(t, p, ".", "a/ folder@ moved@")
	holds(t, filelog.FilesOf(p.Shelf()), "a/b", "secret")
}

func elsewhere(t *testing.T, p Place) {
	ctx := t.Context()
	folder(t, p, "a", 0o755)
	put(t, filelog.FilesOf(p.Shelf()), "a/b", "")
	held, err := p.Open(ctx, "a")
	must(t, err)
	defer func() { must(t, held.Close()) }()
	for _, name := range []string{"..", "../a", "", "/a", "b/..", "./b", "b//c", "a/../b"} {
		_, err := held.Describe(ctx, name)
		fails(t, fmt.Sprintf("describe %q", name), err, syscall.EINVAL)
		_, err = held.Open(ctx, name)
		fails(t, fmt.Sprintf("open %q", name), err, syscall.EINVAL)
		fails(t, fmt.Sprintf("make %q", name), held.MakeFolder(ctx, name, 0o755), syscall.EINVAL)
		fails(t, fmt.Sprintf("move from %q", name), held.Move(ctx, name, "c"), syscall.EINVAL)
		fails(t, fmt.Sprintf("move to %q", name), held.Move(ctx, "b", name), syscall.EINVAL)
	}
	shows(t, p, ".", "a/")
	shows(t, held, ".", "b")
}

func changing(t *testing.T, p Place) {
	ctx := t.Context()
	folder(t, p, "a", 0o755)
	put(t, filelog.FilesOf(p.Shelf()), "a/b", "one")
	for _, name := range []string{"a", "a/b"} {
		held, err := p.Hold(ctx, name)
		must(t, err)
		before := held.Info()
		long := time.Unix(1_000_000_000, 0)
		must(t, held.Change(ctx, volume.AttributeChange{Mode: new(os.FileMode(0o700)), UID: -1, GID: -1, Modified: long}))
		info := described(t, p, name)
		if info.Mode.Perm() != 0o700 || !info.Modified.Equal(long) || info.UID != before.UID || info.GID != before.GID || !info.Is(before) {
			t.Errorf("%s became %+v", name, info)
		}
		must(t, held.Change(ctx, volume.AttributeChange{UID: -1, GID: -1, Modified: volume.Now}))
		if info := described(t, p, name); time.Since(info.Modified) > time.Minute || info.Mode.Perm() != 0o700 {
			t.Errorf("%s is of now, and not %v", name, info.Modified)
		}
		must(t, held.Close())
	}
	// What is held is changed, whatever has its name by now.
	held, err := p.Hold(ctx, "a/b")
	must(t, err)
	must(t, p.Move(ctx, "a/b", "a/c"))
	put(t, filelog.FilesOf(p.Shelf()), "a/b", "another")
	must(t, errors.Join(held.Change(ctx, volume.AttributeChange{Mode: new(os.FileMode(0o604)), UID: -1, GID: -1}), held.Close()))
	if there, other := described(t, p, "a/c"), described(t, p, "a/b"); there.Mode.Perm() != 0o604 || other.Mode.Perm() != 0o640 {
		t.Errorf("the one that was held has mode %v, and the other %v", there.Mode, other.Mode)
	}
}

func absent(t *testing.T, p Place) {
	ctx := t.Context()
	folder(t, p, "a", 0o755)
	put(t, filelog.FilesOf(p.Shelf()), "file", "")
	for _, name := range []string{"none", "a/none", "none/none"} {
		_, err := p.Open(ctx, name)
		fails(t, "open "+name, err, fs.ErrNotExist)
		_, err = p.List(ctx, name)
		fails(t, "list "+name, err, fs.ErrNotExist)
		_, err = p.Describe(ctx, name)
		fails(t, "describe "+name, err, fs.ErrNotExist)
		_, err = p.Allow(ctx, name, 0)
		fails(t, "allow "+name, err, fs.ErrNotExist)
		_, _, err = p.AccessList(ctx, name, false)
		fails(t, "read the list of "+name, err, fs.ErrNotExist)
		_, err = p.Hold(ctx, name)
		fails(t, "hold "+name, err, fs.ErrNotExist)
		fails(t, "remove "+name, p.RemoveFolder(ctx, name), fs.ErrNotExist)
		fails(t, "move "+name, p.Move(ctx, name, "a/b"), fs.ErrNotExist)
		if p.Sweep(ctx, name) {
			t.Errorf("%s was swept away", name)
		}
	}
	_, err := p.Describe(ctx, "file/none")
	fails(t, "describe what is in a file", err, syscall.ENOTDIR)
	_, err = p.Open(ctx, "file")
	fails(t, "open a file as a folder", err, syscall.ENOTDIR)
	// A folder that is held and removed holds nothing, and takes nothing in.
	held, err := p.Open(ctx, "a")
	must(t, err)
	must(t, p.RemoveFolder(ctx, "a"))
	fails(t, "make a folder in one that is gone", held.MakeFolder(ctx, "b", 0o755), fs.ErrNotExist)
	_, err = held.Describe(ctx, "b")
	fails(t, "describe what is in a folder that is gone", errors.Join(err, held.Close()), fs.ErrNotExist)
}

// lists of what has none are nil.
func lists(t *testing.T, p Place) {
	folder(t, p, "a", 0o755)
	put(t, filelog.FilesOf(p.Shelf()), "b", "")
	for name, handedDown := range map[string]bool{"a": true, "b": false, ".": true} {
		list, info, err := p.AccessList(t.Context(), name, handedDown)
		if list != nil || err != nil || info.Identity != described(t, p, name).Identity {
			t.Errorf("%s has the list %v, of %+v, %v", name, list, info, err)
		}
	}
}

func sweeping(t *testing.T, p Place) {
	ctx := t.Context()
	const fresh, old, busy = "fresh" + volume.TemporarySuffix, "old" + volume.TemporarySuffix, "worked on" + volume.TemporarySuffix
	files := filelog.FilesOf(p.Shelf())
	put(t, files, fresh, "")
	left, worked := put(t, files, old, ""), put(t, files, busy, "")
	must(t, left.Close())
	if mine, err := worked.TryLock(); !mine || err != nil {
		t.Fatal(mine, err)
	}
	for _, name := range []string{old, busy} {
		age(t, p, name, time.Hour)
	}
	for name, want := range map[string]bool{fresh: false, old: true, busy: false} {
		if got := p.Sweep(ctx, name); got != want {
			t.Errorf("%s was swept away: %t", name, got)
		}
	}
	shows(t, p, ".", fresh+" "+busy)
}

// age dates a file back.
func age(t *testing.T, p Place, name string, by time.Duration) {
	t.Helper()
	held, err := p.Hold(t.Context(), name)
	must(t, err)
	must(t, errors.Join(held.Change(t.Context(), volume.AttributeChange{UID: -1, GID: -1, Modified: time.Now().Add(-by)}), held.Close()))
}

// reservations are of no store, and nobody's when they are left.
func reservations(t *testing.T, p Place) {
	ctx, files := t.Context(), filelog.FilesOf(p.Shelf())
	reserves := files.Reserves("anything")
	host, gone := filelog.HostName(), processGone
	asks := runtime.GOOS == "linux" // elsewhere every process counts as living
	for name, c := range map[string]struct {
		record []byte
		age    time.Duration
		left   bool
	}{
		"empty and fresh":           {nil, 0, false},
		"empty and old":             {nil, time.Minute, reserves},
		"of the living":             {filelog.LockRecord(os.Getpid(), host), time.Minute, false},
		"of the living, very old":   {filelog.LockRecord(os.Getpid(), host), time.Hour, true},
		"of the dead":               {filelog.LockRecord(gone, host), 10 * time.Second, false},
		"of the dead, old":          {filelog.LockRecord(gone, host), time.Minute, asks},
		"of another host":           {filelog.LockRecord(gone, "elsewhere"), 4 * time.Minute, false},
		"of another host, very old": {filelog.LockRecord(gone, "elsewhere"), time.Hour, true},
		"a file":                    {[]byte("of somebody"), time.Hour, false},
		"not empty but zeros, old":  {make([]byte, len(filelog.LockRecord(gone, host))), time.Minute, reserves},
		"not empty but torn, old":   {filelog.LockRecord(gone, host)[:50], time.Minute, reserves},
		"a file of the same length": {bytes.Repeat([]byte("o"), len(filelog.LockRecord(gone, host))), time.Hour, false},
	} {
		name += ".rvf"
		must(t, put(t, files, name, string(c.record)).Close())
		age(t, p, name, c.age)
		reservation := strings.HasPrefix(name, "of") || strings.Contains(name, "empty") && reserves
		listing, err := p.List(ctx, ".")
		must(t, err)
		peeked, _, err := listing.Peek(name)
		if errors.Is(err, volume.ErrReserved) != reservation {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			must(t, peeked.Close())
		}
		must(t, listing.Close())
		err = p.Shelf().Create(ctx, name, []byte("a store"), 0o644)
		if c.left {
			must(t, err)
			holds(t, files, name, "a store")
			continue
		}
		fails(t, "create "+name, err, volume.ErrExists)
		holds(t, files, name, string(c.record))
		if p.Sweep(ctx, name) {
			t.Errorf("%s was swept away", name)
		}
	}
	must(t, put(t, files, "left.rvf", string(filelog.LockRecord(gone, host))).Close())
	age(t, p, "left.rvf", time.Hour)
	if !p.Sweep(ctx, "left.rvf") {
		t.Error("what a crash has left stays")
	}
	_, err := p.Describe(ctx, "left.rvf")
	fails(t, "describe what was swept away", err, fs.ErrNotExist)
}

// successions that a crash interrupted are brought to an end: a store's new file gets the
// name where nothing has it, and is litter else.
func successions(t *testing.T, p Place) {
	files := filelog.FilesOf(p.Shelf())
	for name, c := range map[string]struct {
		former, busy bool
		removed      bool
		want         string
	}{
		"alone":            {false, false, false, "new"},
		"alone and busy":   {false, true, false, ""},
		"beside":           {true, false, true, "old"},
		"beside, and busy": {true, true, false, "old"},
	} {
		name += ".rvf"
		successor := "." + name + ".next" + volume.TemporarySuffix
		fresh := put(t, files, successor, "new")
		if c.former {
			must(t, put(t, files, name, "old").Close())
		}
		if c.busy {
			if mine, err := fresh.TryLock(); !mine || err != nil {
				t.Fatal(mine, err)
			}
		} else {
			must(t, fresh.Close())
		}
		if got := p.Sweep(t.Context(), successor); got != c.removed {
			t.Errorf("%s: removed is %t", name, got)
		}
		if c.want == "" {
			_, err := files.Stat(name)
			fails(t, name, err, fs.ErrNotExist)
		} else {
			holds(t, files, name, c.want)
		}
		if _, err := files.Stat(successor); errors.Is(err, fs.ErrNotExist) == c.busy {
			t.Errorf("%s: the new file: %v", name, err)
		}
	}
}

// processGone is a process id that no process has.
const processGone = 1<<30 - 1

func room(t *testing.T, p Place) {
	space, err := p.Space(context.WithoutCancel(t.Context()))
	if err != nil || space.BlockSize == 0 || space.Blocks < space.Free || space.Free < space.Available || space.LongestName == 0 {
		t.Errorf("there is room of %+v, %v", space, err)
	}
	if p.Name() == "" {
		t.Error("the place has no name")
	}
}
