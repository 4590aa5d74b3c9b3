package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"rvffs/segments"
	"rvffs/store/volume"
)

func creating(l *logs) {
	t, shelf := l.t, l.shelf()
	must(t, shelf.Create(t.Context(), "a", image(t, 2), 0o640))
	_, version := l.another().opened("a")
	if n := version.State.Manifest.Dimension; n != 2 || !version.State.Clean {
		t.Errorf("created is %+v", version.State)
	}
	if info := described(t, l.volume, l.path("a")); info.Mode != 0o640 {
		t.Errorf("created is %+v", info)
	}
	fails(t, "create a name that is taken", shelf.Create(t.Context(), "a", image(t, 3), 0o640), volume.ErrExists)
	folder(t, l.volume, l.path("folder"), 0o755)
	fails(t, "create a name that a folder has", shelf.Create(t.Context(), "folder", image(t, 3), 0o640), volume.ErrExists)
	if _, version = l.another().opened("a"); version.State.Manifest.Dimension != 2 {
		t.Errorf("what was there is %+v", version.State)
	}
	want := "a folder/"
	if err := shelf.Create(ended(t), "b", image(t, 4), 0o640); err == nil {
		want = "a b folder/"
		l.holdsAt("b", 0)
	}
	l.lists(want)
}

// creatingAtOnce lets several have one name: the content is of the one who got it.
func creatingAtOnce(l *logs) {
	var wait sync.WaitGroup
	failed := make([]error, 4)
	for i := range failed {
		shelf := l.another().shelf()
		content := image(l.t, uint16(i))
		wait.Go(func() { failed[i] = shelf.Create(l.t.Context(), "a", content, 0o640) })
	}
	wait.Wait()
	made := -1
	for i, err := range failed {
		switch {
		case err == nil && made < 0:
			made = i
		case err == nil:
			l.t.Errorf("%d and %d have both made it", made, i)
		default:
			fails(l.t, "create a name that is taken", err, volume.ErrExists)
		}
	}
	if _, version := l.opened("a"); int(version.State.Manifest.Dimension) != made {
		l.t.Errorf("made is %d, and was by %d", version.State.Manifest.Dimension, made)
	}
	l.lists("a")
}

func opening(l *logs) {
	t := l.t
	l.create("a", 2)
	log, version := l.opened("a")
	if log.Name() != "a" || log.Path() == "" || log.Active() || log.Held(context.Background()) {
		t.Errorf("opened is %q, %q, active %t, held %t", log.Name(), log.Path(), log.Active(), log.Held(context.Background()))
	}
	if info := version.Generation.Info(); !info.Is(described(t, l.volume, l.path("a"))) || time.Since(version.Modified) > time.Hour {
		t.Errorf("opened is %+v of %v", info, version.Modified)
	}
	bytes, err := version.Generation.Pin(t.Context())
	must(t, err)
	if now, err := bytes.Describe(); err != nil || !now.Unchanged(version.Generation.Info()) || now.Size != version.State.End {
		t.Errorf("the bytes are where %+v is, %v", now, err)
	}
	must(t, version.Generation.Unpin())
	if length(log, version) != version.State.End {
		t.Errorf("%d bytes are there, and %d were published", length(log, version), version.State.End)
	}
	_, err = l.log("none", volume.LogOptions{}).Open(t.Context(), volume.Known{})
	fails(t, "open what is not there", err, fs.ErrNotExist)
	folder(t, l.volume, l.path("folder"), 0o755)
	_, err = l.log("folder", volume.LogOptions{}).Open(t.Context(), volume.Known{})
	fails(t, "open a folder", err, volume.ErrNotStore)
	_, err = l.log("a", volume.LogOptions{}).Open(ended(t), volume.Known{})
	fails(t, "open when nobody waits", err, context.Canceled)
	if _, known := l.log("a", volume.LogOptions{}).Known().Of.(*volume.Version); known {
		t.Error("something is known of what was not opened")
	}
}

func knowing(l *logs) {
	t := l.t
	l.create("a", 2)
	first, before := l.opened("a")
	known := first.Known()
	_, err := first.Close()
	must(t, err)
	second := l.log("a", volume.LogOptions{})
	again, err := second.Open(t.Context(), known)
	if err != nil || again != before {
		t.Errorf("what is known as it was is opened as version %p, known is %p, %v", again, before, err)
	}
	shown(t, again, 0)
	w := l.begin(second)
	if w.put("mine"); w.version.Number <= again.Number {
		t.Errorf("version %d follows %d", w.version.Number, again.Number)
	}
	w.end()
	known = second.Known()
	other, _ := l.another().opened("a")
	theirs := l.begin(other, w.texts...)
	theirs.put("theirs")
	theirs.end()
	third := l.log("a", volume.LogOptions{})
	found, err := third.Open(t.Context(), known)
	must(t, err)
	shown(t, found, 0, "mine", "theirs")
	// Another store of the name is not what was known.
	known = third.Known()
	must(t, other.Remove(t.Context(), l.shelf()))
	l.create("a", 3)
	fourth := l.log("a", volume.LogOptions{})
	found, err = fourth.Open(t.Context(), known)
	must(t, err)
	if found.State.Manifest.Dimension != 3 {
		t.Errorf("found is %+v", found.State)
	}
	shown(t, found, 0)
}

