package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/memory"
	"rvffs/store/search"
	"rvffs/store/shared"
	"rvffs/store/volume"
)

// queryNode is a lookup of the file that answers questions. Each lookup makes a new
// node, so that the kernel's lock on the one does not keep another's users waiting.
//
// Its size is always 0 and who only reads finds nothing: some programs read as many
// bytes as the size says and would cut an answer off there.
type queryNode struct {
	node
	store *catalog.Store
}

var (
	_ nodefs.NodeGetattrer = (*queryNode)(nil)
	_ nodefs.NodeSetattrer = (*queryNode)(nil)
	_ nodefs.NodeOpener    = (*queryNode)(nil)
	_ nodefs.FileReader    = (*queryHandle)(nil)
	_ nodefs.FileWriter    = (*queryHandle)(nil)
	_ nodefs.FileFlusher   = (*queryHandle)(nil)
	_ nodefs.FileReleaser  = (*queryHandle)(nil)
)

func lookupQuery(ctx context.Context, parent *storeNode, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &queryNode{node: node{tree: parent.tree, list: ofStore(parent.store), rights: asQuestion}, store: parent.store}
	described, errno := child.attributes(ctx)
	if errno != 0 {
		return nil, errno
	}
	described.fillEntry(out, 0, 0)
	identity := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: child.store.NumberOf(catalog.NameQuery), Gen: child.tree.generationOnce()}
	return parent.NewInode(ctx, child, identity), 0
}

// asQuestion lets those write who may read: a question is written, but changes nothing.
func asQuestion(mode os.FileMode) os.FileMode { return mode&readable | mode&readable>>1 }

func (n *queryNode) attributes(ctx context.Context) (attributes, syscall.Errno) {
	backing, err := n.store.Attributes(ctx)
	if err != nil {
		return attributes{}, n.tree.errno(n.store.Path(), "stat "+catalog.NameQuery, err)
	}
	described := ownedBy(backing, n.rights)
	described.modified, described.blockSize = beginning, streamSize
	return described, 0
}

// Getattr tells whose the store is.
func (n *queryNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.attributes(ctx)
	return described.answer(errno, 0, out)
}

// Setattr accepts what opening with truncation and copying do, and does nothing.
func (n *queryNode) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, given := in.GetSize(); given && size != 0 {
		return syscall.EINVAL
	}
	return n.Getattr(ctx, handle, out)
}

// Open begins a conversation of its own.
func (n *queryNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	if _, err := n.store.AllowNewest(ctx, volume.Read); err != nil {
		return nil, 0, n.tree.errno(n.store.Path(), "open "+catalog.NameQuery, err)
	}
	handle := &queryHandle{
		node: n, asOpener: n.store.KeepCaller(ctx), appending: flags&syscall.O_APPEND != 0,
		turn: shared.NewTurn(), memory: n.tree.memory.Charge(),
	}
	return handle, fuse.FOPEN_DIRECT_IO, 0
}

// queryHandle is a conversation: what is written is a question, what is read then
// its answer, what is written after that the next question.
//
// Programs that read and write by turns have one offset for both, so an answer
// begins where its question ended. Those that read from the start find it there,
// too. An answer that was read to its end is let go.
type queryHandle struct {
	node      *queryNode
	appending bool // the kernel's offsets of writes mean nothing
	// asOpener lets an operation be done for the one who opened the file.
	asOpener func(context.Context) context.Context

	turn     shared.Turn   // held by the one who uses what follows
	memory   memory.Charge // of question and answer
	question []byte        // empty as soon as it is answered
	begin    int64         // offset of the question
	answered bool
	answer   []byte
	heard    bool  // the answer was read to its end, and is not there any more
	length   int64 // of the answer, in bytes
	origin   int64 // offset of the answer
	problem  error // instead of an answer
}

// clear forgets question and answer.
func (h *queryHandle) clear() {
	h.question, h.answered, h.answer, h.heard, h.length, h.problem = nil, false, nil, false, 0, nil
	h.memory.Free()
}

