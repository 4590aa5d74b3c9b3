package bucket

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"rvffs/store/volume"
)

// Generation is a run of a store's bytes that only grows. Where they lie may change, as they
// are put into other extents; a reader goes by where they lie now.
type Generation struct {
	volume   *Volume
	place    *place
	id       string
	number   uint64
	info     volume.FileInfo
	now      atomic.Pointer[stored] // the newest object of it that is known
	layout   atomic.Pointer[layout]
	times    atomic.Uint64 // see Disturbed
	within   atomic.Uint64
	replaced atomic.Bool // another one has taken its place
	pins     pins
	ahead    ahead
}

func newGeneration(v *Volume, at *place, s *stored) *Generation {
	g := &Generation{volume: v, place: at, id: s.ID, number: s.Generation, info: s.info(s.Size)}
	g.lies(s)
	return g
}

// lies notes where its bytes lie now.
func (g *Generation) lies(s *stored) {
	g.now.Store(s)
	g.layout.Store(g.volume.layoutOf(s))
}

// disturb notes that somebody else has committed, or written over what was published.
func (g *Generation) disturb(within bool) {
	g.times.Add(1)
	if within {
		g.within.Add(1)
	}
}

// Pin implements volume.Generation.
func (g *Generation) Pin(ctx context.Context) (volume.Bytes, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.pins.users.Add(1)
	return pinned{g}, nil
}

// Unpin implements volume.Generation.
func (g *Generation) Unpin() error {
	g.pins.users.Add(-1)
	return nil
}

// Info implements volume.Generation.
func (g *Generation) Info() volume.FileInfo { return g.info }

// Disturbed implements volume.Generation.
func (g *Generation) Disturbed() (times, within uint64) { return g.times.Load(), g.within.Load() }

// pinned are a generation's bytes.
type pinned struct{ *Generation }

// ReadAt implements volume.Bytes. What is not there any more may lie somewhere else.
func (p pinned) ReadAt(b []byte, offset int64) (int, error) {
	g := p.Generation
	if g.replaced.Load() {
		g.pins.renew(g)
	}
	for {
		layout := g.layout.Load()
		if from, to := g.ahead.note(offset, int64(len(b)), g.volume.window); from < to {
			g.volume.readAhead(layout, from, to)
		}
		n, err := (&reader{g.volume, layout}).ReadAt(b, offset)
		if err == nil || errors.Is(err, io.EOF) || !errors.Is(err, volume.ErrStale) {
			return n, err
		}
		if !g.refresh(layout) {
			return n, err
		}
	}
}

// refresh looks where the bytes lie that do not lie as they did, and reports whether that is
// another place.
func (g *Generation) refresh(before *layout) bool {
	if g.layout.Load() != before {
		return true
	}
	found, err := g.volume.read(g.volume.ctx, g.place.at(), "")
	if err != nil || found.ID != g.id || found.Generation != g.number || found.moved != nil || found.Change <= g.now.Load().Change {
		return false
	}
	g.lies(found)
	return true
}

// Close implements volume.Bytes.
func (p pinned) Close() error { return p.Unpin() }

// Describe implements volume.Bytes.
func (p pinned) Describe() (volume.FileInfo, error) {
	now := p.now.Load()
	return now.info(now.Size), nil
}
