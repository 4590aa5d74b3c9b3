package compute

import (
	"context"
	"errors"
	"fmt"

	"rvffs/store/state"
	"rvffs/store/stream"
	"rvffs/store/volume"
)

// EmbedStream takes the bytes of one part, in any order, as a file does. They wait
// beside the store until the part is complete; what is not completed leaves nothing
// behind. A part is embedded as a whole or not at all, so nothing but Flush does it: not
// even Handover, for nobody knows then whether all has come, and a part of an image in
// the place of a good one is worse than none; but that tells the writer what Flush would
// say.
type EmbedStream struct {
	*stream.Stream // received is the length of the file
	inside         stream.Inside
	images         *Images
	part           Part
	kind           partKind
	options        EmbedOptions

	// What follows is for who has the stream to himself.
	waiting *arriving
	uncut   bool // what is not written would be bytes of the part that is there
	fresh   bool // something was written or cut since the last commit
	tried   bool // the store could be written to
}

// OpenEmbed starts to take the bytes of a part. A part that describes another one
// which is not there is ErrInput. The writer lock is taken by Flush, and tried by the
// first write, which so fails where nobody may write. Close must be called.
func (s *Images) OpenEmbed(ctx context.Context, part Part, options EmbedOptions) (*EmbedStream, error) {
	e := &EmbedStream{images: s, part: part, options: options, uncut: options.Uncut, waiting: s.newArriving()}
	origin, err := e.prepare(ctx)
	if err != nil {
		return nil, fmt.Errorf("embed %s into store %q: %w", part, s.env.Name(), err)
	}
	e.Stream, e.inside = s.env.Streams.New(origin, fmt.Sprintf("embed %s into", part), stream.Content{
		Afford: e.afford, Write: e.write, Settle: e.settle, Commit: e.commit, Joined: never, Drop: e.drop, LetGo: e.letGo,
	})
	if err := e.inside.Begin(); err != nil {
		return nil, err
	}
	return e, nil
}

// never reports whether an embedding takes part in a session while nothing is done with it:
// its bytes wait outside of the log.
func never() bool { return false }

// prepare finds out whether the part can be embedded as things stand, and in which file.
func (e *EmbedStream) prepare(ctx context.Context) (state.Origin, error) {
	of, kind, known := e.part.of()
	if !known {
		return state.Origin{}, fmt.Errorf("%w: no part is called so", volume.ErrName)
	}
	snapshot, err := e.images.env.Snapshot(ctx)
	if err != nil {
		return state.Origin{}, err
	}
	if err := e.images.env.Writable(ctx, snapshot); err != nil {
		return state.Origin{}, err
	}
	if kind.needsImage && len(snapshot.OfType(of.Type)) == 0 {
		return state.Origin{}, errNoImage(of)
	}
	e.kind = kind
	return snapshot.Origin(), nil
}

func (e *EmbedStream) afford(ctx context.Context, bytes int) error {
	return e.waiting.Afford(ctx, bytes)
}

// write takes all of p behind what is there.
func (e *EmbedStream) write(ctx context.Context, p []byte) error {
	return e.writeAt(ctx, p, e.Received())
}

// WriteAt takes all of p to the given place. What lies between it and the bytes that
// are there becomes zeros. More than the format allows is ErrTooLarge. Every failure
// ends the stream.
func (e *EmbedStream) WriteAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := e.inside.Do(func() error { return e.writeAt(ctx, p, offset) }); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (e *EmbedStream) writeAt(ctx context.Context, p []byte, offset int64) error {
	if err := e.reach(offset, offset+int64(len(p))); err != nil {
		return err
	}
	if !e.tried {
		if err := e.images.tryToWrite(state.OnlyIn(ctx, e.Origin())); err != nil {
			return err
		}
		e.tried = true
	}
	if _, err := e.waiting.WriteAt(ctx, p, offset); err != nil {
		return err
	}
	e.inside.SetLength(e.waiting.Size())
	e.fresh = true
	return nil
}

// tryToWrite finds out whether a commit could begin now. Bytes of a file may wait for
// long; to keep the lock until they are committed would keep others from writing.
func (s *Images) tryToWrite(ctx context.Context) error {
	session, err := s.env.Log.Begin(ctx)
	if err != nil {
		return err
	}
	return session.End()
}

// reach refuses to let the file go on at an offset, up to an end, where it may not.
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
func (e *EmbedStream) Truncate(ctx context.Context, size int64) error {
	return e.inside.Do(func() error { return e.truncate(ctx, size) })
}

func (e *EmbedStream) truncate(ctx context.Context, size int64) error {
	if size == 0 {
		e.uncut = false
	}
	if size == e.Received() {
		return nil
	}
	if err := e.reach(size, size); err != nil {
		return err
	}
	if err := e.waiting.Truncate(ctx, size); err != nil {
		return err
	}
	e.inside.SetLength(size)
	e.fresh = size > 0
	return nil
}

// ReadAt reads what was written so far; it is io.EOF behind the end.
func (e *EmbedStream) ReadAt(p []byte, offset int64) (int, error) {
	var n int
	var err error
	ended := e.inside.Do(func() error {
		n, err = e.waiting.ReadAt(p, offset)
		return nil // the stream goes on all the same
	})
	if ended != nil {
		return 0, ended
	}
	return n, err
}

func (e *EmbedStream) settle(ctx context.Context, why stream.Occasion) (commit bool, err error) {
	if !e.fresh {
		return false, nil
	}
	switch why {
	case stream.OnFlush:
		return true, nil
	case stream.OnHandover:
		if err := e.embed(ctx, embedder{Images: e.images, rehearsal: true}); err != nil {
			return false, stream.Passing{Cause: err}
		}
	case stream.OnDeath, stream.OnShutdown, stream.OnClose:
		return false, fmt.Errorf("%w: the writer ended without closing the file; %d bytes are dropped", volume.ErrInput, e.Received())
	}
	return false, nil
}

// commit embeds what has come, as a whole.
func (e *EmbedStream) commit(ctx context.Context) error {
	if err := e.embed(ctx, e.images.embedder()); err != nil {
		return err
	}
	e.fresh = false
	return nil
}

func (e *EmbedStream) embed(ctx context.Context, into embedder) error {
	_, err := e.kind.embed(into, state.OnlyIn(ctx, e.Origin()), e.waiting, e.Received(), e.options)
	return err
}

func (e *EmbedStream) drop(cause error) error {
	if e.options.Failed != nil {
		e.options.Failed(e.Origin(), cause)
	}
	return errors.Join(cause, e.waiting.Close())
}

func (e *EmbedStream) letGo() error { return e.waiting.Close() }
