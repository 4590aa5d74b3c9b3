package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"rvffs/store/volume"
)

// openStreams are the streams of all kinds into a store that are not closed yet.
type openStreams struct {
	mu    sync.Mutex // nothing is locked, called or waited for under it
	open  map[*Stream]struct{}
	fewer chan struct{} // closed when there is one stream less; nil while nobody waits for that
	over  bool          // the store is closed
}

func (o *openStreams) add(s *Stream) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return volume.ErrClosed
	}
	if o.open == nil {
		o.open = map[*Stream]struct{}{}
	}
	o.open[s] = struct{}{}
	return nil
}

func (o *openStreams) remove(s *Stream) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.open, s)
	if o.fewer != nil {
		close(o.fewer)
		o.fewer = nil
	}
}

func (o *openStreams) all() []*Stream {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Keys(o.open))
}

// each runs act on all streams that are open.
func (o *openStreams) each(act func(*Stream) error) error {
	var problems []error
	for _, stream := range o.all() {
		problems = append(problems, act(stream))
	}
	return errors.Join(problems...)
}

// end lets no stream begin any more.
func (o *openStreams) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
}

// OpenStreams is how many streams of all kinds into the store are open.
func (s *Store) OpenStreams() int {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	return len(s.streams.open)
}

// CommitStreams commits the whole records of all open streams, but of what is all or
// nothing.
func (s *Store) CommitStreams(ctx context.Context) error {
	return s.streams.each(func(stream *Stream) error { return stream.CommitOpen(ctx) })
}

// InterruptStreams closes all open streams for their writers; see Stream.Interrupt.
func (s *Store) InterruptStreams(ctx context.Context) error {
	return s.streams.each(func(stream *Stream) error { return stream.Interrupt(ctx) })
}

// AwaitStreams waits until no stream is open, but no longer than for another writer:
// nobody waits for the end of a stream that was just closed.
func (s *Store) AwaitStreams(ctx context.Context) error {
	patience := time.NewTimer(cmp.Or(s.options.LockWait, DefaultLockWait))
	defer patience.Stop()
	o := &s.streams
	for {
		o.mu.Lock()
		if len(o.open) == 0 {
			o.mu.Unlock()
			return nil
		}
		if o.fewer == nil {
			o.fewer = make(chan struct{})
		}
		fewer := o.fewer
		o.mu.Unlock()
		select {
		case <-fewer:
		case <-patience.C:
			return fmt.Errorf("%w: a stream into it is open", volume.ErrLocked)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
