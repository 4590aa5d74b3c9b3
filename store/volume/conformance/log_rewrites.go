package conformance

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"rvffs/segments"
	"rvffs/store/shared"
	"rvffs/store/volume"
)

// counted is a progress: what was to be written, and was.
type counted struct{ expected, done int64 }

func (c *counted) Expect(bytes int64) { c.expected += bytes }
func (c *counted) Done(bytes int64)   { c.done += bytes }

func rewriteOptions(progress volume.Progress) volume.RewriteOptions {
	return volume.RewriteOptions{
		Reads:    func(bytes volume.Bytes) volume.Bytes { return bytes },
		Writes:   func(bytes volume.Scratch) volume.Scratch { return bytes },
		Limits:   volume.FollowLimits{Little: 1, Frozen: 1},
		Progress: progress,
	}
}

// roomForManifest is more than the manifests here take.
const roomForManifest = 20_000

// copying is a rewrite under way.
type copying struct {
	volume.Rewrite
	w        *writer
	progress *counted
	room     int64
	named    []segments.DirectoryEntry // in the new bytes
	copied   int                       // of the published segments
}

func (w *writer) startRewrite() (*copying, error) {
	progress := new(counted)
	r, err := w.Rewrite(context.Background(), rewriteOptions(progress))
	if err != nil {
		return nil, err
	}
	return &copying{Rewrite: r, w: w, progress: progress, room: roomForManifest}, nil
}

// catchUp copies what was published since it last did.
func (c *copying) catchUp() (err error) {
	generation := c.w.version.Generation
	bytes, err := generation.Pin(c.w.t.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, generation.Unpin()) }()
	named := c.w.version.State.Named()
	for _, entry := range named[c.copied:] {
		length := segments.HeaderSize + int64(entry.PayloadLength)
		if err := c.MakeRoom(context.Background(), length, c.room); err != nil {
			return err
		}
		at, err := c.Copy(context.Background(), bytes, entry.Offset, length)
		if err != nil {
			return err
		}
		entry.Offset = at
		c.named = append(c.named, entry)
	}
	c.copied = len(named)
	return nil
}

// takeOver ends the rewrite while writers wait.
func (c *copying) takeOver() error {
	_, err := c.Freeze(context.Background())
	defer c.Thaw()
	if err != nil {
		return err
	}
	c.Hurry()
	if err := c.catchUp(); err != nil {
		return err
	}
	return c.finish()
}

// finish publishes what was copied.
func (c *copying) finish() error {
	w := c.w
	manifest := *w.version.State.Manifest
	manifest.Epoch++
	manifest.Directory = slices.Clone(c.named)
	last, err := c.Put(context.Background(), volume.NewSegment{Type: segments.TypeManifest, Payload: manifest.Encode()}, 9)
	if err != nil {
		return err
	}
	found := &segments.State{Dialect: segments.DialectRuntime, Manifest: &manifest, Segment: last, End: last.End(), Clean: true}
	version, err := c.Publish(context.Background(), found)
	if c.Published() != (version != nil) {
		w.t.Errorf("published: %t, version %v, %v", c.Published(), version, err)
	}
	if version == nil {
		return err
	}
	if version.State != found || version.Number <= w.version.Number || version.Generation == w.version.Generation {
		w.t.Errorf("a rewrite made version %d after %d", version.Number, w.version.Number)
	}
	if c.progress.done != c.progress.expected {
		w.t.Errorf("%d of %d expected bytes are done", c.progress.done, c.progress.expected)
	}
	w.version = version
	w.standsOn(version)
	w.sealed = nil // what is not published has no end in the new bytes
	return err
}

// tryRewrite makes a whole rewrite, with something done in between.
func (w *writer) tryRewrite(meanwhile func(*copying)) error {
	c, err := w.startRewrite()
	if err != nil {
		return err
	}
	err = errors.Join(c.catchUp(), c.Carry(context.Background(), c.room), c.Settle(context.Background()))
	if err == nil && meanwhile != nil {
		meanwhile(c)
	}
	if err == nil {
		err = c.takeOver()
	}
	return errors.Join(err, c.Abort())
}

// rewrite is tryRewrite for what has to go well.
func (w *writer) rewrite(meanwhile func(*copying)) {
	w.t.Helper()
	must(w.t, w.tryRewrite(meanwhile))
}

