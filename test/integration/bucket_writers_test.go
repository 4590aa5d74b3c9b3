package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The writers of a mount are a process of their own, whose files nobody inherits: who starts a
// program closes in it what is open in himself, and so commits.

// writersOrders tell such a process what to do until its standard input ends.
type writersOrders struct {
	Points []string // of all mounts
	Mine   int      // the one by which it writes
	First  uint64   // the number of its first writer
	Seed   uint64
}

// writersResult is what it tells then.
type writersResult struct {
	Journals []*journal
	Failures []failure
	Tally    map[string]int
}

// failure is something that went wrong by a mount, in a span of time.
type failure struct {
	Mount    int
	From, To time.Time
	What     string
}

func init() { userTasks["write to a bucket"] = writersAtWork }

const (
	// writersOfMount is how many write by each mount.
	writersOfMount = 8
	// The sizes of a batch: of an extent, and of one that is sent in parts.
	extentBatch, partsBatch = 2_000, 40_000
)

// writers are those of one mount at work, with who deletes, compacts and looks.
type writers struct {
	writersOrders
	ended chan struct{}

	mu     sync.Mutex
	result writersResult
}

// writersAtWork is the task of the process.
func writersAtWork(orders *json.Decoder) (any, error) {
	w := &writers{ended: make(chan struct{}), result: writersResult{Tally: map[string]int{}}}
	if err := orders.Decode(&w.writersOrders); err != nil {
		return nil, err
	}
	for i := range uint64(writersOfMount) {
		w.result.Journals = append(w.result.Journals, newJournal(w.First+i, w.Seed))
	}
	var all sync.WaitGroup
	for _, j := range w.result.Journals {
		all.Go(func() { w.write(j) })
	}
	all.Go(w.look)
	all.Go(w.delete)
	all.Go(w.compact)
	var none any
	if err := orders.Decode(&none); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("there is no end of the orders: %w", err)
	}
	close(w.ended)
	all.Wait()
	return w.result, nil
}

// path is a file of the store as a mount has it.
func (w *writers) path(mount int, name string) string {
	return filepath.Join(w.Points[mount], "a.rvf", name)
}

// fail notes what went wrong since a time.
func (w *writers) fail(mount int, from time.Time, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Failures = append(w.result.Failures, failure{mount, from, time.Now(), what})
}

func (w *writers) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Tally[what]++
}

// over reports whether the time is up.
func (w *writers) over() bool {
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

// pause waits, until the time is up at most.
func (w *writers) pause(span time.Duration) {
	select {
	case <-w.ended:
	case <-time.After(span):
	}
}

// try does something by a mount and reports whether that succeeded. It notes it if not.
func (w *writers) try(mount int, what string, do func() error) bool {
	from := time.Now()
	err := do()
	if err == nil {
		w.count(what)
		return true
	}
	if !errors.Is(err, fs.ErrNotExist) && !notConnected(err) { // the mount is there
		err = fmt.Errorf("%w\n%s", err, w.told(mount))
	}
	w.fail(mount, from, fmt.Sprintf("%s: %v", what, err))
	w.count(what + " failed")
	w.pause(50 * time.Millisecond)
	return false
}

// told is what a mount has told of what went wrong last.
func (w *writers) told(mount int) string {
	text, err := os.ReadFile(w.path(mount, "append.log"))
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return !strings.Contains(line, `"error":`) })
	return strings.Join(lines[max(0, len(lines)-2):], "\n")
}

// write writes, now few vectors and now many, until the time is up.
func (w *writers) write(j *journal) {
	source := rand.New(rand.NewPCG(w.Seed, j.Writer<<8))
	path := w.path(w.Mine, "vectors.append")
	for turn := 0; !w.over(); turn++ {
		choice := source.IntN(1000)
		if turn == 2 && j.Writer%writersOfMount == 1 {
			choice = 1 // a long one at least
		}
		switch {
		case choice < 2:
			w.try(w.Mine, "an append in parts", func() error { return j.pourUnnamed(path, partsBatch) })
		case choice < 10:
			w.try(w.Mine, "an append of an extent", func() error { return j.pourUnnamed(path, extentBatch) })
		case choice < 400:
			w.try(w.Mine, "an append", func() error { return j.pourUnnamed(path, 1+source.IntN(3)) })
		default:
			from := time.Now()
			if w.try(w.Mine, "an append with ids", func() error { return j.pourNamed(path, 1+source.IntN(3)*source.IntN(6)) }) && source.IntN(5) == 0 {
				w.seen(j, from)
			}
		}
	}
}

// seen has who wrote look at what he has just written.
func (w *writers) seen(j *journal, from time.Time) {
	id := j.latest
	_, err := os.ReadFile(w.path(w.Mine, fmt.Sprintf("vectors/by-id/%d.json", id)))
	if errors.Is(err, fs.ErrNotExist) && j.has(id) {
		w.fail(w.Mine, from, fmt.Sprintf("%d was acknowledged, and is not shown", id))
	}
	w.count("a look at what was written")
}

// look looks again and again: a mount never goes back.
func (w *writers) look() {
	var epoch int64
	for last := time.Now(); !w.over(); w.pause(50 * time.Millisecond) {
		text, err := os.ReadFile(w.path(w.Mine, "status.json"))
		var status struct {
			Epoch int64 `json:"epoch"`
		}
		if err != nil || json.Unmarshal(text, &status) != nil {
			continue
		}
		if status.Epoch < epoch {
			w.fail(w.Mine, last, fmt.Sprintf("epoch %d is shown after %d", status.Epoch, epoch))
		}
		epoch, last = status.Epoch, time.Now()
		w.count("a look")
	}
}

// delete deletes what writers give away, by any mount.
func (w *writers) delete() {
	source := rand.New(rand.NewPCG(w.Seed, w.First<<16))
	for !w.over() {
		j, mount := w.result.Journals[source.IntN(writersOfMount)], source.IntN(len(w.Points))
		if ids := j.giveAway(1 + source.IntN(5)); len(ids) > 0 {
			w.try(mount, "a deletion", func() error { return j.pourDeletion(w.path(mount, "vectors.delete"), ids) })
		}
		w.pause(time.Duration(source.Int64N(int64(400 * time.Millisecond))))
	}
}

// compact has the store written anew, now and then.
func (w *writers) compact() {
	source := rand.New(rand.NewPCG(w.Seed, w.First<<24))
	for !w.over() {
		w.pause(time.Duration(source.Int64N(int64(4 * time.Second))))
		err := os.WriteFile(w.path(w.Mine, "ctl"), []byte("compact\n"), 0)
		w.count(map[bool]string{true: "a compaction", false: "a compaction failed"}[err == nil])
	}
}

// notConnected reports whether an error is that of a mount whose process is gone.
func notConnected(err error) bool {
	return errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNABORTED)
}
