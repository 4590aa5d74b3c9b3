package filelog_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// turns is a progress: what was to be written, and was.
type turns struct{ expected, done int64 }

func (t *turns) Expect(bytes int64) { t.expected += bytes }
func (t *turns) Done(bytes int64)   { t.done += bytes }

// roomForManifest is more than the manifests here take.
const roomForManifest = 20_000

// rooms are what a rewrite may think that they take; with too little it has to do some
// things anew.
var rooms = []int64{0, 300, roomForManifest}

// copying is a rewrite under way.
type copying struct {
	*filelog.Rewrite
	desk   *desk
	room   int64
	named  []segments.DirectoryEntry // in the new file
	copied int                       // of the committed segments
}

func (d *desk) startRewrite(limits volume.FollowLimits, progress volume.Progress) (*copying, error) {
	r, err := d.Rewrite(context.Background(), volume.RewriteOptions{Reads: func(b volume.Bytes) volume.Bytes { return b }, Writes: func(s volume.Scratch) volume.Scratch { return s }, Limits: limits, Progress: progress})
	if err != nil {
		return nil, err
	}
	return &copying{Rewrite: r.(*filelog.Rewrite), desk: d, room: roomForManifest}, nil
}

// catchUp copies what was committed since it last did.
func (c *copying) catchUp() error {
	named := c.desk.Base().State.Named()
	for _, entry := range named[c.copied:] {
		length := segments.HeaderSize + int64(entry.PayloadLength)
		if err := c.MakeRoom(context.Background(), length, c.room); err != nil {
			return err
		}
		at, err := c.Copy(context.Background(), c.desk.OpenFile(), entry.Offset, length)
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
	manifest := *c.desk.Base().State.Manifest
	manifest.Epoch++
	manifest.Directory = slices.Clone(c.named)
	last, err := c.Put(context.Background(), volume.NewSegment{Type: segments.TypeManifest, Payload: manifest.Encode()}, 9)
	if err != nil {
		return err
	}
	_, err = c.Publish(context.Background(), &segments.State{Dialect: segments.DialectRuntime, Manifest: &manifest, Segment: last, End: last.End(), Clean: true})
	return err
}

// rewrite makes a whole one.
func (d *desk) rewrite(progress volume.Progress, meanwhile func(*filelog.Rewrite)) (err error) {
	c, err := d.startRewrite(volume.FollowLimits{Little: 1}, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Abort()) }()
	if err := c.catchUp(); err != nil {
		return err
	}
	if err := c.Carry(context.Background(), roomForManifest); err != nil {
		return err
	}
	meanwhile(c.Rewrite)
	return c.takeOver()
}

