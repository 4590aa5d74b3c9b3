package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// DeleteReport tells what came of a part of a stream of ids.
type DeleteReport struct {
	Origin  state.Origin // the file whose vectors are deleted
	Time    time.Time
	Format  vecio.IDFormat
	Deleted uint64 // vectors that were live
	Missing uint64 // different ids without a live vector
	Bytes   int64  // of the stream since the report before
	Epoch   uint32 // of the state without them
	Err     error
}

// errKilled ends the stream of a writer that did not live to close it.
var errKilled = errors.New("the writer was killed, or failed, before it closed the stream; nothing is deleted")

// DeleteStream takes ids in any of the formats of package vecio and deletes their
// vectors, all that came since the last commit in one. Until then it holds them as
// a set. Its methods may be called from several goroutines.
type DeleteStream struct {
	streamState
	store  *Store
	origin state.Origin // the file whose vectors are deleted
	report func(DeleteReport)

	// What follows is guarded by mu.
	decoder  *vecio.IDDecoder
	session  *session      // from the first bytes after a commit on
	ids      *idset.Set    // since the last commit
	memory   memory.Charge // of the ids
	weighed  int64         // bytes of them when it was last looked
	since    int64         // bytes of the stream since then
	reported int64         // value of received at the last report
}

// OpenDelete starts a stream of ids, which stays with its file like one of vectors.
// The writer lock is taken by the first write, which so fails where nobody may write.
// Report is told of each commit and of what ends the stream; it is called with the
// stream locked and must not call it; nil is allowed. Close must be called.
func (s *Store) OpenDelete(format vecio.IDFormat, report func(DeleteReport)) (*DeleteStream, error) {
	snapshot := s.Current()
	if err := s.checkWritable(snapshot); err != nil {
		return nil, fmt.Errorf("delete from store %q: %w", s.Path(), err)
	}
	stream := &DeleteStream{store: s, origin: snapshot.Origin(), report: report, ids: idset.New(), memory: s.options.Memory.Charge()}
	stream.decoder = vecio.NewIDDecoder(format, func(id uint64) { stream.ids.Insert(id) })
	return stream, nil
}

// Origin is the file whose vectors are deleted.
func (d *DeleteStream) Origin() state.Origin { return d.origin }

func (d *DeleteStream) describe(err error) error {
	return fmt.Errorf("delete from store %q: %w", d.store.Path(), err)
}

// Afford waits until there is memory to take so many bytes, for some seconds or until
// ctx ends. An error leaves the stream as it is.
func (d *DeleteStream) Afford(ctx context.Context, bytes int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(d.describe); err != nil {
		return err
	}
	if err := d.memory.Await(ctx, d.memoryFor(bytes)); err != nil {
		return d.describe(err)
	}
	return nil
}

// memoryFor is what the ids take at most when so many bytes more have come. Two bytes
// of text are enough for an id and what separates it from the next.
func (d *DeleteStream) memoryFor(bytes int) int64 {
	const perByte = 5
	return d.weighed + perByte*(d.since+int64(bytes))
}

// weigh charges for the ids. They are looked at when a sixteenth more may have come.
func (d *DeleteStream) weigh(taken int) {
	d.since += int64(taken)
	if d.since > max(64<<10, d.weighed/64) || d.ids.Len() == 0 {
		d.weighed, d.since = d.ids.Bytes(), 0
	}
	d.memory.Force(d.memoryFor(0))
}

// Write takes all of p. When p holds what is no id, the error wraps ErrInput,
// nothing that came since the last commit is deleted, and the stream takes nothing
// more.
func (d *DeleteStream) Write(ctx context.Context, p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(d.describe); err != nil {
		return 0, err
	}
	if _, err := d.decoder.Write(p); err != nil {
		return 0, d.refuse(err)
	}
	if err := d.join(ctx); err != nil {
		return 0, d.fail(err)
	}
	d.received.Add(int64(len(p)))
	d.weigh(len(p))
	return len(p), nil
}

// join takes the writer lock, if this process does not hold it yet.
func (d *DeleteStream) join(ctx context.Context) (err error) {
	if d.session == nil {
		d.session, err = d.store.writer.begin(state.OnlyIn(ctx, d.origin))
	}
	return err
}

// leave gives the lock back.
func (d *DeleteStream) leave() error {
	if d.session == nil {
		return nil
	}
	session := d.session
	d.session = nil
	return d.store.writer.end(session)
}

