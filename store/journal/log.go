package journal

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrForgotten is the answer to who reads what is no longer kept.
var ErrForgotten = errors.New("these lines of the log are no longer kept")

// Log is the newest lines of a log. A byte of it has the same position for as long as it
// is kept.
type Log struct {
	number uint64

	mu    sync.Mutex
	first int64 // position of the first byte of text
	text  []byte
}

var numbers atomic.Uint64

// New gives a log without lines.
func New() *Log { return &Log{number: numbers.Add(1)} }

// Number tells the logs of this process apart.
func (l *Log) Number() uint64 { return l.number }

// Append adds whole lines, and forgets the oldest beyond so many bytes. It gives the
// bytes of memory that the log takes then.
func (l *Log) Append(lines []byte, limit int) (held int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, lines...)
	l.forget(limit)
	return cap(l.text)
}

// Shrink forgets the oldest lines beyond so many bytes, and gives the bytes of memory that
// the log takes then.
func (l *Log) Shrink(limit int) (held int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(limit)
	l.text = bytes.Clone(l.text)
	return cap(l.text)
}

// forget drops whole lines. A quarter more goes than has to, so that this happens rarely.
func (l *Log) forget(limit int) {
	over := len(l.text) - limit
	if over <= 0 {
		return
	}
	end := len(l.text)
	if least := over + limit/4; least < end {
		if feed := bytes.IndexByte(l.text[least:], '\n'); feed >= 0 {
			end = least + feed + 1
		}
	}
	l.first += int64(end)
	l.text = l.text[:copy(l.text, l.text[end:])]
}

// Extent gives the positions of the first byte that is kept and of the one to come.
func (l *Log) Extent() (first, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.first + int64(len(l.text))
}

// ReadAt copies what stands at a position, which may be less than there is room for, and
// nothing at the end.
func (l *Log) ReadAt(buffer []byte, position int64) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if position < l.first {
		return 0, ErrForgotten
	}
	return copy(buffer, l.text[min(position-l.first, int64(len(l.text))):]), nil
}

// Text gives all lines.
func (l *Log) Text() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text)
}
