package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"sync/atomic"
	"syscall"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/shared"
	"rvffs/store/volume"
)

// stream is where the bytes go that are written to a write-only file. After a failure
// nothing of it since its last commit is kept, and every later call but Close fails
// with the same error.
type stream interface {
	// Afford waits until there is memory to take so many bytes. An error leaves the
	// stream as it is.
	Afford(ctx context.Context, bytes int) error
	// Write takes all of the bytes or fails.
	Write(ctx context.Context, p []byte) (int, error)
	// Received is the number of bytes taken so far.
	Received() int64
	// Refuse ends the stream because of a write that was not even tried, and gives the
	// error with which all that follows fails.
	Refuse(cause error) error
	// Flush commits. Within a record it fails with volume.ErrInput and keeps what
	// it has, so that later bytes may complete the record.
	Flush(ctx context.Context) error
	// Handover is Flush by a process that wrote, but did not open the file: others may
	// go on.
	Handover(ctx context.Context) error
	// Pause is for a process that only let go of the file. It says what Flush would.
	Pause(ctx context.Context) error
	// Commit commits whole records and keeps the rest of one that has only begun.
	Commit(ctx context.Context) error
	// Abandon commits whole records and drops the rest.
	Abandon(ctx context.Context) error
	// Close commits if all records are whole, else it drops what is not committed.
	Close(ctx context.Context) error
}

// file is a stream whose bytes may come in any order, and be read again.
type file interface {
	stream
	// WriteAt takes all of the bytes for the given place or fails.
	WriteAt(ctx context.Context, p []byte, offset int64) (int, error)
	ReadAt(p []byte, offset int64) (int, error)
	// Truncate sets the length. What is added are zeros.
	Truncate(ctx context.Context, size int64) error
}

// streamHandle is an open stream: all descriptors, in all processes, that come
// from one open(2).
type streamHandle struct {
	tree  *tree
	about about // what it goes to
	name  string
	text  string         // what a reader finds
	inode uint64         // of a file that is whole when it is closed; else 0
	store *catalog.Store // whose append.log tells what becomes of the stream; nil if none does

	stream      stream        // nil when opened for reading
	patience    time.Duration // of an interrupted writer
	appending   bool          // O_APPEND, or commands: the kernel's offsets mean nothing
	synchronous bool          // O_SYNC, O_DSYNC: no FSYNC follows a write
	opener      process       // whose close is the last word
	thread      uint32        // that opened it

	// turn is held by who is at work with the stream. What follows is his.
	turn    shared.Turn
	fresh   bool           // bytes came since the last commit
	parted  bool           // the opener has closed it, while others went on, or by a copy
	told    bool           // a close has failed within a record, and no bytes came since
	parting bool           // it was the opener's, who may look for the reason now
	writers map[uint32]int // threads but the opener's that have written since, and their processes
	logged  error          // the latest failure since a commit went well
	ended   error          // of the call that ended the stream
}

var (
	_ nodefs.FileReader   = (*streamHandle)(nil)
	_ nodefs.FileWriter   = (*streamHandle)(nil)
	_ nodefs.FileFlusher  = (*streamHandle)(nil)
	_ nodefs.FileReleaser = (*streamHandle)(nil)
)

// begin makes h the handle of s, opened with flags.
func (h *streamHandle) begin(ctx context.Context, s stream, flags uint32) {
	h.stream, h.patience, h.turn = s, untilKilled, shared.NewTurn()
	h.appending = flags&syscall.O_APPEND != 0
	if h.commanded() {
		// Who was interrupted says it again, at the place where he was, and it may have been
		// carried out meanwhile.
		h.patience, h.appending = handled, true
	}
	h.synchronous = flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0
	h.opener, h.thread = callerOf(ctx).open(), threadOf(ctx)
}

// commanded reports whether what is written is carried out by the write itself, which can be
// given up and made again.
func (h *streamHandle) commanded() bool {
	_, is := h.stream.(*commands)
	return is
}

