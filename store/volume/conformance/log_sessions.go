package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"rvffs/store/volume"
)

// turns: one writes, and the others wait.
func turns(l *logs) {
	t := l.t
	l.create("a", 2)
	mine, _ := l.opened("a")
	other := l.another()
	hasty, version := other.opened("a")
	w := l.begin(mine)
	if l.ground.Apart {
		turnsApart(l, mine, hasty, w)
		return
	}
	if !mine.Active() || !mine.Held(context.Background()) || hasty.Active() || !hasty.Held(context.Background()) {
		t.Errorf("at work: active %t, %t, held %t, %t", mine.Active(), hasty.Active(), mine.Held(context.Background()), hasty.Held(context.Background()))
	}
	_, err := hasty.Session(t.Context(), always())
	fails(t, "begin beside another", err, volume.ErrHeld)
	_, err = mine.Session(t.Context(), always())
	fails(t, "begin twice", err, volume.ErrHeld)
	if !mine.Active() || newestOf(t, hasty, version) != version {
		t.Error("who was refused changed something")
	}
	patient := other.log("a", volume.LogOptions{Wait: time.Hour})
	_, err = patient.Open(t.Context(), volume.Known{})
	must(t, err)
	_, err = patient.Session(ended(t), always())
	fails(t, "wait when nobody does", err, context.Canceled)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = patient.Session(short, always())
	fails(t, "wait too long", err, context.DeadlineExceeded)
	brief := other.log("a", volume.LogOptions{Wait: 20 * time.Millisecond})
	_, err = brief.Open(t.Context(), volume.Known{})
	must(t, err)
	_, err = brief.Session(t.Context(), always())
	fails(t, "wait as long as is said", err, volume.ErrHeld)
	// Who waits sees what was published before.
	type begun struct {
		session volume.Session
		epoch   uint32
		err     error
	}
	next := make(chan begun)
	go func() {
		var b begun
		b.session, b.err = patient.Session(t.Context(), settling(func(newest *volume.Version, _ io.ReaderAt) error {
			b.epoch = newest.State.Manifest.Epoch
			return nil
		}))
		next <- b
	}()
	w.put("one")
	w.put("two")
	w.end()
	b := <-next
	must(t, b.err)
	if b.epoch != 3 || mine.Active() || !mine.Held(context.Background()) {
		t.Errorf("who waited begins with epoch %d; active %t, held %t", b.epoch, mine.Active(), mine.Held(context.Background()))
	}
	must(t, b.session.End())
	if mine.Held(context.Background()) || patient.Active() {
		t.Error("a turn is not given back")
	}
	l.lists("a")
}

// turnsApart: sessions of several processes go on at the same time. Who publishes first has
// published, and the others learn of it and go on from there.
func turnsApart(l *logs, mine, theirs volume.Log, w *writer) {
	t := l.t
	if !mine.Active() || theirs.Active() {
		t.Errorf("at work: active %t, %t", mine.Active(), theirs.Active())
	}
	_, err := mine.Session(t.Context(), always())
	fails(t, "begin twice", err, volume.ErrHeld)
	other := l.begin(theirs)
	d, long := w.draft("mine"), w.draft("later")
	c := w.commit(d)
	must(t, w.Confirm(t.Context()))
	other.put("theirs")
	version, err := w.Publish(t.Context(), c)
	fails(t, "publish on what is not the newest any more", err, volume.ErrMoved)
	if version != nil || w.Failed() != nil || w.Base().State.Manifest.Epoch != 2 {
		t.Errorf("version %v, the session failed with %v, the base is epoch %d", version, w.Failed(), w.Base().State.Manifest.Epoch)
	}
	w.version, w.texts = w.Base(), slices.Clone(other.texts)
	must(t, w.Confirm(t.Context()))
	l.holds(w)
	w.publish(d)
	l.holds(w)
	fails(t, "confirm what is not the newest any more", other.Confirm(t.Context()), volume.ErrMoved)
	other.version, other.texts = other.Base(), slices.Clone(w.texts)
	must(t, other.Confirm(t.Context()))
	l.holds(other)
	w.put("once more")
	_, err = other.Publish(t.Context(), other.commit(other.draft("in vain")))
	fails(t, "publish on what is not the newest any more", err, volume.ErrMoved)
	other.end()
	w.publish(long)
	l.holds(w)
	w.end()
	if mine.Active() || theirs.Active() {
		t.Error("a turn is not given back")
	}
	l.holdsAt("a", 0, "theirs", "mine", "once more", "later")
	l.lists("a")
}

