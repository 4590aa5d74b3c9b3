package conformance

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"rvffs/segments"
	"rvffs/store/volume"
)

// extents grow until they are sealed, and are read back.
func extents(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	d := w.draft("one")
	if !w.more(d, "two") || !w.more(d, "") || !w.more(d, strings.Repeat("long ", 100_000)) {
		t.Error("the last extent takes no more")
	}
	fails(t, "write when nobody waits", d.Write(ended(t), []byte("lost")), context.Canceled)
	if !w.more(d, "end") {
		t.Error("the extent takes no more after a write that nobody waited for")
	}
	for _, run := range [][2]int{{0, 3}, {1, 4}, {0, len(d.text)}, {len(d.text) - 3, 3}, {5, 0}} {
		p := make([]byte, run[1])
		if err := d.ReadBack(context.Background(), p, int64(run[0])); err != nil || string(p) != d.text[run[0]:run[0]+run[1]] {
			t.Errorf("%d bytes at %d are read back as %.20q, %v", run[1], run[0], p, err)
		}
	}
	second := w.draft("second")
	w.more(d, "behind") // it is taken, or it is not, and then another has to go on
	w.more(second, "more")
	second.Seal()
	if w.more(second, "sealed") {
		t.Error("a sealed extent takes more")
	}
	unwritten, dropped := w.extent(volume.ExtentSpec{}), w.extent(volume.ExtentSpec{})
	if unwritten.Seal(); w.more(unwritten, "sealed") {
		t.Error("an extent that was sealed before its first byte takes some")
	}
	if w.drop(dropped); w.more(dropped, "dropped") {
		t.Error("an extent that was dropped before its first byte takes some")
	}
	first := w.TakeIDs(3)
	third := w.draft("third")
	for _, d := range []*draft{d, second, third, unwritten} {
		must(w.t, d.Settle(context.Background()))
		if w.more(d, "settled") {
			t.Error("a settled extent takes more")
		}
		entry := d.Entry()
		if entry.Type != of || entry.PayloadLength != uint64(len(d.text)) || entry.SegmentID >= first && entry.SegmentID < first+3 || d.Masked() {
			t.Errorf("an extent of %d bytes is %+v, masked %t", len(d.text), entry, d.Masked())
		}
	}
	if next := w.TakeIDs(1); next < first+3 {
		t.Errorf("the id %d is given after %d", next, first+3)
	}
	w.publish(third, d, unwritten, second)
	l.holds(w)
	w.end()
}

// bodies of all sizes, and all that can look like a manifest in them, however they are cut
// into writes, arrive as they were given, and until then nothing of them counts.
func bodies(l *logs) {
	t := l.t
	l.create("a", 2)
	log, version := l.opened("a")
	fake := fakeManifest()
	written := []string{"", "a", "SFVR", "S", "SFV", strings.Repeat("x", segments.HeaderSize), strings.Repeat("y", 4095), strings.Repeat("z", 4097), fake + fake, "SFVR" + fake, fake + "SFVR\x01"}
	for length := 1; length <= 12; length++ {
		written = append(written, fake[:length], "before"+fake[:length])
	}
	w := l.begin(log)
	var drafts []*draft
	for _, text := range written {
		drafts = append(drafts, w.draft(text))
	}
	for cut := range 12 {
		d := w.draft("before" + fake[:cut])
		w.more(d, fake[cut:])
		bytewise := w.extent(volume.ExtentSpec{})
		for i := range fake[:cut+10] {
			w.more(bytewise, fake[i:i+1])
		}
		drafts = append(drafts, d, bytewise)
	}
	for _, d := range drafts {
		p := make([]byte, len(d.text))
		if must(w.t, d.Settle(context.Background())); d.ReadBack(context.Background(), p, 0) != nil || string(p) != d.text {
			t.Errorf("%q is read back as %q", d.text, p)
		}
	}
	theirs, found := l.another().opened("a")
	if found.State.Segment != version.State.Segment || newestOf(t, theirs, found) != found {
		t.Errorf("before it is published, %+v is found", found.State)
	}
	w.publish(drafts[:10]...)
	l.holds(w)
	w.publish(drafts[10:]...)
	l.holds(w)
	w.end()
	l.holdsAt("a", 0, w.texts...)
}

