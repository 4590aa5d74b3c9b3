package log_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// fakeManifest is a whole manifest, with its header, of a state that never was.
func fakeManifest() []byte {
	image, _, err := volume.Lay(0, 3, 5, nil, &segments.Manifest{Epoch: 999, Dimension: 7})
	if err != nil {
		panic(err)
	}
	return image
}

// script is what one process does to a store, and what it promises.
type script struct {
	t     testing.TB
	files *volumes.Files
	log   *lone
	texts []string
	marks []mark
}

// mark is what has to be found from a moment on.
type mark struct {
	change int // length of the record of changes
	texts  []string
}

func newScript(t testing.TB) *script {
	files, l := newLone(t, setting{})
	p := &script{t: t, files: files, log: l}
	p.acknowledged()
	return p
}

// acknowledged notes what holds from now on.
func (p *script) acknowledged(added ...string) {
	p.texts = append(slices.Clone(p.texts), added...)
	p.marks = append(p.marks, mark{p.files.Changes(), p.texts})
}

// allowed is what may be found when so many changes had happened: what was acknowledged
// last, or what was being made.
func (p *script) allowed(after int) []mark {
	next, _ := slices.BinarySearchFunc(p.marks, after+1, func(m mark, after int) int { return m.change - after })
	return p.marks[max(0, next-1):min(next+1, len(p.marks))]
}

var crashScripts = map[string]func(*script){
	"commits": func(p *script) {
		for i := range 4 {
			s := p.log.begin(p.t)
			text := fmt.Sprintf("text %d of some length", i)
			put(p.t, s, text)
			p.acknowledged(text)
			end(p.t, s)
		}
	},
	"two writers, and one who gives up": func(p *script) {
		s := p.log.begin(p.t)
		a, dropped, b := write(p.t, s, "aaa"), write(p.t, s, "dropped"), write(p.t, s, "bbb")
		c := write(p.t, s, "ccc")
		more(p.t, c, "more")
		s.Drop(dropped)
		commit(p.t, s, b)
		p.acknowledged("bbb")
		commit(p.t, s, a, c)
		p.acknowledged("aaa", "cccmore")
		end(p.t, s)
	},
	"what looks like a manifest": func(p *script) {
		s := p.log.begin(p.t)
		fake := string(fakeManifest())
		put(p.t, s, "one")
		p.acknowledged("one")
		e, other := write(p.t, s, fake[:40]), ""
		more(p.t, e, fake[40:])
		other = "behind" + fake
		put(p.t, s, other)
		p.acknowledged(other)
		commit(p.t, s, e)
		p.acknowledged(fake)
		end(p.t, s)
	},
	"audit chain and replaced segments": func(p *script) {
		s := p.log.begin(p.t)
		for i, text := range []string{"first", "second", "third"} {
			e := write(p.t, s, text)
			if _, err := s.Commit(p.t.Context(), log.Change{
				Added: []volume.Extent{e}, Removes: all, Actions: []log.Action{log.Ingest(uint64(i))},
			}); err != nil {
				p.t.Fatal(err)
			}
			p.texts = nil
			p.acknowledged(text)
		}
		end(p.t, s)
	},
	"rewrite": func(p *script) {
		s := p.log.begin(p.t)
		for _, text := range []string{"one", "two"} {
			put(p.t, s, text)
			p.acknowledged(text)
		}
		open := write(p.t, s, "begun before")
		rewriteAll(p.t, p.log, s, func() {})
		p.acknowledged()
		commit(p.t, s, open)
		p.acknowledged("begun before")
		end(p.t, s)
	},
}

// TestCrashes at every moment leave the former state or the new one, and a file in which
// the next writer gets on.
func TestCrashes(t *testing.T) {
	t.Parallel()
	every := 1
	if testing.Short() {
		every = 16
	}
	for name, run := range crashScripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newScript(t)
			run(p)
			checked := 0
			p.files.Crashes(p.marks[0].change, every, func(what string, c volumes.Crash) {
				checked++
				if err := p.check(c); err != nil {
					t.Fatalf("%s: after change %d of %d, torn at %d: %v", what, c.After, p.files.Changes(), c.Torn, err)
				}
			})
			if checked < 100/every {
				t.Errorf("only %d states were built", checked)
			}
		})
	}
}

// check looks at what a crash left, and has somebody write on.
func (p *script) check(c volumes.Crash) error {
	files := p.files.State(c)
	texts, _, err := bodies(files)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(p.allowed(c.After), func(m mark) bool { return slices.Equal(m.texts, texts) }) {
		return fmt.Errorf("found %q, allowed %+v", texts, p.allowed(c.After))
	}
	l, err := openLone(files, setting{})
	if err != nil {
		return err
	}
	if err := l.putOne("the next"); err != nil {
		return fmt.Errorf("the next writer: %w", err)
	}
	found, _, err := bodies(files)
	if err == nil && !slices.Equal(found, append(texts, "the next")) {
		err = fmt.Errorf("found %q", found)
	}
	if err != nil {
		return fmt.Errorf("behind %q, and one more: %w", texts, err)
	}
	return nil
}

// putOne commits a segment in a session of its own.
func (l *lone) putOne(text string) error {
	s, err := l.Begin(context.Background())
	if err != nil {
		return err
	}
	e := s.Extent(volume.ExtentSpec{Type: of})
	err = e.Write(context.Background(), []byte(text))
	if err == nil {
		_, err = s.Commit(context.Background(), log.Change{Added: []volume.Extent{e}})
	}
	return errors.Join(err, s.End())
}

// TestCrashCheckFindsWhatItShould: a promise that was not kept.
func TestCrashCheckFindsWhatItShould(t *testing.T) {
	t.Parallel()
	p := newScript(t)
	if err := p.log.putOne("kept"); err != nil {
		t.Fatal(err)
	}
	p.acknowledged("kept", "not kept")
	if err := p.check(volumes.Crash{After: p.files.Changes(), Torn: -1}); err == nil {
		t.Error("nothing is missed")
	}
}
