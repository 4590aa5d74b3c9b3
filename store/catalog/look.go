package catalog

import (
	"context"
	"runtime"
	"sync"
	"time"

	"rvffs/store/volume"
)

// mostLate bounds the looks that have not come back in time, each of which holds a
// thread of the system, and mostLateInFolder those at what is in one folder. Beyond
// that nothing more is looked at until one comes back.
const (
	mostLate         = 64
	mostLateInFolder = 8
)

// lookKey says which file or folder is looked at, "." standing for the folder itself.
type lookKey struct {
	folder volume.Identity
	name   string
}

// lateLooks are those that did not come back in time, so that nobody else begins to
// wait where one does already.
type lateLooks struct {
	mu      sync.Mutex
	looks   map[lookKey]*lateLook
	changes uint64 // how often this process has changed anything
}

type lateLook struct {
	over     chan struct{} // closed when result is valid
	result   any
	outdated bool // this process has changed what was looked at
}

// claim gives what came late of a look, and forgets it; and the look itself while that
// is under way.
func (l *lateLooks) claim(key lookKey) (result any, under *lateLook) {
	l.mu.Lock()
	defer l.mu.Unlock()
	look := l.looks[key]
	if look == nil {
		return nil, nil
	}
	select {
	case <-look.over:
		delete(l.looks, key)
		if look.outdated {
			return nil, nil
		}
		return look.result, nil
	default:
		return nil, look
	}
}

// outdate notes that this process has changed what changed says yes to: looks at it
// that began before say nothing of it. Neither do those of which the folder was not
// known.
func (l *lateLooks) outdate(changed func(lookKey) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	for key, look := range l.looks {
		if key.folder == (volume.Identity{}) || changed(key) {
			look.outdated = true
		}
	}
}

// over is closed when a look that comes late has come.
func (l *lateLooks) over(key lookKey) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if look := l.looks[key]; look != nil {
		return look.over
	}
	over := make(chan struct{}) // it has come, and somebody asked for it again
	close(over)
	return over
}

// now tells moments apart between which something was changed.
func (l *lateLooks) now() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes
}

type momentKey struct{}

// within is ctx for looks that are parts of one that begins now.
func (l *lateLooks) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, momentKey{}, l.momentOf(ctx))
}

// momentOf is when the look began that ctx is of a part of, else now. What a part finds
// by names that were right then says nothing after a change.
func (l *lateLooks) momentOf(ctx context.Context) uint64 {
	if began, part := ctx.Value(momentKey{}).(uint64); part {
		return began
	}
	return l.now()
}

// leave notes that nobody waits for a look any more that began at a moment of now. What
// was changed since, and by whom, is not known any more.
func (l *lateLooks) leave(key lookKey, began uint64) *lateLook {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.looks == nil {
		l.looks = map[lookKey]*lateLook{}
	}
	look := &lateLook{over: make(chan struct{}), outdated: l.changes != began}
	l.looks[key] = look
	return look
}

// room reports whether another look at what is in a folder may come late.
func (l *lateLooks) room(folder volume.Identity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, inFolder := 0, 0
	for key, look := range l.looks {
		select {
		case <-look.over:
			continue
		default:
		}
		all++
		if key.folder == folder {
			inFolder++
		}
	}
	return all < mostLate && inFolder < mostLateInFolder
}

// forget drops what has come and was not asked for again.
func (l *lateLooks) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, look := range l.looks {
		select {
		case <-look.over:
			delete(l.looks, key)
		default:
		}
	}
}

// came takes what a look found that nobody waits for.
func (l *lateLooks) came(look *lateLook, result any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	look.result = result
	close(look.over)
}

// looked is what a look found; not known if that will only be told later.
type looked[T any] struct {
	found T
	known bool
}

// looker looks at one thing after the other, by their positions, and ends with close.
type looker[T any] interface {
	look(i int) T
	close()
}

// round are several looks, made by a few workers at a time.
type round[T any] struct {
	ctx  context.Context
	late *lateLooks
	keys []lookKey
	make func() looker[T]

	mu      sync.Mutex
	next    int // of keys, to be looked at
	left    int // whose results are not there
	results []looked[T]
	since   map[int]begun     // the looks that are under way
	given   map[int]*lateLook // those that nobody waits for any more
	over    chan struct{}     // closed when none is left
}