// TestWhatIsNotCommittedIsCarried: writers do all that writers can while one rewrite after
// the other runs, and at any moment what was committed is there, whole, and in the end all.
func TestWhatIsNotCommittedIsCarried(t *testing.T) {
	t.Parallel()
	rounds := uint64(400)
	if testing.Short() {
		rounds = 60
	}
	for seed := range rounds {
		random := rand.New(rand.NewPCG(seed, 2))
		d := newDesk(t)
		var open, growing []*segment // growing ones are of known length, and not complete
		text := func() string {
			switch random.IntN(6) {
			case 0:
				return fakeManifest()[:1+random.IntN(80)]
			case 1:
				return strings.Repeat("much ", 200+random.IntN(4000))
			}
			return strings.Repeat(string(rune('a'+random.IntN(26))), 1+random.IntN(300))
		}
		take := func(from *[]*segment) *segment {
			if len(*from) == 0 {
				return nil
			}
			i := random.IntN(len(*from))
			s := (*from)[i]
			*from = slices.Delete(*from, i, i+1)
			return s
		}
		complete := func(s *segment) {
			d.more(s, strings.Repeat("z", int(s.Spec().Length)-len(s.text)))
			s.Complete()
			open = append(open, s)
		}
		step := func() {
			switch random.IntN(9) {
			case 0, 1, 2:
				open = append(open, d.begin(text()))
			case 3, 4:
				if len(open) > 0 {
					d.more(open[random.IntN(len(open))], text())
				}
			case 5:
				s := &segment{Extent: d.Extent(volume.ExtentSpec{Type: of, Length: 1000}).(*filelog.Extent)}
				d.more(s, strings.Repeat("y", 1+random.IntN(900)))
				growing = append(growing, s)
			case 6:
				if s := take(&growing); s != nil {
					complete(s)
				}
			case 7:
				if s := take(&open); s != nil {
					d.Drop(s.Extent)
				}
			case 8:
				for s := take(&growing); s != nil; s = take(&growing) {
					complete(s) // a commit waits for them
				}
				if s := take(&open); s != nil {
					d.publish(s)
				}
			}
		}
		for range 1 + random.IntN(3) {
			for range random.IntN(12) {
				step()
			}
			progress := new(turns)
			c, err := d.startRewrite(volume.FollowLimits{Little: int64(random.IntN(3)) * 1000, Frozen: 1}, progress)
			if err != nil {
				t.Fatal(err)
			}
			c.room = rooms[random.IntN(len(rooms))]
			for range random.IntN(20) {
				switch random.IntN(4) {
				case 0:
					err = c.Carry(context.Background(), c.room)
				case 1:
					err = c.catchUp()
				default:
					step()
				}
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			for s := take(&growing); s != nil; s = take(&growing) {
				complete(s)
			}
			if random.IntN(5) == 0 { // it comes to nothing
				if err := c.Abort(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err := c.takeOver(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if err := c.Abort(); err != nil || !c.Published() {
				t.Fatalf("seed %d: published %t, %v", seed, c.Published(), err)
			}
			if progress.done != progress.expected {
				t.Errorf("seed %d: %d of %d expected bytes are done", seed, progress.done, progress.expected)
			}
			if d.holds(); t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		for range random.IntN(6) {
			step()
		}
		for s := take(&growing); s != nil; s = take(&growing) {
			complete(s)
		}
		for s := take(&open); s != nil; s = take(&open) {
			if random.IntN(3) == 0 {
				d.Drop(s.Extent)
			} else {
				d.publish(s)
			}
			if d.holds(); t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		d.publish()
		if len(d.Extents()) > 0 {
			t.Fatalf("seed %d: %d segments are still not settled", seed, len(d.Extents()))
		}
		if err := d.End(); err != nil {
			t.Fatal(err)
		}
		if d.holds(); t.Failed() || len(d.files.Names) != 1 {
			t.Fatalf("seed %d: left are %d names", seed, len(d.files.Names))
		}
	}
}

// TestRewriteLacksLittleAtLast: what is carried need not be copied while writers wait.
func TestRewriteLacksLittleAtLast(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.publish(d.begin("committed"))
	load := d.begin(strings.Repeat("much ", 20_000))
	c, err := d.startRewrite(volume.FollowLimits{Little: 100}, new(turns))
	if err != nil {
		t.Fatal(err)
	}
	if lacks := c.Lacks(); lacks != int64(len(load.text))-filelog.ManifestReach {
		t.Errorf("%d bytes lack at first", lacks)
	}
	if err := errors.Join(c.catchUp(), c.Carry(context.Background(), roomForManifest)); err != nil {
		t.Fatal(err)
	}
	if lacks := c.Lacks(); lacks != 0 {
		t.Errorf("%d bytes lack of what was carried", lacks)
	}
	d.more(load, "some more")
	lacking, err := c.Freeze(context.Background())
	if c.Thaw(); err != nil || lacking != int64(len("some more"))+filelog.ManifestReach {
		t.Errorf("writers would wait for %d bytes: %v", lacking, err)
	}
	// What reaches what was carried has it carried anew.
	if err := c.MakeRoom(context.Background(), 1<<20, roomForManifest); err != nil {
		t.Fatal(err)
	}
	if lacks := c.Lacks(); lacks != int64(len(load.text))-filelog.ManifestReach {
		t.Errorf("%d bytes lack when it was given up", lacks)
	}
	if err := errors.Join(c.takeOver(), c.Abort()); err != nil {
		t.Fatal(err)
	}
	d.publish(load)
	d.holds()
	if err := d.End(); err != nil {
		t.Error(err)
	}
}

// TestCarriedBytesThatCameToNothing take no room: when most of what was carried is given
// up, the rest is carried anew.
func TestCarriedBytesThatCameToNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	load, small := d.begin(strings.Repeat("much ", 20_000)), d.begin("small")
	c, err := d.startRewrite(volume.FollowLimits{Little: 1}, new(turns))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Carry(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	d.Drop(load.Extent)
	if err := c.Carry(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	if length := len(d.files.Content(c.Name())); length > 1000 {
		t.Errorf("the new file has %d bytes", length)
	}
	if err := errors.Join(c.takeOver(), c.Abort()); err != nil {
		t.Fatal(err)
	}
	d.publish(small)
	d.holds()
	if err := d.End(); err != nil {
		t.Error(err)
	}
}

// TestRewriteTakesAttributes of the old file, also those that it gets on the way, and
// leaves it alone where another file has come to its name.
func TestRewriteTakesAttributes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.publish(d.begin("committed"))
	want := filelog.FileAttributes{UID: 7, GID: 8, Mode: 0o640, Extended: map[string][]byte{"user.note": []byte("kept")}}
	err := d.rewrite(new(turns), func(*filelog.Rewrite) {
		if err := d.OpenFile().SetAttributes(want); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.OpenFile().Attributes(); err != nil || !got.Equal(want) {
		t.Errorf("the new file has %+v: %v", got, err)
	}
	want.Mode = 0o600
	given := 0
	d.files.Fail = func(operation string) error { // between the first look at the attributes and the exchange
		if operation == "set attributes" {
			if given++; given == 1 {
				d.files.Names["a.rvf"].Attributes = want
			}
		}
		return nil
	}
	err = d.rewrite(new(turns), func(*filelog.Rewrite) {})
	d.files.Fail = nil
	if got, other := d.OpenFile().Attributes(); err != nil || other != nil || !got.Equal(want) || given != 2 {
		t.Errorf("a right that was taken away is there: %+v, %v, %v", got, err, other)
	}
	d.holds()
	err = d.rewrite(new(turns), func(*filelog.Rewrite) {
		if err := errors.Join(d.files.Remove("a.rvf"), putFile(t, d.files, "a.rvf", []byte("other")).Close()); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, volume.ErrStale) || string(d.files.Content("a.rvf")) != "other" || len(d.files.Names) != 2 {
		t.Errorf("%v, and %q is there under %d names", err, d.files.Content("a.rvf"), len(d.files.Names))
	}
}

// TestNameThatIsNotDurable ends the session: the old file might come back, and what is
// committed to the new one be lost. The next session makes it durable first.
func TestNameThatIsNotDurable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.publish(d.begin("committed"))
	d.files.Fail = func(operation string) error {
		if operation == "sync directory" {
			return syscall.EIO
		}
		return nil
	}
	if err := d.rewrite(new(turns), func(*filelog.Rewrite) {}); !errors.Is(err, syscall.EIO) || !errors.Is(d.Failed(), syscall.EIO) {
		t.Errorf("%v, the session failed with %v", err, d.Failed())
	}
	d.holds()
	if err := d.End(); err != nil {
		t.Error(err)
	}
	begin := volume.Beginning{Admit: func(volume.FileInfo) error { return nil }, Settle: func(*volume.Version, volume.Bytes) error { return nil }}
	if _, err := d.log.Session(t.Context(), begin); !errors.Is(err, syscall.EIO) {
		t.Errorf("the next session: %v", err)
	}
	d.files.Fail = nil
	s, err := d.log.Session(t.Context(), begin)
	if err != nil {
		t.Fatal(err)
	}
	cut := d.files.State(volumes.Crash{After: d.files.Changes(), Torn: -1, Lost: func(int) bool { return true }})
	if err := holds(cut.Content("a.rvf"), d.texts, nil); err != nil {
		t.Errorf("after a power cut: %v", err)
	}
	if err := s.End(); err != nil {
		t.Error(err)
	}
}