// knownLengths have room from the first byte on, and whoever commits does not miss what
// is still to come.
func knownLengths(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	long := w.extent(volume.ExtentSpec{Length: 5000})
	w.more(long, "begin")
	behind := w.draft("behind")
	if !w.more(long, strings.Repeat("m", 100)) {
		t.Error("an extent of known length does not take what it has room for")
	}
	fails(t, "write more than there is room for", long.Write(t.Context(), make([]byte, 5000)), volume.ErrInput)
	var complete atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for len(long.text) < 5000 {
			if !w.more(long, strings.Repeat("p", min(13, 5000-len(long.text)))) {
				t.Error("an extent of known length does not take what it has room for, beside a commit")
				break
			}
		}
		complete.Store(true)
		long.Complete()
	}()
	w.publish(behind)
	if !complete.Load() && !l.ground.Apart {
		t.Error("a commit did not wait for what was to come")
	}
	<-done
	l.holds(w)
	w.publish(long)
	l.holds(w)
	// One that comes to nothing keeps nobody.
	given := w.extent(volume.ExtentSpec{Length: 5000})
	w.more(given, "begin")
	next := w.draft("next")
	w.drop(given)
	w.publish(next)
	l.holds(w)
	whole := w.extent(volume.ExtentSpec{Length: 4})
	w.more(whole, "four")
	whole.Complete()
	w.publish(whole)
	l.holds(w)
	w.end()
}

// dropping lets go of extents, and those behind them stay.
func dropping(l *logs) {
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	for range 3 {
		a, b, c := w.draft("first "+fakeManifest()), w.draft("second"), w.draft("third")
		w.drop(a)
		w.publish(c)
		l.holds(w)
		w.publish(b)
		l.holds(w)
		d, e := w.draft("fourth"), w.draft("fifth")
		w.drop(d)
		w.drop(e)
		w.put("sixth")
		l.holds(w)
	}
	w.end()
	l.holdsAt("a", 0, w.texts...)
}

// fronts come last, and stand first.
func fronts(l *logs) {
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	var drafts []*draft
	for _, spec := range []volume.ExtentSpec{lengthFirst, {Front: 7}, {Front: lengthFirst.Front, Seal: lengthFirst.Seal, Length: 8}} {
		for _, text := range []string{"a body!!", ""} {
			d := w.extent(spec)
			if text != "" {
				w.more(d, text[:3])
				w.more(d, text[3:])
				p := make([]byte, 4)
				if err := d.ReadBack(context.Background(), p, int64(spec.Front)+2); err != nil || string(p) != text[2:6] {
					l.t.Errorf("%q is read back, %v", p, err)
				}
				d.Complete()
			}
			drafts = append(drafts, d)
		}
	}
	w.publish(drafts...)
	l.holds(w)
	w.end()
}

// publishing: what becomes visible is what the manifest names, wherever it stands.
func publishing(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	random := rand.New(rand.NewPCG(1, 1))
	for round := range 6 {
		var drafts []*draft
		for range 1 + random.IntN(5) {
			drafts = append(drafts, w.draft(strings.Repeat("text", random.IntN(50))+fakeManifest()[:random.IntN(30)]))
		}
		random.Shuffle(len(drafts), func(i, j int) { drafts[i], drafts[j] = drafts[j], drafts[i] })
		drafts = append(drafts[1:], w.draft("last"))
		c := w.commit(drafts...)
		if round%2 == 0 {
			slices.Reverse(c.Parts) // their order says nothing
		}
		for range round % 3 {
			c.Small = append(c.Small, volume.NewSegment{Type: of, Payload: []byte(strings.Repeat("small", random.IntN(9)))})
		}
		w.published(c, drafts...)
		if n := len(c.Manifest.Directory); n != len(w.texts) {
			t.Errorf("the manifest names %d segments of %d", n, len(w.texts))
		}
		l.holds(w)
	}
	// What a manifest names no more is not there any more, and a commit of nothing counts.
	c := w.commit()
	c.Manifest.Directory = slices.Delete(c.Manifest.Directory, 1, 3)
	w.texts = slices.Delete(w.texts, 1, 3)
	w.sealed = append(w.sealed, nil, nil) // a walk may find what was published once
	w.published(c)
	l.holds(w)
	w.publish()
	l.holds(w)
	must(t, w.Guard(context.Background()))
	w.end()
	if newestOf(t, log, w.version) != w.version {
		t.Error("what was published last is not the newest")
	}
	l.lists("a")
}

// privateBytes: nobody sees what was not published, whenever they look.
func privateBytes(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	theirs, known := l.another().opened("a")
	w := l.begin(log)
	for range 3 {
		for _, text := range []string{"some", fakeManifest(), strings.Repeat("much ", 30_000)} {
			d := w.draft(text)
			l.holds(w)
			if found := newestOf(t, theirs, known); found.State.Manifest.Epoch != w.version.State.Manifest.Epoch {
				t.Errorf("another sees epoch %d, published is %d", found.State.Manifest.Epoch, w.version.State.Manifest.Epoch)
			}
			must(w.t, d.Settle(context.Background()))
			l.holds(w)
		}
		w.put("published")
		found := newestOf(t, theirs, known)
		if found == known {
			t.Error("another does not see what was published")
		}
		known = found
		shown(t, found, len(w.sealed), w.texts...)
	}
	w.end()
}