// rewriting puts other bytes in the place of what was published, and what was not goes on
// in them.
func rewriting(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	theirs, known := l.another().opened("a")
	w := l.begin(log)
	w.put("one", "two", fakeManifest())
	long, hidden := w.draft(strings.Repeat("long ", 20_000)), w.draft("hidden "+fakeManifest()[:8])
	dead, given := w.draft("dead"), w.extent(lengthFirst)
	w.more(given, "with a front")
	before := w.version
	w.rewrite(func(c *copying) {
		if lacks := c.Lacks(); lacks != 0 {
			t.Errorf("%d bytes lack of what was carried", lacks)
		}
		w.drop(dead)
		w.more(hidden, fakeManifest()[8:])
		w.put("three") // it is copied while the others wait
		w.more(given, " or two")
	})
	l.holds(w)
	if newestOf(t, log, w.version) != w.version || !log.Active() {
		t.Error("the rewritten version is not the newest")
	}
	if found := newestOf(t, theirs, known); found.Generation == known.Generation {
		t.Error("another does not see the new generation")
	} else {
		shown(t, found, 0, w.texts...)
	}
	for _, d := range []*draft{long, hidden, given} {
		p := make([]byte, len(d.text))
		if err := d.ReadBack(context.Background(), p, int64(d.spec.Front)); err != nil || string(p) != d.text {
			t.Errorf("%.50q is read back as %.50q, %v", d.text, p, err)
		}
	}
	w.more(given, " more")
	w.publish(given, hidden)
	l.holds(w)
	w.put("four")
	w.publish(long)
	l.holds(w)
	w.rewrite(nil)
	l.holds(w)
	w.end()
	l.gone("replaced", before, "one", "two", fakeManifest())
	if found := newestOf(t, log, w.version); found != w.version {
		t.Error("the end of a session makes a version")
	}
	l.holdsAt("a", 0, w.texts...)
	l.lists("a")
}

// aborting: what was made by other means than copying stands where it is said to, and
// nothing is left of a rewrite that is given up.
func aborting(l *logs) {
	t := l.t
	l.create("a", 2)
	log, first := l.opened("a")
	w := l.begin(log)
	w.put("one")
	d := w.draft("carried")
	c, err := w.startRewrite()
	must(t, err)
	if c.Tail() != 0 || c.Published() {
		t.Errorf("a rewrite begins at %d, published %t", c.Tail(), c.Published())
	}
	small, err := c.Put(context.Background(), volume.NewSegment{Type: of, Payload: []byte("cut")}, 3)
	must(t, err)
	if small.Offset != 0 || c.Tail() != small.End() {
		t.Errorf("put is %+v, the tail is %d", small, c.Tail())
	}
	must(t, c.Cut(context.Background(), 0))
	if c.Tail() != 0 {
		t.Errorf("cut to 0, the tail is %d", c.Tail())
	}
	own, err := c.Put(context.Background(), volume.NewSegment{Type: of, Payload: []byte("own")}, 3)
	must(t, err)
	encoded := segments.Header{Version: segments.HeaderVersion, Type: of, ID: w.TakeIDs(1), PayloadLength: 4, ContentHash: segments.ContentHash([]byte("laid"))}.Encode()
	laid := append(encoded[:], "laid"...)
	at := c.Tail()
	_, err = c.Bytes().WriteAt(laid, at)
	must(t, err)
	if c.Tail() != at {
		t.Error("what is private moves the tail")
	}
	p := make([]byte, len(laid)+3)
	c.Bytes().StartWriteback(at, int64(len(laid)))
	_, err = c.Bytes().WriteAt([]byte("z"), at+int64(len(p)))
	if err = errors.Join(err, volume.ReadFull(c.Bytes(), p, at)); err != nil || string(p) != string(laid)+"\x00\x00\x00" {
		t.Errorf("private are %q, %v", p, err)
	}
	c.Advance(at + int64(len(laid)))
	must(t, errors.Join(c.catchUp(), c.Carry(context.Background(), c.room)))
	must(t, c.MakeRoom(context.Background(), 1<<20, c.room))
	must(t, c.Carry(context.Background(), c.room))
	w.more(d, " and more")
	if _, err = c.Freeze(context.Background()); err != nil {
		t.Error(err)
	}
	c.Thaw()
	must(t, c.Abort())
	if newestOf(t, log, w.version) != w.version || c.Published() || first.Generation != w.version.Generation {
		t.Error("a rewrite that was given up changed something")
	}
	l.holds(w)
	w.publish(d)
	l.holds(w)
	// The same, not given up.
	c, err = w.startRewrite()
	must(t, err)
	own, err = c.Put(context.Background(), volume.NewSegment{Type: of, Payload: []byte("own")}, 3)
	must(t, err)
	at = c.Tail()
	_, err = c.Bytes().WriteAt(laid, at)
	must(t, err)
	c.Advance(at + int64(len(laid)))
	must(t, c.catchUp())
	entry := func(id uint64, at int64, length uint64) segments.DirectoryEntry {
		return segments.DirectoryEntry{SegmentID: id, Offset: at, PayloadLength: length, Type: of}
	}
	header, err := segments.ParseHeader(laid)
	must(t, err)
	c.named = append(c.named, entry(own.ID, own.Offset, own.PayloadLength), entry(header.ID, at, header.PayloadLength))
	w.texts = append(w.texts, "own", "laid")
	_, err = c.Freeze(context.Background())
	must(t, err)
	must(t, c.finish())
	c.Thaw()
	must(t, c.Abort())
	l.holds(w)
	w.end()
	l.holdsAt("a", 0, w.texts...)
	l.lists("a")
}

