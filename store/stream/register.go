package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Register knows the streams of all kinds into a store that are not closed yet.
type Register struct {
	store  func() string                                    // its name
	stands func(ctx context.Context, of state.Origin) error // see NewRegister

	mu    sync.Mutex // nothing is locked, called or waited for under it
	open  map[*Stream]struct{}
	fewer chan struct{} // closed when there is one stream less; nil while nobody waits for that
	over  bool          // the store is closed

	life context.Context // of what streams do unasked: ends with the patience of who interrupts them
	end  context.CancelFunc
}

// NewRegister makes the register of the store that is called so when errors tell of it. Where
// nothing is left to commit, stands fails if the file to which a stream went is gone.
func NewRegister(store func() string, stands func(ctx context.Context, of state.Origin) error) *Register {
	r := &Register{store: store, stands: stands, open: map[*Stream]struct{}{}}
	r.life, r.end = context.WithCancel(context.Background())
	return r
}

// New makes a stream that goes to a file, and which Inside.Begin begins. Its errors name
// the errand, as in "append to".
func (r *Register) New(origin state.Origin, errand string, content Content) (*Stream, Inside) {
	s := &Stream{register: r, origin: origin, errand: errand, content: content, turn: shared.NewTurn()}
	return s, Inside{s}
}

func (r *Register) add(s *Stream) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return volume.ErrClosed
	}
	r.open[s] = struct{}{}
	return nil
}

func (r *Register) remove(s *Stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, s)
	if r.fewer != nil {
		close(r.fewer)
		r.fewer = nil
	}
}

func (r *Register) all() []*Stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.open))
}

// each runs act on all streams that are open.
func (r *Register) each(act func(*Stream) error) error {
	var problems []error
	for _, stream := range r.all() {
		problems = append(problems, act(stream))
	}
	return errors.Join(problems...)
}

// End lets no stream begin any more.
func (r *Register) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

// Len is how many streams of all kinds are open.
func (r *Register) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// Commit commits the whole records of all open streams, but of what is all or nothing.
func (r *Register) Commit(ctx context.Context) error {
	return r.each(func(stream *Stream) error { return stream.CommitOpen(ctx) })
}

// CommitAtRest is Commit for who waits for no writer: a stream that is at work is left out.
// It reports whether something stays that its writer alone may commit.
func (r *Register) CommitAtRest(ctx context.Context) (stays bool, err error) {
	err = r.each(func(stream *Stream) error {
		if !stream.turn.TryTake() {
			return nil
		}
		defer stream.turn.Give()
		err := stream.commitOpen(ctx)
		stays = stays || stream.usable() == nil && stream.content.Joined()
		return err
	})
	return stays, err
}

// Interrupt closes all open streams for their writers; see Stream.Interrupt. When ctx ends,
// so does what they look for unasked, for good: it is the end of the store.
func (r *Register) Interrupt(ctx context.Context) error {
	stop := context.AfterFunc(ctx, r.end)
	defer stop()
	return r.each(func(stream *Stream) error { return stream.Interrupt(ctx) })
}

// Await waits until no stream is open, but no longer than patience: nobody waits for the
// end of a stream that was just closed.
func (r *Register) Await(ctx context.Context, patience time.Duration) error {
	over := time.NewTimer(patience)
	defer over.Stop()
	for {
		r.mu.Lock()
		if len(r.open) == 0 {
			r.mu.Unlock()
			return nil
		}
		if r.fewer == nil {
			r.fewer = make(chan struct{})
		}
		fewer := r.fewer
		r.mu.Unlock()
		select {
		case <-fewer:
		case <-over.C:
			return fmt.Errorf("%w: a stream into it is open", volume.ErrHeld)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
