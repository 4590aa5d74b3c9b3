package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// chain reads the audit chain of a state, and fails where an entry does not follow the one
// before.
func chain(in *state.Reading, each func(action string)) error {
	var previous lineage.Hash
	return in.WalkFrom(0, func(segment segments.Segment) error {
		if segment.Type != segments.TypeWitness {
			return nil
		}
		payload, err := in.ReadPayload(state.EntryOf(segment))
		if err != nil {
			return err
		}
		entry, err := segments.ParseWitness(payload)
		if err != nil {
			return err
		}
		if entry.Previous != previous {
			return fmt.Errorf("the entry at %d does not follow the one before", segment.Offset)
		}
		previous = lineage.WitnessHash(payload)
		each(string(entry.Action))
		return nil
	})
}

// TestAlone has the session to itself: it waits for those who are at work, but not for
// ever, and who begins meanwhile waits for it.
func TestAlone(t *testing.T) {
	t.Parallel()
	nothing := func(*log.Session) error { return nil }
	t.Run("others are at work", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, l := newLone(t, setting{})
			s := l.begin(t)
			asked := time.Now()
			if err := l.Alone(t.Context(), time.Minute, nothing); !errors.Is(err, volume.ErrHeld) || time.Since(asked) != time.Minute {
				t.Errorf("after %v: %v", time.Since(asked), err)
			}
			gone, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			if err := l.Alone(gone, time.Minute, nothing); !errors.Is(err, context.Canceled) {
				t.Errorf("nobody waits: %v", err)
			}
			time.AfterFunc(time.Second, func() { end(t, s) })
			if err := l.Alone(t.Context(), time.Minute, nothing); err != nil {
				t.Errorf("after the session: %v", err)
			}
		})
	})
	t.Run("others begin", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			files, l := newLone(t, setting{})
			no := errors.New("no")
			begun := make(chan *log.Session, 1)
			err := l.Alone(t.Context(), time.Minute, func(s *log.Session) error {
				gone, leave := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, leave)
				if _, err := l.Begin(gone); !errors.Is(err, context.Canceled) {
					t.Errorf("somebody joined, or waits for nobody: %v", err)
				}
				if err := l.Alone(t.Context(), time.Minute, nothing); !errors.Is(err, volume.ErrHeld) {
					t.Errorf("two are alone: %v", err)
				}
				go func() { begun <- l.begin(t) }()
				synctest.Wait()
				if len(begun) > 0 {
					t.Error("somebody joined")
				}
				return no
			})
			if !errors.Is(err, no) {
				t.Errorf("%v", err)
			}
			s := <-begun
			put(t, s, "after")
			end(t, s)
			holds(t, files, "after")
		})
	})
	t.Run("others come and go", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, l := newLone(t, setting{})
			first := l.begin(t)
			alone := make(chan error, 1)
			go func() { alone <- l.Alone(t.Context(), time.Minute, nothing) }()
			synctest.Wait()
			joined := make(chan *log.Session, 1)
			go func() { joined <- l.begin(t) }()
			synctest.Wait()
			if len(joined) > 0 {
				t.Error("somebody joins while another waits to be alone")
			}
			end(t, first)
			if err := <-alone; err != nil {
				t.Error(err)
			}
			end(t, <-joined)
		})
	})
	t.Run("it cannot begin", func(t *testing.T) {
		t.Parallel()
		files, l := newLone(t, setting{})
		if err := files.Remove(storeName); err != nil {
			t.Fatal(err)
		}
		for range 2 { // nobody waits for one that never was
			if err := l.Alone(t.Context(), time.Minute, nothing); !errors.Is(err, volume.ErrNotFound) && err == nil {
				t.Errorf("%v", err)
			}
		}
		if _, left := files.Names[storeName+".lock"]; left {
			t.Error("the lock is left behind")
		}
	})
}

// TestOneWriterAtATime: another process waits for the session's end, and goes on from what
// was committed in it.
func TestOneWriterAtATime(t *testing.T) {
	t.Parallel()
	files, l := newLone(t, setting{})
	other, err := openLone(files, setting{})
	if err != nil {
		t.Fatal(err)
	}
	first, second := l.begin(t), l.begin(t)
	put(t, first, "one")
	for range 2 {
		if _, err := other.Begin(t.Context()); !errors.Is(err, volume.ErrHeld) {
			t.Errorf("two processes write: %v", err)
		}
		if first != nil {
			end(t, first) // but for the second, who stays
			first = nil
		}
	}
	put(t, second, "two")
	end(t, second)
	s := other.begin(t)
	if s.Base().Epoch() != 3 {
		t.Errorf("the other goes on from epoch %d", s.Base().Epoch())
	}
	put(t, s, "three")
	end(t, s)
	found, err := l.head.Look(t.Context())
	if err != nil || found.Epoch() != 4 {
		t.Errorf("the first sees epoch %d: %v", found.Epoch(), err)
	}
	holds(t, files, "one", "two", "three")
}