// received is the number of bytes that the stream has taken.
func (h *streamHandle) received() int64 {
	if h.stream == nil {
		return 0
	}
	return h.stream.Received()
}

// Read finds the text that the file shows, mostly none, or what was written so far
// where that can be read again.
func (h *streamHandle) Read(_ context.Context, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if written, can := h.stream.(file); can {
		n, err := written.ReadAt(buffer, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, h.about(h.tree, "read "+h.name, err)
		}
		return fuse.ReadResultData(buffer[:n]), 0
	}
	rest := h.text[min(max(offset, 0), int64(len(h.text))):]
	return fuse.ReadResultData(buffer[:copy(buffer, rest)]), 0
}

// Write takes the next bytes of the stream, or any of a file. What a stream has lost
// it cannot try again: so but for a command, or a hole in front of the bytes, a signal
// that does not kill interrupts no wait, here or in a commit, which is short.
func (h *streamHandle) Write(ctx context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	if h.stream == nil {
		return 0, syscall.EBADF
	}
	if !h.commanded() {
		patient := h.tree.outlast(ctx, h.patience)
		defer patient.end()
		return h.write(ctx, patient, data, offset)
	}
	data = bytes.Clone(data) // which may be at work when its caller has left
	var taken atomic.Uint32
	errno := h.await(ctx, func(ctx context.Context) syscall.Errno {
		count, errno := h.write(ctx, ctx, data, offset)
		taken.Store(count)
		return errno
	})
	if errno != 0 {
		return 0, errno
	}
	return taken.Load(), 0
}

// enter waits for the turn until ctx ends, and fails where the stream has ended. Who has
// entered gives the turn back.
func (h *streamHandle) enter(ctx context.Context) syscall.Errno {
	if h.turn.Take(ctx) != nil {
		return syscall.EINTR
	}
	if h.ended != nil {
		h.turn.Give()
		return errnoOf(h.ended)
	}
	return 0
}

// write gives how many bytes were taken: fewer than there are only of commands.
func (h *streamHandle) write(ctx, patient context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	if errno := h.enter(patient); errno != 0 {
		return 0, errno
	}
	defer h.turn.Give()
	err := h.stream.Afford(patient, len(data))
	if givenUp(patient, err) {
		return 0, syscall.EINTR // nothing is lost
	}
	h.note(ctx)
	taken := 0
	if err == nil {
		taken, err = h.take(ctx, patient, data, offset)
	}
	if h.commanded() && givenUp(patient, err) {
		if taken == 0 {
			return 0, syscall.EINTR
		}
		return uint32(taken), 0 // the others may be said again
	}
	if err != nil {
		return 0, h.end(patient, "write", err)
	}
	if h.synchronous {
		err := h.stream.Commit(patient)
		if givenUp(patient, err) {
			return 0, syscall.EINTR // what has come waits for the writer's end, as without O_SYNC
		}
		if err != nil {
			return 0, h.end(patient, "write", err)
		}
		h.tree.expiry.now()
	}
	return uint32(taken), 0
}

func (h *streamHandle) take(ctx, patient context.Context, data []byte, offset int64) (int, error) {
	if !h.appending {
		if written, can := h.stream.(file); can {
			return written.WriteAt(patient, data, offset)
		}
		if err := h.reach(ctx, patient, offset); err != nil {
			return 0, err
		}
	}
	return h.stream.Write(patient, data)
}

// givenUp reports whether an error says but that nobody waits any more.
func givenUp(patient context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && patient.Err() != nil
}

// note keeps who writes.
func (h *streamHandle) note(ctx context.Context) {
	h.fresh, h.told = true, false
	if h.parting {
		h.parting = false
		h.tree.partings.remove(h)
	}
	thread := threadOf(ctx)
	if thread == h.thread {
		return
	}
	if _, known := h.writers[thread]; !known {
		if h.writers == nil {
			h.writers = map[uint32]int{}
		}
		h.writers[thread] = callerOf(ctx).group
	}
}