// beginning: what is found is judged before anything changes, and while nobody else
// writes.
func beginning(l *logs) {
	t := l.t
	l.create("a", 2)
	mine, version := l.opened("a")
	theirs, _ := l.another().opened("a")
	w := l.begin(theirs)
	w.put("theirs")
	w.draft("left behind")
	must(t, w.Leave())
	before, first := l.another().opened("a")
	unchanged := func(what string) {
		t.Helper()
		if mine.Active() || mine.Held(context.Background()) {
			t.Errorf("%s: active %t, held %t", what, mine.Active(), mine.Held(context.Background()))
		}
		if after, again := l.another().opened("a"); length(after, again) != length(before, first) || again.State.End != first.State.End {
			t.Errorf("%s: %d bytes became %d, published %d became %d", what, length(before, first), length(after, again), first.State.End, again.State.End)
		}
	}
	refusing := always()
	refusing.Admit = func(info volume.FileInfo) error {
		if !info.Is(version.Generation.Info()) {
			t.Errorf("judged is %+v", info)
		}
		return errRefused
	}
	_, err := mine.Session(t.Context(), refusing)
	fails(t, "begin what is not admitted", err, errRefused)
	unchanged("not admitted")
	_, err = mine.Session(t.Context(), settling(func(newest *volume.Version, bytes io.ReaderAt) error {
		if newest.State.Manifest.Epoch != 2 || !mine.Active() {
			t.Errorf("settled is epoch %d, active %t", newest.State.Manifest.Epoch, mine.Active())
		}
		if err := check(bytes, newest.State, 0, []string{"theirs"}); err != nil {
			t.Error(err)
		}
		if !l.ground.Apart {
			_, err := theirs.Session(t.Context(), always())
			fails(t, "begin while another settles", err, volume.ErrHeld)
		}
		return errRefused
	}))
	fails(t, "begin what is not settled", err, errRefused)
	unchanged("not settled")
	if torn := length(before, first) > first.State.End; torn != l.ground.Tears {
		t.Errorf("something was left behind: %t", torn)
	}
	if session, err := mine.Session(ended(t), always()); err == nil {
		must(t, session.Leave())
	}
	w = l.begin(mine, "theirs")
	w.end()
	if after, again := l.another().opened("a"); length(after, again) != again.State.End {
		t.Errorf("%d bytes are left of %d", length(after, again), again.State.End)
	}
	if newestOf(t, mine, version).State.Manifest.Epoch != 2 {
		t.Error("who has settled does not know the newest")
	}
	l.holdsAt("a", 0, "theirs")
}

// failing: after an error of the place nothing of the session counts any more.
func failing(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	w.put("whole")
	c := w.commit(w.draft("lost"))
	hidden := w.commit(w.draft(fakeManifest()))
	begun := w.draft("begun")
	if w.Failed() != nil {
		t.Errorf("failed with %v", w.Failed())
	}
	if err := w.Fail(errRefused); !errors.Is(err, errRefused) || !errors.Is(w.Failed(), errRefused) {
		t.Errorf("failing gives %v and %v", err, w.Failed())
	}
	second := errors.New("another")
	if err := w.Fail(second); !errors.Is(err, second) || !errors.Is(w.Failed(), errRefused) {
		t.Errorf("failing again gives %v and %v", err, w.Failed())
	}
	fails(t, "write in a failed session", begun.Write(t.Context(), []byte("more")), errRefused)
	fails(t, "begin in a failed session", w.Extent(volume.ExtentSpec{Type: of}).Write(t.Context(), []byte("more")), errRefused)
	for _, c := range []volume.Commit{c, hidden} {
		version, err := w.Publish(context.Background(), c)
		if fails(t, "publish in a failed session", err, errRefused); version != nil {
			t.Errorf("a version was published: %+v", version.State)
		}
	}
	if r, err := w.Rewrite(context.Background(), rewriteOptions(new(counted))); err == nil {
		_, err = r.Freeze(context.Background())
		fails(t, "rewrite in a failed session", err, errRefused)
		r.Thaw()
		must(t, r.Abort())
	} else {
		fails(t, "rewrite in a failed session", err, errRefused)
	}
	w.Drop(begun.Extent)
	w.end()
	if newestOf(t, log, w.version) != w.version || log.Held(context.Background()) {
		t.Error("a failed session published something, or has not ended")
	}
	w = l.begin(log, w.texts...)
	w.put("again")
	l.holds(w)
	// Where a manifest cannot be told from another one in it, that is an error as well.
	c = w.commit()
	c.Manifest.Deleted = []uint64{binary.LittleEndian.Uint64([]byte(fakeManifest()))}
	if version, err := w.Publish(context.Background(), c); err == nil {
		w.version = version
	} else if fails(t, "publish what looks like another manifest", err, volume.ErrUnsafeManifest); version != nil || !errors.Is(w.Failed(), err) {
		t.Errorf("it was published: %t; the session failed with %v", version != nil, w.Failed())
	}
	w.end()
	l.holds(w)
	l.lists("a")
}

