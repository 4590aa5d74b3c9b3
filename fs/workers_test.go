package fs

import (
	"runtime"
	"sync"
	"testing"
)

// TestWorkersWorkAgain: calls that come one after the other are one worker's, those that come
// at the same time wait for none of them, and at the end all workers go.
func TestWorkersWorkAgain(t *testing.T) {
	t.Parallel()
	var w workers
	idle := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.idle)
	}
	for range 1000 {
		done := make(chan struct{})
		w.do(func() { close(done) })
		<-done
		for idle() == 0 {
			runtime.Gosched()
		}
	}
	if n := idle(); n != 1 {
		t.Errorf("%d workers have done what one could", n)
	}
	const many = 4 * mostIdle
	var begun, over sync.WaitGroup
	let := make(chan struct{})
	begun.Add(many)
	over.Add(many)
	for range many {
		w.do(func() {
			defer over.Done()
			begun.Done()
			<-let
		})
	}
	begun.Wait() // for all of them at once
	close(let)
	over.Wait()
	for idle() < mostIdle {
		runtime.Gosched()
	}
	w.end()
	done := make(chan struct{})
	w.do(func() { close(done) })
	<-done
	if n := idle(); n != 0 {
		t.Errorf("%d workers wait after the end", n)
	}
}
