package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/objects"
)

// schedule says in which order the requests of several actors arrive. Time stands still while
// one of them can go on.
type schedule struct {
	choose  func(options int) int
	mu      sync.Mutex // guards what follows
	waiting []*waitingRequest
	running int
	dead    map[int]bool // the actors whose machines have died
}

// waitingRequest is one that its actor is about to make.
type waitingRequest struct {
	actor int
	gone  bool
	pass  chan struct{}
}

// gate is a bucket as an actor has it, whose requests wait for their turn.
type gate struct {
	*memory.Bucket
	schedule *schedule
	actor    int
}

var errDead = errors.New("the machine is dead")

func (s *schedule) isDead(actor int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead[actor]
}

func (g gate) await(ctx context.Context) error {
	w := &waitingRequest{actor: g.actor, pass: make(chan struct{})}
	g.schedule.mu.Lock()
	dead := g.schedule.dead[g.actor]
	if !dead {
		g.schedule.waiting = append(g.schedule.waiting, w)
	}
	g.schedule.mu.Unlock()
	if dead {
		return errDead
	}
	select {
	case <-w.pass:
		if g.schedule.isDead(g.actor) {
			return errDead
		}
		return nil
	case <-ctx.Done():
		g.schedule.mu.Lock()
		w.gone = true
		g.schedule.mu.Unlock()
		return ctx.Err()
	}
}

func (g gate) Get(ctx context.Context, key string, read objects.Read) (*objects.Object, error) {
	if err := g.await(ctx); err != nil {
		return nil, err
	}
	return g.Bucket.Get(ctx, key, read)
}

func (g gate) Put(ctx context.Context, key string, content []byte, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	if err := g.await(ctx); err != nil {
		return "", err
	}
	return g.Bucket.Put(ctx, key, content, meta, only)
}

func (g gate) PutLong(ctx context.Context, key string, content io.ReadSeeker, length int64, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	if err := g.await(ctx); err != nil {
		return "", err
	}
	return g.Bucket.PutLong(ctx, key, content, length, meta, only)
}

func (g gate) Delete(ctx context.Context, key string, only objects.Condition) error {
	if err := g.await(ctx); err != nil {
		return err
	}
	return g.Bucket.Delete(ctx, key, only)
}

func (g gate) List(ctx context.Context, list objects.List) (*objects.Page, error) {
	if err := g.await(ctx); err != nil {
		return nil, err
	}
	return g.Bucket.List(ctx, list)
}

// run has actors at work until all are done.
func (s *schedule) run(actors ...func()) {
	s.running = len(actors)
	for _, actor := range actors {
		go func() {
			actor()
			s.mu.Lock()
			s.running--
			s.mu.Unlock()
		}()
	}
	for {
		synctest.Wait()
		s.mu.Lock()
		s.waiting = slices.DeleteFunc(s.waiting, func(w *waitingRequest) bool { return w.gone })
		running := s.running
		var next *waitingRequest
		if n := len(s.waiting); n > 0 {
			slices.SortStableFunc(s.waiting, func(a, b *waitingRequest) int { return a.actor - b.actor })
			i := 0
			if n > 1 {
				i = s.choose(n)
			}
			next = s.waiting[i]
			s.waiting = slices.Delete(s.waiting, i, i+1)
		}
		s.mu.Unlock()
		switch {
		case next != nil:
			close(next.pass)
		case running == 0:
			return
		default:
			time.Sleep(time.Millisecond) // somebody rests
		}
	}
}

// world is a store at which several are at work, and what they were told.
type world struct {
	t       *testing.T
	objects *memory.Bucket
	options Options
	mu      sync.Mutex
	told    []string // acknowledged
	unsure  []string // neither acknowledged nor refused
	wrong   []error
}

func newWorld(t *testing.T, options Options) *world {
	w := &world{t: t, objects: memory.New(), options: options}
	w.options.Untidy, w.options.CommitTimeout, w.options.Timeout = true, 5*time.Second, time.Second
	create(t, w.objects, w.options, "a.rvf")
	setup := open(t, w.objects, w.options, "a.rvf")
	for i := range 2 {
		text := fmt.Sprintf("before %d", i)
		if err := setup.put(text); err != nil {
			t.Fatal(err)
		}
		w.told = append(w.told, text)
	}
	return w
}

func (w *world) fail(format string, values ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Errorf(format, values...))
}

// process opens the store by way of a schedule.
func (w *world) process(s *schedule, actor int, options Options) (*process, error) {
	p := &process{t: w.t, volume: Open(gate{w.objects, s, actor}, looking(options))}
	p.log = p.volume.Shelf().Log("a.rvf", volume.LogOptions{}).(*Log)
	_, err := p.log.Open(context.Background(), volume.Known{})
	return p, err
}

