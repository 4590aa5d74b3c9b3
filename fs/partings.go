package fs

import (
	"context"
	"sync"
	"time"

	"rvffs/store/catalog"
)

// partings are streams that stop inside a record, and whose openers were told so as they
// closed them. Whether anybody else has a descriptor, by which the rest could come, only
// the kernel knows. It says so when the last one is closed, with nobody waiting, and only then
// it is settled what became of the stream. In the usual case that is a moment after the
// opener's close, in which he could look for the reason in vain: so who opens the log then
// waits a little.
type partings struct {
	mu   sync.Mutex
	over map[*streamHandle]chan struct{} // closed when it is settled, or the stream goes on
}

// add notes that a stream may be about to end.
func (p *partings) add(h *streamHandle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over[h] == nil {
		if p.over == nil {
			p.over = map[*streamHandle]chan struct{}{}
		}
		p.over[h] = make(chan struct{})
	}
}

// remove lets nobody wait for a stream any more.
func (p *partings) remove(h *streamHandle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if over := p.over[h]; over != nil {
		close(over)
		delete(p.over, h)
	}
}

// await waits until a store's streams are settled that are about to end, but no longer than
// one who leaves waits. Of one that somebody else holds open it is told when it ends, and
// nobody waits for it again.
func (p *partings) await(ctx context.Context, s *catalog.Store) {
	streams := p.ofStore(s)
	if len(streams) == 0 {
		return
	}
	limit := time.NewTimer(parting)
	defer limit.Stop()
	for h, over := range streams {
		select {
		case <-over:
		case <-ctx.Done():
			return
		case <-limit.C:
			for h := range streams {
				p.remove(h)
			}
			return
		}
		delete(streams, h)
	}
}

func (p *partings) ofStore(s *catalog.Store) map[*streamHandle]chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	streams := map[*streamHandle]chan struct{}{}
	for h, over := range p.over {
		if h.store == s {
			streams[h] = over
		}
	}
	return streams
}
