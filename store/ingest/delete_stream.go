package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/stream"
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

// ErrKilled ends the stream of a writer that did not live to close it.
var ErrKilled = errors.New("the writer was killed, or failed, before it closed the stream; nothing is deleted")

// DeleteStream takes ids in any of the formats of package vecio and deletes their
// vectors, all that came since the last commit in one. Until then it holds them as
// a set. The end of the bytes ends an id at Flush; at Handover one in a number waits,
// for what is deleted by mistake is gone. A list of ids is deleted when its writer says
// that it is complete: nothing of it by CommitOpen, or when he was killed.
type DeleteStream struct {
	*stream.Stream
	inside  stream.Inside
	vectors *Vectors
	report  func(DeleteReport)

	// What follows is for who has the stream to himself.
	decoder  *vecio.IDDecoder
	session  *log.Session  // from the first bytes after a commit on
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
func (v *Vectors) OpenDelete(origin state.Origin, format vecio.IDFormat, report func(DeleteReport)) (*DeleteStream, error) {
	d := &DeleteStream{vectors: v, report: report, ids: idset.New(), memory: v.env.Memory.Charge()}
	d.decoder = vecio.NewIDDecoder(format, func(id uint64) { d.ids.Insert(id) })
	d.Stream, d.inside = v.env.Streams.New(origin, "delete from", stream.Content{
		Afford: d.afford, Write: d.write, Settle: d.settle, Commit: d.commit, Joined: d.joined, Drop: d.drop, LetGo: d.letGo,
	})
	if err := d.inside.Begin(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *DeleteStream) afford(ctx context.Context, bytes int) error {
	return d.memory.Await(ctx, d.memoryFor(bytes))
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
		d.weighed, d.since = d.ids.Bytes()+int64(d.decoder.Held()), 0
	}
	d.memory.Force(d.memoryFor(0))
}

func (d *DeleteStream) write(ctx context.Context, p []byte) error {
	if _, err := d.decoder.Write(p); err != nil {
		return noID(err)
	}
	if err := d.join(ctx); err != nil {
		return err
	}
	d.inside.Take(len(p))
	d.weigh(len(p))
	return nil
}

// noID is why a stream ends that holds what is no id.
func noID(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", volume.ErrInput, err)
}

// join takes the writer lock, if this process does not hold it yet.
func (d *DeleteStream) join(ctx context.Context) (err error) {
	if d.session == nil {
		d.session, err = d.vectors.env.Begin(state.OnlyIn(ctx, d.Origin()))
	}
	return err
}

func (d *DeleteStream) joined() bool { return d.session != nil }

// leave gives the lock back.
func (d *DeleteStream) leave() error {
	if d.session == nil {
		return nil
	}
	session := d.session
	d.session = nil
	return session.End()
}

func (d *DeleteStream) settle(_ context.Context, why stream.Occasion) (commit bool, err error) {
	switch why {
	case stream.OnFlush:
		err = noID(d.decoder.Settle())
	case stream.OnHandover:
		err = noID(d.decoder.Decide())
	case stream.OnClose:
		return true, noID(d.decoder.Finish())
	case stream.OnPause:
		return false, d.whole()
	case stream.OnOthers:
		return false, nil
	case stream.OnDeath, stream.OnShutdown:
		// What is missing of the list cannot be known, and what was deleted would be lost.
		if d.ids.Len() > 0 || d.decoder.Unfinished() > 0 {
			err = ErrKilled
		}
		return true, err
	case stream.OnCommit:
		return true, nil
	}
	if err == nil {
		err = d.whole()
	}
	return true, err
}

// whole fails if the stream could not end here.
func (d *DeleteStream) whole() error {
	if unfinished := d.decoder.Unfinished(); unfinished > 0 && !d.decoder.InNumber() {
		return stream.Passing{Cause: fmt.Errorf("%w: the stream stops inside a record, %d bytes from its start", volume.ErrInput, unfinished)}
	}
	return nil
}

func (d *DeleteStream) commit(ctx context.Context) error {
	if d.ids.Len() == 0 {
		return d.leave()
	}
	result, err := d.vectors.deleteUnless(state.OnlyIn(ctx, d.Origin()), d.ids, func(known, all uint64) error {
		return noID(d.decoder.Doubt(known, all))
	})
	if err = errors.Join(err, d.leave()); err != nil {
		return err
	}
	d.forget()
	d.tell(DeleteReport{Deleted: result.Deleted, Missing: result.Missing, Epoch: result.Epoch})
	return nil
}

func (d *DeleteStream) drop(cause error) error {
	cause = errors.Join(cause, d.leave())
	d.forget()
	d.tell(DeleteReport{Err: cause})
	return cause
}

func (d *DeleteStream) forget() {
	d.ids = idset.New()
	d.weigh(0)
}

func (d *DeleteStream) letGo() error { return nil }

func (d *DeleteStream) tell(r DeleteReport) {
	if d.report == nil {
		return
	}
	received := d.Received()
	r.Time, r.Origin, r.Format, r.Bytes = time.Now(), d.Origin(), d.decoder.Format(), received-d.reported
	d.reported = received
	d.report(r)
}