// ending: what was not published is let go of, and who leaves changes nothing.
func ending(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	w.put("published")
	w.draft(strings.Repeat("not ", 10_000))
	w.more(w.extent(volume.ExtentSpec{Length: 1 << 20}), "begun")
	w.end()
	found, version := l.another().opened("a")
	if length(found, version) != version.State.End || log.Active() || log.Held(context.Background()) {
		t.Errorf("%d bytes are there, and %d were published; active %t, held %t", length(found, version), version.State.End, log.Active(), log.Held(context.Background()))
	}
	if newestOf(t, log, w.version) != w.version {
		t.Error("the end of a session makes a version")
	}
	shown(t, w.version, 0, "published")
	w = l.begin(log, w.texts...)
	w.draft("left behind")
	before, first := l.another().opened("a")
	must(t, w.Leave())
	after, version := l.another().opened("a")
	if length(after, version) != length(before, first) || log.Active() || log.Held(context.Background()) {
		t.Errorf("%d bytes became %d; active %t, held %t", length(before, first), length(after, version), log.Active(), log.Held(context.Background()))
	}
	shown(t, version, 0, "published")
	w = l.begin(log, w.texts...)
	w.put("at last")
	l.holds(w)
	w.end()
	l.lists("a")
}

// replacedMeanwhile: a writer whose store another has removed, and made one of that name,
// changes nothing of that.
func replacedMeanwhile(l *logs) {
	for what, write := range map[string]func(*writer, *draft) error{
		"a segment": func(w *writer, _ *draft) error {
			return w.Extent(volume.ExtentSpec{Type: of}).Write(l.t.Context(), []byte("new"))
		},
		"a commit": func(w *writer, d *draft) error {
			_, err := w.Publish(context.Background(), w.commit(d))
			if !errors.Is(w.Failed(), err) {
				l.t.Errorf("the session failed with %v, and %v is its error", err, w.Failed())
			}
			return err
		},
		"a rewrite": func(w *writer, _ *draft) error { return w.tryRewrite(nil) },
		"a look":    func(w *writer, _ *draft) error { return w.Guard(context.Background()) },
		"mending": func(w *writer, _ *draft) error {
			return w.Mend(context.Background(), []byte("x"), w.version.State.Named()[0].Offset)
		},
	} {
		if what == "a segment" && l.ground.Apart {
			continue // it is in nobody's store yet
		}
		l.create("a", 2)
		log, _ := l.opened("a")
		w := l.begin(log)
		w.put("published")
		d := w.draft("begun")
		must(l.t, w.Guard(context.Background()))
		theirs, _ := l.another().opened("a")
		must(l.t, theirs.Remove(l.t.Context(), l.shelf()))
		fails(l.t, "look at what was removed", w.Guard(context.Background()), volume.ErrNotFound)
		l.create("a", 3)
		fails(l.t, what+" in another's store", write(w, d), volume.ErrStale)
		_ = w.End() // it may say so, too
		other, version := l.another().opened("a")
		if version.State.Manifest.Dimension != 3 || !version.State.Clean {
			l.t.Errorf("after %s another's store is %+v", what, version.State)
		}
		l.holdsAt("a", 0)
		l.lists("a")
		_, err := log.Close()
		must(l.t, err)
		must(l.t, other.Remove(l.t.Context(), l.shelf()))
	}
}