// TestSessionThatMayNotBegin changes nothing: what stands behind the newest state is
// there, and nobody has to wait for the lock.
func TestSessionThatMayNotBegin(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for name, forbid := range map[string]func(*log.Environment){
		"not writable": func(e *log.Environment) { e.Writable = func(context.Context, *state.Snapshot) error { return no } },
		"the tail has to stay": func(e *log.Environment) {
			e.Keep = func(context.Context, volume.Bytes, *state.Snapshot) error { return no }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := newFiles(t)
			files.Names[storeName].Write([]byte("behind"), int64(len(files.Content(storeName))))
			before := bytes.Clone(files.Content(storeName))
			l, err := openLone(files, setting{environment: forbid})
			if err != nil {
				t.Fatal(err)
			}
			changes := files.Changes()
			if _, err := l.Begin(t.Context()); !errors.Is(err, no) {
				t.Errorf("%v", err)
			}
			unchanged(t, files, before)
			if l.file.Active() {
				t.Error("the process is said to change the file")
			}
			if name == "not writable" && files.Changes() != changes {
				t.Error("others had to wait for the lock")
			}
		})
	}
}

// TestTailIsKeptThenCut: whoever keeps what stands behind the newest state sees all of it,
// under the lock, and then it goes.
func TestTailIsKeptThenCut(t *testing.T) {
	t.Parallel()
	files := newFiles(t)
	end0 := int64(len(files.Content(storeName)))
	files.Names[storeName].Write([]byte("behind"), end0)
	kept := ""
	l, err := openLone(files, setting{environment: func(e *log.Environment) {
		e.Keep = func(_ context.Context, file volume.Bytes, base *state.Snapshot) error {
			tail := make([]byte, 6)
			_, err := file.ReadAt(tail, base.Size())
			kept = string(tail)
			if _, locked := files.Names[storeName+".lock"]; !locked {
				t.Error("others may write")
			}
			return err
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := l.begin(t)
	if kept != "behind" || int64(len(files.Content(storeName))) != end0 {
		t.Errorf("kept was %q, the file has %d bytes", kept, len(files.Content(storeName)))
	}
	put(t, s, "text")
	end(t, s)
	holds(t, files, "text")
}

// TestSessionStaysWithItsFile: where it is said which file is meant, no other is changed.
func TestSessionStaysWithItsFile(t *testing.T) {
	t.Parallel()
	files, l := newLone(t, setting{})
	origin := l.head.Current().Origin()
	other := newFiles(t)
	files.Mu.Lock()
	replaced := *files.Names[storeName]
	replaced.Number = 1000
	replaced.Content = bytes.Clone(other.Content(storeName))
	files.Names[storeName] = &replaced
	files.Mu.Unlock()
	before := bytes.Clone(files.Content(storeName))
	if _, err := l.Begin(state.OnlyIn(t.Context(), origin)); !errors.Is(err, volume.ErrStale) {
		t.Errorf("%v", err)
	}
	unchanged(t, files, before)
	s := l.begin(t) // any file will do
	if _, err := l.Begin(state.OnlyIn(t.Context(), origin)); !errors.Is(err, volume.ErrStale) {
		t.Errorf("joined: %v", err)
	}
	put(t, s, "text")
	end(t, s)
	holds(t, files, "text")
}

// TestWhatIsToldOfACommit and when: once, with no lock held, when everybody who asks sees
// the new state already, and before the commit is acknowledged.
func TestWhatIsToldOfACommit(t *testing.T) {
	t.Parallel()
	var l *lone
	var s *log.Session
	told := 0
	files, l0 := newLone(t, setting{environment: func(e *log.Environment) {
		e.Published = func(after *state.Snapshot) {
			told++
			if l.head.Current() != after || s.Base() != after || l.Queued() != 0 {
				t.Errorf("epoch %d is told of, shown is %d", after.Epoch(), l.head.Current().Epoch())
			}
			joined, err := l.Begin(context.Background())
			if err != nil || joined != s {
				t.Errorf("who is told cannot join: %v", err)
			}
			if err := joined.End(); err != nil {
				t.Error(err)
			}
		}
	}})
	l = l0
	s = l.begin(t)
	e := write(t, s, "text")
	if told != 0 {
		t.Error("others were told of nothing")
	}
	commit(t, s, e)
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	rewriteAll(t, l, s, func() {})
	if told != 2 {
		t.Errorf("told %d times after a rewrite", told)
	}
	s.Drop(write(t, s, "dropped"))
	end(t, s)
	if told != 2 {
		t.Errorf("told %d times at the end", told)
	}
	holds(t, files, "text")
}

// readBack is an extent of which a test says what it is to read it back.
type readBack struct {
	volume.Extent
	read func() error
}

// ReadBack implements volume.Extent.
func (r readBack) ReadBack(context.Context, []byte, int64) error { return r.read() }

// TestReadingBack sees nobody commit, and nobody waits for it, or for a repair, who is gone.
func TestReadingBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files, l := newLone(t, setting{})
		s := l.begin(t)
		e := write(t, s, "text")
		committed := make(chan uint32, 1)
		no := errors.New("no")
		err := s.ReadBack(t.Context(), readBack{e, func() error {
			go func() { committed <- commit(t, s, e) }()
			synctest.Wait()
			if len(committed) > 0 || l.head.Current().Epoch() != 1 {
				t.Error("somebody committed")
			}
			gone, leave := context.WithCancel(t.Context())
			leave()
			_, held := l.HoldMerges(gone)
			_, _, replaced := s.Replace(gone, nil, nil)
			for what, err := range map[string]error{
				"read back": s.ReadBack(gone, nil, nil, 0), "repaired": s.Repair(gone, s.Base()), "held": held, "replaced": replaced,
			} {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", what, err)
				}
			}
			return no
		}}, nil, 0)
		if !errors.Is(err, no) || <-committed != 2 {
			t.Errorf("%v", err)
		}
		end(t, s)
		holds(t, files, "text")
	})
}

