package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/store/vecio"
)

// StreamOptions says how a stream of bytes becomes vectors.
type StreamOptions struct {
	Format         vecio.Format // Auto: told by the first bytes
	AllowNonFinite bool         // let NaN and infinities pass
	// FlushBytes and FlushInterval bound what a stream can lose: whole records are
	// committed when so many bytes, or so much time, have come since the last
	// commit. 0 means never.
	FlushBytes    int64
	FlushInterval time.Duration
	// Report is told of each commit and of each refusal; nil is allowed. It is
	// called with the stream locked and must not call it.
	Report func(StreamReport)
}

// StreamReport tells what came of a part of a stream.
type StreamReport struct {
	Time     time.Time
	Format   vecio.Format
	Accepted uint64 // vectors committed
	Rejected uint64 // vectors dropped, and one more for an unreadable record
	Bytes    int64  // of the stream so far
	Epoch    uint32 // the commit's; 0 when nothing was committed
	Err      error
}

// AppendStream takes bytes in any of the formats of package vecio and appends
// their vectors. Its methods may be called from several goroutines.
type AppendStream struct {
	store    *Store
	options  StreamOptions
	received atomic.Int64

	mu        sync.Mutex
	ctx       context.Context // of the call under way
	appender  *Appender
	decoder   vecio.Decoder
	committed int64  // value of received at the last commit
	accepted  uint64 // vectors committed
	failed    error  // what ended the stream
	closed    bool
	timer     *time.Timer // runs while vectors wait to be committed
}

// OpenAppend starts a stream. It stays with the file that it was opened on: should
// another take its place, the stream fails with ErrStale. The writer lock is not
// taken before the first complete record. Close must be called.
func (s *Store) OpenAppend(options StreamOptions) (*AppendStream, error) {
	snapshot := s.Current()
	if err := s.checkWritable(snapshot); err != nil {
		return nil, fmt.Errorf("append to store %q: %w", s.Path(), err)
	}
	stream := &AppendStream{store: s, options: options, appender: s.NewAppender()}
	stream.appender.origin = snapshot.Origin()
	stream.decoder = vecio.NewDecoder(options.Format, sink{stream}, vecio.Options{AllowNonFinite: options.AllowNonFinite})
	return stream, nil
}

// sink is the stream as its decoder sees it.
type sink struct{ stream *AppendStream }

func (s sink) Dimension() int { return s.stream.appender.Dimension() }

func (s sink) SetDimension(dimension int) error {
	return s.stream.appender.SetDimension(s.stream.ctx, dimension)
}

func (s sink) Rows(ids []uint64, rows []byte) error {
	return s.stream.appender.Append(s.stream.ctx, ids, rows)
}

// Origin is the file that the stream goes to.
func (a *AppendStream) Origin() Origin { return a.appender.origin }

// Received is the number of bytes taken so far.
func (a *AppendStream) Received() int64 { return a.received.Load() }

// Write takes all of p. When p completes a record that cannot be taken, the
// error wraps ErrInput (or says what else went wrong), all vectors since the last
// commit are dropped, and the stream takes nothing more.
func (a *AppendStream) Write(ctx context.Context, p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable(); err != nil {
		return 0, err
	}
	a.ctx = ctx
	if _, err := a.decoder.Write(p); err != nil {
		return 0, a.refuse(err)
	}
	received := a.received.Add(int64(len(p)))
	if a.options.FlushBytes > 0 && received-a.committed >= a.options.FlushBytes && a.decoder.Committable() {
		if a.appender.CommitBehind() {
			a.committed = received
		} else if err := a.commit(); err != nil {
			return 0, err
		}
	}
	a.reportSettled()
	a.schedule()
	return len(p), nil
}

func (a *AppendStream) usable() error {
	switch {
	case a.failed != nil:
		return a.failed
	case a.closed:
		return fmt.Errorf("append to store %q: %w", a.store.Path(), ErrClosed)
	}
	return nil
}

// schedule sees to it that waiting vectors are committed in time.
func (a *AppendStream) schedule() {
	if a.options.FlushInterval <= 0 || a.appender.session == nil || a.timer != nil {
		return
	}
	a.timer = time.AfterFunc(a.options.FlushInterval, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.timer = nil
		if a.usable() == nil && a.decoder.Committable() {
			_ = a.commit() // the error is kept, and reported by the next call
		}
		if a.usable() == nil {
			a.schedule()
		}
	})
}

