package log_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"rvffs/store/log"
	"rvffs/store/volume"
)

// TestWritersTakeTurnsInOneFile: two write by turns, each goes on in a segment of its own
// when the other stands behind it, and they commit in either order or give up.
func TestWritersTakeTurnsInOneFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		order string // who commits (a, b) or gives up (A, B), one after the other
		want  []string
		dead  int
	}{
		{"in the order of the writing", "ab", []string{"a1a2", "a3", "b1", "b2b3"}, 0},
		{"the other way round", "ba", []string{"b1", "b2b3", "a1a2", "a3"}, 0},
		{"who began gives up", "Ab", []string{"b1", "b2b3"}, 2},
		{"who began gives up later", "bA", []string{"b1", "b2b3"}, 2},
		{"who ends the file gives up", "Ba", []string{"a1a2", "a3"}, 1}, // b1 stands in the midst
		{"who ends the file gives up later", "aB", []string{"a1a2", "a3"}, 2},
		{"both give up", "AB", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files, l := newLone(t, setting{})
			before := bytes.Clone(files.Content(storeName))
			a, b := l.begin(t), l.begin(t)
			if a != b {
				t.Fatal("writers of one process have sessions of their own")
			}
			a1 := write(t, a, "a1")
			more(t, a1, "a2")
			b1 := write(t, b, "b1")
			if err := a1.Write(t.Context(), []byte("a3")); !errors.Is(err, volume.ErrSealed) || a1.Entry().PayloadLength != 4 {
				t.Errorf("a segment with another behind it took more: %v, %d bytes", err, a1.Entry().PayloadLength)
			}
			a3 := write(t, a, "a3")
			b2 := write(t, b, "b2")
			more(t, b2, "b3")
			parts := map[rune][]volume.Extent{'a': {a1, a3}, 'b': {b1, b2}, 'A': {a1, a3}, 'B': {b1, b2}}
			for _, who := range c.order {
				if who < 'a' {
					a.Drop(parts[who]...)
				} else {
					commit(t, a, parts[who]...)
				}
			}
			end(t, a, b)
			holds(t, files, c.want...)
			if _, dead, _ := bodies(files); dead != c.dead {
				t.Errorf("%d dead segments, want %d", dead, c.dead)
			}
			if c.want == nil {
				unchanged(t, files, before)
			}
		})
	}
}

// TestGivenUpRoomIsUsedAgain, where it ends the file.
func TestGivenUpRoomIsUsedAgain(t *testing.T) {
	t.Parallel()
	files, l := newLone(t, setting{})
	s := l.begin(t)
	free := s.Base().Size()
	first, second := write(t, s, "first"), write(t, s, "second")
	s.Drop(first) // stands in the midst
	s.Drop(second)
	next := write(t, s, "next")
	commit(t, s, next)
	if at := next.Entry().Offset; at != free {
		t.Errorf("it stands at %d, and %d was free", at, free)
	}
	end(t, s)
	holds(t, files, "next")
	if _, dead, err := bodies(files); dead != 0 {
		t.Errorf("%d dead segments are left (%v)", dead, err)
	}
}

// TestSegmentOfKnownLength has room for all of itself from its first bytes on, whoever
// writes behind it, and commits of others wait until it has come, or is given up.
func TestSegmentOfKnownLength(t *testing.T) {
	t.Parallel()
	for _, complete := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			files, l := newLone(t, setting{})
			s := l.begin(t)
			known := s.Extent(volume.ExtentSpec{Type: of, Front: 2, Seal: func(body int64) []byte { return []byte{'0' + byte(body), ':'} }, Length: 6})
			more(t, known, "abc")
			other := write(t, s, "other")
			more(t, known, "de")
			if err := known.Write(t.Context(), []byte("fgh")); !errors.Is(err, volume.ErrInput) {
				t.Errorf("it took more than was said: %v", err)
			}
			committed := make(chan error, 1)
			go func() {
				_, err := s.Commit(context.Background(), log.Change{Added: []volume.Extent{other}})
				committed <- err
			}()
			synctest.Wait()
			select {
			case err := <-committed:
				t.Fatalf("the other's commit did not wait: %v", err)
			default:
			}
			if complete {
				more(t, known, "f")
				known.Complete()
			} else {
				s.Drop(known)
			}
			if err := <-committed; err != nil {
				t.Fatal(err)
			}
			want := []string{"other"}
			if complete {
				commit(t, s, known)
				want = append(want, "6:abcdef")
			}
			end(t, s)
			holds(t, files, want...)
		})
	}
}

// TestSegmentWithoutABody is one of its front alone.
func TestSegmentWithoutABody(t *testing.T) {
	t.Parallel()
	files, l := newLone(t, setting{})
	s := l.begin(t)
	commit(t, s, s.Extent(volume.ExtentSpec{Type: of, Front: 5, Seal: func(int64) []byte { return []byte("front") }}), s.Extent(volume.ExtentSpec{Type: of, Front: 3}))
	end(t, s)
	holds(t, files, "front", "\x00\x00\x00")
}

// TestBytesThatLookLikeAManifest are read back as they were given and arrive as such, but
// no reader takes them for the truth, neither before the commit nor after.
func TestBytesThatLookLikeAManifest(t *testing.T) {
	t.Parallel()
	fake := fakeManifest()
	for cut := range len(fake) {
		files, l := newLone(t, setting{})
		s := l.begin(t)
		put(t, s, "before")
		e := write(t, s, "xy"+string(fake[:cut]))
		more(t, e, string(fake[cut:]))
		back := make([]byte, 2+len(fake))
		if err := e.ReadBack(t.Context(), back, 0); err != nil || string(back) != "xy"+string(fake) {
			t.Fatalf("cut at %d: %q is read back: %v", cut, back, err)
		}
		if !e.Masked() {
			t.Fatalf("cut at %d: nothing was hidden", cut)
		}
		holds(t, files, "before")
		commit(t, s, e)
		end(t, s)
		holds(t, files, "before", "xy"+string(fake))
		if t.Failed() {
			t.Fatalf("cut at %d", cut)
		}
	}
}
