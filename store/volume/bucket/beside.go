package bucket

import "sync"

// beside is what a volume does that nobody waits for by name. It ends with the volume.
type beside struct {
	mu    sync.Mutex // guards what follows
	ended bool
	work  sync.WaitGroup
}

// do begins some work, unless the volume is closed. It reports whether it has.
func (b *beside) do(work func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.work.Go(work)
	}
	return !b.ended
}

// end has nothing begin any more, and waits for what has begun.
func (b *beside) end() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.work.Wait()
}
