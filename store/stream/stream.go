package stream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Stream is what streams of every kind are: it takes bytes until it is closed or
// something fails. Then nothing of it since its last commit is kept, and whatever is
// asked of it fails with the same error, as volume.Ended has it. Of what may be asked only an
// error that says so leaves the stream as it is. Its methods may be called from several goroutines.
//
// A stream of one kind embeds a Stream and gives it its content.
type Stream struct {
	register *Register
	origin   state.Origin // the file that the stream goes to
	errand   string       // in errors before the store: "append to"
	content  Content
	received atomic.Int64

	turn   shared.Turn // held while the stream is at work, by who uses what follows
	failed error       // what ended the stream
	closed bool
	after  func() // runs when the stream was closed
}

// Content is what a kind of stream makes of its bytes. It is asked with the stream
// locked, and nothing is asked any more of one that has failed but to let go. Every error
// ends the stream, unless it is Passing.
type Content struct {
	// Afford waits for the memory to take so many bytes.
	Afford func(ctx context.Context, bytes int) error
	// Write takes all of p and counts it as received.
	Write func(ctx context.Context, p []byte) error
	// Settle makes the stream ready for an occasion, and says whether what has come is
	// to be committed then.
	Settle func(ctx context.Context, why Occasion) (commit bool, err error)
	// Commit makes durable what has come, as far as it is whole.
	Commit func(ctx context.Context) error
	// Joined reports whether the stream takes part in a session of the store's log.
	Joined func() bool
	// Drop gives up what came since the last commit, tells of it, and gives the cause
	// with all that went wrong besides.
	Drop func(cause error) error
	// LetGo gives back what the stream holds, at its end.
	LetGo func() error
}

// Occasion is why a stream is asked to commit.
type Occasion uint8

// The occasions, after the methods of Stream.
const (
	OnFlush Occasion = iota
	OnHandover
	OnPause
	OnCommit
	OnOthers // see CommitOpen
	OnDeath  // see Abandon
	OnShutdown
	OnClose
)

// answers reports whether a writer waits to hear what became of the stream.
func (o Occasion) answers() bool {
	return o == OnFlush || o == OnHandover || o == OnPause || o == OnCommit || o == OnClose
}

// Passing is an error of a Content that leaves the stream as it is. Of a commit it says
// that nobody waits for it any more, before anything was written: what has come stays, and
// is committed on the next occasion. It is lost only with its store.
type Passing struct{ Cause error }

func (p Passing) Error() string { return p.Cause.Error() }
func (p Passing) Unwrap() error { return p.Cause }

// Inside is a stream as its content has it.
type Inside struct{ stream *Stream }

// Begin makes the stream one of the store's that are open. From then on its content is
// asked for what it is to do.
func (i Inside) Begin() error {
	if err := i.stream.register.add(i.stream); err != nil {
		return i.stream.describe(err)
	}
	return nil
}

// Do runs work on the stream, which it has to itself meanwhile, unless it has ended. An
// error of work ends the stream, as one of its content.
func (i Inside) Do(work func() error) error { return i.stream.do(work) }

// Life is the context of what the stream does unasked. It ends when the store does.
func (i Inside) Life() context.Context { return i.stream.register.life }

// Take counts so many bytes more as received, and gives how many they are in all. Like
// SetLength it is called with the stream locked.
func (i Inside) Take(bytes int) int64 { return i.stream.received.Add(int64(bytes)) }

// SetLength says how many bytes the stream has received in all.
func (i Inside) SetLength(bytes int64) { i.stream.received.Store(bytes) }

// AfterClose has done run once when the stream was closed, by whomever. It is called
// before anything is asked of the stream.
func (s *Stream) AfterClose(done func()) {
	s.turn.Wait()
	defer s.turn.Give()
	s.after = done
}

// Received is the number of bytes taken so far.
func (s *Stream) Received() int64 { return s.received.Load() }

// Origin is the file that the stream goes to.
func (s *Stream) Origin() state.Origin { return s.origin }

func (s *Stream) describe(err error) error {
	return fmt.Errorf("%s store %q: %w", s.errand, s.register.store(), err)
}

// usable is what ended the stream. The caller holds the turn.
func (s *Stream) usable() error {
	switch {
	case s.failed != nil:
		return s.failed
	case s.closed:
		return s.describe(volume.ErrClosed)
	}
	return nil
}

// do runs work on a stream that has not ended.
func (s *Stream) do(work func() error) error {
	s.turn.Wait()
	defer s.turn.Give()
	if err := s.usable(); err != nil {
		return err
	}
	return s.conclude(work())
}

// conclude ends the stream if err is one that does, and gives it in the words for
// whoever asked. The caller holds the turn.
func (s *Stream) conclude(err error) error {
	if err == nil {
		return nil
	}
	if kept, stays := errors.AsType[Passing](err); stays {
		return s.describe(kept.Cause)
	}
	err = s.describe(s.content.Drop(err))
	s.failed = volume.Ended(err)
	return err
}