// TestRepair writes where it is to, and nothing into other content than was judged.
func TestRepair(t *testing.T) {
	t.Parallel()
	files, l := newLone(t, setting{})
	s := l.begin(t)
	put(t, s, "text")
	judged := s.Base()
	at := judged.Named()[0].Offset + segments.HeaderSize
	if err := s.Repair(t.Context(), judged, log.Repair{Offset: at, Bytes: []byte("T")}); err != nil || string(files.Content(storeName)[at:at+4]) != "Text" {
		t.Errorf("%v", err)
	}
	if err := s.Repair(t.Context(), judged, log.Repair{Offset: at, Bytes: []byte("t")}); err != nil {
		t.Error(err)
	}
	rewriteAll(t, l, s, func() {})
	before := files.Changes()
	if err := s.Repair(t.Context(), judged, log.Repair{Offset: at, Bytes: []byte("T")}); !errors.Is(err, volume.ErrStale) || files.Changes() != before {
		t.Errorf("other content is repaired: %v", err)
	}
	end(t, s)
	holds(t, files, "text")
}

// TestGuardOfASession tells when it is not the only one to change the store any more.
func TestGuardOfASession(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(*volumes.Files) error{
		"the lock is gone":        func(f *volumes.Files) error { return f.Remove(storeName + ".lock") },
		"the file is gone":        func(f *volumes.Files) error { return f.Remove(storeName) },
		"it has another name":     func(f *volumes.Files) error { return f.Link(storeName, "b.rvf") },
		"somebody wrote to it":    func(f *volumes.Files) error { f.Names[storeName].Write([]byte("x"), 10_000); return nil },
		"the manifest is no more": func(f *volumes.Files) error { f.Names[storeName].Write(make([]byte, 64), 0); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, l := newLone(t, setting{})
			s := l.begin(t)
			if err := s.Guard(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := disturb(files); err != nil {
				t.Fatal(err)
			}
			before := files.Changes()
			if err := s.Guard(t.Context()); err == nil {
				t.Error("nothing is noticed")
			}
			if _, err := s.Commit(t.Context(), log.Change{}); err == nil {
				t.Error("it is committed to")
			}
			if name != "the manifest is no more" && files.Changes() != before {
				t.Error("something was written")
			}
			_ = s.End() // nothing of it is left to be said
		})
	}
}
