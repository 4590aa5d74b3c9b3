package state

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/store/throttle"
)

// Checker compares the segments of stores with their content hashes when they are
// first read. One checker serves any number of stores; Close ends its work.
type Checker struct {
	// Behind bounds the checks behind the reads, by default those of all checkers of
	// this process together. Queued bounds the segments that wait, and Retry is how
	// long a file is left alone that could not be read. They may be changed while
	// nothing is read.
	Behind *throttle.Lanes
	Queued int
	Retry  time.Duration

	mode   VerifyMode
	slots  *throttle.Lanes // of checks that somebody waits for
	ctx    context.Context
	cancel context.CancelFunc
	worker sync.WaitGroup

	mu      sync.Mutex // guards what follows; never held over I/O
	files   []*checkQueue
	of      map[*Backing]*checkQueue
	queued  int // jobs
	reports []func()
	workers int         // that go on, or hang at a disk
	watch   *time.Timer // looks after them; nil while there is no need
	closed  bool

	moved atomic.Int64 // when a worker last got on, in nanoseconds
}

// checkPace is how a check goes on.
type checkPace struct {
	share throttle.Share
	lanes *throttle.Lanes // of which it takes one
	step  func()          // called when it got on
}

// urgent is the pace of a check that somebody waits for.
func (c *Checker) urgent() checkPace { return checkPace{throttle.FullSpeed, c.slots, func() {}} }

// behind is the pace of checks behind the reads.
func (c *Checker) behind() checkPace { return checkPace{checkShare, c.Behind, c.getOn} }

func (c *Checker) getOn() { c.moved.Store(time.Now().UnixNano()) }

// stuck reports whether no worker has got on lately: all of them hang at disks.
func (c *Checker) stuck() bool {
	return time.Since(time.Unix(0, c.moved.Load())) >= throttle.StuckAfter
}

// maxWorkers is how many may hang before nothing is checked behind the reads any
// more.
const maxWorkers = 8

// checkQueue is what is to be checked of one file. The checker's mu guards it.
type checkQueue struct {
	source *Backing
	jobs   []checkJob
}

// checkJob is a segment of a snapshot, or its audit chain.
type checkJob struct {
	snapshot *Snapshot
	segment  *checkedSegment // nil: the audit chain
}

// checkShare is the part of the time, in per cent, that checks behind the reads may
// take.
const checkShare throttle.Share = 30

// jobsPerTurn is how many segments of one file are looked at before it is another
// file's turn.
const jobsPerTurn = 64

// maxQueued bounds the jobs that wait: some megabytes.
const maxQueued = 1 << 18

// backgroundChecks bounds the checks behind the reads in this process.
var backgroundChecks = throttle.NewLanes(1)

// NewChecker makes a checker of a mode. VerifyNever needs none: then it is nil.
func NewChecker(mode VerifyMode) *Checker {
	if mode == VerifyNever {
		return nil
	}
	c := &Checker{Behind: backgroundChecks, Queued: maxQueued, Retry: checkRetry, mode: mode, slots: throttle.NewLanes(runtime.GOMAXPROCS(0)), of: map[*Backing]*checkQueue{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Close ends the checks that are under way behind reads, but waits for no disk that
// does not answer. Later reads start none; what was found stays known. It works on
// nil, too.
func (c *Checker) Close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.closed = true
	c.files, c.of, c.reports = nil, nil, nil
	c.mu.Unlock()
	c.cancel()
	ended := make(chan struct{})
	go func() {
		c.worker.Wait()
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		case <-time.After(throttle.StuckAfter / 4):
			if c.stuck() {
				return // they end when their disks answer
			}
		}
	}
}

// Wait returns when nothing is left to check behind the reads: so a program that uses the
// engine as a library has the verdicts on all that it read. Nobody must read meanwhile.
func (c *Checker) Wait() { c.worker.Wait() }

// enqueue has the checker come to a job some time, and reports whether it will: when it
// has too much to do, the job may be put to it again.
func (c *Checker) enqueue(source *Backing, job checkJob) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.queued >= c.Queued {
		return false
	}
	c.queued++
	queue := c.of[source]
	if queue == nil {
		queue = &checkQueue{source: source}
		c.of[source] = queue
		c.files = append(c.files, queue)
	}
	queue.jobs = append(queue.jobs, job)
	c.wake()
	return true
}

// tell has the checker call report, before anything else and with no lock held.
func (c *Checker) tell(report func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.reports = append(c.reports, report)
	c.wake()
}

// wake makes sure that somebody works who does not hang. The caller holds mu.
func (c *Checker) wake() {
	if c.workers == 0 || c.stuck() && c.workers < maxWorkers {
		c.workers++
		c.getOn()
		c.worker.Go(c.work)
	}
	if c.watch == nil {
		c.watch = time.AfterFunc(throttle.StuckAfter, c.lookAfter)
	}
}

// lookAfter is wake as long as there is something to do.
func (c *Checker) lookAfter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watch = nil; !c.closed && len(c.files)+len(c.reports) > 0 {
		c.wake()
	}
}

// work goes on until there is nothing left to do.
func (c *Checker) work() {
	for {
		reports, source, jobs := c.next()
		switch {
		case len(reports) > 0:
			for _, report := range reports {
				report()
			}
		case source != nil:
			c.turn(source, jobs)
		default:
			return
		}
	}
}

// next takes out what is to be done next: reports, before anything else, or some
// jobs of the file whose turn it is.
func (c *Checker) next() ([]func(), *Backing, []checkJob) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.reports) > 0 {
		reports := c.reports
		c.reports = nil
		return reports, nil, nil
	}
	if len(c.files) == 0 {
		c.workers--
		return nil, nil, nil
	}
	queue := c.files[0]
	c.files = c.files[1:]
	jobs := queue.jobs[:min(len(queue.jobs), jobsPerTurn)]
	c.queued -= len(jobs)
	if queue.jobs = queue.jobs[len(jobs):]; len(queue.jobs) > 0 {
		c.files = append(c.files, queue)
	} else {
		delete(c.of, queue.source)
	}
	return nil, queue.source, jobs
}

// turn does some jobs of one file, which is held open meanwhile.
func (c *Checker) turn(source *Backing, jobs []checkJob) {
	_, held := source.Acquire(c.ctx)
	if held == nil {
		defer func() { _ = source.Release() }() // nothing was written to it
	}
	for _, job := range jobs {
		if held != nil || job.run(c.ctx, c.behind()) != nil {
			job.putOff()
		}
		c.getOn()
	}
}

func (j checkJob) run(ctx context.Context, pace checkPace) error {
	if j.segment == nil {
		defer j.snapshot.checks().table.leaveAudit()
		return j.snapshot.settleAudit(ctx, pace)
	}
	return j.snapshot.settle(ctx, j.segment, pace)
}

// putOff lets a later read begin the job again: what cannot be read now is not
// damaged for that.
func (j checkJob) putOff() {
	j.snapshot.source.unreadable.Store(time.Now().UnixNano())
	if j.segment == nil {
		j.snapshot.checks().table.leaveAudit()
		return
	}
	j.segment.move(queued, unchecked)
}

// checkRetry is how long a file is left alone, by default, that could not be read.
const checkRetry = 10 * time.Second
