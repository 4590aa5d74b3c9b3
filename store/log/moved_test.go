package log_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// contested is a log to which somebody else publishes, again and again, just before what
// its sessions publish.
type contested struct {
	volume.Log
	times   atomic.Int64 // how often this is still going to happen
	dropped atomic.Int64 // extents that were given up
}

// Session implements volume.Log.
func (c *contested) Session(ctx context.Context, begin volume.Beginning) (volume.Session, error) {
	session, err := c.Log.Session(ctx, begin)
	return &contestedSession{session, c}, err
}

// contestedSession is a session whose base moves.
type contestedSession struct {
	volume.Session
	log *contested
}

// Drop implements volume.Session.
func (s *contestedSession) Drop(extents ...volume.Extent) {
	s.log.dropped.Add(int64(len(extents)))
	s.Session.Drop(extents...)
}

// Publish implements volume.Session.
func (s *contestedSession) Publish(ctx context.Context, c volume.Commit) (*volume.Version, error) {
	if s.log.times.Add(-1) < 0 {
		return s.Session.Publish(ctx, c)
	}
	theirs := s.Extent(volume.ExtentSpec{Type: of})
	if err := theirs.Write(ctx, []byte("theirs")); err != nil {
		return nil, err
	}
	if err := theirs.Settle(ctx); err != nil {
		return nil, err
	}
	manifest := *s.Base().State.Manifest
	manifest.Epoch++
	manifest.Directory = append(s.Base().State.Named(), theirs.Entry())
	if _, err := s.Session.Publish(ctx, volume.Commit{Stamp: 5, Parts: []volume.Extent{theirs}, Manifest: &manifest}); err != nil {
		return nil, err
	}
	return nil, volume.ErrMoved
}

// bases is a hook that notes the epochs on which commits are drafted, and which of the
// drafts counted.
type bases struct {
	drafted []uint32
	counted []uint32
}

// Draft implements log.Hook.
func (b *bases) Draft(_ context.Context, d *log.Draft) (log.Committed, error) {
	b.drafted = append(b.drafted, d.Base.Epoch())
	return func(context.Context, *state.Snapshot) { b.counted = append(b.counted, d.Base.Epoch()) }, nil
}

// TestTheBaseHasMoved: where somebody else has published first, a commit is drafted on
// that and published behind it. After so many times it fails, says so, and leaves the
// session as it was.
func TestTheBaseHasMoved(t *testing.T) {
	t.Parallel()
	const bound = 8
	for _, times := range []int{0, 1, 3, bound - 1, bound} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			t.Parallel()
			file, hook := new(contested), new(bases)
			files, l := newLone(t, setting{environment: func(e *log.Environment) {
				file.Log = e.File
				e.File, e.Hooks = file, []log.Hook{hook}
			}})
			s := l.begin(t)
			put(t, s, "first")
			hook.drafted, hook.counted = nil, nil
			file.times.Store(int64(times))
			want := []string{"first"}
			var drafted []uint32
			for range min(times+1, bound) {
				drafted = append(drafted, s.Base().Epoch()+uint32(len(drafted)))
			}
			for range times {
				want = append(want, "theirs")
			}
			ours := write(t, s, "ours")
			epoch, err := s.Commit(t.Context(), log.Change{Added: []volume.Extent{ours}})
			switch {
			case times < bound:
				want = append(want, "ours")
				if err != nil || epoch != uint32(len(want))+1 || !slices.Equal(hook.counted, drafted[times:]) {
					t.Errorf("epoch %d, %v, drafts that counted %d", epoch, err, hook.counted)
				}
			case !errors.Is(err, volume.ErrMoved) || len(hook.counted) > 0 || s.Failed() != nil:
				t.Errorf("%v, drafts that counted %d, the session failed with %v", err, hook.counted, s.Failed())
			default:
				s.Drop(ours)
			}
			if !slices.Equal(hook.drafted, drafted) || s.Base() != l.head.Current() || s.Base().Epoch() != uint32(len(want))+1 {
				t.Errorf("drafted on %d, want %d; the base is %d", hook.drafted, drafted, s.Base().Epoch())
			}
			put(t, s, "last")
			end(t, s)
			if texts, _, err := bodies(files); err != nil || !slices.Equal(texts, append(want, "last")) {
				t.Errorf("found %q, want %q, %v", texts, want, err)
			}
		})
	}
}