// forget reports whether a process has written since the last commit, but for the
// opener's threads, and keeps it no longer: it is done.
func (h *streamHandle) forget(process int) bool {
	before := len(h.writers)
	maps.DeleteFunc(h.writers, func(_ uint32, writer int) bool { return writer == process })
	return len(h.writers) < before
}

// zeros are what holes consist of.
var zeros [1 << 20]byte

// reach fills the hole between the end of the stream and an offset with zeros, which
// is what it would be on any file system: programs seek over zeros that they are to
// write. It may take long, and ends with its caller, or a while after a signal.
func (h *streamHandle) reach(ctx, patient context.Context, offset int64) error {
	hole := offset - h.stream.Received()
	if hole < 0 {
		return fmt.Errorf("%w: offset %d, where the stream is at %d already", volume.ErrInput, offset, h.stream.Received())
	}
	if hole > int64(len(zeros)) {
		room, err := h.tree.catalog.Space(ctx)
		if err == nil && uint64(hole)/uint64(room.BlockSize) > room.Available {
			err = fmt.Errorf("a hole of %d bytes is more than the disk has room for: %w", hole, syscall.ENOSPC)
		}
		if err != nil {
			return err
		}
	}
	var interrupted time.Time
	for ; hole > 0; hole = offset - h.stream.Received() {
		if err := ctx.Err(); err != nil {
			if interrupted.IsZero() {
				interrupted = time.Now()
			}
			if dying(threadOf(ctx)) || time.Since(interrupted) > handled {
				return fmt.Errorf("interrupted in a hole, %d bytes before its end: %w", hole, err)
			}
		}
		if _, err := h.stream.Write(patient, zeros[:min(hole, int64(len(zeros)))]); err != nil {
			return err
		}
	}
	return nil
}

// truncate sets the length: programs do it to end with a hole, and to say what is the
// case already. Of a stream nothing can be cut off.
func (h *streamHandle) truncate(ctx context.Context, size uint64) syscall.Errno {
	if h.stream == nil {
		return syscall.EINVAL
	}
	patient := h.tree.outlast(ctx, h.patience)
	defer patient.end()
	if errno := h.enter(patient); errno != 0 {
		return errno
	}
	defer h.turn.Give()
	if size != uint64(h.stream.Received()) {
		h.note(ctx)
	}
	var err error
	switch written, can := h.stream.(file); {
	case size > math.MaxInt64:
		err = fmt.Errorf("%w: a length of %d bytes", volume.ErrTooLarge, size)
	case can:
		err = written.Truncate(patient, int64(size))
	default:
		err = h.reach(ctx, patient, int64(size))
	}
	if err != nil {
		return h.end(patient, "truncate", err)
	}
	return 0
}

// Flush arrives at each close(2), and each close of a copy of the descriptor:
// before the first byte, between two programs that write one after the other, and
// when a process that inherited the descriptor ends. All of them commit whole records
// and fail inside of one. The process that opened the file has the last word: what may
// go on in another is settled then. Many programs let the kernel close their files
// when they end; with exit status 0 that is as good. A killed writer's whole records
// stay, and its stream ends, for what others would write does not belong behind half
// of a record. But where a close has failed for that, and the opener then says with its
// exit status that it has failed, nothing stays: somebody was told, and does it again.
func (h *streamHandle) Flush(ctx context.Context) syscall.Errno {
	if h.stream == nil {
		return 0
	}
	return h.await(ctx, h.flush)
}

