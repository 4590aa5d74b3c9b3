package log_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"

	"syscall"
)

// broken is a run of changes on a disk of which the k-th operation of a kind fails.
type broken struct {
	files  *volumes.Files
	log    *lone
	counts map[string]int
	struck bool

	allowed [][]string // what may be found
	wrong   error      // the first thing that is not as it should be
}

func newBroken(t testing.TB, kind string, at int, lasting bool, err error) *broken {
	files, l := newLone(t, setting{})
	b := &broken{files: files, log: l, counts: map[string]int{}, allowed: [][]string{nil}}
	files.Fail = func(operation string) error {
		b.counts[operation]++
		if count := b.counts[operation]; operation != kind || count < at || count > at && !lasting {
			return nil
		}
		b.struck = true
		return err
	}
	return b
}

func (b *broken) complain(format string, values ...any) {
	if b.wrong == nil {
		b.wrong = fmt.Errorf(format, values...)
	}
}

// begin takes part in a session; nil without one.
func (b *broken) begin() *log.Session {
	s, err := b.log.Begin(context.Background())
	if err != nil {
		b.judge("begin", err)
		return nil
	}
	return s
}

// judge checks that an error is one of the disk.
func (b *broken) judge(what string, err error) {
	var number syscall.Errno
	if !b.struck || !errors.As(err, &number) {
		b.complain("%s: %w", what, err)
	}
}

// write writes a segment; nil when the disk fails, which ends the session.
func (b *broken) write(s *log.Session, text string) volume.Extent {
	e := s.Extent(volume.ExtentSpec{Type: of})
	if err := e.Write(context.Background(), []byte(text)); err != nil {
		b.judge("write", err)
		b.ended(s, s.Fail(err))
		s.Drop(e)
		return nil
	}
	return e
}

// commit commits segments, in the place of all others if it replaces, and reports whether
// they are.
func (b *broken) commit(s *log.Session, replaces bool, texts []string, extents ...volume.Extent) bool {
	if slices.Contains(extents, nil) {
		return false
	}
	change := log.Change{Added: extents}
	if replaces {
		change.Removes = all
	}
	_, err := s.Commit(context.Background(), change)
	b.settle(err, replaces, texts)
	if err == nil {
		return true
	}
	b.judge("commit", err)
	if s.Failed() != nil {
		b.ended(s, err)
	}
	s.Drop(extents...)
	return false
}

// settle notes what may be found after a change: what was acknowledged has to be there,
// and what was refused may be, for what failed may have been the very last step.
func (b *broken) settle(err error, replaces bool, texts []string) {
	var changed [][]string
	for _, before := range b.allowed {
		if replaces {
			before = nil
		}
		changed = append(changed, append(slices.Clone(before), texts...))
	}
	if err == nil {
		b.allowed = changed
	} else {
		b.allowed = append(b.allowed, changed...)
	}
}

// ended checks that a session that has failed is over for all: nobody writes in it any
// more, and everybody hears why.
func (b *broken) ended(s *log.Session, cause error) {
	before := b.files.Changes()
	e := s.Extent(volume.ExtentSpec{Type: of})
	if err := e.Write(context.Background(), []byte("late")); !errors.Is(err, s.Failed()) {
		b.complain("after %w a segment is written: %w", cause, err)
	}
	if _, err := s.Commit(context.Background(), log.Change{Actions: []log.Action{log.Ingest(1)}}); !errors.Is(err, s.Failed()) {
		b.complain("after %w a change is committed: %w", cause, err)
	}
	if b.files.Changes() != before {
		b.complain("after %w something was written", cause)
	}
}

func (b *broken) end(s *log.Session) {
	if err := s.End(); err != nil {
		b.judge("end", err)
	}
}

// check compares what a new reader finds, and one after a power cut, with what may be.
func (b *broken) check(when string) {
	cut := b.files.State(volumes.Crash{After: b.files.Changes(), Torn: -1, Lost: func(int) bool { return true }})
	for what, files := range map[string]*volumes.Files{"": b.files, ", after a power cut": cut} {
		texts, _, err := bodies(files)
		if err == nil && !slices.ContainsFunc(b.allowed, func(allowed []string) bool { return slices.Equal(allowed, texts) }) {
			err = fmt.Errorf("found %q, allowed %q", texts, b.allowed)
		}
		if err != nil {
			b.complain("%s%s: %w", when, what, err)
		}
	}
	found, err := b.log.head.Look(context.Background())
	fresh, other := openLone(b.files, setting{})
	if err = errors.Join(err, other); err != nil {
		b.complain("%s: %w", when, err)
	} else if shown := fresh.head.Current(); found.Epoch() != shown.Epoch() || found.Size() != shown.Size() {
		b.complain("%s: the log shows epoch %d, %d bytes, others epoch %d, %d bytes", when, found.Epoch(), found.Size(), shown.Epoch(), shown.Size())
	}
}