func newest(l *logs) {
	t := l.t
	l.create("a", 2)
	mine, first := l.opened("a")
	theirs, same := l.another().opened("a")
	if newestOf(t, mine, first) != first || newestOf(t, theirs, same) != same {
		t.Error("nothing is newer, and another version is found")
	}
	w := l.begin(mine)
	if newestOf(t, mine, first) != first {
		t.Error("who is at work itself finds another version")
	}
	d := w.draft("not published")
	if newestOf(t, theirs, same) != same {
		t.Error("what was not published makes a version")
	}
	w.publish(d)
	if newestOf(t, mine, first) != first {
		t.Error("who is at work itself is told of another version than it knows")
	}
	seen := newestOf(t, theirs, same)
	if seen == same || seen.Number <= same.Number || seen.Generation != same.Generation {
		t.Errorf("another's commit is version %d after %d", seen.Number, same.Number)
	}
	shown(t, seen, 0, "not published")
	w.end()
	if newestOf(t, mine, first) != w.version || newestOf(t, theirs, seen) != seen {
		t.Error("when the work is over, other versions are found")
	}
	// What somebody gives up waiting for is found by the next.
	w = l.begin(mine, w.texts...)
	w.put("more")
	w.end()
	if found, err := theirs.Newest(ended(t), seen); err == nil {
		shown(t, found, 0, w.texts...)
	} else {
		fails(t, "look when nobody waits", err, context.Canceled)
	}
	seen = newestOf(t, theirs, seen)
	shown(t, seen, 0, w.texts...)
	if newestOf(t, theirs, same) != seen {
		t.Error("who knows an old version does not get the newest")
	}
	must(t, mine.Remove(t.Context(), l.shelf()))
	_, err := theirs.Newest(t.Context(), seen)
	fails(t, "look at what was removed", err, volume.ErrNotFound)
	l.create("a", 5)
	if other := newestOf(t, theirs, seen); other.State.Manifest.Dimension != 5 || other.Generation == seen.Generation || other.Number <= seen.Number {
		t.Errorf("another store of the name is %+v", other.State)
	}
}

func closing(l *logs) {
	t := l.t
	l.create("a", 2)
	log, version := l.opened("a")
	bytesOf, unpin := pinned(t, version)
	if first, err := log.Close(); !first || err != nil {
		t.Errorf("the first close: %t, %v", first, err)
	}
	if second, err := log.Close(); second || err != nil {
		t.Errorf("the second close: %t, %v", second, err)
	}
	_, err := log.Newest(t.Context(), version)
	fails(t, "look at what is closed", err, volume.ErrClosed)
	if err := check(bytesOf, version.State, 0, nil); err != nil {
		t.Errorf("who reads: %v", err)
	}
	unpin()
	shown(t, version, 0) // it is there, and so can be had again
	unopened := l.log("a", volume.LogOptions{})
	if first, err := unopened.Close(); !first || err != nil {
		t.Errorf("closing what was not opened: %t, %v", first, err)
	}
}

// lasting: what a commit promises makes no difference to who looks at once.
func lasting(l *logs) {
	t := l.t
	l.create("a", 2)
	var texts []string
	for _, lasting := range []volume.Lasting{volume.LastsAtOnce, volume.LastsSoon, volume.LastsSomeTime} {
		log := l.log("a", volume.LogOptions{Lasting: lasting, LateLoss: func(err error) { t.Errorf("lost: %v", err) }})
		_, err := log.Open(t.Context(), volume.Known{})
		must(t, err)
		w := l.begin(log, texts...)
		w.put("some", "more")
		l.holds(w)
		w.end()
		_, err = log.Close()
		must(t, err)
		texts = w.texts
	}
	l.holdsAt("a", 0, texts...)
}

// generations are read by who has them pinned, whatever becomes of the store.
func generations(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	w.put("first")
	old := w.version
	kept, unpin := pinned(t, old)
	read := func(what string) {
		t.Helper()
		if err := check(kept, old.State, 0, []string{"first"}); err != nil {
			t.Errorf("%s, who reads finds: %v", what, err)
		}
	}
	w.put("second")
	if w.version.Generation != old.Generation {
		t.Error("a commit began a generation")
	}
	read("after a commit")
	w.rewrite(nil)
	read("after a rewrite")
	w.end()
	if w.version.Generation == old.Generation {
		t.Error("a rewrite began no generation")
	}
	theirs, _ := l.another().opened("a")
	must(t, theirs.Remove(t.Context(), l.shelf()))
	read("when the store is removed")
	now, unpinNow := pinned(t, w.version)
	_, err := log.Close()
	must(t, err)
	l.create("a", 3)
	read("when another has its name")
	if err := check(now, w.version.State, 0, w.texts); err != nil {
		t.Error(err)
	}
	unpinNow()
	unpin()
	l.gone("replaced by a rewrite", old, "first")
	l.gone("removed", w.version, w.texts...)
}

