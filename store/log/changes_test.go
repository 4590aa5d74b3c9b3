package log_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// all has everything go but the audit chain.
func all(_ context.Context, base *state.Snapshot) (map[int64]bool, error) {
	return named(base, func(entry segments.DirectoryEntry) bool { return entry.Type != segments.TypeWitness }), nil
}

// named are the offsets of the segments that are meant.
func named(base *state.Snapshot, meant func(segments.DirectoryEntry) bool) map[int64]bool {
	offsets := map[int64]bool{}
	for _, entry := range base.Named() {
		if meant(entry) {
			offsets[entry.Offset] = true
		}
	}
	return offsets
}

// TestPlacesInTheDirectory: what is added stands at the end, where the first of what it
// replaces was, or before all others of its kind.
func TestPlacesInTheDirectory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		gone    string // first letters of what goes
		change  log.Change
		unnamed bool // Removes is nil
		want    string
	}{
		{"only added", "", log.Change{}, true, "ABcdXY"},
		{"replaced at the end", "B", log.Change{}, false, "AcdXY"},
		{"in place", "B", log.Change{InPlace: true}, false, "AXYcd"},
		{"in place of the first of several", "Bd", log.Change{InPlace: true}, false, "AXYc"},
		{"in place of the last", "d", log.Change{InPlace: true}, false, "ABcXY"},
		{"in place of nothing", "", log.Change{InPlace: true}, false, "ABcdXY"},
		{"in place of all", "ABcd", log.Change{InPlace: true}, false, "XY"},
		{"first of its kind", "", log.Change{First: true}, false, "ABYXcd"},
		{"first of its kind, and one goes", "c", log.Change{First: true}, false, "ABYXd"},
		{"first, where there is none of its kind", "cd", log.Change{First: true}, false, "ABYX"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files, l := newLone(t, setting{})
			s := l.begin(t)
			texts := map[int64]string{}
			add := func(kind segments.Type, text string) volume.Extent {
				e := s.Extent(volume.ExtentSpec{Type: kind})
				more(t, e, text)
				return e
			}
			for _, text := range []string{"A", "B", "c", "d"} {
				kind := of
				if strings.ToLower(text) != text {
					kind = segments.TypeHot
				}
				e := add(kind, text)
				commit(t, s, e)
				texts[e.Entry().Offset] = text
			}
			change := c.change
			change.Added = []volume.Extent{add(of, "X"), add(of, "Y")}
			if !c.unnamed {
				change.Removes = func(_ context.Context, base *state.Snapshot) (map[int64]bool, error) {
					return named(base, func(entry segments.DirectoryEntry) bool { return strings.Contains(c.gone, texts[entry.Offset]) }), nil
				}
			}
			if _, err := s.Commit(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			end(t, s)
			holds(t, files, strings.Split(c.want, "")...)
		})
	}
}

// gate lets syncs wait, and counts them.
type gate struct {
	open  chan struct{}
	syncs int // of one session, which syncs once at a time
}

func (g *gate) sync(file filelog.File) error {
	<-g.open
	g.syncs++
	return file.SyncData()
}

// outcome is what came of a commit.
type outcome struct {
	epoch uint32
	err   error
}

// gather has changes asked for while the first of all commits is under way, so that they
// make one round, and gives what came of them.
func gather(t *testing.T, l *lone, s *log.Session, g *gate, changes ...log.Change) []outcome {
	t.Helper()
	outcomes := make([]outcome, len(changes))
	done := make(chan struct{})
	ask := func(change log.Change, to *outcome) {
		go func() {
			to.epoch, to.err = s.Commit(context.Background(), change)
			done <- struct{}{}
		}()
		synctest.Wait()
	}
	var first outcome
	ask(log.Change{}, &first)
	for i, change := range changes {
		ask(change, &outcomes[i])
	}
	if l.Queued() != len(changes) {
		t.Errorf("%d of %d changes wait", l.Queued(), len(changes))
	}
	close(g.open)
	for range len(changes) + 1 {
		<-done
	}
	if first.err != nil || l.Queued() != 0 {
		t.Fatalf("the first: %v, then %d wait", first.err, l.Queued())
	}
	return outcomes
}

