package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// EmbedStream takes the bytes of one part. They wait beside the store until the
// part is complete; what is not completed leaves nothing behind. Its methods may be
// called from several goroutines.
type EmbedStream struct {
	store    *Store
	origin   Origin // the file that the part is embedded in
	part     EmbedPart
	kind     partKind
	options  EmbedOptions
	received atomic.Int64

	mu       sync.Mutex
	start    []byte // while there are few bytes
	spool    *spool // of more; nil while there are few
	embedded int64  // how many bytes were, at the last commit
	failed   error  // what ended the stream
	closed   bool
}

// inMemory is how many bytes of a part are held in memory.
const inMemory = 64 << 10

// OpenEmbed starts to take the bytes of a part. A part that describes another one
// which is not there is ErrInput. The writer lock is not taken before Flush. Close
// must be called.
func (s *Store) OpenEmbed(ctx context.Context, part EmbedPart, options EmbedOptions) (*EmbedStream, error) {
	stream := &EmbedStream{store: s, part: part, kind: embedParts[part], options: options}
	if err := stream.check(ctx); err != nil {
		return nil, stream.describe(err)
	}
	return stream, nil
}

// check says whether the part can be embedded as things stand.
func (e *EmbedStream) check(ctx context.Context) error {
	if e.kind.embed == nil {
		return fmt.Errorf("%w: no part is called so", ErrName)
	}
	snapshot, err := e.store.Snapshot(ctx)
	if err != nil {
		return err
	}
	e.origin = snapshot.Origin()
	if err := e.store.checkWritable(snapshot); err != nil {
		return err
	}
	if needs := e.kind.needs; needs != 0 && len(snapshot.ofType(needs)) == 0 {
		return fmt.Errorf("%w: there is no %s yet to which this could belong", ErrInput, needs)
	}
	return nil
}

func (e *EmbedStream) describe(err error) error {
	return fmt.Errorf("embed %s into store %q: %w", e.part, e.store.Path(), err)
}

// Origin is the file that the part is embedded in.
func (e *EmbedStream) Origin() Origin { return e.origin }

// Received is the number of bytes taken so far.
func (e *EmbedStream) Received() int64 { return e.received.Load() }

// Write takes all of p. More than the format allows is ErrTooLarge, and ends the
// stream.
func (e *EmbedStream) Write(_ context.Context, p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(); err != nil {
		return 0, err
	}
	if e.received.Load()+int64(len(p)) > e.kind.limit {
		return 0, e.fail(fmt.Errorf("%w: more than %d bytes", ErrTooLarge, e.kind.limit))
	}
	if err := e.keep(p); err != nil {
		return 0, e.fail(err)
	}
	e.received.Add(int64(len(p)))
	return len(p), nil
}

// keep puts bytes where they wait.
func (e *EmbedStream) keep(p []byte) error {
	if e.spool == nil && len(e.start)+len(p) <= inMemory {
		e.start = append(e.start, p...)
		return nil
	}
	if e.spool == nil {
		spool, err := e.store.newSpool()
		if err != nil {
			return err
		}
		e.spool = spool
		if len(e.start) > 0 {
			if _, err := spool.Write(e.start); err != nil {
				return err
			}
			e.start = nil
		}
	}
	_, err := e.spool.Write(p)
	return err
}

func (e *EmbedStream) usable() error {
	switch {
	case e.failed != nil:
		return e.failed
	case e.closed:
		return e.describe(ErrClosed)
	}
	return nil
}

func (e *EmbedStream) fail(err error) error {
	e.failed = e.describe(err)
	return e.failed
}

// Flush embeds what has come, as a whole, and commits. With nothing new it does
// nothing.
func (e *EmbedStream) Flush(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(); err != nil {
		return err
	}
	size := e.received.Load()
	if size == e.embedded {
		return nil
	}
	var content io.ReaderAt = bytes.NewReader(e.start)
	if e.spool != nil {
		content = e.spool.file
	}
	if _, err := e.kind.embed(e.store, OnlyIn(ctx, e.origin), content, size, e.options); err != nil {
		return e.fail(err)
	}
	e.embedded = size
	return nil
}

// Commit commits nothing: a part is embedded as a whole or not at all.
func (e *EmbedStream) Commit(context.Context) error { return nil }

// Abandon ends the stream of a writer that was killed: what it has brought may not
// be all, and is dropped.
func (e *EmbedStream) Abandon(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usable(); err != nil {
		return err
	}
	return e.abandon()
}

func (e *EmbedStream) abandon() error {
	if dropped := e.received.Load() - e.embedded; dropped > 0 {
		return e.fail(fmt.Errorf("%w: the writer ended without closing the file; %d bytes are dropped", ErrInput, dropped))
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
	return err
}
