package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/store/shared"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// Log is a store in a bucket: it knows under which key it lies, and what was there last. Its
// methods may be called from several goroutines.
type Log struct {
	volume  *Volume
	options volume.LogOptions
	writer  string                                               // among those that commit: of the session
	keeper  string                                               // likewise, of what keeps the store small
	folder  func(context.Context) (*folder, func() error, error) // of the shelf

	swaps shared.Turn // of this process
	queue queueing

	mu      sync.Mutex // guards what follows; never held over a request
	name    string
	place   *place // of the store; nil before Open
	current *stored
	newest  *volume.Version
	looked  time.Time // when it was asked for last
	met     time.Time // when it was found last that somebody else had committed
	asked   *question // the one that is under way; nil: there is none
	turn    *Session  // of this process; nil: there is none
	over    chan struct{}
	closed  bool
	// former are generations that others have replaced and somebody here still reads.
	former []*Generation

	keeping sync.WaitGroup // of what keeps the store small
	stop    context.CancelFunc
	ctx     context.Context
	tidying atomic.Bool
}

var _ volume.Log = (*Log)(nil)

// place is where a store lies, for all that read it.
type place struct {
	mu  sync.Mutex
	key string
}

func (p *place) at() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key
}

func (p *place) move(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = key
}

// known is what is known of a store without having it open.
type known struct {
	version *volume.Version
	current *stored
	place   *place
}

// Known implements volume.Log.
func (l *Log) Known() volume.Known {
	l.mu.Lock()
	defer l.mu.Unlock()
	return volume.Known{Of: known{l.newest, l.current, l.place}}
}

// Name implements volume.Log.
func (l *Log) Name() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.name
}

// Path implements volume.Log.
func (l *Log) Path() string {
	name := l.Name()
	l.mu.Lock()
	at := l.place
	l.mu.Unlock()
	if at != nil {
		name = at.at()[len(l.volume.prefix):]
	}
	return l.volume.Name() + "/" + name // no path, of which two slashes would become one
}

// key finds where the store lies.
func (l *Log) key(ctx context.Context) (_ string, err error) {
	l.mu.Lock()
	at, name := l.place, l.name
	l.mu.Unlock()
	if at != nil {
		return at.at(), nil
	}
	in, release, err := l.folder(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, release()) }()
	return in.key(name)
}

// Open implements volume.Log.
func (l *Log) Open(ctx context.Context, knowledge volume.Known) (*volume.Version, error) {
	key, err := l.key(ctx)
	if err != nil {
		return nil, err
	}
	k, some := knowledge.Of.(known)
	some = some && k.version != nil
	var tag objects.Tag
	if some && k.place.at() == key {
		tag = k.current.tag
	}
	found, err := l.volume.readWhole(ctx, key, tag, l.options.Memory)
	if errors.Is(err, objects.ErrSame) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.place, l.current, l.newest, l.looked = k.place, k.current, k.version, time.Now()
		return l.newest, nil
	}
	if err == nil && found.moved != nil {
		_, err = l.volume.finish(ctx, found)
		err = errors.Join(err, errNoObject)
	}
	if errors.Is(err, errNoObject) {
		is, unknown := l.volume.isFolder(ctx, key)
		if is {
			return nil, fmt.Errorf("%w: %w", volume.ErrNotStore, volume.ErrNotRegular)
		}
		if unknown != nil {
			err = unknown
		}
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if some && k.current.ID == found.ID && found.Change >= k.current.Change {
		k.place.move(key) // it may have been moved
		l.place, l.current, l.newest = k.place, k.current, k.version
		return l.take(found, false), nil
	}
	l.place = &place{key: key}
	l.current, l.looked = found, time.Now()
	l.newest = &volume.Version{Generation: newGeneration(l.volume, l.place, found), State: found.state, Modified: found.Modified, Number: 1}
	if some {
		l.newest.Number = k.version.Number + 1
	}
	return l.newest, nil
}

// take makes what was found, or put by this process, the newest, unless it knows a newer one
// already, and returns that version. The caller holds mu.
func (l *Log) take(found *stored, own bool) *volume.Version {
	l.looked = time.Now()
	if found == l.current {
		return l.newest // by somebody who asked the same question
	}
	if found.ID == l.current.ID && found.Change < l.current.Change {
		if own {
			return l.overtaken(found)
		}
		return l.newest
	}
	before := l.current
	l.current = found
	if !own && found.Change != before.Change {
		l.met = time.Now()
	}
	generation := l.newest.Generation.(*Generation)
	if found.same(before) {
		found.state = before.state
		generation.lies(found)
		return l.newest
	}
	continues := found.ID == before.ID && found.Generation == before.Generation
	if continues {
		if !own {
			generation.disturb(found.Mends != before.Mends)
		}
		generation.lies(found)
		if found.state.Segment == before.state.Segment && found.Size == before.Size {
			found.state = before.state
			return l.newest // written over, and no new state
		}
	} else {
		generation.replaced.Store(true)
		l.former = append(l.former, generation)
		generation = newGeneration(l.volume, l.place, found)
	}
	l.newest = &volume.Version{Generation: generation, State: found.state, Modified: found.Modified, Number: l.newest.Number + 1}
	return l.newest
}

