package bucket

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
)

// silencing is a bucket of which each change has one fault while it is silent, and nothing can be
// read, and a volume's options that note what is told of that.
func silencing(fault memory.Fault) (bucket *memory.Bucket, silent *atomic.Bool, told *[]string, options Options) {
	bucket, silent, told = memory.New(), new(atomic.Bool), new([]string)
	bucket.Fault = func(r memory.Request) memory.Fault {
		switch {
		case !silent.Load():
			return memory.None
		case r.Changes:
			return fault
		}
		return memory.Lost
	}
	options.Silent = func(lasted time.Duration, err error) {
		*told = append(*told, fmt.Sprint(err == nil, lasted >= silentFor))
	}
	return bucket, silent, told, options
}

// silentFor is the least time after which somebody is told.
const silentFor = time.Second

// answerless are the faults of servers that give no answer which says anything.
var answerless = map[string]memory.Fault{"lost": memory.Lost, "refused": memory.Refused, "unsaid": memory.Unsaid, "broken": memory.Broken}

// TestCommitsWait: a commit, a new store and a new name wait for a server that does not answer,
// and are there once when it does again. It is told once, and once that it is over.
func TestCommitsWait(t *testing.T) {
	for name, fault := range answerless {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket, silent, told, options := silencing(fault)
				create(t, bucket, options, "a.rvf")
				create(t, bucket, options, "b.rvf")
				p := open(t, bucket, options, "a.rvf")
				silent.Store(true)
				results := make(chan error)
				go func() { results <- p.put("text") }()
				go func() { results <- p.volume.Move(t.Context(), "b.rvf", "c.rvf") }()
				go func() { results <- p.volume.MakeFolder(t.Context(), "folder", 0o755) }()
				go func() { results <- p.volume.Shelf().Create(t.Context(), "d.rvf", content(t, 2), 0o644) }()
				time.Sleep(20 * time.Second) // of the bubble's clock
				silent.Store(false)
				for range 4 {
					if err := <-results; err != nil {
						t.Error(err)
					}
				}
				texts, err := p.texts()
				if err != nil || len(texts) != 1 {
					t.Errorf("there is %q, %v", texts, err)
				}
				for _, name := range []string{"c.rvf", "d.rvf", "folder"} {
					if _, err := p.volume.Describe(t.Context(), name); err != nil {
						t.Error(err)
					}
				}
				if _, err := p.volume.Describe(t.Context(), "b.rvf"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the former name: %v", err)
				}
				if len(*told) != 2 || (*told)[0] != "false true" || (*told)[1] != "true true" {
					t.Errorf("told is %q", *told)
				}
			})
		})
	}
}

// TestPatienceEnds: who changes something while the server stays away is told EIO when his
// patience is over, and waits no longer; who asks for something newer goes on with what is known.
func TestPatienceEnds(t *testing.T) {
	for name, fault := range answerless {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket, silent, _, options := silencing(fault)
				create(t, bucket, options, "a.rvf")
				create(t, bucket, options, "b.rvf")
				p := open(t, bucket, options, "a.rvf")
				known := p.log.newest
				if _, err := p.volume.Describe(t.Context(), "a.rvf"); err != nil {
					t.Fatal(err)
				}
				p.begin()
				part := p.extent("text")
				silent.Store(true)
				within := func(what string, most time.Duration, do func() error, wants error) {
					t.Helper()
					began := time.Now()
					if err := do(); !errors.Is(err, wants) || time.Since(began) > most {
						t.Errorf("%s: %v after %v, want %v within %v", what, err, time.Since(began), wants, most)
					}
				}
				const patience, little = 31 * time.Second, 2 * time.Second
				within("look", little, func() error {
					newest, err := p.log.Newest(t.Context(), known)
					if newest != known {
						t.Error("there is another version")
					}
					return err
				}, nil)
				within("describe", little, func() error { _, err := p.volume.Describe(t.Context(), "a.rvf"); return err }, nil)
				within("commit", patience, func() error { _, err := p.commit(part); return err }, syscall.EIO)
				within("end", little, p.session.End, nil)
				within("begin", patience, p.tryBegin, syscall.EIO)
				within("move", patience, func() error { return p.volume.Move(t.Context(), "b.rvf", "c.rvf") }, syscall.EIO)
				within("remove", patience, func() error { return p.log.Remove(t.Context(), p.volume.Shelf()) }, syscall.EIO)
				within("make", patience, func() error { return p.volume.Shelf().Create(t.Context(), "d.rvf", content(t, 2), 0o644) }, syscall.EIO)
				within("look again", little, func() error { _, err := p.log.Newest(t.Context(), known); return err }, nil)
			})
		})
	}
}

// TestLostTooOften: who is always too late is told that others are at work when his patience is
// over.
func TestLostTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, options := memory.New(), Options{CommitTimeout: time.Second}
		create(t, bucket, options, "a.rvf")
		p := open(t, bucket, options, "a.rvf")
		p.begin()
		defer p.end()
		s := p.session.(*Session)
		s.log.queue.since = time.Now().Add(-2 * time.Second)
		if err := s.awaitTurn(t.Context()); !errors.Is(err, volume.ErrHeld) {
			t.Errorf("it goes on: %v", err)
		}
	})
}
