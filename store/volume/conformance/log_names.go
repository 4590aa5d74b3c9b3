package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume"
)

// move is one to a name on a shelf, in a folder.
func (l *logs) move(log volume.Log, shelf volume.Shelf, folder, name string) volume.Move {
	from := log.Name()
	to := path.Join(folder, name)
	return volume.Move{
		Shelf: shelf, Name: name,
		GiveName: func() error { return l.volume.Move(l.t.Context(), l.path(from), to) },
		Remnants: func(ctx context.Context) ([]string, error) {
			if remnants, torn := log.(volume.Remnants); torn {
				return remnants.Remnants(ctx)
			}
			return nil, nil
		},
		Along: func(remnant, moved string) error {
			return l.volume.Move(l.t.Context(), l.path(remnant), path.Join(folder, moved))
		},
		Moved: func(remnant, moved string, err error) {
			if err != nil {
				l.t.Errorf("%s did not become %s: %v", remnant, moved, err)
			}
		},
	}
}

func movingLogs(l *logs) {
	t := l.t
	l.create("a", 2)
	l.create("taken", 3)
	log, first := l.opened("a")
	theirs, known := l.another().opened("a")
	w := l.begin(log)
	w.put("one")
	fails(t, "move to a name that is taken", log.Move(t.Context(), l.move(log, l.shelf(), l.folder, "taken")), volume.ErrExists)
	refused := l.move(log, l.shelf(), l.folder, "b")
	refused.GiveName = func() error { return fmt.Errorf("%w: somebody was faster", fs.ErrExist) }
	fails(t, "move to a name that somebody else gets", log.Move(t.Context(), refused), volume.ErrExists)
	refused.GiveName = func() error { return errRefused }
	fails(t, "move what cannot be", log.Move(t.Context(), refused), errRefused)
	if err := log.Move(ended(t), l.move(log, l.shelf(), l.folder, "b")); err != nil {
		fails(t, "move when nobody waits", err, context.Canceled)
		if log.Name() != "a" {
			t.Errorf("what was not moved is called %q", log.Name())
		}
		l.holds(w)
		must(t, log.Move(t.Context(), l.move(log, l.shelf(), l.folder, "b")))
	}
	if log.Name() != "b" || !strings.Contains(log.Path(), "b") {
		t.Errorf("moved it is %q, %q", log.Name(), log.Path())
	}
	w.end()
	l.lists("b taken")
	shown(t, w.version, 0, "one")
	if newestOf(t, log, first) != w.version {
		t.Error("moved, it has another version")
	}
	l.holdsAt("b", 0, "one")
	_, err := theirs.Newest(t.Context(), known)
	fails(t, "look at the old name", err, volume.ErrNotFound)
	_, err = l.log("a", volume.LogOptions{}).Open(t.Context(), volume.Known{})
	fails(t, "open the old name", err, fs.ErrNotExist)
	w = l.begin(log, w.texts...)
	w.put("two")
	w.end()
	l.holds(w)
	// Whoever opens it under the new name goes on from what was known under the old one.
	_, version := l.another().opened("taken")
	if version.State.Manifest.Dimension != 3 {
		t.Errorf("what had the other name is %+v", version.State)
	}
}

func movingFar(l *logs) {
	t := l.t
	folder(t, l.volume, "far", 0o755)
	far, err := l.volume.Open(t.Context(), "far")
	must(t, err)
	defer func() { must(t, far.Close()) }()
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	w.put("one")
	must(t, log.Move(t.Context(), l.move(log, far.Shelf(), "far", "b")))
	w.end()
	shows(t, l.volume, "far", "b")
	w = l.begin(log, w.texts...)
	w.put("two")
	w.end()
	found := far.Shelf().Log("b", volume.LogOptions{})
	version, err := found.Open(t.Context(), volume.Known{})
	must(t, err)
	shown(t, version, 0, "one", "two")
	_, err = found.Close()
	_, mine := log.Close()
	must(t, errors.Join(err, mine))
}

func removing(l *logs) {
	t := l.t
	l.create("a", 2)
	l.create("b", 3)
	log, version := l.opened("a")
	w := l.begin(log)
	if err := log.Remove(ended(t), l.shelf()); err != nil {
		fails(t, "remove when nobody waits", err, context.Canceled)
		l.holds(w)
		must(t, log.Remove(t.Context(), l.shelf()))
	}
	_ = w.End() // there is nothing to give back, and it may say so
	if log.Held(context.Background()) || log.Active() {
		t.Error("what was removed is still held")
	}
	_, err := log.Newest(t.Context(), version)
	fails(t, "look at what was removed", err, volume.ErrNotFound)
	_, err = log.Session(t.Context(), always())
	fails(t, "write to what was removed", err, fs.ErrNotExist)
	fails(t, "remove what was removed", log.Remove(t.Context(), l.shelf()), fs.ErrNotExist)
	l.lists("b")
	l.create("a", 4)
	l.holdsAt("a", 0)
	l.holdsAt("b", 0)
}