// brokenScripts go on as long as they get a session.
var brokenScripts = map[string]func(*broken){
	"two writers": func(b *broken) {
		s := b.begin()
		if s == nil {
			return
		}
		a, other := b.write(s, "a"), b.write(s, "other"+string(fakeManifest()))
		dropped := b.write(s, "dropped")
		if dropped != nil {
			s.Drop(dropped)
		}
		b.commit(s, false, []string{"other" + string(fakeManifest())}, other)
		b.commit(s, false, []string{"a"}, a)
		b.end(s)
	},
	"sessions": func(b *broken) {
		for _, text := range []string{"one", "two", "three"} {
			s := b.begin()
			if s == nil {
				continue
			}
			b.commit(s, text == "two", []string{text}, b.write(s, text))
			b.end(s)
		}
	},
	"rewrite": func(b *broken) {
		s := b.begin()
		if s == nil {
			return
		}
		b.commit(s, false, []string{"committed"}, b.write(s, "committed"))
		open := b.write(s, "begun before")
		if s.Failed() == nil {
			if _, _, err := rewriteOnce(b.log, s, func() {}); err != nil {
				b.judge("rewrite", err)
			}
		}
		b.commit(s, false, []string{"begun before"}, open)
		b.end(s)
	},
}

// TestFailingDisk: whichever operation fails, and however, the store holds what it held or
// what was to be; a session that has failed is over for all; and when the disk is mended
// the next one gets on.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	for name, run := range brokenScripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := newBroken(t, "", 0, false, nil)
			run(whole)
			refused := 0
			for kind, count := range whole.counts {
				for at := 1; at <= count; at++ {
					for _, err := range failures(kind) {
						for _, lasting := range []bool{false, true} {
							b := newBroken(t, kind, at, lasting, err)
							run(b)
							b.mend(kind)
							if len(b.allowed) > 1 {
								refused++
							}
							if b.wrong != nil {
								t.Fatalf("%s %d of %d, lasting %t, %T %v: %v", kind, at, count, lasting, err, err, b.wrong)
							}
						}
					}
				}
			}
			if whole.wrong != nil || refused == 0 {
				t.Errorf("without a failure: %v; refused were %d changes", whole.wrong, refused)
			}
		})
	}
}

func failures(kind string) []error {
	if kind == "write" {
		return []error{syscall.EIO, &volumes.ShortWrite{Divisor: 2, Err: syscall.ENOSPC}, &volumes.ShortWrite{Divisor: math.MaxInt, Err: syscall.ENOSPC}}
	}
	return []error{syscall.EIO}
}

// mend ends the failure, looks at what is there, and has the next writer go on.
func (b *broken) mend(kind string) {
	b.files.Mu.Lock()
	b.files.Fail = nil
	b.files.Mu.Unlock()
	b.check("after the failure")
	err := b.log.putOne("the next")
	b.settle(err, false, []string{"the next"})
	if err != nil {
		b.complain("the next writer: %w", err)
	}
	b.check("after the next commit")
	for name := range b.files.Names {
		// What could not be removed is litter, which is known by its name.
		if name != storeName && !(volume.IsTemporary(name) && kind == "remove") {
			b.complain("%s is left behind", name)
		}
	}
}

// TestSearchOfTheAuditChain: where its newest entry cannot be read, or nobody waits for it
// any more, nothing is committed, and whoever tries again goes on from it.
func TestSearchOfTheAuditChain(t *testing.T) {
	t.Parallel()
	for _, want := range []error{syscall.EIO, context.Canceled} {
		files, l := newLone(t, setting{})
		s := l.begin(t)
		if _, err := s.Commit(t.Context(), log.Change{Actions: []log.Action{log.Ingest(1)}}); err != nil {
			t.Fatal(err)
		}
		end(t, s)
		other, err := openLone(files, setting{}) // which does not know the newest entry yet
		if err != nil {
			t.Fatal(err)
		}
		s = other.begin(t)
		change := log.Change{Added: []volume.Extent{write(t, s, "text")}, Actions: []log.Action{log.Ingest(2)}}
		before := files.Changes()
		ctx, leave := context.WithCancel(t.Context())
		files.Fail = func(operation string) error {
			if operation == "read" && want == syscall.EIO {
				return want
			}
			leave()
			return nil
		}
		_, err = s.Commit(ctx, change)
		files.Fail = nil
		leave()
		if !errors.Is(err, want) || files.Changes() != before || s.Failed() != nil {
			t.Errorf("%v, %d changes, failed %v", err, files.Changes()-before, s.Failed())
		}
		if _, err := s.Commit(t.Context(), change); err != nil {
			t.Errorf("the session is over: %v", err)
		}
		end(t, s)
		holds(t, files, "text")
		err = other.head.Current().With(t.Context(), state.Judging, func(in *state.Reading) error { return chain(in, func(string) {}) })
		if err != nil {
			t.Error(err)
		}
	}
}

// TestAuditChain: each action is an entry that follows the one before, also of another
// process, and says the epoch of its commit.
func TestAuditChain(t *testing.T) {
	t.Parallel()
	files, l := newLone(t, setting{})
	for _, count := range []uint64{1, 2, 3} {
		s := l.begin(t)
		change := log.Change{Actions: []log.Action{log.Ingest(count), log.Delete(int(count))}}
		if _, err := s.Commit(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		end(t, s)
		var err error
		if l, err = openLone(files, setting{}); err != nil {
			t.Fatal(err)
		}
	}
	current := l.head.Current()
	if named := current.OfType(segments.TypeWitness); len(named) != 2 {
		t.Errorf("%d entries are named, of all that are found by walking", len(named))
	}
	var said []string
	err := current.With(t.Context(), state.Judging, func(in *state.Reading) error {
		return chain(in, func(action string) { said = append(said, action) })
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "ingest:count=1,epoch=2 delete:count=1,epoch=2 ingest:count=2,epoch=3 delete:count=2,epoch=3 ingest:count=3,epoch=4 delete:count=3,epoch=4"
	if got := strings.Join(said, " "); got != want {
		t.Errorf("it says %s", got)
	}
}
