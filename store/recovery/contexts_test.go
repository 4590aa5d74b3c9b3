package recovery

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// impatient are files whose reader loses his patience with one of the reads.
type impatient struct {
	*volumes.Files
	*patience
}

type patience struct {
	left  atomic.Int64 // reads until then; below zero it lasts
	leave atomic.Pointer[context.CancelFunc]
	after atomic.Int64 // reads that came all the same
}

func (p *patience) read() {
	switch left := p.left.Add(-1); {
	case left == 0:
		(*p.leave.Load())()
	case left < 0 && left > -1<<40:
		p.after.Add(1)
	}
}

func (f impatient) Open(name string, write bool) (filelog.File, error) {
	file, err := f.Files.Open(name, write)
	if err != nil {
		return nil, err
	}
	return impatientFile{file, f.patience}, nil
}

type impatientFile struct {
	filelog.File
	*patience
}

func (f impatientFile) ReadAt(p []byte, offset int64) (int, error) {
	f.read()
	return f.File.ReadAt(p, offset)
}

// TestReadersOfTailsCanLeave: whoever looks for tails, lists what would come back, brings
// it back or begins to write is not kept by reads that he does not wait for any more, hears
// that he left, and has changed nothing.
func TestReadersOfTailsCanLeave(t *testing.T) {
	t.Parallel()
	for what, do := range map[string]func(context.Context, *store) error{
		"list": func(ctx context.Context, s *store) error { _, err := s.List(ctx); return err },
		"kept": func(ctx context.Context, s *store) error { _, err := s.Kept(ctx); return err },
		"own":  func(ctx context.Context, s *store) error { _, _, err := s.Own(ctx); return err },
		"plan": func(ctx context.Context, s *store) error { _, err := s.Recover(ctx, Options{List: true}); return err },
		"recover": func(ctx context.Context, s *store) error {
			_, err := s.Recover(ctx, Options{Only: []string{"a.rvf.tail-3"}})
			return err
		},
		"begin": func(ctx context.Context, s *store) error {
			session, err := s.log.Begin(ctx)
			if err != nil {
				return err
			}
			return session.End()
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for reads := int64(1); ; reads++ {
				files, p := volumes.New(), &patience{}
				p.left.Store(-1 << 50)
				s := newStore(t, files, impatient{files, p}, nil)
				for id := range uint64(3) {
					s.ingest(t, 1, id, id+10)
				}
				s.keep(t, files, vecSegment(9, 1, 7))
				leave(t, files, vecSegment(8, 2, 8))
				before := string(files.Content("a.rvf"))
				ctx, cancel := context.WithCancel(t.Context())
				p.leave.Store(&cancel)
				p.left.Store(reads)
				err := do(ctx, s)
				left := ctx.Err() != nil
				p.left.Store(-1 << 50)
				cancel()
				if !left {
					if err != nil {
						t.Errorf("after all %d reads: %v", reads-1, err)
					}
					if reads < 3 {
						t.Errorf("only %d reads", reads-1)
					}
					return
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("read %d: %v", reads, err)
				}
				if after := p.after.Load(); err != nil && after > 1 { // one may be a piece that is copied
					t.Errorf("read %d: %d more", reads, after)
				}
				if err != nil && what != "recover" && string(files.Content("a.rvf")) != before {
					t.Errorf("read %d: the store has changed", reads)
				}
				if got := s.content(t); err != nil && got != "0:1 1:1 2:1 10:1 11:1 12:1" {
					t.Errorf("read %d: %s", reads, got)
				}
				if err != nil {
					// All is there for the next one.
					if _, err := s.Recover(t.Context(), Options{Overwrite: true}); err != nil || s.content(t) != "0:1 1:9 2:8 7:9 8:8 10:1 11:1 12:1" {
						t.Errorf("read %d, again: %s, %v", reads, s.content(t), err)
					}
				}
			}
		})
	}
}