// Refuse ends the stream because of a write that is not as it has to be: nothing
// that came since the last commit is deleted. The error is the one with which all
// that follows fails.
func (d *DeleteStream) Refuse(cause error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(d.describe); err != nil {
		return err
	}
	return d.fail(cause)
}

// Flush deletes. The end of the bytes so far ends an id; inside of anything else
// it fails with ErrInput and keeps what it has, for the rest may still come.
func (d *DeleteStream) Flush(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(d.describe); err != nil {
		return err
	}
	if err := d.decoder.Settle(); err != nil {
		return d.refuse(err)
	}
	if err := d.whole(); err != nil {
		return err
	}
	return d.commit(ctx)
}

// Handover is Flush by a writer that is done where others may go on, even in the
// same number: that one waits, for what is deleted by mistake is gone.
func (d *DeleteStream) Handover(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(d.describe); err != nil {
		return err
	}
	if err := d.decoder.Decide(); err != nil {
		return d.refuse(err)
	}
	if err := d.whole(); err != nil {
		return err
	}
	return d.commit(ctx)
}

// Pause is what happens when somebody who has not written lets the stream go:
// nothing, but inside a record it fails.
func (d *DeleteStream) Pause(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(d.describe); err != nil {
		return err
	}
	return d.whole()
}

// whole says whether the stream could end here.
func (d *DeleteStream) whole() error {
	if unfinished := d.decoder.Unfinished(); unfinished > 0 && !d.decoder.InNumber() {
		return d.describe(fmt.Errorf("%w: the stream stops inside a record, %d bytes from its start", volume.ErrInput, unfinished))
	}
	return nil
}

// Commit deletes the ids that are complete.
func (d *DeleteStream) Commit(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(d.describe); err != nil {
		return err
	}
	return d.commit(ctx)
}

// Abandon ends the stream of a writer that was killed. Nothing is deleted: what
// is missing of its list cannot be known, and what was deleted would be lost.
func (d *DeleteStream) Abandon(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(d.describe); err != nil {
		return err
	}
	if d.ids.Len() == 0 && d.decoder.Unfinished() == 0 {
		return d.leave()
	}
	return d.fail(errKilled)
}

// CommitOpen commits nothing: a list of ids is deleted when its writer says that it is
// complete.
func (d *DeleteStream) CommitOpen(context.Context) error { return nil }

// Interrupt ends the stream of a writer that cannot be heard any more, as if it had
// been killed.
func (d *DeleteStream) Interrupt(ctx context.Context) error {
	if d.over() {
		return nil
	}
	return d.Abandon(ctx)
}

// Close ends the stream. When it does not end with a whole id, nothing that came
// since the last commit is deleted, and the error says so.
func (d *DeleteStream) Close(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	defer func() { d.closed = true }()
	if d.failed != nil {
		return nil // said before
	}
	if err := d.decoder.Finish(); err != nil {
		return d.refuse(err)
	}
	return d.commit(ctx)
}

func (d *DeleteStream) commit(ctx context.Context) error {
	if d.ids.Len() == 0 {
		if err := d.leave(); err != nil {
			return d.fail(err)
		}
		return nil
	}
	result, err := d.store.delete(state.OnlyIn(ctx, d.origin), d.ids)
	if err = errors.Join(err, d.leave()); err != nil {
		return d.fail(err)
	}
	d.ids = idset.New()
	d.weigh(0)
	d.tell(DeleteReport{Deleted: result.Deleted, Missing: result.Missing, Epoch: result.Epoch})
	return nil
}

func (d *DeleteStream) refuse(cause error) error {
	return d.fail(fmt.Errorf("%w: %w", volume.ErrInput, cause))
}

func (d *DeleteStream) fail(cause error) error {
	cause = errors.Join(cause, d.leave())
	d.ids = idset.New()
	d.weigh(0)
	d.failed = d.describe(cause)
	d.tell(DeleteReport{Err: cause})
	return d.failed
}

func (d *DeleteStream) tell(r DeleteReport) {
	if d.report == nil {
		return
	}
	received := d.received.Load()
	r.Time, r.Origin, r.Format, r.Bytes = time.Now(), d.origin, d.decoder.Format(), received-d.reported
	d.reported = received
	d.report(r)
}