// await does what may scan, or commit. Who is killed leaves at once, and the scan ends; what
// he has appended stays, and is committed as the stream ends. A commit that writes goes
// on. Who ends in failure, or was killed before, cannot be
// given a signal any more: he leaves after a moment, and what he was to settle is
// settled without him.
func (h *streamHandle) await(ctx context.Context, work func(context.Context) syscall.Errno) syscall.Errno {
	patient := h.tree.outlast(ctx, h.patience)
	defer patient.end()
	own, cancel := h.tree.lifetime(context.WithoutCancel(ctx))
	done := make(chan syscall.Errno, 1)
	h.tree.closing.Go(func() {
		defer cancel()
		done <- work(own)
	})
	late := time.NewTimer(handled)
	defer late.Stop()
	for {
		select {
		case errno := <-done:
			return errno
		case <-late.C:
			if closer := callerOf(ctx); closer.exiting && closer.failed {
				return syscall.EINTR
			}
		case <-patient.Done():
			if own.Err() != nil {
				return <-done // the mount ends, and so will this
			}
			cancel()
			select {
			case errno := <-done:
				return errno
			case <-time.After(parting):
				return syscall.EINTR
			}
		}
	}
}

// parting is how long one who leaves waits to hear what became of it.
const parting = handled / 4

func (h *streamHandle) flush(ctx context.Context) syscall.Errno {
	if errno := h.enter(ctx); errno != 0 {
		return errno
	}
	defer h.turn.Give()
	if !h.fresh && h.inode == 0 {
		return h.committed("close", h.stream.Flush(ctx))
	}
	closer := callerOf(ctx)
	opened := closer.group == h.opener.group || !h.opener.alive()
	copied := opened && h.copied(closer)
	if !h.fresh {
		return h.flushEmpty(ctx, closer, opened, copied)
	}
	if h.inode != 0 && !closer.exiting && leaves(ctx, closer) {
		copied, closer.exiting, closer.failed = false, true, true // what was seen of its descriptors means nothing
	}
	wrote := h.forget(closer.group)
	switch {
	case opened && h.whole() && (len(h.writers) > 0 || copied):
		h.parted = true
		return 0
	case (opened || h.parted && wrote) && h.shared(closer):
		h.parted = true
		return 0
	case h.parted && wrote && len(h.writers) == 0 && !closer.failed:
		return h.settled("close", h.stream.Flush(ctx))
	case opened && closer.status && h.told:
		return h.end(ctx, "close", errTold)
	case (opened || wrote) && closer.failed:
		return h.committed("close", h.stream.Abandon(ctx))
	case opened:
		err := h.stream.Flush(ctx)
		if closer.exiting && len(h.writers) == 0 && errors.Is(err, volume.ErrInput) {
			err = h.stream.Abandon(ctx) // nobody will write the rest
		}
		errno := h.settled("close", err)
		if h.store != nil && errors.Is(err, volume.ErrInput) {
			h.tree.partings.add(h)
			h.parting = true
		}
		return errno
	case wrote:
		return h.committed("close", h.stream.Handover(ctx))
	}
	err := h.stream.Pause(ctx)
	if errors.Is(err, volume.ErrInput) {
		h.told = true
		return errnoOf(err) // not worth a word: it is not the end, and not this one's doing
	}
	return h.committed("close", err)
}

// flushEmpty is flush for a file to which nobody has written since it was opened, or taken
// in. It is the end of an empty file, unless somebody goes on.
func (h *streamHandle) flushEmpty(ctx context.Context, closer caller, opened, copied bool) syscall.Errno {
	switch {
	case copied || !opened:
		return 0
	case h.shared(closer):
		h.parted = true
		return 0
	}
	return h.committed("close", h.stream.Flush(ctx))
}

// shared reports whether others may go on with a file that counts as a whole, of which
// somebody is done. It takes long to look for them among all processes, so that is left out
// where the opener closes the file and goes on himself: those whom he has begun are all.
func (h *streamHandle) shared(closer caller) bool {
	return h.inode != 0 && !closer.failed && closer.share(h.shown(), closer.exiting || closer.group != h.opener.group)
}

