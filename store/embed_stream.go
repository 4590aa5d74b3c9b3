package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// EmbedStream takes the bytes of one part, in any order, as a file does. They wait
// beside the store until the part is complete; what is not completed leaves nothing
// behind. Its methods may be called from several goroutines.
type EmbedStream struct {
	streamState // received is the length of the file
	store       *Store
	origin      state.Origin // the file that the part is embedded in
	part        EmbedPart
	kind        partKind
	options     EmbedOptions

	// What follows is guarded by mu.
	start  []byte        // while there are few bytes
	spool  *spool        // of more; nil while there are few
	uncut  bool          // what is not written would be bytes of the part that is there
	fresh  bool          // something was written or cut since the last commit
	tried  bool          // the store could be written to
	memory memory.Charge // of start
}

// inMemory is how many bytes of a part are held in memory.
const inMemory = 64 << 10

// OpenEmbed starts to take the bytes of a part. A part that describes another one
// which is not there is ErrInput. The writer lock is taken by Flush, and tried by the
// first write, which so fails where nobody may write. Close must be called.
func (s *Store) OpenEmbed(ctx context.Context, part EmbedPart, options EmbedOptions) (*EmbedStream, error) {
	stream := &EmbedStream{store: s, part: part, kind: embedParts[part], options: options, uncut: options.Uncut, memory: s.options.Memory.Charge()}
	if err := stream.check(ctx); err != nil {
		return nil, stream.describe(err)
	}
	return stream, nil
}

// check says whether the part can be embedded as things stand.
func (e *EmbedStream) check(ctx context.Context) error {
	if e.kind.embed == nil {
		return fmt.Errorf("%w: no part is called so", volume.ErrName)
	}
	snapshot, err := e.store.Snapshot(ctx)
	if err != nil {
		return err
	}
	e.origin = snapshot.Origin()
	if err := e.store.checkWritable(snapshot); err != nil {
		return err
	}
	if needs := e.kind.needs; needs != 0 && len(snapshot.OfType(needs)) == 0 {
		return fmt.Errorf("%w: there is no %s yet to which this could belong", volume.ErrInput, needs)
	}
	return nil
}

func (e *EmbedStream) describe(err error) error {
	return fmt.Errorf("embed %s into store %q: %w", e.part, e.store.Path(), err)
}

// Origin is the file that the part is embedded in.
func (e *EmbedStream) Origin() state.Origin { return e.origin }

// Afford waits until there is memory to take so many bytes, for some seconds or until
// ctx ends. An error leaves the stream as it is.
func (e *EmbedStream) Afford(ctx context.Context, bytes int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(e.describe); err != nil {
		return err
	}
	if e.spool != nil {
		return nil
	}
	if err := e.memory.Await(ctx, 3*min(e.Received()+int64(bytes), inMemory)); err != nil { // it grows by doubling
		return e.describe(err)
	}
	return nil
}

// weigh charges for what is held in memory.
func (e *EmbedStream) weigh() { e.memory.Force(int64(cap(e.start))) }

// Write takes all of p behind what is there.
func (e *EmbedStream) Write(ctx context.Context, p []byte) (int, error) {
	return e.WriteAt(ctx, p, e.Received())
}

// WriteAt takes all of p to the given place. What lies between it and the bytes that
// are there becomes zeros. More than the format allows is ErrTooLarge. Every failure
// ends the stream.
func (e *EmbedStream) WriteAt(ctx context.Context, p []byte, offset int64) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(e.describe); err != nil {
		return 0, err
	}
	if err := e.reach(offset, offset+int64(len(p))); err != nil {
		return 0, e.fail(err)
	}
	if !e.tried {
		if err := e.store.tryToWrite(state.OnlyIn(ctx, e.origin)); err != nil {
			return 0, e.fail(err)
		}
		e.tried = true
	}
	defer e.weigh()
	if err := e.keep(p, offset); err != nil {
		return 0, e.fail(err)
	}
	e.received.Store(max(e.Received(), offset+int64(len(p))))
	e.fresh = true
	return len(p), nil
}

// tryToWrite finds out whether a commit could begin now. Bytes of a file may wait for
// long; to keep the lock until they are committed would keep others from writing.
func (s *Store) tryToWrite(ctx context.Context) error {
	session, err := s.writer.begin(ctx)
	if err != nil {
		return err
	}
	return s.writer.end(session)
}

// reach says whether the file may go on at an offset, up to an end.
func (e *EmbedStream) reach(offset, end int64) error {
	switch {
	case offset < 0 || end < offset || end > e.kind.limit:
		return fmt.Errorf("%w: more than %d bytes", volume.ErrTooLarge, e.kind.limit)
	case offset > e.Received() && e.uncut:
		return fmt.Errorf("%w: bytes %d to %d are left out, but what is there was not cut to nothing before", volume.ErrInput, e.Received(), offset)
	}
	return nil
}