// freezing keeps writers waiting, and no longer.
func freezing(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	open, known := w.draft("open"), w.extent(volume.ExtentSpec{Length: 100})
	w.more(known, strings.Repeat("k", 99))
	c, err := w.startRewrite()
	must(t, err)
	must(t, c.Carry(context.Background(), c.room))
	var complete atomic.Bool
	var last sync.WaitGroup
	last.Go(func() { // a rewrite waits for what has room already
		w.more(known, "k")
		complete.Store(true)
		known.Complete()
	})
	if _, err := c.Freeze(context.Background()); err != nil || !l.ground.Apart && (!w.Frozen() || !complete.Load()) {
		t.Errorf("frozen %t, what was to come is there: %t, %v", w.Frozen(), complete.Load(), err)
	}
	last.Wait()
	var thawed atomic.Bool
	var writers sync.WaitGroup
	fresh, late := w.extent(volume.ExtentSpec{}), w.extent(volume.ExtentSpec{})
	for _, d := range []*draft{open, fresh} {
		writers.Go(func() {
			if !w.more(d, "more") {
				next := w.Extent(volume.ExtentSpec{Type: of})
				if err := next.Write(t.Context(), []byte("more")); err != nil {
					t.Error(err)
				}
				w.Drop(next)
			}
			if !thawed.Load() && !l.ground.Apart {
				t.Error("somebody wrote while writers had to wait")
			}
		})
	}
	writers.Go(func() {
		if must(t, late.Settle(context.Background())); !thawed.Load() && !l.ground.Apart {
			t.Error("somebody took a place while writers had to wait")
		}
	})
	for range 1000 {
		runtime.Gosched() // they shall try
	}
	must(t, c.catchUp())
	must(t, c.finish())
	thawed.Store(true)
	c.Thaw()
	writers.Wait()
	must(t, c.Abort())
	if w.Frozen() {
		t.Error("writers wait for a rewrite that is over")
	}
	l.holds(w)
	w.publish(late, known, fresh, open)
	l.holds(w)
	w.end()
	l.lists("a")
}