func spooling(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	spool, err := log.Spool(context.Background())
	must(t, err)
	another, err := log.Spool(context.Background())
	must(t, err)
	want := bytes.Repeat([]byte("0123456789"), 1000)
	for _, at := range []int{5000, 0, 7500, 2500} {
		_, err := spool.WriteAt(want[at:at+2500], int64(at))
		must(t, err)
	}
	_, err = another.WriteAt([]byte("another"), 0)
	must(t, err)
	got := make([]byte, len(want))
	if err := volume.ReadFull(spool, got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("spooled is %.20q, %v", got, err)
	}
	must(t, errors.Join(spool.SetLength(4000), spool.SetLength(5000)))
	copy(got[4000:], make([]byte, 1000))
	if err := volume.ReadFull(spool, want[:5000], 0); err != nil || !bytes.Equal(want[:5000], got[:5000]) {
		t.Errorf("cut and made longer, it holds %.20q, %v", want, err)
	}
	if n, err := spool.ReadAt(make([]byte, 10), 4995); n != 5 || err != io.EOF {
		t.Errorf("%d bytes over the end, %v", n, err)
	}
	must(t, errors.Join(spool.Close(), another.Close()))
	l.lists("a")
	l.holdsAt("a", 0)
}

// all is what there is to read.
func all(t interface{ Fatal(...any) }, bytes io.ReaderAt) string {
	content, err := io.ReadAll(io.NewSectionReader(bytes, 0, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// remnantsOf are what is left of torn bytes of a log, which has such.
func remnantsOf(t testing.TB, log volume.Log) volume.Remnants {
	t.Helper()
	remnants, torn := log.(volume.Remnants)
	if !torn {
		t.Fatal("nothing of the log can be torn")
	}
	return remnants
}

// length is how many bytes of a log are there, whose newest version is given.
func length(log volume.Log, newest *volume.Version) int64 {
	if remnants, torn := log.(volume.Remnants); torn {
		return remnants.Length()
	}
	return newest.State.End
}

// remnants are what a writer left behind, and are kept under names of their own.
func remnants(l *logs) {
	t, ctx := l.t, l.t.Context()
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	w.put("published")
	w.draft("left behind")
	must(t, w.Leave())
	found, version := l.another().opened("a")
	if got := length(found, version); !l.ground.Tears && got != version.State.End {
		t.Errorf("%d bytes are left of %d", got, version.State.End)
	}
	if _, torn := found.(volume.Remnants); !torn {
		if l.ground.Tears {
			t.Fatal("what was torn cannot be had")
		}
		return
	}
	raw, err := remnantsOf(t, found).Raw(context.Background())
	must(t, err)
	content := all(t, raw)
	if int64(len(content)) != length(found, version) {
		t.Errorf("raw are %d bytes of %d", len(content), length(found, version))
	}
	must(t, raw.Close())
	if names, err := remnantsOf(t, log).Remnants(context.Background()); len(names) > 0 || err != nil {
		t.Errorf("remnants are %q, %v", names, err)
	}
	if !l.ground.Tears {
		return
	}
	torn := content[version.State.End:]
	compared := 0
	kept := func(log volume.Log, head string, ctx context.Context) (string, error) {
		return remnantsOf(t, log).KeepRemnant(ctx, volume.Remnant{
			Offset: version.State.End, Length: int64(len(torn)), Head: []byte(head), Epoch: version.State.Manifest.Epoch,
			Same: func(_ context.Context, kept volume.Bytes) (bool, error) {
				compared++
				return all(t, kept) == head+torn, nil
			},
		})
	}
	if name, err := kept(log, "head", ended(t)); err == nil {
		t.Errorf("%q is kept although nobody waits", name)
	}
	l.lists("a")
	// Who is about to cut it off keeps it first, and what he reads ends with his patience.
	var first string
	patience, leave := context.WithCancel(ctx)
	defer leave()
	_, err = log.Session(patience, settling(func(_ *volume.Version, bytes io.ReaderAt) (err error) {
		leave()
		_, err = bytes.ReadAt(make([]byte, 1), 0)
		fails(t, "read for nobody", err, context.Canceled)
		first, err = kept(log, "head", ctx)
		must(t, err)
		return errRefused
	}))
	fails(t, "begin what is not settled", err, errRefused)
	err = nil
	if err != nil || first == "" || compared != 0 {
		t.Fatalf("kept is %q, compared %d times, %v", first, compared, err)
	}
	if again, err := kept(log, "head", ctx); again != "" || err != nil || compared != 1 {
		t.Errorf("kept again is %q, compared %d times, %v", again, compared, err)
	}
	second, err := kept(log, "other", ctx)
	if err != nil || second == "" || second == first {
		t.Errorf("%q is kept beside %q, %v", second, first, err)
	}
	names, err := remnantsOf(t, log).Remnants(context.Background())
	if slices.Sort(names); err != nil || !slices.Equal(names, slices.Sorted(slices.Values([]string{first, second}))) {
		t.Errorf("remnants are %q, %v", names, err)
	}
	if own := remnantsOf(t, log).OwnRemnants([]string{"x", first, "a", "b" + first}); !slices.Equal(own, []string{first}) {
		t.Errorf("own remnants are %q", own)
	}
	for name, head := range map[string]string{first: "head", second: "other"} {
		file, err := remnantsOf(t, log).OpenRemnant(context.Background(), name)
		must(t, err)
		if got := all(t, file); got != head+torn {
			t.Errorf("%s holds %q", name, got)
		}
		must(t, file.Close())
	}
	l.holdsAt("a", 0, "published")
	must(t, remnantsOf(t, log).RemoveRemnant(context.Background(), second))
	_, err = remnantsOf(t, log).OpenRemnant(context.Background(), second)
	fails(t, "open a remnant that was removed", err, fs.ErrNotExist)
	folder(t, l.volume, l.path(second), 0o755)
	_, err = remnantsOf(t, log).OpenRemnant(context.Background(), second)
	fails(t, "open what is no remnant", err, volume.ErrStrangeRemnant)
	third, err := kept(log, "third", ctx)
	if err != nil || third == "" || third == second {
		t.Errorf("%q is kept beside %q, %v", third, second, err)
	}
	must(t, errors.Join(l.volume.RemoveFolder(ctx, l.path(second)), remnantsOf(t, log).RemoveRemnant(context.Background(), third)))
	// It goes along, under another name than one that is taken.
	move := l.move(log, l.shelf(), l.folder, "b")
	along, asked := move.Along, 0
	move.Along = func(remnant, moved string) error {
		if asked++; asked == 1 {
			return fs.ErrExist
		}
		return along(remnant, moved)
	}
	told := ""
	move.Moved = func(remnant, moved string, err error) {
		if remnant != first || err != nil || log.Name() != "b" {
			t.Errorf("%s became %s, the store is %s, %v", remnant, moved, log.Name(), err)
		}
		told = moved
	}
	w = l.begin(log, "published")
	must(t, log.Move(ctx, move))
	w.end()
	if names, err := remnantsOf(t, log).Remnants(context.Background()); asked != 2 || err != nil || !slices.Equal(names, []string{told}) {
		t.Errorf("asked %d times, told of %q, there is %q, %v", asked, told, names, err)
	}
	l.holdsAt("b", 0, "published")
}

// rebuilding makes a store again of bytes that are none any more, where there can be such.
func rebuilding(l *logs) {
	t, ctx := l.t, l.t.Context()
	rubbish := append([]byte(strings.Repeat("no store ", 20)), image(t, 2)[:segments.HeaderSize/2]...)
	if err := l.shelf().Create(ctx, "a", rubbish, 0o604); err != nil {
		l.lists("") // a place may take nothing but stores
		return
	}
	log := l.log("a", volume.LogOptions{})
	_, err := log.Open(ctx, volume.Known{})
	fails(t, "open what is no store", err, volume.ErrNotStore)
	if _, torn := log.(volume.Remnants); !torn {
		return
	}
	var built int
	building := func(content []byte, err error) func(volume.Bytes) ([]byte, error) {
		return func(found volume.Bytes) ([]byte, error) {
			if built++; all(t, found) != string(rubbish) {
				t.Errorf("rebuilt are %q", all(t, found))
			}
			if !log.Held(context.Background()) {
				t.Error("others could write meanwhile")
			}
			return content, err
		}
	}
	fails(t, "rebuild what cannot be", remnantsOf(t, log).Rebuild(ctx, building(nil, errRefused)), errRefused)
	if err := remnantsOf(t, log).Rebuild(ended(t), building(image(t, 8), nil)); err == nil {
		l.holdsAt("a", 0)
		return
	} else if built > 2 || !errors.Is(err, context.Canceled) {
		t.Errorf("rebuilt when nobody waits: %v", err)
	}
	raw, err := remnantsOf(t, log).Raw(context.Background())
	must(t, err)
	if got := all(t, raw); got != string(rubbish) {
		t.Errorf("what was not rebuilt is %q", got)
	}
	must(t, raw.Close())
	must(t, remnantsOf(t, log).Rebuild(ctx, building(image(t, 7), nil)))
	if _, version := l.another().opened("a"); version.State.Manifest.Dimension != 7 || version.Generation.Info().Mode.Perm() != 0o604 {
		t.Errorf("rebuilt is %+v, %+v", version.State, version.Generation.Info())
	}
	fails(t, "rebuild what is a store", remnantsOf(t, log).Rebuild(ctx, building(image(t, 8), nil)), volume.ErrExists)
	if built < 2 || built > 3 || log.Held(context.Background()) {
		t.Errorf("built %d times, held %t", built, log.Held(context.Background()))
	}
	_, err = log.Open(ctx, volume.Known{})
	must(t, err)
	w := l.begin(log)
	w.put("alive")
	w.end()
	l.holdsAt("a", 0, "alive")
	l.lists("a")
}