// disturbing: what others write is counted, and what this process writes is not.
func disturbing(l *logs) {
	t := l.t
	l.create("a", 2)
	mine, version := l.opened("a")
	w := l.begin(mine)
	w.put("mine")
	w.draft("let go of")
	w.end()
	version = newestOf(t, mine, version)
	if times, within := version.Generation.Disturbed(); times != 0 || within != 0 {
		t.Errorf("own writes are counted %d and %d times", times, within)
	}
	theirs, _ := l.another().opened("a")
	other := l.begin(theirs, w.texts...)
	other.put("theirs")
	other.end()
	version = newestOf(t, mine, version)
	times, within := version.Generation.Disturbed()
	if times == 0 || within != 0 {
		t.Errorf("another's commit is counted %d and %d times", times, within)
	}
	// An old date makes sure that a new one differs.
	held, err := l.volume.Hold(t.Context(), l.path("a"))
	must(t, err)
	must(t, errors.Join(held.Change(t.Context(), volume.AttributeChange{UID: -1, GID: -1, Modified: time.Unix(1_000_000_000, 0)}), held.Close()))
	version = newestOf(t, mine, version)
	times, within = version.Generation.Disturbed()
	other = l.begin(theirs, other.texts...)
	must(t, other.Mend(context.Background(), []byte("M"), version.State.Named()[0].Offset+segments.HeaderSize))
	other.end()
	version = newestOf(t, mine, version)
	if more, moreWithin := version.Generation.Disturbed(); more <= times || moreWithin <= within {
		t.Errorf("what another wrote over published bytes is counted %d and %d times, before %d and %d", more, moreWithin, times, within)
	}
}

// mending writes over published bytes.
func mending(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	w.put("broken", "whole")
	at := w.version.State.Named()[0].Offset + segments.HeaderSize
	must(t, w.Mend(context.Background(), []byte("mended"), at))
	_, version := l.another().opened("a")
	for _, version := range []*volume.Version{w.version, version} {
		p := make([]byte, 6)
		bytesOf, unpin := pinned(t, version)
		if err := volume.ReadFull(bytesOf, p, at); err != nil || !bytes.Equal(p, []byte("mended")) {
			t.Errorf("mended is %q, %v", p, err)
		}
		unpin()
	}
	must(t, w.Mend(context.Background(), []byte("broken"), at))
	w.put("another")
	l.holds(w)
	w.end()
}

// retiring: what a commit retires is found by its type no more, and all else is as it was.
func retiring(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	text := string(binary.LittleEndian.AppendUint32(nil, segments.MembershipMagic)) + ", replaced"
	replaced := w.extent(volume.ExtentSpec{Type: segments.TypeMembership})
	w.more(replaced, text)
	w.publish(replaced, w.draft("kept"))
	gone := w.version.State.Named()[0]
	c := w.commit()
	c.Manifest.Directory = slices.DeleteFunc(c.Manifest.Directory, func(entry segments.DirectoryEntry) bool { return entry == gone })
	c.Retired = []segments.DirectoryEntry{gone}
	w.published(c)
	w.texts = []string{"kept"}
	l.holds(w)
	bytesOf, unpin := pinned(t, w.version)
	start := make([]byte, segments.HeaderSize+len(text))
	must(t, volume.ReadFull(bytesOf, start, gone.Offset))
	unpin()
	header, err := segments.ParseHeader(start)
	if err != nil || header.Type != segments.RetiredType || header.ID != gone.SegmentID || string(start[segments.HeaderSize:]) != text {
		t.Errorf("what is retired reads %+v, %v", header, err)
	}
	w.put("later")
	l.holds(w)
	w.end()
}

// filling: a store that its engine fills has its name when that is done, or is not there.
func filling(l *logs) {
	t := l.t
	shelf := l.shelf()
	fill := func(lying string) error {
		log := shelf.Log(lying, volume.LogOptions{})
		if _, err := log.Open(t.Context(), volume.Known{}); err != nil {
			return err
		}
		w := l.begin(log)
		w.put("text")
		w.end()
		_, err := log.Close()
		return err
	}
	must(t, shelf.Fill(t.Context(), "a", image(t, 2), 0o640, fill))
	l.holdsAt("a", 0, "text")
	fails(t, "fill a name that is taken", shelf.Fill(t.Context(), "a", image(t, 2), 0o640, fill), volume.ErrExists)
	refused := errors.New("refused")
	fails(t, "a filling that fails", shelf.Fill(t.Context(), "b", image(t, 2), 0o640, func(string) error { return refused }), refused)
	l.lists("a")
}
