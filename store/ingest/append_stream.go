package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/stream"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// StreamOptions says how a stream of bytes becomes vectors.
type StreamOptions struct {
	Format         vecio.Format // Auto: told by the first bytes
	AllowNonFinite bool         // let NaN and infinities pass
	// FlushInterval bounds what a live stream can lose: its whole records are
	// committed when so much time has passed. A stream that brings more than 16 MiB
	// in one interval is a bulk load, of which nothing more is committed before
	// somebody asks for it. 0 means that nothing is committed unasked.
	FlushInterval time.Duration
	// FlushBytes commits whole records whenever so many bytes have come since the
	// last commit, of bulk loads too. 0 means never.
	FlushBytes int64
	// Whole makes the stream all or nothing, as a bulk load is, however little it brings.
	Whole bool
	// Report is told of each commit and of each refusal; nil is allowed. It is
	// called with the stream locked and must not call it.
	Report func(StreamReport)
}

// StreamReport tells what came of a part of a stream.
type StreamReport struct {
	Origin   state.Origin // the file that the stream goes to
	Time     time.Time
	Format   vecio.Format
	Accepted uint64 // vectors committed
	Rejected uint64 // vectors dropped, and one more for an unreadable record
	Bytes    int64  // of the stream since the report before
	Epoch    uint32 // the commit's; 0 when nothing was committed
	Err      error
}

// AppendStream takes bytes in any of the formats of package vecio and appends
// their vectors. A last line without its line feed is whole at Flush, not at Pause, for
// it may still go on then. A bulk load is all or nothing, so it is committed by its
// writer alone: nobody's Pause or CommitOpen, and no end of its store.
type AppendStream struct {
	*stream.Stream
	inside  stream.Inside
	options StreamOptions

	// What follows is for who has the stream to himself.
	ctx       context.Context // of the call under way
	appender  *Appender
	decoder   vecio.Decoder // nil at the end
	format    vecio.Format  // then
	memory    memory.Charge // of the decoder
	committed int64         // value of received at the last commit
	reported  int64         // and at the last report
	handed    int64         // rows of an ordered stream at the last commit
	passed    []vecio.Run   // of these, those that did not count then
	accepted  uint64        // vectors committed
	waiting   uint64        // vectors of a commit under way, or one that failed
	timer     *time.Timer   // runs while vectors of a live stream wait to be committed
	ticked    int64         // value of received at the timer's last tick, or at a commit since
	bulk      bool          // it was a bulk load at such a tick
	orphaned  bool          // its writer was killed, and what he left could not be committed yet
}

// bulkBytes is how much a stream brings in an interval of the flush policy, at
// least, that is a bulk load.
const bulkBytes = 16 << 20