func (p *process) close() {
	_, _ = p.log.Close()
	_ = p.volume.Close()
}

// writer commits some texts.
func (w *world) writer(s *schedule, actor int, name string, count int) func() {
	return func() {
		p, err := w.process(s, actor, w.options)
		defer p.close()
		for i := 0; i < count && err == nil; i++ {
			text := fmt.Sprintf("%s %d", name, i)
			if err = p.put(text); err == nil {
				w.mu.Lock()
				w.told = append(w.told, text)
				w.mu.Unlock()
			} else {
				w.mu.Lock()
				w.unsure = append(w.unsure, text)
				w.mu.Unlock()
			}
		}
		if err != nil && w.objects.Fault == nil && !errors.Is(err, volume.ErrNotFound) && !errors.Is(err, fs.ErrNotExist) {
			w.fail("%s: %w", name, err)
		}
	}
}

// mover gives the store one name after the other.
func (w *world) mover(s *schedule, actor int, names ...string) func() {
	return func() {
		v := Open(gate{w.objects, s, actor}, looking(w.options))
		defer func() { _ = v.Close() }()
		for i := range names[1:] {
			if err := v.Move(context.Background(), names[i], names[i+1]); err != nil {
				if w.objects.Fault == nil {
					w.fail("move: %w", err)
				}
				return
			}
		}
	}
}

// lister looks at what there is.
func (w *world) lister(s *schedule, actor int) func() {
	return func() {
		v := Open(gate{w.objects, s, actor}, looking(w.options))
		defer func() { _ = v.Close() }()
		for range 2 {
			_, _ = w.list(v)
		}
	}
}