// Write takes more of a question, or begins a new one: after an answer, and where
// the question began that has not been answered.
func (h *queryHandle) Write(ctx context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	if err := h.turn.Take(ctx); err != nil {
		return 0, h.fail("write", err)
	}
	defer h.turn.Give()
	end := h.begin + int64(len(h.question))
	switch {
	case len(h.question) == 0, offset == h.begin && !h.appending:
		h.clear()
		h.begin = offset
	case offset != end && !h.appending:
		return 0, h.fail("write", fmt.Errorf("%w: offset %d, where the question is at %d", volume.ErrInput, offset, end))
	}
	if len(data) > search.MaxQueryBytes-len(h.question) {
		return 0, h.fail("write", fmt.Errorf("%w: a question of more than %d bytes", volume.ErrTooLarge, search.MaxQueryBytes))
	}
	if err := h.makeRoom(len(data)); err != nil {
		return 0, h.fail("write", err)
	}
	h.question = append(h.question, data...)
	return uint32(len(data)), 0
}

// makeRoom sees to it that the question can grow by some bytes. A buffer that is full
// is twice as large then, and needed beside the other for a moment.
func (h *queryHandle) makeRoom(bytes int) error {
	const least = 512
	needed, size := len(h.question)+bytes, cap(h.question)
	if needed <= size {
		return nil
	}
	larger := min(max(needed, 2*size, least), search.MaxQueryBytes)
	if err := h.memory.Hold(int64(size + larger)); err != nil {
		return err
	}
	h.question = append(make([]byte, 0, larger), h.question...)
	h.memory.Force(int64(larger))
	return nil
}

// Read searches if the question has no answer yet. Here a program can be kept
// waiting: writing would block others, and could not be interrupted.
func (h *queryHandle) Read(ctx context.Context, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if err := h.turn.Take(ctx); err != nil {
		return nil, h.fail("read", err)
	}
	if !h.answered && len(h.question) > 0 {
		if err := h.search(ctx); err != nil {
			return nil, h.fail("read", err) // and whoever searches leaves
		}
	}
	defer h.turn.Give()
	if !h.answered {
		return fuse.ReadResultData(nil), 0
	}
	if h.problem != nil {
		return nil, h.fail("read", h.problem)
	}
	if offset < h.origin {
		h.origin = 0
	}
	switch at := offset - h.origin; {
	case at >= h.length:
		h.heard, h.answer = true, nil
		h.memory.Free()
		return fuse.ReadResultData(nil), 0
	case h.heard:
		return nil, h.fail("read", fmt.Errorf("%w: the answer was read to its end, and is not kept longer", volume.ErrInput))
	default:
		return fuse.ReadResultData(buffer[:copy(buffer, h.answer[at:])]), 0
	}
}

// search answers the question. A caller that is killed meanwhile, or interrupted for
// a while, does not wait for its end, which may be up to a slow disk. An error means
// that the handle was left, or will be at the end.
func (h *queryHandle) search(ctx context.Context) error {
	patient := h.node.tree.outlast(ctx, handled)
	defer patient.end()
	done := make(chan error, 1)
	go func() {
		err := h.answerIt(ctx)
		if err != nil {
			h.turn.Give()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-patient.Done():
	}
	go func() {
		if <-done == nil {
			h.turn.Give()
		}
	}()
	return context.Canceled
}

// answerIt searches, and keeps what it finds. An error means that the question is as
// it was.
func (h *queryHandle) answerIt(ctx context.Context) error {
	answer, err := h.node.store.Query(h.asOpener(ctx), h.question)
	if errors.Is(err, context.Canceled) || errors.Is(err, memory.ErrNone) {
		return err
	}
	if err := h.memory.Hold(int64(cap(h.question) + cap(answer))); err != nil {
		return err
	}
	h.answered, h.answer, h.length, h.problem, h.origin = true, answer, int64(len(answer)), err, h.begin+int64(len(h.question))
	h.question = nil
	h.memory.Force(int64(cap(answer)))
	return nil
}

// Flush has nothing to commit.
func (h *queryHandle) Flush(context.Context) syscall.Errno { return 0 }

// Release forgets everything, as soon as nobody searches any more.
func (h *queryHandle) Release(context.Context) syscall.Errno {
	if h.turn.TryTake() {
		h.clear()
		return 0
	}
	go func() {
		_ = h.turn.Take(context.Background())
		h.clear()
	}()
	return 0
}

func (h *queryHandle) fail(operation string, err error) syscall.Errno {
	return h.node.tree.errno(h.node.store.Path(), operation+" "+catalog.NameQuery, err)
}