// TestChangesThatWaitMakeOneRound: one epoch, two syncs, and others are told once.
func TestChangesThatWaitMakeOneRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		files, l := newLone(t, setting{sync: g.sync})
		s := l.begin(t)
		var changes []log.Change
		want := []string{"a", "b", "c", "d", "e"}
		for _, text := range want {
			changes = append(changes, log.Change{Added: []volume.Extent{write(t, s, text)}, Actions: []log.Action{log.Ingest(1)}})
		}
		for i, got := range gather(t, l, s, g, changes...) {
			if got.err != nil || got.epoch != 3 {
				t.Errorf("change %d: epoch %d: %v", i, got.epoch, got.err)
			}
		}
		if g.syncs != 4 {
			t.Errorf("%d syncs for two rounds", g.syncs)
		}
		if told := l.published(); !slices.Equal(told, []uint32{2, 3}) {
			t.Errorf("others were told of %d", told)
		}
		end(t, s)
		holds(t, files, want...)
	})
}

// TestChangesThatReplaceTakeTurns: each sees what the one before has put in the place of
// something, and none is lost.
func TestChangesThatReplaceTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		files, l := newLone(t, setting{sync: g.sync})
		s := l.begin(t)
		var seen []int
		replaces := func(text string) log.Change {
			return log.Change{Added: []volume.Extent{write(t, s, text)}, Removes: func(_ context.Context, base *state.Snapshot) (map[int64]bool, error) {
				seen = append(seen, len(base.Named()))
				return all(t.Context(), base)
			}}
		}
		outcomes := gather(t, l, s, g, replaces("a"), log.Change{Added: []volume.Extent{write(t, s, "between")}}, replaces("b"))
		for i, got := range outcomes {
			if got.err != nil || got.epoch != uint32(3+i) {
				t.Errorf("change %d: epoch %d: %v", i, got.epoch, got.err)
			}
		}
		if !slices.Equal(seen, []int{0, 2}) {
			t.Errorf("they saw %d segments", seen)
		}
		end(t, s)
		holds(t, files, "b")
	})
}

// hook is what a test wants of commits.
type hook func(ctx context.Context, d *log.Draft) (log.Committed, error)

func (h hook) Draft(ctx context.Context, d *log.Draft) (log.Committed, error) {
	return h(ctx, d)
}

func hooked(hooks ...log.Hook) func(*log.Environment) {
	return func(e *log.Environment) { e.Hooks = hooks }
}