// whole reports whether the stream is one that counts as a whole or not at all: then those
// who go on when its opener has closed it have the last word.
func (h *streamHandle) whole() bool {
	_, is := h.stream.(file)
	return is
}

// shown is the file as other processes see it.
func (h *streamHandle) shown() openedFile {
	file := openedFile{inode: h.inode}
	if device := h.tree.device.Load(); device != nil {
		file.device = *device
	}
	return file
}

// copied reports whether it was a copy of a descriptor that somebody has closed, who has
// others.
func (h *streamHandle) copied(closer caller) bool {
	return h.inode != 0 && !closer.exiting && closer.writes(h.shown())
}

// leaves reports whether a process has been killed since it sent a request.
func leaves(ctx context.Context, sender caller) bool {
	return sender.group != 0 && (dying(threadOf(ctx)) || callerOf(ctx) != sender)
}

// errTold ends a stream of which a close has failed within a record, whose opener then
// fails.
var errTold = fmt.Errorf("%w: the stream stops inside a record, and who opened it has failed after it was told so", volume.ErrInput)

// fsync commits.
func (h *streamHandle) fsync(ctx context.Context) syscall.Errno {
	if h.stream == nil {
		return 0
	}
	return h.await(ctx, func(ctx context.Context) syscall.Errno {
		if errno := h.enter(ctx); errno != 0 {
			return errno
		}
		defer h.turn.Give()
		return h.settled("fsync", h.stream.Flush(ctx))
	})
}

// settled is committed for a commit of all that has come.
func (h *streamHandle) settled(operation string, err error) syscall.Errno {
	errno := h.committed(operation, err)
	if err == nil {
		h.fresh, h.writers = false, nil
	}
	return errno
}

// committed ends a commit: when it went well, the kernel knows of the new state
// before the caller does.
func (h *streamHandle) committed(operation string, err error) syscall.Errno {
	if err != nil {
		h.told = h.told || errors.Is(err, volume.ErrInput)
		return h.fail(operation, err)
	}
	h.logged = nil
	if h.fresh {
		h.tree.expiry.now()
	}
	return 0
}

// Release ends the stream. Nobody waits for it, and it waits for nobody: the
// kernel allows only a few such requests at a time. What it looks for before it writes
// ends with the mount; the catalog, as it is closed, tries once more to commit what is
// whole.
func (h *streamHandle) Release(context.Context) syscall.Errno {
	if h.stream == nil {
		return 0
	}
	h.tree.closing.Go(func() {
		_ = h.turn.Take(context.Background())
		defer h.turn.Give()
		if h.parting {
			defer h.tree.partings.remove(h)
		}
		ctx, cancel := h.tree.lifetime(context.Background())
		defer cancel()
		var err error
		if h.parted && h.fresh && h.ended == nil {
			err = h.stream.Flush(ctx) // its opener was done with it
		}
		err = errors.Join(err, h.stream.Close(ctx), h.opener.close())
		if err != nil && h.logged == nil {
			h.fail("release", err)
		}
	})
	return 0
}

// end ends the stream for good: nothing of it since its last commit is kept, and
// whatever is asked of it from now on fails as this did. But for who does not wait any more
// that is not EINTR, upon which programs try again, for ever.
func (h *streamHandle) end(patient context.Context, operation string, cause error) syscall.Errno {
	h.ended = volume.Ended(h.stream.Refuse(cause))
	if givenUp(patient, cause) {
		return syscall.EINTR
	}
	return h.fail(operation, h.ended)
}

// fail logs err, unless the same was said before, and gives its error number. It is
// the caller's turn.
func (h *streamHandle) fail(operation string, err error) syscall.Errno {
	if h.logged != nil && (errors.Is(err, h.logged) || err.Error() == h.logged.Error()) {
		return errnoOf(err)
	}
	h.logged = err
	return h.about(h.tree, operation+" "+h.name, err)
}