// meet settles the content for an occasion and commits what is to be committed then. A commit
// sees to it that the file is there. Where all that came was committed before, that is still to
// be looked for: nobody may be told that vectors are there which went with their file.
func (s *Stream) meet(ctx context.Context, why Occasion) error {
	commit, err := s.content.Settle(ctx, why)
	if err != nil {
		return err
	}
	joined := s.content.Joined()
	if commit {
		err = s.content.Commit(ctx)
	}
	if err == nil && !joined && why.answers() && s.Received() > 0 {
		err = s.register.stands(ctx, s.origin)
	}
	return err
}

func (s *Stream) on(ctx context.Context, why Occasion) error {
	return s.do(func() error { return s.meet(ctx, why) })
}

// Afford waits until there is memory to take so many bytes, for some seconds or until
// ctx ends. An error leaves the stream as it is.
func (s *Stream) Afford(ctx context.Context, bytes int) error {
	return s.do(func() error {
		if err := s.content.Afford(ctx, bytes); err != nil {
			return Passing{err}
		}
		return nil
	})
}

// Write takes all of p or ends the stream: the error wraps ErrInput when p completes a
// record that cannot be taken.
func (s *Stream) Write(ctx context.Context, p []byte) (int, error) {
	if err := s.do(func() error { return s.content.Write(ctx, p) }); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Refuse ends the stream because of a write that is not as it has to be, such as one
// from another place than where the stream is. The error is the one with which all that
// follows fails.
func (s *Stream) Refuse(cause error) error { return s.do(func() error { return cause }) }

// Flush commits all that has come: its writer says that it is whole. Inside a record it
// fails with ErrInput and keeps everything as it is, for the rest may still come.
func (s *Stream) Flush(ctx context.Context) error { return s.on(ctx, OnFlush) }

// Handover is Flush by a writer that is done where others may go on.
func (s *Stream) Handover(ctx context.Context) error { return s.on(ctx, OnHandover) }

// Pause is what happens when somebody who has not written lets the stream go.
func (s *Stream) Pause(ctx context.Context) error { return s.on(ctx, OnPause) }

// Commit commits whole records and keeps the rest of one that has only begun.
func (s *Stream) Commit(ctx context.Context) error { return s.on(ctx, OnCommit) }

// CommitOpen is Commit for somebody who is not the writer: of a stream that has ended
// meanwhile, or failed, its writer knows, and what is all or nothing is its writer's
// alone to commit.
func (s *Stream) CommitOpen(ctx context.Context) error {
	if err := s.turn.Take(ctx); err != nil {
		return err // and leaves the one who is at work alone
	}
	defer s.turn.Give()
	return s.commitOpen(ctx)
}

// commitOpen is CommitOpen for who holds the turn.
func (s *Stream) commitOpen(ctx context.Context) error {
	if s.usable() != nil {
		return nil
	}
	return s.conclude(s.meet(ctx, OnOthers))
}

// Abandon is what happens when the writer was killed: what can be told to be whole is
// committed, the rest is dropped.
func (s *Stream) Abandon(ctx context.Context) error { return s.on(ctx, OnDeath) }

// Interrupt closes the stream of a writer that goes on but cannot be heard any more, as
// its store is closed. What its writer is going to do all again is dropped.
func (s *Stream) Interrupt(ctx context.Context) error { return s.end(ctx, OnShutdown) }

// Close ends the stream. What is complete is committed; when something is not,
// everything since the last commit is dropped, and the error says so. A failure of which
// the writer was told before is none of Close. Where ctx ends before a commit has written
// anything, the stream stays open: it ends with its store, which commits what is whole.
func (s *Stream) Close(ctx context.Context) error { return s.end(ctx, OnClose) }

func (s *Stream) end(ctx context.Context, why Occasion) error {
	after, err := s.close(ctx, why)
	if after != nil {
		s.register.remove(s)
		after()
	}
	return err
}

// close closes the stream, and gives what is to be done afterwards; nil when it was
// closed before.
func (s *Stream) close(ctx context.Context, why Occasion) (after func(), err error) {
	s.turn.Wait()
	defer s.turn.Give()
	if s.closed {
		return nil, nil
	}
	if s.failed == nil {
		err = s.meet(ctx, why)
		kept, stays := errors.AsType[Passing](err)
		if stays && why == OnClose {
			return nil, s.describe(kept.Cause)
		}
		if stays {
			err = kept.Cause // there is no other occasion
		}
		err = s.conclude(err)
	}
	s.closed = true
	after = s.after
	if after == nil {
		after = func() {}
	}
	return after, errors.Join(err, s.content.LetGo())
}