// TestHooksHaveTheirSay in their order: they see the change, add segments, take some out
// of the manifest, and know when the commit counts, before anybody else does.
func TestHooksHaveTheirSay(t *testing.T) {
	t.Parallel()
	var order []string
	var l *lone
	adds := hook(func(_ context.Context, d *log.Draft) (log.Committed, error) {
		order = append(order, d.Changes[0].Content.(string)+" adds")
		d.Manifest.Dimension++
		d.Add(volume.NewSegment{Type: segments.TypeMeta, Payload: []byte("added for " + d.Changes[0].Content.(string))})
		return func(_ context.Context, after *state.Snapshot) {
			order = append(order, "added")
			if after == l.head.Current() || after.Epoch() != d.Base.Epoch()+1 {
				t.Errorf("epoch %d is shown before the hooks know of it", after.Epoch())
			}
		}, nil
	})
	takes := hook(func(_ context.Context, d *log.Draft) (log.Committed, error) {
		order = append(order, d.Changes[0].Content.(string)+" takes")
		d.Unname(segments.TypeHot)
		for _, entry := range d.Manifest.Directory {
			if d.Brings(entry) == slices.Contains(d.Base.Named(), entry) {
				t.Errorf("it is said of %+v that the commit brings it: %t", entry, d.Brings(entry))
			}
		}
		return nil, nil
	})
	files, l0 := newLone(t, setting{environment: func(e *log.Environment) {
		hooked(adds, takes)(e)
		tell := e.Published
		e.Published = func(s *state.Snapshot) {
			order = append(order, "published")
			tell(s)
		}
	}})
	l = l0
	s := l.begin(t)
	hot := s.Extent(volume.ExtentSpec{Type: segments.TypeHot})
	more(t, hot, "hot")
	for _, change := range []log.Change{
		{Added: []volume.Extent{hot, write(t, s, "text")}, Content: "one"},
		{Added: []volume.Extent{write(t, s, "new")}, Content: "two"},
	} {
		if _, err := s.Commit(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"one adds", "one takes", "added", "published", "two adds", "two takes", "added", "published"}; !slices.Equal(order, want) {
		t.Errorf("called were %q", order)
	}
	if dimension := s.Base().Dimension(); dimension != 4 {
		t.Errorf("dimension %d", dimension)
	}
	end(t, s)
	holds(t, files, "text", "added for one", "new", "added for two")
}

// TestRefusedCommitLeavesNothing: a hook that refuses ends the commit alone. The session
// goes on, and the file is what it was.
func TestRefusedCommitLeavesNothing(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	refuses := hook(func(_ context.Context, d *log.Draft) (log.Committed, error) {
		if d.Changes[0].Content == "no" {
			return nil, no
		}
		return nil, nil
	})
	files, l := newLone(t, setting{environment: hooked(refuses)})
	before := bytes.Clone(files.Content(storeName))
	s := l.begin(t)
	e := write(t, s, "text")
	if _, err := s.Commit(t.Context(), log.Change{Added: []volume.Extent{e}, Content: "no"}); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	if len(l.published()) != 0 || s.Base() != l.head.Current() || s.Base().Epoch() != 1 {
		t.Errorf("others were told of %d, epoch %d", l.published(), s.Base().Epoch())
	}
	holds(t, files)
	commit(t, s, e) // it is still there, for who tries again
	holds(t, files, "text")
	s.Drop(write(t, s, "rest"))
	end(t, s)
	holds(t, files, "text")
	if content := files.Content(storeName); !bytes.Equal(content[:len(before)], before) {
		t.Error("what was committed has changed")
	}
}

// TestClashSplitsARound: changes that cannot be made together are made one by one, in
// their order, and one that cannot be made at all fails alone.
func TestClashSplitsARound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
	}{{"clash", log.Clash(errors.New("not together"))}, {"unsafe manifest", volume.ErrUnsafeManifest}, {"superseded", log.Clash(state.ErrSuperseded)}} {
		synctest.Test(t, func(t *testing.T) {
			alone := hook(func(_ context.Context, d *log.Draft) (log.Committed, error) {
				if len(d.Changes) > 1 || d.Changes[0].Content == "never" {
					return nil, c.err
				}
				return nil, nil
			})
			g := &gate{open: make(chan struct{})}
			files, l := newLone(t, setting{sync: g.sync, environment: hooked(alone)})
			s := l.begin(t)
			var changes []log.Change
			for _, text := range []string{"a", "never", "b"} {
				changes = append(changes, log.Change{Added: []volume.Extent{write(t, s, text)}, Content: text})
			}
			outcomes := gather(t, l, s, g, changes...)
			if a, never, b := outcomes[0], outcomes[1], outcomes[2]; a != (outcome{3, nil}) || b != (outcome{4, nil}) || !errors.Is(never.err, c.err) {
				t.Errorf("%s: %v", c.name, outcomes)
			}
			end(t, s)
			holds(t, files, "a", "b")
		})
	}
	synctest.Test(t, func(t *testing.T) { // any other refusal is one of all
		no := errors.New("no")
		refuses := hook(func(_ context.Context, d *log.Draft) (log.Committed, error) {
			if len(d.Changes) > 1 {
				return nil, no
			}
			return nil, nil
		})
		g := &gate{open: make(chan struct{})}
		_, l := newLone(t, setting{sync: g.sync, environment: hooked(refuses)})
		s := l.begin(t)
		for _, got := range gather(t, l, s, g, log.Change{}, log.Change{}) {
			if !errors.Is(got.err, no) {
				t.Errorf("%v", got)
			}
		}
		end(t, s)
	})
}