// list lists the stores, and brings to an end what others have begun.
func (w *world) list(v *Volume) (names []string, err error) {
	listing, err := v.List(context.Background(), ".")
	if err != nil {
		return nil, err
	}
	entries, err := listing.Entries()
	for _, entry := range entries {
		if entry.Type.IsDir() {
			continue
		}
		if _, gone := listing.Describe(entry.Name); gone == nil {
			names = append(names, entry.Name)
		} else if !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return names, err
}

// compactor writes the store anew.
func (w *world) compactor(s *schedule, actor int) func() {
	return func() {
		p, err := w.process(s, actor, w.options)
		defer p.close()
		if err == nil {
			err = p.compact()
		}
		if err != nil && w.objects.Fault == nil && !errors.Is(err, volume.ErrStale) {
			w.fail("compact: %w", err)
		}
	}
}

// compact writes the store anew, whatever others do.
func (p *process) compact() error {
	if err := p.tryBegin(); err != nil {
		return err
	}
	defer func() { _ = p.session.End() }()
	for {
		if err := p.rewrite(); !errors.Is(err, volume.ErrMoved) {
			return err
		}
	}
}

func (p *process) rewrite() (err error) {
	r, err := p.session.Rewrite(context.Background(), volume.RewriteOptions{Writes: func(s volume.Scratch) volume.Scratch { return s }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Abort()) }()
	base := p.session.Base()
	pinned, err := base.Generation.Pin(context.Background())
	if err != nil {
		return err
	}
	defer func() { _ = base.Generation.Unpin() }()
	manifest := *base.State.Manifest
	manifest.Epoch++
	manifest.Directory = nil
	for _, entry := range base.State.Named() {
		at, err := r.Copy(context.Background(), pinned, entry.Offset, segments.HeaderSize+int64(entry.PayloadLength))
		if err != nil {
			return err
		}
		entry.Offset = at
		manifest.Directory = append(manifest.Directory, entry)
	}
	last, err := r.Put(context.Background(), volume.NewSegment{Type: segments.TypeManifest, Payload: manifest.Encode()}, 9)
	if err != nil {
		return err
	}
	_, err = r.Publish(context.Background(), &segments.State{Manifest: &manifest, Segment: last, End: last.End(), Clean: true})
	return err
}

// sweeper deletes what nobody names, by a clock that is days ahead.
func (w *world) sweeper(s *schedule, actor int) func() {
	return func() {
		options := w.options
		options.Now = func() time.Time { return time.Now().Add(72 * time.Hour) }
		p, err := w.process(s, actor, options)
		defer p.close()
		if err == nil {
			err = errors.Join(p.log.deleteOrphans(context.Background()), p.log.deleteRetired(context.Background()))
		}
		if err != nil && w.objects.Fault == nil {
			w.fail("sweep: %w", err)
		}
	}
}

// settler makes one object of the store, by a clock that is ahead of that of the others.
func (w *world) settler(s *schedule, actor int) func() {
	return func() {
		options := looking(w.options)
		options.Now = func() time.Time { return time.Now().Add(time.Hour) }
		v := Open(gate{w.objects, s, actor}, options)
		defer func() { _ = v.Close() }()
		if _, err := v.SettleStore(context.Background(), "a.rvf", func(int64, int64) {}); err != nil && w.objects.Fault == nil {
			w.fail("settle: %w", err)
		}
	}
}

// clearer deletes what a store left that was settled, by a clock that is days ahead.
func (w *world) clearer(s *schedule, actor int) func() {
	return func() {
		options := looking(w.options)
		options.Now = func() time.Time { return time.Now().Add(72 * time.Hour) }
		v := Open(gate{w.objects, s, actor}, options)
		defer func() { _ = v.Close() }()
		if _, err := v.SweepRemoved(context.Background(), false); err != nil && w.objects.Fault == nil {
			w.fail("sweep: %w", err)
		}
	}
}

// folder makes few extents of many.
func (w *world) folder(s *schedule, actor int) func() {
	return func() {
		p, err := w.process(s, actor, w.options)
		defer p.close()
		if err == nil {
			_, err = p.log.fold(context.Background())
		}
		if err != nil && w.objects.Fault == nil {
			w.fail("fold: %w", err)
		}
	}
}

// reader looks again and again, and never sees less than before.
func (w *world) reader(s *schedule, actor int, times int) func() {
	return func() {
		p, err := w.process(s, actor, w.options)
		defer p.close()
		if err != nil {
			return
		}
		known := p.log.newest
		epoch := known.State.Manifest.Epoch
		for range times {
			version, err := p.log.Newest(context.Background(), known)
			if err != nil {
				if w.objects.Fault == nil {
					w.fail("look: %w", err)
				}
				return
			}
			if now := version.State.Manifest.Epoch; now < epoch {
				w.fail("a reader sees epoch %d after %d", now, epoch)
			}
			known, epoch = version, version.State.Manifest.Epoch
			if _, err := textsOf(version); err != nil && w.objects.Fault == nil && !errors.Is(err, volume.ErrStale) {
				w.fail("read: %w", err)
			}
		}
	}
}

// check compares what is there in the end with what was told.
func (w *world) check() error {
	w.objects.Fault = nil
	w.objects.Arrive()
	if len(w.wrong) > 0 {
		return errors.Join(w.wrong...)
	}
	v := Open(w.objects, looking(w.options))
	defer func() { _ = v.Close() }()
	names, err := w.list(v)
	if more, late := w.list(v); len(more) > 0 || late != nil {
		names, err = more, errors.Join(err, late)
	}
	if len(names) != 1 || err != nil {
		return fmt.Errorf("the store is at %q, %w", names, err)
	}
	log := v.Shelf().Log(names[0], volume.LogOptions{}).(*Log)
	version, err := log.Open(context.Background(), volume.Known{})
	if err != nil {
		return err
	}
	defer func() { _, _ = log.Close() }()
	texts, err := textsOf(version)
	if err != nil {
		return err
	}
	for _, text := range w.told {
		if n := count(texts, text); n != 1 {
			return fmt.Errorf("what was acknowledged, %q, is there %d times: %q", text, n, texts)
		}
	}
	for _, text := range texts {
		if count(texts, text) > 1 || !slices.Contains(w.told, text) && !slices.Contains(w.unsure, text) {
			return fmt.Errorf("%q is there: %q", text, texts)
		}
	}
	for _, e := range log.current.line.Extents {
		if w.objects.Content(v.logKey(log.current.line.Log)+e.Name) == nil {
			return fmt.Errorf("the extent %s is named and is not there", e.Name)
		}
	}
	return nil
}

func count(texts []string, text string) (n int) {
	for _, t := range texts {
		if t == text {
			n++
		}
	}
	return n
}

// casts are who is at work at the same time.
var casts = map[string]func(w *world, s *schedule) []func(){
	"two writers": func(w *world, s *schedule) []func() {
		return []func(){w.writer(s, 0, "first", 2), w.writer(s, 1, "second", 1)}
	},
	"a writer and a compactor": func(w *world, s *schedule) []func() {
		return []func(){w.writer(s, 0, "first", 2), w.compactor(s, 1)}
	},
	"a writer and a sweeper": func(w *world, s *schedule) []func() {
		return []func(){w.writer(s, 0, "first", 2), w.sweeper(s, 1)}
	},
	"a writer and who folds": func(w *world, s *schedule) []func() {
		return []func(){w.writer(s, 0, "first", 2), w.folder(s, 1)}
	},
	"a compactor and a sweeper": func(w *world, s *schedule) []func() {
		return []func(){w.compactor(s, 0), w.sweeper(s, 1), w.reader(s, 2, 2)}
	},
	"a writer and a mover": func(w *world, s *schedule) []func() {
		return []func(){w.writer(s, 0, "first", 2), w.mover(s, 1, "a.rvf", "b.rvf")}
	},
	"a mover and who looks": func(w *world, s *schedule) []func() {
		return []func(){w.mover(s, 0, "a.rvf", "b.rvf", "c.rvf"), w.lister(s, 1)}
	},
	"a writer and who settles": func(w *world, s *schedule) []func() {
		return []func(){w.writer(s, 0, "first", 3), w.settler(s, 1)}
	},
	"who settles and what is swept then": func(w *world, s *schedule) []func() {
		return []func(){w.settler(s, 0), w.writer(s, 1, "first", 2), w.clearer(s, 2)}
	},
	"who settles and others": func(w *world, s *schedule) []func() {
		return []func(){w.settler(s, 0), w.writer(s, 1, "first", 2), w.clearer(s, 2), w.compactor(s, 3), w.sweeper(s, 4), w.reader(s, 5, 3)}
	},
	"all": func(w *world, s *schedule) []func() {
		return []func(){w.writer(s, 0, "first", 2), w.writer(s, 1, "second", 2), w.compactor(s, 2), w.sweeper(s, 3), w.reader(s, 4, 3), w.folder(s, 5)}
	},
}

// placements are how much of a store is inline.
var placements = map[string]Options{"inline": {}, "extents": {Inline: 1, InlineBeside: 1}}

// TestEveryOrderOfRequests tries all orders up to a depth: of each, the first requests arrive
// in every order, and the rest in one.
func TestEveryOrderOfRequests(t *testing.T) {
	t.Parallel()
	for name, cast := range casts {
		for placement, options := range placements {
			t.Run(name+", "+placement, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					depth := map[int]int{2: 9, 3: 6, 6: 4}[len(cast(newWorld(t, options), &schedule{}))]
					if testing.Short() {
						depth = 3
					}
					var script []int
					for runs := 0; ; runs++ {
						w := newWorld(t, options)
						var sizes []int
						s := &schedule{choose: func(n int) int {
							sizes = append(sizes, n)
							if at := len(sizes) - 1; at < len(script) {
								return min(script[at], n-1)
							}
							return 0
						}}
						s.run(cast(w, s)...)
						if err := w.check(); err != nil {
							t.Fatalf("order %d: %v", script, err)
						}
						// The next script, as a number whose digits have so many values each.
						if script = following(script, sizes, depth); script == nil {
							t.Logf("%d orders", runs+1)
							return
						}
					}
				})
			})
		}
	}
}

