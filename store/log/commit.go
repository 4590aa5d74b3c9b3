package log

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// request is a change that waits for its commit.
type request struct {
	ctx    context.Context // of who waits for it
	change Change
	done   chan struct{} // closed when epoch and err are valid
	lead   chan struct{} // closed when this request has to run the next round
	epoch  uint32
	err    error
}

func (r *request) settle(epoch uint32, err error) {
	r.epoch, r.err = epoch, err
	close(r.done)
}

// Clash marks the error of a change that cannot be made together with others, or not as
// it is: made alone it may succeed.
func Clash(err error) error { return clash{err} }

type clash struct{ error }

func (c clash) Unwrap() error { return c.error }

// Commit makes the change durable and visible and returns its epoch. What has to be found
// out before something is written ends with ctx; then the commit goes on to its end.
// ErrUnsafeManifest means that deleted ids have to be let go first, by a rewrite that
// leaves them out.
//
// Changes that arrive while a commit is under way share the next, and its syncs; or the same,
// where others were faster.
func (s *Session) Commit(ctx context.Context, c Change) (uint32, error) {
	l := s.log
	r := &request{ctx: ctx, change: c, done: make(chan struct{}), lead: make(chan struct{})}
	l.mu.Lock()
	l.queue = append(l.queue, r)
	leads := !l.leading
	l.leading = true
	l.mu.Unlock()
	if !leads {
		select {
		case <-r.done:
			return r.epoch, r.err
		case <-r.lead:
		}
	}
	l.lead.Wait()
	s.round(l.waiting(nil))
	l.lead.Give()

	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 {
		close(l.queue[0].lead)
	} else {
		l.leading = false
	}
	return r.epoch, r.err
}

// waiting is a round with those that have come since.
func (l *Log) waiting(round []*request) []*request {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Concat(round, l.queue)
	if len(round) > 0 && replacing(all) > 1 {
		return round
	}
	l.queue = nil
	return all
}

// round commits several changes as one epoch. A change that cannot be stated in
// a manifest fails alone.
func (s *Session) round(round []*request) {
	if replacing(round) > 1 {
		// Each has to see what the one before has put in the place of something.
		for i := range round {
			s.round(round[i : i+1])
		}
		return
	}
	ctx, stop := whileWanted(round)
	defer func() { stop() }()
	for try := 1; ; try++ {
		if round = renew(ctx, round); len(round) == 0 {
			return
		}
		d, err := s.prepare(ctx, round)
		if _, clashes := errors.AsType[clash](err); (clashes || errors.Is(err, volume.ErrUnsafeManifest)) && len(round) > 1 {
			for i := range round {
				s.round(round[i : i+1])
			}
			return
		}
		var epoch uint32
		if err == nil {
			epoch, err = s.carryOut(ctx, d)
		}
		if errors.Is(err, volume.ErrMoved) {
			late := s.follow(ctx)
			if late == nil && try < draftsOfRound {
				// It may have waited long for its turn, and others in this process as well.
				stop()
				round = s.log.waiting(round)
				ctx, stop = whileWanted(round)
				continue
			}
			err = errors.Join(late, fmt.Errorf("%w, %d times: write it again", err, try))
		}
		for _, r := range round {
			r.settle(epoch, err)
		}
		return
	}
}

// draftsOfRound bounds how often a round is drafted because others published first.
const draftsOfRound = 8

