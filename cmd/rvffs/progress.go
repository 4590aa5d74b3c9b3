package main

import (
	"fmt"
	"io"
	"time"
)

// progressPace is how often a line of progress is written anew.
const progressPace = 200 * time.Millisecond

// showProgress tells on a terminal how far something is, until the function that
// it returns is called. Elsewhere it writes nothing.
func showProgress(out io.Writer, how func() (done, total int64)) (stop func()) {
	if !isTerminal(out) {
		return func() {}
	}
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(progressPace)
		defer ticker.Stop()
		for {
			select {
			case <-stopped:
				_, _ = fmt.Fprint(out, "\r\033[K")
				return
			case <-ticker.C:
				if done, total := how(); total > 0 {
					_, _ = fmt.Fprintf(out, "\r\033[K%d of %d MiB (%d %%)", done>>20, total>>20, 100*min(done, total)/total)
				}
			}
		}
	}()
	return func() {
		close(stopped)
		<-ended
	}
}