// overtaken is the version of what this process has put there, when it knows already what others
// have put there since: what is made of it must not be taken for made of theirs. The caller
// holds mu.
func (l *Log) overtaken(put *stored) *volume.Version {
	generation := l.newest.Generation.(*Generation)
	if generation.number == put.Generation && l.newest.State.Segment == put.state.Segment {
		return l.newest
	}
	if generation.number != put.Generation {
		at := slices.IndexFunc(l.former, func(g *Generation) bool { return g.id == put.ID && g.number == put.Generation })
		if at < 0 {
			at = len(l.former)
			l.former = append(l.former, newGeneration(l.volume, l.place, put))
			l.former[at].replaced.Store(true)
		}
		generation = l.former[at]
		if generation.now.Load().Change < put.Change {
			generation.lies(put)
		}
	}
	version := &volume.Version{Generation: generation, State: put.state, Modified: put.Modified, Number: l.newest.Number}
	newest := *l.newest
	newest.Number++
	l.newest = &newest
	return version
}

// pinFormer tells others which replaced generations are read here.
func (l *Log) pinFormer() {
	l.mu.Lock()
	former := l.former[:0]
	for _, g := range l.former {
		if g.pins.users.Load() > 0 {
			former = append(former, g)
		}
	}
	clear(l.former[len(former):])
	l.former = former
	read := slices.Clone(former)
	l.mu.Unlock()
	for _, g := range read {
		g.pins.renew(g)
	}
}

// Newest implements volume.Log. Where the server does not answer soon it is what is known, so
// that who reads goes on.
func (l *Log) Newest(ctx context.Context, known *volume.Version) (*volume.Version, error) {
	return l.newestOf(ctx, known, l.inquire)
}

// newestOf is Newest, by a way to read what is there.
func (l *Log) newestOf(ctx context.Context, known *volume.Version, read func(context.Context, *stored) (*stored, error)) (*volume.Version, error) {
	defer l.pinFormer()
	for stale := 0; ; stale++ {
		l.mu.Lock()
		current, newest, turn, closed, looked, name := l.current, l.newest, l.turn, l.closed, l.looked, l.name
		l.mu.Unlock()
		own := turn != nil && turn.published(newest)
		switch {
		case closed:
			return nil, fmt.Errorf("store %q: %w", name, volume.ErrClosed)
		case turn != nil && turn.publishing.Load():
			return known, nil // soon there will be another
		case l.volume.options.Freshness > 0 && time.Since(looked) < l.volume.options.Freshness:
			if own {
				return known, nil
			}
			return newest, nil
		}
		found, err := read(ctx, current)
		if err == nil && found.moved != nil {
			_, err = l.volume.finish(ctx, found)
			err = errors.Join(err, errMovedAway)
		}
		l.mu.Lock()
		switch changed := l.current != current; {
		case changed && err != nil && stale == 0:
			l.mu.Unlock()
			continue // this process has moved it, or published
		case errors.Is(err, errNotYet):
			newest = l.newest
			l.mu.Unlock()
			if own {
				return known, nil
			}
			return newest, nil
		case errors.Is(err, objects.ErrSame):
			l.looked = time.Now()
			l.mu.Unlock()
			if own {
				return known, nil // who published tells of it
			}
			return newest, nil
		case err != nil:
			l.mu.Unlock()
			return nil, storeError(name, err)
		case found.ID == l.current.ID && found.Change < l.current.Change:
			l.mu.Unlock()
			if stale >= triesOfWrong && !changed {
				return nil, storeError(name, errBehind)
			}
			if err := l.volume.pace.rest(ctx, stale); err != nil {
				return nil, err
			}
			continue
		}
		version := l.take(found, false)
		l.mu.Unlock()
		if turn != nil && turn.published(version) {
			return known, nil
		}
		return version, nil
	}
}

// look looks for what is there now, and takes note of it.
func (l *Log) look(ctx context.Context) error {
	l.mu.Lock()
	current := l.current
	l.mu.Unlock()
	found, err := l.volume.readWhole(ctx, l.place.at(), current.tag, l.options.Memory)
	switch {
	case errors.Is(err, objects.ErrSame):
		return nil
	case err == nil && found.moved != nil:
		err = errMovedAway
	case err == nil && found.ID != current.ID:
		err = errOther
	}
	if err != nil {
		return storeError(l.Name(), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.take(found, false)
	return nil
}

// logName is that of the log of the store's extents.
func (l *Log) logName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current.log()
}

// Active implements volume.Log.
func (l *Log) Active() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turn != nil
}

// Held implements volume.Log: nobody but this process is known to be at work.
func (l *Log) Held(context.Context) bool { return l.Active() }

// Close implements volume.Log.
func (l *Log) Close() (bool, error) {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.keeping.Wait()
	return first, nil
}

// Spool implements volume.Log.
func (l *Log) Spool(ctx context.Context) (volume.Spool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return l.volume.options.Spool()
}
