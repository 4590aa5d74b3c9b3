package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// counting is a progress that nobody looks at.
type counting struct{}

func (counting) Expect(int64) {}
func (counting) Done(int64)   {}

func sameBytes(bytes volume.Bytes) volume.Bytes { return bytes }

func sameScratch(scratch volume.Scratch) volume.Scratch { return scratch }

// beginRewrite begins a new file for a session.
func beginRewrite(s *log.Session, limits volume.FollowLimits) (volume.Rewrite, error) {
	return s.Rewrite(context.Background(), volume.RewriteOptions{Reads: sameBytes, Writes: sameScratch, Limits: limits, Progress: counting{}})
}

// copyInto writes all that a state names into a rewrite, and the manifest behind it.
func copyInto(s *log.Session, r volume.Rewrite, base *state.Snapshot) (*segments.State, error) {
	manifest := *base.Manifest()
	manifest.Epoch++
	manifest.Directory = nil
	err := base.Backing().With(context.Background(), func(file volume.Bytes) error {
		for _, entry := range base.Named() {
			payload, err := payloadOf(file, entry)
			if err != nil {
				return err
			}
			copied, err := r.Put(context.Background(), volume.NewSegment{Type: entry.Type, Payload: payload}, 7)
			if err != nil {
				return err
			}
			manifest.Directory = append(manifest.Directory, state.EntryOf(copied))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	last, err := r.Put(context.Background(), volume.NewSegment{Type: segments.TypeManifest, Payload: manifest.Encode()}, 7)
	return &segments.State{Dialect: segments.DialectRuntime, Manifest: &manifest, Segment: last, End: last.End(), Clean: true}, err
}

// rewriteOnce puts a copy of all that is committed in its place, while others write.
func rewriteOnce(l *lone, s *log.Session, meanwhile func()) (before, next *state.Snapshot, err error) {
	r, err := beginRewrite(s, volume.FollowLimits{Little: 1, Frozen: 1})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, r.Abort()) }()
	if err := r.Carry(context.Background(), 1000); err != nil {
		return nil, nil, err
	}
	meanwhile()
	return s.Replace(context.Background(), r, func(base *state.Snapshot, _ int64) (log.Replacement, error) {
		if err := r.MakeRoom(context.Background(), 1000, 1000); err != nil {
			return log.Replacement{}, err
		}
		r.Hurry()
		found, err := copyInto(s, r, base)
		return log.Replacement{State: found, Known: func(*state.Snapshot) {}}, err
	})
}

func rewriteAll(t testing.TB, l *lone, s *log.Session, meanwhile func()) *state.Snapshot {
	t.Helper()
	_, next, err := rewriteOnce(l, s, meanwhile)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// TestWritersGoOnBesideARewrite: what is written and not committed goes along into the new
// file, wherever it was when the rewrite looked, and is committed there.
func TestWritersGoOnBesideARewrite(t *testing.T) {
	t.Parallel()
	long := string(bytes.Repeat([]byte("long "), 4000))
	for _, order := range []string{"abcd", "dcba", "bD", "Acd", "Bda"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			files, l := newLone(t, setting{})
			s := l.begin(t)
			put(t, s, "committed")
			dead := write(t, s, "dead")
			a := write(t, s, long)
			put(t, s, "kept")
			s.Drop(dead)
			b := write(t, s, "b1"+string(fakeManifest()))
			c := s.Extent(volume.ExtentSpec{Type: of, Length: 6})
			more(t, c, "c1c2")
			var d volume.Extent
			next := rewriteAll(t, l, s, func() {
				more(t, c, "c3")
				c.Complete()
				d = write(t, s, "d1")
			})
			if next != s.Base() || next != l.head.Current() {
				t.Error("the rewritten state is not the newest")
			}
			holds(t, files, "committed", "kept")
			more(t, d, "d2")
			if err := a.Write(t.Context(), []byte("x")); !errors.Is(err, volume.ErrSealed) {
				t.Errorf("a segment with others behind it took more: %v", err)
			}
			extents := map[rune]volume.Extent{'a': a, 'b': b, 'c': c, 'd': d}
			texts := map[rune]string{'a': long, 'b': "b1" + string(fakeManifest()), 'c': "c1c2c3", 'd': "d1d2"}
			want := []string{"committed", "kept"}
			for _, who := range order {
				if who < 'a' {
					s.Drop(extents[who+'a'-'A'])
					continue
				}
				commit(t, s, extents[who])
				want = append(want, texts[who])
				holds(t, files, want...)
			}
			end(t, s)
			holds(t, files, want...)
		})
	}
}