// Flush makes all records durable, a last line without its line feed among them.
// Inside a record it fails with ErrInput and keeps everything as it is, for the
// rest may still come.
func (a *AppendStream) Flush(ctx context.Context) error { return a.flush(ctx, a.settleAndEndLine) }

// Pause is Flush, except that a last line without its line feed is not whole: it
// may still go on.
func (a *AppendStream) Pause(ctx context.Context) error {
	return a.flush(ctx, func() error { return a.decoder.Settle() })
}

func (a *AppendStream) flush(ctx context.Context, settle func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable(); err != nil {
		return err
	}
	a.ctx = ctx
	if err := settle(); err != nil {
		return a.refuse(err)
	}
	if unfinished := a.decoder.Unfinished(); unfinished > 0 {
		return fmt.Errorf("append to store %q: %w: the stream stops inside a record, %d bytes from its start", a.store.Path(), ErrInput, unfinished)
	}
	return a.commit()
}

// Commit makes the whole records durable and keeps the rest of a record that has
// only begun.
func (a *AppendStream) Commit(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable(); err != nil {
		return err
	}
	a.ctx = ctx
	if !a.decoder.Committable() {
		return nil
	}
	return a.commit()
}

// CommitOpen is Commit for somebody who is not the writer: of a stream that has ended
// meanwhile, or failed, its writer knows, and there is nothing left to commit.
func (a *AppendStream) CommitOpen(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.usable() != nil || !a.decoder.Committable() {
		return nil
	}
	a.ctx = ctx
	return a.commit()
}

// Abandon ends the stream of a writer that was killed: its whole records stay.
func (a *AppendStream) Abandon(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable(); err != nil {
		return err
	}
	a.ctx = ctx
	err := a.decoder.Settle()
	if err == nil && a.decoder.Committable() {
		if err := a.commit(); err != nil {
			return err
		}
	}
	if err == nil {
		err = a.decoder.Finish()
	}
	if err != nil {
		return a.refuse(err)
	}
	return nil
}

// Close ends the stream. What is complete is committed; when the last record is
// not, everything since the last commit is dropped, and the error says so.
func (a *AppendStream) Close(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	defer func() { a.closed = true }()
	if a.failed != nil {
		return nil // said before
	}
	a.ctx = ctx
	err := a.settleAndEndLine()
	if err == nil {
		err = a.decoder.Finish()
	}
	if err != nil {
		return a.refuse(err)
	}
	return a.commit()
}

// settleAndEndLine hands on what waited for more bytes, where it is whole if none
// come.
func (a *AppendStream) settleAndEndLine() error {
	if err := a.decoder.Settle(); err != nil {
		return err
	}
	return a.decoder.EndLine()
}

// commit makes the vectors handed on so far durable.
func (a *AppendStream) commit() error {
	a.stopTimer()
	a.reportSettled()
	waiting := a.appender.rows
	epoch, count, err := a.appender.Commit()
	if err != nil {
		return a.fail(err, waiting)
	}
	a.committed = a.received.Load()
	if count > 0 {
		a.report(StreamReport{Accepted: count, Epoch: epoch})
	}
	return nil
}

// refuse drops what came since the last commit and ends the stream.
func (a *AppendStream) refuse(cause error) error {
	a.stopTimer()
	a.appender.drain()
	a.reportSettled()
	waiting := a.appender.rows
	if record := (*vecio.RecordError)(nil); errors.As(cause, &record) {
		cause = fmt.Errorf("%w: %w", ErrInput, cause)
		// The rows before it that its decoder has not handed on are dropped as well.
		waiting = max(waiting, uint64(max(0, record.Row-int64(a.accepted)))) + 1
	}
	return a.fail(errors.Join(cause, a.appender.Rollback()), waiting)
}

func (a *AppendStream) fail(cause error, rejected uint64) error {
	a.failed = fmt.Errorf("append to store %q: %w", a.store.Path(), cause)
	a.report(StreamReport{Rejected: rejected, Err: cause})
	return a.failed
}

// reportSettled tells of commits that were made while the stream went on.
func (a *AppendStream) reportSettled() {
	for _, s := range a.appender.takeSettled() {
		a.report(StreamReport{Accepted: s.count, Epoch: s.epoch})
	}
}

func (a *AppendStream) stopTimer() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

func (a *AppendStream) report(r StreamReport) {
	a.accepted += r.Accepted
	if a.options.Report == nil {
		return
	}
	r.Time, r.Format, r.Bytes = time.Now(), a.decoder.Format(), a.received.Load()
	a.options.Report(r)
}
