package bucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// glances keeps what stood at names when it was looked there last: for who looks again before it
// is older than Freshness, and for who looks while the server does not answer.
type glances struct {
	mu      sync.Mutex // guards what follows
	known   map[string]glanced
	late    map[string]bool // names of which an answer is late
	cleared time.Time       // when known was forgotten last
}

// glanced is what was found at a name.
type glanced struct {
	info  volume.FileInfo
	err   error     // nothing is there
	asked time.Time // when it was asked for; zero: nothing is known but that this process has changed it
	since time.Time // who asked before that knows less
}

// glancesKept bounds how many are.
const glancesKept = 100_000

// glance looks what stands at a name: what is known of it where that is fresh, or where the server
// does not answer soon. Who is about to change something there asks instead.
func (v *Volume) glance(ctx context.Context, name string, look func(context.Context) (volume.FileInfo, error)) (volume.FileInfo, error) {
	g := &v.glances
	g.mu.Lock()
	known := g.known[name]
	some := !known.asked.IsZero()
	fresh := some && v.options.Freshness > 0 && time.Since(known.asked) < v.options.Freshness && !g.outdated(name, known)
	late := some && g.late[name]
	g.mu.Unlock()
	if fresh || late {
		return known.info, known.err
	}
	answered := make(chan glanced, 1)
	looks := v.beside.do(func() {
		asked := time.Now()
		info, err := look(v.ctx)
		found := glanced{info, err, asked, asked}
		g.answer(name, found)
		answered <- found
	})
	if !looks {
		return volume.FileInfo{}, volume.ErrClosed
	}
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

// find is what is known of a name.
func (g *glances) find(name string) glanced {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known[name]
}

// outdated reports whether this process has changed since something above a name: what is below
// a file is not there for another reason than what is below a folder. The caller holds mu.
func (g *glances) outdated(name string, known glanced) bool {
	for at := path.Dir(name); at != "."; at = path.Dir(at) {
		if g.known[at].since.After(known.asked) {
			return true
		}
	}
	return false
}

// answer notes what was found, unless this process has changed something there since it was asked for.
func (g *glances) answer(name string, found glanced) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.late, name)
	if found.err != nil && !errors.Is(found.err, fs.ErrNotExist) {
		return
	}
	if found.since.After(g.cleared) && !g.known[name].since.After(found.since) {
		g.keep(name, found)
	}
}

// keep notes what is known of a name. The caller holds mu.
func (g *glances) keep(name string, found glanced) {
	if len(g.known) >= glancesKept {
		clear(g.known)
		g.cleared = time.Now()
	}
	g.known[name] = found
}

// changed notes that this process has changed what stands at a key, or has tried to.
func (v *Volume) changed(key string) {
	v.note(key, glanced{since: time.Now()})
}

// published notes what this process has put at a key, which it was about to do at a moment.
func (v *Volume) published(s *stored, asked time.Time) {
	if s.moved == nil && !strings.HasSuffix(s.key, "/") {
		v.note(s.key, glanced{info: s.info(s.Size), asked: asked, since: time.Now()})
	}
}

func (v *Volume) note(key string, found glanced) {
	name := strings.TrimSuffix(strings.TrimPrefix(key, v.prefix), "/")
	if key == v.markerKey(".") {
		name = "."
	}
	if strings.HasPrefix(name, hidden+"/") {
		return // nobody looks there by name
	}
	g := &v.glances
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keep(name, found)
}

// noting is a bucket of whose changes by this process it is known which names they concern.
type noting struct {
	objects.Bucket
	volume *Volume
}

// Put implements objects.Bucket.
func (n noting) Put(ctx context.Context, key string, content []byte, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	defer n.volume.changed(key)
	return n.Bucket.Put(ctx, key, content, meta, only)
}

// PutLong implements objects.Bucket.
func (n noting) PutLong(ctx context.Context, key string, content io.ReadSeeker, length int64, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	defer n.volume.changed(key)
	return n.Bucket.PutLong(ctx, key, content, length, meta, only)
}

// Delete implements objects.Bucket.
func (n noting) Delete(ctx context.Context, key string, only objects.Condition) error {
	defer n.volume.changed(key)
	return n.Bucket.Delete(ctx, key, only)
}

// Copy implements objects.Bucket.
func (n noting) Copy(ctx context.Context, from, to string) (objects.Tag, error) {
	defer n.volume.changed(to)
	return n.Bucket.Copy(ctx, from, to)
}

// Complete implements objects.Uploads.
func (n noting) Complete(ctx context.Context, key string, upload objects.Upload, parts []objects.Tag, only objects.Condition) (objects.Tag, error) {
	defer n.volume.changed(key)
	return n.Bucket.Complete(ctx, key, upload, parts, only)
}