// TestRewriteKeepsWritersWaiting for as long as it takes the old file's place, and no
// longer, whether it does or not.
func TestRewriteKeepsWritersWaiting(t *testing.T) {
	t.Parallel()
	refused := errors.New("not this time")
	for _, c := range []struct {
		refuse  error
		commits bool // else it is a segment that grows
	}{{nil, false}, {nil, true}, {refused, false}, {refused, true}} {
		synctest.Test(t, func(t *testing.T) {
			files, l := newLone(t, setting{})
			s := l.begin(t)
			put(t, s, "committed")
			e := write(t, s, "begun")
			before := s.Base()
			reader, err := before.Open(t.Context(), state.Judging)
			if err != nil {
				t.Fatal(err)
			}
			r, err := beginRewrite(s, volume.FollowLimits{Little: 1})
			if err != nil {
				t.Fatal(err)
			}
			told := l.published()
			var known *state.Snapshot
			over := make(chan error, 1)
			base, next, err := s.Replace(context.Background(), r, func(base *state.Snapshot, lacking int64) (log.Replacement, error) {
				if base != before || lacking != int64(len("begun")) {
					t.Errorf("epoch %d, %d bytes lack", base.Epoch(), lacking)
				}
				if !l.Frozen() {
					t.Error("nobody has to wait")
				}
				go func() {
					if c.commits {
						_, err := s.Commit(context.Background(), log.Change{Actions: []log.Action{log.Ingest(1)}})
						over <- err
						return
					}
					over <- e.Write(context.Background(), []byte(" and more"))
				}()
				synctest.Wait()
				if len(over) > 0 {
					t.Error("a writer did not wait")
				}
				if c.refuse != nil {
					return log.Replacement{}, c.refuse
				}
				found, err := copyInto(s, r, base)
				return log.Replacement{State: found, Known: func(next *state.Snapshot) {
					known = next
					if l.head.Current() != before || len(l.published()) != len(told) {
						t.Error("others are told first")
					}
				}}, err
			})
			if !errors.Is(err, c.refuse) {
				t.Fatal(err)
			}
			if err := errors.Join(<-over, r.Abort()); err != nil {
				t.Fatal(err)
			}
			if l.Frozen() {
				t.Error("writers wait for ever")
			}
			if c.refuse == nil && (base != before || next == nil || known != next || next.Backing() == before.Backing()) ||
				c.refuse != nil && (next != nil || s.Base().Backing() != before.Backing()) {
				t.Errorf("before %p and %p, next %p, known %p", before, base, next, known)
			}
			commit(t, s, e)
			end(t, s)
			want := "begun and more"
			if c.commits {
				want = "begun"
			}
			holds(t, files, "committed", want)
			if len(files.Names) != 1 {
				t.Errorf("left behind: %v", files.Names)
			}
			text, err := reader.ReadPayload(before.Named()[0])
			if err = errors.Join(err, reader.Close()); err != nil || string(text) != "committed" {
				t.Errorf("the former state shows %q: %v", text, err)
			}
		})
	}
}

// TestRewritesBesideGoroutines: writers who know nothing of it go on and commit while one
// rewrite follows the other, and all that each has committed is there, once, in his order.
func TestRewritesBesideGoroutines(t *testing.T) {
	t.Parallel()
	const writers, rounds, rewrites = 4, 25, 8
	files, l := newLone(t, setting{})
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for round := range rounds {
				if err := l.writeRound(writer, round); err != nil {
					t.Errorf("writer %d, round %d: %v", writer, round, err)
					return
				}
			}
		})
	}
	for range rewrites {
		s := l.begin(t)
		if _, _, err := rewriteOnce(l, s, func() {}); err != nil {
			t.Error(err)
		}
		end(t, s)
	}
	group.Wait()
	texts, _, err := bodies(files)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, text := range texts {
		who, what, _ := strings.Cut(text, ":")
		found[who] += what
	}
	for writer := range writers {
		want := ""
		for round := range rounds {
			want += partsOf(round)
		}
		if got := found[fmt.Sprint(writer)]; got != want {
			t.Errorf("of writer %d %d bytes are there, want %d", writer, len(got), len(want))
		}
	}
}

func partsOf(round int) string { return strings.Repeat(fmt.Sprintf("<%d>", round), 3) }

// writeRound commits what is written piece by piece, in as many segments as it takes.
func (l *lone) writeRound(writer, round int) error {
	ctx := context.Background()
	s, err := l.Begin(ctx)
	if err != nil {
		return err
	}
	var extents []volume.Extent
	for piece := range 3 {
		text := partsOf(round)
		text = text[piece*len(text)/3 : (piece+1)*len(text)/3]
		err := volume.ErrSealed
		if len(extents) > 0 {
			err = extents[len(extents)-1].Write(ctx, []byte(text))
		}
		if errors.Is(err, volume.ErrSealed) {
			extents = append(extents, s.Extent(volume.ExtentSpec{Type: of}))
			err = extents[len(extents)-1].Write(ctx, fmt.Appendf(nil, "%d:%s", writer, text))
		}
		if err != nil {
			return errors.Join(err, s.End())
		}
	}
	if round%5 == 4 { // given up once, and written again
		s.Drop(extents...)
		extents = []volume.Extent{s.Extent(volume.ExtentSpec{Type: of})}
		err = extents[0].Write(ctx, fmt.Appendf(nil, "%d:%s", writer, partsOf(round)))
	}
	if err == nil {
		_, err = s.Commit(ctx, log.Change{Added: extents, Actions: []log.Action{log.Ingest(1)}})
	}
	return errors.Join(err, s.End())
}
