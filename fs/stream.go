package fs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store"
	"rvffs/store/catalog"
)

// stream is where the bytes go that are written to a write-only file.
type stream interface {
	// Write takes all of the bytes or fails; what came since the last commit is
	// then dropped, and every later call but Close fails with the same error.
	Write(ctx context.Context, p []byte) (int, error)
	// Received is the number of bytes taken so far.
	Received() int64
	// Flush commits. Within a record it fails with store.ErrInput and keeps what
	// it has, so that later bytes may complete the record.
	Flush(ctx context.Context) error
	// Commit commits whole records and keeps the rest of one that has only begun.
	Commit(ctx context.Context) error
	// Abandon commits whole records and drops the rest.
	Abandon(ctx context.Context) error
	// Close commits if all records are whole, else it drops what is not committed.
	Close(ctx context.Context) error
}

// pauser is a stream whose end can be told from a pause.
type pauser interface {
	// Pause is Flush while the opener may still go on, even in the same line.
	Pause(ctx context.Context) error
}

// streamHandle is an open stream: all descriptors, in all processes, that come
// from one open(2).
type streamHandle struct {
	tree  *tree
	store *catalog.Store
	name  string
	text  string // what a reader finds
	whole bool   // nothing but the opener's own close says that all has come

	stream      stream  // nil when opened for reading
	appending   bool    // O_APPEND: the kernel's offsets mean nothing
	synchronous bool    // O_SYNC, O_DSYNC: no FSYNC follows a write
	opener      process // whose close is the last word

	mu     sync.Mutex
	fresh  bool  // bytes came since the last commit
	logged error // the latest failure since a commit went well
	ended  error // of the write that ended the stream
}

var (
	_ nodefs.FileReader   = (*streamHandle)(nil)
	_ nodefs.FileWriter   = (*streamHandle)(nil)
	_ nodefs.FileFlusher  = (*streamHandle)(nil)
	_ nodefs.FileReleaser = (*streamHandle)(nil)
)

// begin makes h the handle of s, opened with flags.
func (h *streamHandle) begin(ctx context.Context, s stream, flags uint32) {
	h.stream = s
	h.appending = flags&syscall.O_APPEND != 0
	h.synchronous = flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0
	h.opener = callerOf(ctx).open()
}

// received is the number of bytes that the stream has taken.
func (h *streamHandle) received() int64 {
	if h.stream == nil {
		return 0
	}
	return h.stream.Received()
}

// Read finds the text that the file shows, mostly none.
func (h *streamHandle) Read(_ context.Context, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	rest := h.text[min(max(offset, 0), int64(len(h.text))):]
	return fuse.ReadResultData(buffer[:copy(buffer, rest)]), 0
}

// Write takes the next bytes of the stream. Neither here nor in a commit does a
// signal interrupt a wait, which is short: what a stream has lost it cannot try
// again.
func (h *streamHandle) Write(ctx context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	if h.stream == nil {
		return 0, syscall.EBADF
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended != nil {
		return 0, errnoOf(h.ended)
	}
	if next := h.stream.Received(); !h.appending && offset != next {
		return 0, h.fail("write", fmt.Errorf("%w: offset %d, where the stream is at %d", store.ErrInput, offset, next))
	}
	ctx = context.WithoutCancel(ctx)
	h.fresh = true
	if _, err := h.stream.Write(ctx, data); err != nil {
		h.ended = err
		return 0, h.fail("write", err)
	}
	if h.synchronous {
		if err := h.stream.Commit(ctx); err != nil {
			return 0, h.fail("write", err)
		}
		h.tree.expiry.now()
	}
	return uint32(len(data)), 0
}

// Flush arrives at each close(2), and each close of a copy of the descriptor:
// before the first byte, between two programs that write one after the other, and
// when a process that inherited the descriptor ends. Only the opener's close says
// that a record that is not complete will never be; anybody else's commits what
// is complete. The opener's death is no close: what it had completed stays.
func (h *streamHandle) Flush(ctx context.Context) syscall.Errno {
	if h.stream == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended != nil {
		return errnoOf(h.ended)
	}
	var closer caller
	var inherited bool
	if h.fresh {
		closer = callerOf(ctx)
		inherited = closer.group != h.opener.group && h.opener.alive()
	}
	if inherited && h.whole {
		return 0
	}
	ctx = context.WithoutCancel(ctx)
	flush := h.stream.Flush
	if paused, can := h.stream.(pauser); can && inherited {
		flush = paused.Pause
	} else if closer.exiting && !inherited {
		flush = h.stream.Abandon
	}
	err := flush(ctx)
	if inherited && errors.Is(err, store.ErrInput) {
		return 0
	}
	return h.committed("close", err)
}

// fsync commits.
func (h *streamHandle) fsync(ctx context.Context) syscall.Errno {
	if h.stream == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended != nil {
		return errnoOf(h.ended)
	}
	return h.committed("fsync", h.stream.Flush(context.WithoutCancel(ctx)))
}

// committed ends a commit: when it went well, the kernel knows of the new state
// before the caller does.
func (h *streamHandle) committed(operation string, err error) syscall.Errno {
	if err != nil {
		return h.fail(operation, err)
	}
	h.logged = nil
	if h.fresh {
		h.fresh = false
		h.tree.expiry.now()
	}
	return 0
}

// Release ends the stream. Nobody waits for it, and it waits for nobody: the
// kernel allows only a few such requests at a time.
func (h *streamHandle) Release(context.Context) syscall.Errno {
	if h.stream == nil {
		return 0
	}
	h.tree.closing.Go(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		err := errors.Join(h.stream.Close(context.Background()), h.opener.close())
		if err != nil && h.logged == nil {
			h.fail("release", err)
		}
	})
	return 0
}

// fail logs err, unless it is the one that ended the stream before, and gives its
// error number. The caller holds mu.
func (h *streamHandle) fail(operation string, err error) syscall.Errno {
	if h.logged != nil && errors.Is(err, h.logged) {
		return errnoOf(err)
	}
	h.logged = err
	return h.tree.errno(h.store.Path(), operation+" "+h.name, err)
}