// whileWanted is the context of what a round looks for: it ends when nobody waits for any of
// the changes any more.
func whileWanted(round []*request) (ctx context.Context, stop func()) {
	if len(round) == 1 {
		return round[0].ctx, func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var left atomic.Int64
	left.Store(int64(len(round)))
	stops := make([]func() bool, len(round))
	for i, r := range round {
		stops[i] = context.AfterFunc(r.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// replacing counts the changes that take segments away.
func replacing(round []*request) int {
	count := 0
	for _, r := range round {
		if r.change.Removes != nil {
			count++
		}
	}
	return count
}

// renew makes those changes anew that have to be others on the newest base. One for which that
// fails is not in the round any more.
func renew(ctx context.Context, round []*request) (left []*request) {
	for _, r := range round {
		if r.change.Renew != nil {
			c, err := r.change.Renew(ctx)
			if err != nil {
				r.settle(0, err)
				continue
			}
			r.change = c
		}
		left = append(left, r)
	}
	return left
}

// prepare waits until the bodies of the added segments are written and drafts the
// manifest that names them.
func (s *Session) prepare(ctx context.Context, round []*request) (ready *Draft, err error) {
	d := &Draft{Base: s.Base(), Stamp: s.log.stamp()}
	defer func() {
		if err != nil && d.merged != nil {
			s.Drop(d.merged.into) // nobody will name it
		}
	}()
	if err := s.turn.Failed(); err != nil {
		return nil, err
	}
	if err := s.log.env.Writable(ctx, d.Base); err != nil {
		return nil, err // the session is older than what forbids it
	}
	removed := map[int64]bool{}
	places := map[volume.Extent]place{}
	for _, r := range round {
		c := r.change
		d.Changes = append(d.Changes, c)
		d.added = append(d.added, c.Added...)
		d.actions = append(d.actions, c.Actions...)
		if c.Removes == nil {
			continue
		}
		gone, err := c.Removes(ctx, d.Base)
		if err != nil {
			return nil, err
		}
		maps.Copy(removed, gone)
		for _, e := range c.Added {
			places[e] = place{gone: gone, inPlace: c.InPlace, first: c.First}
		}
	}
	manifest := *d.Base.Manifest()
	d.Manifest = &manifest
	manifest.Epoch++
	manifest.Directory = slices.DeleteFunc(d.Base.Named(), func(entry segments.DirectoryEntry) bool {
		// The audit chain stays in the file and is found by walking.
		return entry.Type == segments.TypeWitness && len(d.actions) > 0 || removed[entry.Offset]
	})
	for _, e := range d.added {
		e.Seal()
	}
	if err := s.mergeTail(ctx, d); err != nil {
		return nil, err
	}
	for _, e := range d.added {
		if err := e.Settle(ctx); err != nil {
			return nil, err
		}
		manifest.Directory = places[e].insert(manifest.Directory, e.Entry(), d.Base)
	}
	if err := d.ask(ctx, s.log.env.Hooks); err != nil {
		return nil, err
	}
	if d.unsafe() {
		return nil, volume.ErrUnsafeManifest
	}
	return d, d.Base.With(ctx, state.Judging, func(base *state.Reading) (err error) {
		if d.previous, err = base.LastWitness(); err != nil {
			return err
		}
		d.retired, err = d.retires(base)
		return err
	})
}

// carryOut writes the draft and makes it the session's new base, whether anybody still
// waits or not.
func (s *Session) carryOut(ctx context.Context, d *Draft) (uint32, error) {
	previous, small := d.previous, d.small
	for _, action := range d.actions {
		small = append(small, action.Segment(d.Manifest.Epoch, d.Stamp, &previous))
	}
	version, err := s.turn.Publish(context.WithoutCancel(ctx), volume.Commit{
		Stamp: d.Stamp, Parts: d.written(), Small: small, Manifest: d.Manifest, Retired: d.retired,
	})
	if version == nil {
		if d.merged != nil && errors.Is(err, volume.ErrMoved) {
			s.Drop(d.merged.into) // the next draft merges anew
		}
		return 0, err
	}
	after := s.log.env.Head.Next(version)
	after.SetLastWitness(previous)
	for _, committed := range d.committed {
		committed(ctx, after)
	}
	s.advance(after, version)
	return after.Epoch(), err
}

// advance makes a state the session's base, and shows it to everybody.
func (s *Session) advance(after *state.Snapshot, version *volume.Version) {
	l := s.log
	l.mu.Lock()
	s.base = after
	l.mu.Unlock()
	l.env.Head.Advance(after, version)
	l.env.Published(after)
}

// stamp is now, as headers tell it.
func (l *Log) stamp() uint64 { return uint64(l.env.Clock().UnixNano()) }