// Truncate sets the length: what is cut off is gone, what is added is zeros.
func (e *EmbedStream) Truncate(size int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(e.describe); err != nil {
		return err
	}
	if size == 0 {
		e.uncut = false
	}
	before := e.Received()
	if size == before {
		return nil
	}
	if err := e.reach(size, size); err != nil {
		return e.fail(err)
	}
	defer e.weigh()
	if err := e.resize(size); err != nil {
		return e.fail(err)
	}
	e.received.Store(size)
	e.fresh = size > 0
	return nil
}

// resize makes what waits so long, with zeros at the end if it grows.
func (e *EmbedStream) resize(size int64) error {
	switch {
	case e.spool != nil:
		return e.spool.truncate(size)
	case size > inMemory:
		return e.spill(size)
	case size < int64(len(e.start)):
		e.start = e.start[:size]
	default:
		e.start = append(e.start, make([]byte, size-int64(len(e.start)))...)
	}
	return nil
}

// keep puts bytes where they wait.
func (e *EmbedStream) keep(p []byte, offset int64) error {
	end := offset + int64(len(p))
	if end > int64(len(e.start)) && e.spool == nil {
		if err := e.resize(end); err != nil {
			return err
		}
	}
	if e.spool != nil {
		return e.spool.writeAt(p, offset)
	}
	copy(e.start[offset:], p)
	return nil
}

// spill moves what waits from memory to a file of the given length.
func (e *EmbedStream) spill(size int64) (err error) {
	if e.spool, err = e.store.newSpool(); err != nil {
		return err
	}
	if len(e.start) > 0 {
		if err := e.spool.writeAt(e.start, 0); err != nil {
			return err
		}
		e.start = nil
	}
	return e.spool.truncate(size)
}

// content is what waits.
func (e *EmbedStream) content() io.ReaderAt {
	if e.spool != nil {
		return e.spool.file
	}
	return bytes.NewReader(e.start)
}

// ReadAt reads what was written so far; it is io.EOF behind the end.
func (e *EmbedStream) ReadAt(p []byte, offset int64) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(e.describe); err != nil {
		return 0, err
	}
	return io.NewSectionReader(e.content(), 0, e.Received()).ReadAt(p, offset)
}

// Refuse ends the stream because of a write that is not as it has to be: what is not
// embedded yet is dropped. The error is the one with which all that follows fails.
func (e *EmbedStream) Refuse(cause error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(e.describe); err != nil {
		return err
	}
	return e.fail(cause)
}

func (e *EmbedStream) fail(err error) error {
	e.failed = e.describe(err)
	e.start = nil
	e.weigh()
	return e.failed
}

// Flush embeds what has come, as a whole, and commits. With nothing new it does
// nothing.
func (e *EmbedStream) Flush(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(e.describe); err != nil || !e.fresh {
		return err
	}
	if err := e.embed(ctx, e.store.embedder()); err != nil {
		return e.fail(err)
	}
	e.fresh = false
	return nil
}

// Handover is what happens when a writer is done where others may go on. Nobody
// knows whether all has come: so nothing is embedded yet, for a part of an image in
// the place of a good one is worse than none. But the writer is told what Flush would
// say, and the stream goes on.
func (e *EmbedStream) Handover(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(e.describe); err != nil || !e.fresh {
		return err
	}
	if err := e.embed(ctx, embedder{Store: e.store, rehearsal: true}); err != nil {
		return e.describe(err)
	}
	return nil
}

// Pause is what happens when somebody who has not written lets the stream go:
// nothing.
func (e *EmbedStream) Pause(ctx context.Context) error { return e.Commit(ctx) }

func (e *EmbedStream) embed(ctx context.Context, into embedder) error {
	_, err := e.kind.embed(into, state.OnlyIn(ctx, e.origin), e.content(), e.Received(), e.options)
	return err
}

// Commit commits nothing: a part is embedded as a whole or not at all.
func (e *EmbedStream) Commit(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.usable(e.describe)
}

// CommitOpen commits nothing either.
func (e *EmbedStream) CommitOpen(context.Context) error { return nil }

// Interrupt ends the stream of a writer that cannot be heard any more, as if it had
// been killed.
func (e *EmbedStream) Interrupt(ctx context.Context) error {
	if e.over() {
		return nil
	}
	return e.Abandon(ctx)
}

// Abandon ends the stream of a writer that was killed: what it has brought may not
// be all, and is dropped.
func (e *EmbedStream) Abandon(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(e.describe); err != nil {
		return err
	}
	return e.abandon()
}

func (e *EmbedStream) abandon() error {
	if e.fresh {
		return e.fail(fmt.Errorf("%w: the writer ended without closing the file; %d bytes are dropped", volume.ErrInput, e.Received()))
	}
	return nil
}

// Close ends the stream. Bytes that no Flush has embedded are dropped, and the
// error says so.
func (e *EmbedStream) Close(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	var err error
	if e.failed == nil {
		err = e.abandon()
	}
	if e.spool != nil {
		err = errors.Join(err, e.spool.Close())
	}
	e.start, e.spool = nil, nil
	e.weigh()
	return err
}