// following is the script behind another, nil behind the last.
func following(script, sizes []int, depth int) []int {
	digits := make([]int, min(depth, len(sizes)))
	copy(digits, script)
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i]+1 < sizes[i] {
			digits[i]++
			return digits[:i+1]
		}
	}
	return nil
}

// patience is how long random orders are tried, by RVFFS_PATIENCE; else each of some seeds is.
var patience, _ = time.ParseDuration(os.Getenv("RVFFS_PATIENCE"))

// TestRandomOrdersWithFaults has requests arrive in random orders, and go wrong in all ways.
func TestRandomOrdersWithFaults(t *testing.T) {
	t.Parallel()
	for name, cast := range casts {
		for placement, options := range placements {
			t.Run(name+", "+placement, func(t *testing.T) {
				t.Parallel()
				begun := time.Now()
				for seed := uint64(0); seed < 200 || patience > 0 && time.Since(begun) < patience; seed++ {
					synctest.Test(t, func(t *testing.T) {
						random := rand.New(rand.NewPCG(seed, uint64(len(name))))
						w := newWorld(t, options)
						share := []int{1000000, 20, 6, 3}[random.IntN(4)]
						if share < 1000 {
							w.objects.Fault = func(memory.Request) memory.Fault {
								if random.IntN(share) > 0 {
									return memory.None
								}
								return memory.Fault(random.IntN(memory.Faults))
							}
						}
						s := &schedule{choose: random.IntN}
						s.run(cast(w, s)...)
						if err := w.check(); err != nil {
							t.Fatalf("seed %d, one fault in %d: %v", seed, share, err)
						}
					})
					if t.Failed() {
						return
					}
				}
			})
		}
	}
}
