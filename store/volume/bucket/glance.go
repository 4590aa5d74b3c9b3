package bucket

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"rvffs/store/volume"
)

// glances keeps what stood at names when it was looked there last, for who looks while the
// server does not answer.
type glances struct {
	mu    sync.Mutex // guards what follows
	known map[string]glanced
	late  map[string]bool // names of which an answer is late
	turns uint64          // how often this process has changed something
	ended bool            // nobody begins to look any more
}

// glanced is what was found at a name.
type glanced struct {
	info volume.FileInfo
	err  error // nothing is there
}

// glancesKept bounds how many are.
const glancesKept = 100_000

// glance looks what stands at a name: what is known of it where the server does not answer soon.
// Who is about to change something there asks instead.
func (v *Volume) glance(ctx context.Context, name string, look func(context.Context) (volume.FileInfo, error)) (volume.FileInfo, error) {
	g := &v.glances
	g.mu.Lock()
	known, some := g.known[name]
	late, turns := g.late[name], g.turns
	if g.ended {
		g.mu.Unlock()
		return volume.FileInfo{}, volume.ErrClosed
	}
	if late && some {
		g.mu.Unlock()
		return known.info, known.err
	}
	answered := make(chan glanced, 1)
	v.asking.Go(func() {
		info, err := look(v.ctx)
		answered <- glanced{info, err}
		g.answer(name, glanced{info, err}, turns)
	})
	g.mu.Unlock()
	patient := time.NewTimer(v.shortAnswer())
	defer patient.Stop()
	for {
		select {
		case found := <-answered:
			return found.info, found.err
		case <-ctx.Done():
			return volume.FileInfo{}, ctx.Err()
		case <-patient.C:
			if !some {
				continue // there is nothing to go on with
			}
			g.mu.Lock()
			g.late[name] = true
			g.mu.Unlock()
			select {
			case found := <-answered: // at the same moment
				g.mu.Lock()
				delete(g.late, name)
				g.mu.Unlock()
				return found.info, found.err
			default:
				return known.info, known.err
			}
		}
	}
}

// end has nobody begin to look any more.
func (g *glances) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
}

// answer notes what was found, unless this process has changed something since it was looked for.
func (g *glances) answer(name string, found glanced, turns uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.late, name)
	if g.turns != turns || found.err != nil && !errors.Is(found.err, fs.ErrNotExist) {
		return
	}
	if len(g.known) >= glancesKept {
		clear(g.known)
	}
	g.known[name] = found
}

// changed notes that this process has changed what stands at a key.
func (v *Volume) changed(key string) {
	name := strings.TrimSuffix(strings.TrimPrefix(key, v.prefix), "/")
	if name == "" {
		name = "."
	}
	g := &v.glances
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turns++
	delete(g.known, name)
}