// TestManifestThatLooksLikeTwo is none that may be written.
func TestManifestThatLooksLikeTwo(t *testing.T) {
	t.Parallel()
	const id = 0x00000501_52564653 // reads like the start of a manifest
	deletes := hook(func(_ context.Context, d *log.Draft) (log.Committed, error) {
		d.Manifest.Deleted = append(slices.Clone(d.Manifest.Deleted), d.Changes[0].Content.([]uint64)...)
		return nil, nil
	})
	files, l := newLone(t, setting{environment: hooked(deletes)})
	before := bytes.Clone(files.Content(storeName))
	s := l.begin(t)
	if _, err := s.Commit(t.Context(), log.Change{Content: []uint64{id}}); !errors.Is(err, volume.ErrUnsafeManifest) {
		t.Errorf("%v", err)
	}
	if !bytes.Equal(files.Content(storeName), before) {
		t.Error("something of it was written")
	}
	if _, err := s.Commit(t.Context(), log.Change{Content: []uint64{id + 1<<40}}); err != nil {
		t.Errorf("the session is over: %v", err)
	}
	end(t, s)
	holds(t, files)
}

// TestSmallNeighboursAreMerged into one segment by the commit that finds enough of them,
// unless merges are held up. One that is not what it should be stays alone.
func TestSmallNeighboursAreMerged(t *testing.T) {
	t.Parallel()
	row := func(id int) []byte {
		if id == 7 {
			return append([]byte("SFVR\x01\x05\x00\x00"), make([]byte, 8)...) // reads like a manifest
		}
		return append([]byte{byte(id), 0, 0, 0, 0, 0, 0, 0}, make([]byte, 8)...)
	}
	for _, c := range []struct {
		name string
		held bool
		odd  int // which of them states another dimension
		rows int
		want int // segments of vectors at the end
	}{{"merged", false, -1, log.MergeWidth, 1}, {"held", true, -1, log.MergeWidth, log.MergeWidth}, {"one is odd", false, 20, 21 + log.MergeWidth, 22}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var merged int
			counts := hook(func(_ context.Context, d *log.Draft) (log.Committed, error) {
				merged += len(d.Merged())
				return nil, nil
			})
			files, l := newLone(t, setting{environment: hooked(counts)})
			s := l.begin(t)
			if c.held {
				release, err := l.HoldMerges(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer release()
			}
			var rows []byte
			for i := range c.rows {
				dimension := uint16(2)
				if i == c.odd {
					dimension = 1
				}
				e := s.Extent(volume.ExtentSpec{Type: segments.TypeVec, Front: segments.VecPrefixSize, Seal: func(int64) []byte {
					prefix := segments.EncodeVecPrefix(dimension, 1)
					return prefix[:]
				}})
				more(t, e, string(row(i)))
				rows = append(rows, row(i)...)
				commit(t, s, e)
			}
			commit(t, s)
			end(t, s)
			texts, _, err := bodies(files)
			if err != nil || len(texts) != c.want {
				t.Fatalf("%d segments: %v", len(texts), err)
			}
			var found []byte
			for _, text := range texts {
				found = append(found, text[segments.VecPrefixSize:]...)
			}
			if !bytes.Equal(found, rows) || merged != c.rows+1-c.want && merged != 0 {
				t.Errorf("%d bytes of rows are %d, %d segments were merged", len(rows), len(found), merged)
			}
		})
	}
}