// TestTheBaseOfAMergeHasMoved: what was merged for the first draft is merged anew for the
// next, and the rows are there once.
func TestTheBaseOfAMergeHasMoved(t *testing.T) {
	t.Parallel()
	file := new(contested)
	files, l := newLone(t, setting{environment: func(e *log.Environment) {
		file.Log = e.File
		e.File = file
	}})
	s := l.begin(t)
	const rows = log.MergeWidth + 1 // with the last, those before are merged
	for row := range rows {
		vectors := s.Extent(volume.ExtentSpec{Type: segments.TypeVec, Front: segments.VecPrefixSize, Seal: func(int64) []byte {
			prefix := segments.EncodeVecPrefix(2, 1)
			return prefix[:]
		}})
		if err := vectors.Write(t.Context(), make([]byte, segments.RowSize(2))); err != nil {
			t.Fatal(err)
		}
		if row == rows-1 {
			file.times.Store(2)
		}
		commit(t, s, vectors)
	}
	put(t, s, "last")
	end(t, s)
	found := 0
	for _, entry := range s.Base().Vectors() {
		found += int((entry.PayloadLength - segments.VecPrefixSize) / uint64(segments.RowSize(2)))
	}
	if found != rows || len(s.Base().Vectors()) != 2 {
		t.Errorf("%d rows in %d segments", found, len(s.Base().Vectors()))
	}
	if _, _, err := bodies(files); err != nil || file.dropped.Load() != 2 {
		t.Errorf("%d drafts of a merge were given up, %v", file.dropped.Load(), err)
	}
}

// TestTheBaseOfARewriteHasMoved: nothing is replaced, and the session goes on from what
// somebody else has published.
func TestTheBaseOfARewriteHasMoved(t *testing.T) {
	t.Parallel()
	files, l := newLone(t, setting{})
	s := l.begin(t)
	put(t, s, "first")
	inner, err := beginRewrite(s, volume.FollowLimits{Little: 1, Frozen: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := movedRewrite{inner}
	before, next, err := s.Replace(context.Background(), r, func(base *state.Snapshot, _ int64) (log.Replacement, error) {
		found, err := copyInto(s, r, base)
		return log.Replacement{State: found, Known: func(*state.Snapshot) { t.Error("somebody was told of a new state") }}, err
	})
	if !errors.Is(err, volume.ErrMoved) || before != nil || next != nil || s.Failed() != nil {
		t.Errorf("%v, before %v, after %v", err, before, next)
	}
	if err := r.Abort(); err != nil {
		t.Error(err)
	}
	put(t, s, "last")
	end(t, s)
	holds(t, files, "first", "last")
}

// movedRewrite is one before whose end somebody else has published.
type movedRewrite struct{ volume.Rewrite }

// Publish implements volume.Rewrite.
func (movedRewrite) Publish(context.Context, *segments.State) (*volume.Version, error) {
	return nil, volume.ErrMoved
}

// TestTheBaseHasMovedAndCannotBeJudged: a commit fails that cannot learn whether what somebody
// else has published may be changed. The next one is made of that all the same.
func TestTheBaseHasMovedAndCannotBeJudged(t *testing.T) {
	t.Parallel()
	file, gone := new(contested), errors.New("no answer")
	var fails atomic.Bool
	files, l := newLone(t, setting{environment: func(e *log.Environment) {
		file.Log = e.File
		e.File = file
		writable := e.Writable
		e.Writable = func(ctx context.Context, s *state.Snapshot) error {
			if fails.Load() && file.times.Load() == 0 { // they have published
				return gone
			}
			return writable(ctx, s)
		}
	}})
	s := l.begin(t)
	put(t, s, "first")
	fails.Store(true)
	file.times.Store(1)
	ours := write(t, s, "ours")
	if _, err := s.Commit(t.Context(), log.Change{Added: []volume.Extent{ours}}); !errors.Is(err, gone) {
		t.Errorf("without an answer: %v", err)
	}
	s.Drop(ours)
	fails.Store(false)
	file.times.Store(0)
	put(t, s, "last")
	end(t, s)
	if texts, _, err := bodies(files); err != nil || !slices.Equal(texts, []string{"first", "theirs", "last"}) {
		t.Errorf("found %q, %v", texts, err)
	}
}