// OpenAppend starts a stream to the file of an origin: should another take its place, the
// stream fails with ErrStale. The writer lock is not
// taken before the first complete record. Close must be called.
func (v *Vectors) OpenAppend(origin state.Origin, options StreamOptions) (*AppendStream, error) {
	a := &AppendStream{options: options, appender: v.NewAppender(origin), memory: v.env.Memory.Charge()}
	a.decoder = vecio.NewDecoder(options.Format, sink{a}, vecio.Options{AllowNonFinite: options.AllowNonFinite})
	a.Stream, a.inside = v.env.Streams.New(origin, "append to", stream.Content{
		Afford: a.afford, Write: a.write, Settle: a.settle, Commit: a.commit, Joined: a.appender.Joined, Drop: a.drop, LetGo: a.letGo,
	})
	if err := a.inside.Begin(); err != nil {
		return nil, err
	}
	return a, nil
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

func (a *AppendStream) afford(ctx context.Context, bytes int) error {
	err := a.appender.afford(ctx) // the little before the much, of which a wait would keep others
	if err == nil {
		err = a.memory.Await(ctx, decoderMemory(a.decoder.Held(), bytes))
	}
	if err != nil {
		a.weigh()
	}
	return err
}

// decoderMemory is what a decoder that holds so many bytes takes at most to take more:
// it moves what it has to where there is room for all. Two bytes of text become a value
// of four, four a row with an id of eight, in buffers that grow by doubling, up to a
// batch.
func decoderMemory(held, bytes int) int64 {
	const batch = 1 << 20 // rows of the greatest dimension, and ids of short ones
	return int64(held)*5/2 + int64(bytes) + min(8*int64(bytes), batch)
}

// weigh charges for what the decoder holds, and for nothing that was not needed.
func (a *AppendStream) weigh() {
	held := 0
	if a.decoder != nil {
		held = a.decoder.Held()
	}
	a.memory.Force(int64(held))
	a.appender.relent()
}

func (a *AppendStream) write(ctx context.Context, p []byte) error {
	a.ctx = ctx
	defer a.weigh()
	if _, err := a.decoder.Write(p); err != nil {
		return err
	}
	received := a.inside.Take(len(p))
	// A shell hears of what fails at its write alone, so whether anybody may write is not
	// put off with the question what it is.
	if row := 4 * a.appender.Dimension(); a.undecided() && row > 0 && a.decoder.Held() >= row {
		if err := a.appender.Join(ctx); err != nil {
			return err
		}
	}
	if due := a.options.FlushBytes > 0 && received-a.committed >= a.options.FlushBytes; due && a.decoder.Committable() {
		if err := a.decide(); err != nil {
			return err
		}
		if runs, _ := a.order(); runs == nil && a.appender.commitSoFar(a.inside.Life(), received) {
			a.committed = received
			_, a.handed = a.order()
		} else if err := a.commit(ctx); err != nil && !errors.As(err, new(stream.Passing)) {
			return err // what nobody asked for may come later
		}
	}
	a.reportSettled()
	a.schedule()
	return nil
}

// schedule sees to it that waiting vectors are committed in time.
func (a *AppendStream) schedule() {
	waiting := a.appender.Joined() || a.undecided() && a.decoder.Unfinished() > 0
	if a.options.FlushInterval <= 0 || !waiting || a.timer != nil || a.bulk {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(a.options.FlushInterval, func() {
		// An error is kept, and reported by the next call.
		_ = a.inside.Do(func() error {
			if a.timer != timer {
				return nil // it was stopped too late
			}
			a.timer = nil
			return a.tick()
		})
	})
	a.timer = timer
}

// tick ends an interval of the flush policy. What is not decided then waits for more bytes.
func (a *AppendStream) tick() error {
	a.bulk = a.isBulk()
	a.ticked = a.Received()
	if !a.bulk && a.decoder.Committable() {
		a.ctx = a.inside.Life()
		if err := a.decide(); err != nil {
			return err
		}
		if err := a.commit(a.ctx); err != nil {
			return err
		}
	}
	if !a.undecided() {
		a.schedule()
	}
	return nil
}

// undecided reports whether the decoder still keeps the first bytes, as their format is in
// doubt.
func (a *AppendStream) undecided() bool {
	return a.options.Format == vecio.Auto && a.decoder.Format() == vecio.Auto
}

// decide has the first bytes decided upon, if they are whole records.
func (a *AppendStream) decide() error {
	if a.undecided() {
		return a.decoder.Settle()
	}
	return nil
}

// isBulk reports whether the stream is a bulk load: then it is all or nothing, so
// that a program that fails on the way leaves nothing, and can do it all again. It is
// one until somebody asks for a commit.
func (a *AppendStream) isBulk() bool {
	return a.options.Whole || a.bulk || a.Received()-a.ticked > bulkBytes
}

func (a *AppendStream) settle(ctx context.Context, why stream.Occasion) (commit bool, err error) {
	a.ctx = ctx
	switch why {
	case stream.OnFlush, stream.OnHandover:
		return true, a.whole(a.settleAndEndLine())
	case stream.OnPause:
		return !a.isBulk(), a.whole(a.decoder.Settle())
	case stream.OnCommit:
		err := a.decide()
		return err == nil && a.decoder.Committable(), err
	case stream.OnOthers:
		if a.isBulk() {
			return false, nil
		}
		err := a.decide()
		return err == nil && a.decoder.Committable(), err
	case stream.OnShutdown:
		if a.isBulk() {
			return false, ErrInterrupted
		}
		return a.leaveWhole(ctx)
	case stream.OnDeath:
		return a.leaveWhole(ctx)
	case stream.OnClose:
		if a.orphaned {
			return a.leaveWhole(ctx)
		}
	}
	err = a.settleAndEndLine()
	if err == nil {
		err = a.decoder.Finish()
	}
	return true, err
}

// whole fails if the stream could not end here, where that is what it was settled for.
func (a *AppendStream) whole(err error) error {
	if err != nil {
		return err
	}
	if unfinished := a.decoder.Unfinished(); unfinished > 0 {
		return stream.Passing{Cause: fmt.Errorf("%w: the stream stops inside a record, %d bytes from its start", volume.ErrInput, unfinished)}
	}
	return nil
}

// leaveWhole ends the stream of a writer that says no more: his whole records stay.
func (a *AppendStream) leaveWhole(ctx context.Context) (commit bool, err error) {
	err = a.decoder.Settle()
	committable := a.decoder.Committable()
	if err == nil && committable {
		err = a.commit(ctx)
		a.orphaned = errors.As(err, new(stream.Passing))
	}
	if err == nil {
		err = a.decoder.Finish()
	}
	return !committable, err // it could end here all the same
}

// ErrInterrupted ends a bulk load whose store is closed.
var ErrInterrupted = fmt.Errorf("%w before the load was; what came since its last commit is dropped", volume.ErrClosed)

func (a *AppendStream) letGo() error {
	a.stopTimer()
	a.forget()
	a.weigh()
	return nil
}

// settleAndEndLine hands on what waited for more bytes, where it is whole if none
// come.
func (a *AppendStream) settleAndEndLine() error {
	if err := a.decoder.Settle(); err != nil {
		return err
	}
	return a.decoder.EndLine()
}

// commit makes the vectors handed on so far durable. When ctx ends before anything is
// written, they wait for another occasion.
func (a *AppendStream) commit(ctx context.Context) error {
	a.stopTimer()
	a.reportSettled()
	a.waiting = a.appender.rows
	runs, handed := a.order()
	if runs != nil {
		passed := a.passed
		err := a.passOver(runs, handed)
		if err == nil {
			err = a.appender.reorder(ctx, runs, a.handed)
		}
		if err != nil {
			a.passed = passed
			return passing(ctx, err)
		}
		ctx = a.inside.Life() // they cannot be put in order again
	}
	epoch, count, err := a.appender.Commit(ctx)
	if runs == nil && a.appender.Joined() {
		return passing(ctx, err)
	}
	if err != nil {
		return err
	}
	a.waiting = 0
	a.decoder.Trim()
	a.weigh()
	a.handed = handed
	a.committed = a.Received()
	a.ticked, a.bulk = a.committed, false
	if count > 0 {
		a.report(StreamReport{Accepted: count, Epoch: epoch})
	}
	return nil
}

// passing is an error that leaves the stream as it is, if it is but the end of ctx.
func passing(ctx context.Context, err error) error {
	if !ended(ctx, err) {
		return err
	}
	return stream.Passing{Cause: err}
}

// ended reports whether an error says that ctx has ended, and nothing else.
func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

// forget lets the decoder go, but for the format that it has found.
func (a *AppendStream) forget() {
	if a.decoder != nil {
		a.format = a.decoder.Format()
	}
	a.decoder = nil
}

// Format is that of a stream that was closed, as far as its bytes told.
func (a *AppendStream) Format() vecio.Format { return a.format }

// order is what the stream says of the order of its rows, and how many it has
// brought.
func (a *AppendStream) order() ([]vecio.Run, int64) {
	if ordered, is := a.decoder.(vecio.Ordered); is {
		return ordered.Order()
	}
	return nil, 0
}

func (a *AppendStream) drop(cause error) error {
	a.stopTimer()
	a.appender.drain()
	a.reportSettled()
	rejected := max(a.waiting, a.appender.rows)
	if record := (*vecio.RecordError)(nil); errors.As(cause, &record) {
		cause = fmt.Errorf("%w: %w", volume.ErrInput, cause)
		// The rows before it that its decoder has not handed on are dropped as well.
		rejected = max(rejected, uint64(max(0, record.Row-int64(a.accepted)))) + 1
	}
	cause = errors.Join(cause, a.appender.Rollback())
	a.report(StreamReport{Rejected: rejected, Err: cause})
	a.forget()
	a.weigh()
	return cause
}

// reportSettled tells of commits that were made while the stream went on.
func (a *AppendStream) reportSettled() {
	for _, s := range a.appender.takeSettled() {
		a.reportUntil(s.received, StreamReport{Accepted: s.count, Epoch: s.epoch})
	}
}

func (a *AppendStream) stopTimer() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

func (a *AppendStream) report(r StreamReport) { a.reportUntil(a.Received(), r) }

// reportUntil is report about the first bytes of the stream.
func (a *AppendStream) reportUntil(received int64, r StreamReport) {
	a.accepted += r.Accepted
	r.Bytes, a.reported = received-a.reported, received
	if a.options.Report == nil {
		return
	}
	r.Time, r.Origin, r.Format = time.Now(), a.Origin(), a.decoder.Format()
	a.options.Report(r)
}