// rewritingBeside has a writer at work while one rewrite follows the other.
func rewritingBeside(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	w.put("first", "second")
	turn := shared.NewTurn() // of who publishes
	var over atomic.Bool
	var publishes atomic.Int64
	var writing sync.WaitGroup
	writing.Go(func() {
		random := rand.New(rand.NewPCG(1, 3))
		for !over.Load() && !t.Failed() {
			spec := volume.ExtentSpec{}
			switch random.IntN(4) {
			case 0:
				spec = lengthFirst
			case 1:
				spec.Length = 700
			}
			spec.Type = of
			d := &draft{Extent: w.Extent(spec), spec: spec}
			for range 7 {
				if !w.more(d, strings.Repeat(string(rune('a'+random.IntN(26))), 100)) {
					t.Error("the only extent that grows is sealed")
				}
			}
			d.Complete()
			turn.Wait()
			if random.IntN(3) == 0 {
				w.Drop(d.Extent)
			} else {
				w.publish(d)
				publishes.Add(1)
			}
			turn.Give()
			runtime.Gosched() // each gets his turn, also where nobody takes the processor away
		}
	})
	for round := range 4 {
		c, err := w.startRewrite()
		must(t, err)
		for next := publishes.Load() + 3; publishes.Load() < next && !t.Failed(); {
			turn.Wait()
			err := c.catchUp()
			turn.Give()
			if err = errors.Join(err, c.Carry(context.Background(), c.room)); err != nil {
				t.Error(err)
			}
			runtime.Gosched()
		}
		turn.Wait()
		if round == 2 {
			err = c.Abort()
		} else {
			err = errors.Join(c.takeOver(), c.Abort())
		}
		if err != nil {
			t.Error(err)
		}
		turn.Give()
	}
	over.Store(true)
	writing.Wait()
	l.holds(w)
	w.end()
	l.holdsAt("a", 0, w.texts...)
	l.lists("a")
}

// rewritingInAnyOrder has writers do all that writers can while rewrites run, and at any
// moment what was published is there, whole.
func rewritingInAnyOrder(l *logs) {
	t := l.t
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 2))
		l.create("a", 2)
		log, _ := l.opened("a")
		w := l.begin(log)
		d := disorder{random: random, w: w}
		for range 2 {
			for range random.IntN(12) {
				d.step()
			}
			c, err := w.startRewrite()
			must(t, err)
			c.room = []int64{0, 300, roomForManifest}[random.IntN(3)]
			for range random.IntN(16) {
				switch random.IntN(4) {
				case 0:
					err = c.Carry(context.Background(), c.room)
				case 1:
					err = c.catchUp()
				default:
					d.step()
				}
				must(t, err)
			}
			d.completeAll()
			if random.IntN(5) > 0 {
				must(t, c.takeOver())
			}
			must(t, c.Abort())
			l.holds(w)
		}
		d.completeAll()
		for len(w.open) > 0 {
			if some := w.open[random.IntN(len(w.open))]; random.IntN(3) == 0 {
				w.drop(some)
			} else {
				w.publish(some)
			}
		}
		l.holds(w)
		w.end()
		l.holdsAt("a", len(w.sealed), w.texts...)
		_, err := log.Close()
		must(t, errors.Join(err, log.Remove(t.Context(), l.shelf())))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	l.lists("")
}

// disorder is a writer that does anything.
type disorder struct {
	random  *rand.Rand
	w       *writer
	growing []*draft // of known length, and not complete
}

func (d *disorder) text() string {
	switch d.random.IntN(6) {
	case 0:
		return fakeManifest()[:1+d.random.IntN(80)]
	case 1:
		return strings.Repeat("much ", 200+d.random.IntN(4000))
	}
	return strings.Repeat(string(rune('a'+d.random.IntN(26))), 1+d.random.IntN(300))
}

// ready is one of those that are open and complete, nil without.
func (d *disorder) ready() *draft {
	ready := slices.DeleteFunc(slices.Clone(d.w.open), func(open *draft) bool { return slices.Contains(d.growing, open) })
	if len(ready) == 0 {
		return nil
	}
	return ready[d.random.IntN(len(ready))]
}

func (d *disorder) completeAll() {
	for _, g := range d.growing {
		d.w.more(g, strings.Repeat("z", int(g.spec.Length)-len(g.text)))
		g.Complete()
	}
	d.growing = nil
}

func (d *disorder) step() {
	switch d.random.IntN(9) {
	case 0, 1:
		d.w.draft(d.text())
	case 2:
		d.w.more(d.w.extent(lengthFirst), d.text())
	case 3, 4:
		if some := d.ready(); some != nil && some.spec.Length == 0 {
			d.w.more(some, d.text())
		}
	case 5:
		g := d.w.extent(volume.ExtentSpec{Length: 1000})
		d.w.more(g, strings.Repeat("y", 1+d.random.IntN(900)))
		d.growing = append(d.growing, g)
	case 6:
		if some := d.ready(); some != nil {
			d.w.drop(some)
		}
	case 7:
		d.completeAll()
	case 8:
		d.completeAll() // a commit waits for them
		if some := d.ready(); some != nil {
			d.w.publish(some)
		}
	}
}
