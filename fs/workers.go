package fs

import "sync"

// workers run calls in goroutines of their own that are used again: a new one begins with
// a small stack, and to let that grow costs more than most calls do.
type workers struct {
	mu    sync.Mutex
	idle  []chan func()
	ended bool
}

// mostIdle is how many wait for work. There is work for more of them while disks do not
// answer.
const mostIdle = 16

// do has a worker run a call, the one that was idle last if there is one.
func (w *workers) do(call func()) {
	w.mu.Lock()
	last := len(w.idle) - 1
	if last < 0 {
		w.mu.Unlock()
		go w.work(call)
		return
	}
	worker := w.idle[last]
	w.idle = w.idle[:last]
	w.mu.Unlock()
	worker <- call
}

// work runs calls until too many workers are idle, or all are to end.
func (w *workers) work(call func()) {
	calls := make(chan func(), 1)
	for more := true; more; call, more = <-calls {
		call()
		if !w.rest(calls) {
			return
		}
	}
}

// rest makes a worker idle, and reports whether it may be.
func (w *workers) rest(worker chan func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || len(w.idle) >= mostIdle {
		return false
	}
	w.idle = append(w.idle, worker)
	return true
}

// end ends those that are idle, and the others after their calls.
func (w *workers) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	for _, worker := range w.idle {
		close(worker)
	}
	w.idle = nil
}