// begun is when a look began.
type begun struct {
	time   time.Time
	moment uint64 // of lateLooks
}

// lookAll looks at all keys, which are of one folder, each worker with a looker of its
// own. Nobody waits for one that does not answer within so long a time, or beyond the
// end of ctx.
func lookAll[T any](ctx context.Context, late *lateLooks, keys []lookKey, within time.Duration, make func() looker[T]) ([]looked[T], error) {
	if len(keys) > 0 && !late.room(keys[0].folder) {
		return newRound(ctx, late, keys, make).results, ctx.Err()
	}
	return lookNow(ctx, late, keys, within, make)
}

// lookNow is lookAll for somebody who has to know: however many looks are late.
func lookNow[T any](ctx context.Context, late *lateLooks, keys []lookKey, within time.Duration, make func() looker[T]) ([]looked[T], error) {
	r := newRound(ctx, late, keys, make)
	r.start(min(runtime.GOMAXPROCS(0), len(keys)))
	clock := time.NewTicker(within / 2)
	defer clock.Stop()
	for {
		select {
		case <-r.over:
			return r.results, ctx.Err()
		case <-ctx.Done():
			r.end()
			return nil, ctx.Err()
		case now := <-clock.C:
			r.giveUp(now.Add(-within))
		}
	}
}

func newRound[T any](ctx context.Context, late *lateLooks, keys []lookKey, makeLooker func() looker[T]) *round[T] {
	r := &round[T]{
		ctx: ctx, late: late, keys: keys, make: makeLooker, left: len(keys),
		results: make([]looked[T], len(keys)), since: map[int]begun{}, given: map[int]*lateLook{}, over: make(chan struct{}),
	}
	if r.left == 0 {
		close(r.over)
	}
	return r
}

func (r *round[T]) start(workers int) {
	for range workers {
		go r.work()
	}
}

func (r *round[T]) work() {
	var looker looker[T]
	for {
		i, more := r.take()
		if !more {
			break
		}
		if looker == nil {
			looker = r.make()
		}
		if !r.put(i, looker.look(i)) {
			break // another took this one's place
		}
	}
	if looker != nil {
		looker.close()
	}
}

// take gives the next that is to be looked at.
func (r *round[T]) take() (i int, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.next < len(r.keys) {
		i = r.next
		r.next++
		result, under := r.late.claim(r.keys[i])
		if found, came := result.(T); came {
			r.settle(i, looked[T]{found, true})
			continue
		}
		if under != nil {
			r.settle(i, looked[T]{})
			continue
		}
		r.since[i] = begun{time.Now(), r.late.momentOf(r.ctx)}
		return i, true
	}
	return 0, false
}

// put notes what was found, and reports whether anybody waited for it.
func (r *round[T]) put(i int, found T) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, awaited := r.since[i]; !awaited {
		if r.ctx.Err() != nil {
			r.late.came(r.given[i], nil) // it was cut short
		} else {
			r.late.came(r.given[i], found)
		}
		return false
	}
	delete(r.since, i)
	r.settle(i, looked[T]{found, true})
	return true
}

// settle notes a result. The caller holds mu.
func (r *round[T]) settle(i int, result looked[T]) {
	r.results[i] = result
	r.left--
	if r.left == 0 {
		close(r.over)
	}
}

// giveUp waits no more for looks that began before a moment. Others are begun in their
// places, twice as many: what does not answer is seldom alone.
func (r *round[T]) giveUp(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stopped := 0
	for i, since := range r.since {
		if since.time.After(before) {
			continue
		}
		delete(r.since, i)
		r.given[i] = r.late.leave(r.keys[i], since.moment)
		stopped++
		r.settle(i, looked[T]{})
	}
	switch {
	case stopped == 0 || r.left == 0:
	case r.late.room(r.keys[0].folder):
		r.start(2 * stopped)
	case len(r.since) == 0:
		for r.left > 0 { // nobody is there to look at the rest
			r.settle(r.next, looked[T]{})
			r.next++
		}
	}
}

// end waits for nothing any more.
func (r *round[T]) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, since := range r.since {
		delete(r.since, i)
		r.given[i] = r.late.leave(r.keys[i], since.moment)
	}
	r.next = len(r.keys)
}
