package fs

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"sync/atomic"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/journal"
	"rvffs/store/shared"
	"rvffs/store/volume"
)

// logNode is a log that grows under those who read it. What stands at an offset stays
// there for as long as the node is there, and new lines come behind it, so that programs
// which follow a file find each line once. When the oldest lines are forgotten, the next
// lookup makes a node that begins later; who follows the former one reads on.
//
// The kernel is told nothing of new lines: programs that follow a file ask for its size
// on file systems that they take for remote ones, as they do with FUSE, and are answered
// without delay.
type logNode struct {
	node
	lines lines
	base  int64 // position of the node's first byte
	owner owner
}

var (
	_ nodefs.NodeGetattrer = (*logNode)(nil)
	_ nodefs.NodeSetattrer = (*logNode)(nil)
	_ nodefs.NodeOpener    = (*logNode)(nil)
	_ nodefs.NodeReader    = (*logNode)(nil)
)

// lines are a log as somebody sees it.
type lines interface {
	// extent gives the positions of the first byte that is kept and of the one to come.
	extent(ctx context.Context) (first, end int64, err error)
	readAt(ctx context.Context, buffer []byte, position int64) (int, error)
	// generation tells the nodes of one inode number apart.
	generation(t *tree, first int64) uint64
}

// lookupAppendLog answers a lookup of a store's append.log.
func lookupAppendLog(ctx context.Context, n *storeNode, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	log, snapshot, err := n.store.AppendLog(ctx)
	if err != nil {
		return nil, n.hidden(ctx, catalog.NameAppendLog, err)
	}
	return n.tree.lookupLog(ctx, n.EmbeddedInode(), n.store.NumberOf(catalog.NameAppendLog), allLines{log}, fileOwner{n.store, stateOf(snapshot)}, out)
}

// lookupLog answers a lookup with a log.
func (t *tree) lookupLog(ctx context.Context, parent *nodefs.Inode, number uint64, shown lines, owner owner, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	base, _, err := shown.extent(ctx)
	if err != nil {
		return nil, owner.failed(t, "show", err)
	}
	child := &logNode{node: node{tree: t, list: owner.list, rights: masked(readable)}, lines: shown, base: base, owner: owner}
	described, errno := child.attributes(ctx)
	if errno != 0 {
		return nil, errno
	}
	described.fillEntry(out, 0, 0)
	identity := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: number, Gen: shown.generation(t, base)}
	if _, some := shown.(*someLines); some {
		return parent.NewInode(ctx, child, identity), 0 // nobody else is to open it
	}
	return t.show(ctx, parent, child, identity, "", owner.order(), out), 0
}

func (n *logNode) attributes(ctx context.Context) (attributes, syscall.Errno) {
	backing, err := n.owner.Attributes(ctx)
	if err != nil {
		return attributes{}, n.owner.failed(n.tree, "stat", err)
	}
	_, end, err := n.lines.extent(ctx)
	if err != nil {
		return attributes{}, n.owner.failed(n.tree, "stat", err)
	}
	described := ownedBy(backing, n.rights)
	described.size = end - n.base
	return described, 0
}

// Getattr gives the size of this moment, which nobody may believe in the next.
func (n *logNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.attributes(ctx)
	return described.answer(errno, 0, out)
}

// Setattr is refused.
func (n *logNode) Setattr(context.Context, nodefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return n.tree.refusal()
}

// Open lets nothing of the log stay in the page cache, which would end where the log
// ended.
func (n *logNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, n.tree.refusal()
	}
	if err := n.owner.Allow(ctx, volume.Read); err != nil {
		return nil, 0, n.owner.failed(n.tree, "open", err)
	}
	if file, is := n.owner.(fileOwner); is {
		n.tree.partings.await(ctx, file.store)
	}
	return &logHandle{}, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, 0
}

// logHandle is a log as somebody reads it.
type logHandle struct {
	passed atomic.Int64 // bytes that were forgotten before the first was read
}

// Read copies lines, from the oldest that is kept when the first is read. What is forgotten
// later is gone for who has not read it yet, too: he opens the file again.
func (n *logNode) Read(ctx context.Context, file nodefs.FileHandle, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	handle := file.(*logHandle)
	length, err := n.lines.readAt(ctx, buffer, n.base+handle.passed.Load()+offset)
	for offset == 0 && errors.Is(err, journal.ErrForgotten) {
		var first int64
		if first, _, err = n.lines.extent(ctx); err != nil {
			break
		}
		handle.passed.Store(first - n.base)
		length, err = n.lines.readAt(ctx, buffer, first)
	}
	if errors.Is(err, journal.ErrForgotten) {
		return nil, syscall.ESTALE
	}
	if err != nil {
		return nil, n.owner.failed(n.tree, "read", err)
	}
	return fuse.ReadResultData(buffer[:length]), 0
}

// allLines are a log as it is.
type allLines struct{ log *journal.Log }

func (l allLines) extent(context.Context) (first, end int64, err error) {
	first, end = l.log.Extent()
	return first, end, nil
}

func (l allLines) readAt(_ context.Context, buffer []byte, position int64) (int, error) {
	return l.log.ReadAt(buffer, position)
}

func (l allLines) generation(_ *tree, first int64) uint64 {
	var sum maphash.Hash
	sum.SetSeed(contentSeed)
	maphash.WriteComparable(&sum, [2]uint64{l.log.Number(), uint64(first)})
	return sum.Sum64()
}

// someLines are those of a log that somebody may see, as they are when he first asks for
// each, with positions of their own.
type someLines struct {
	log *journal.Log
	as  func(context.Context) context.Context
	// judge gives a way to decide, which may ask the disk, on lines that are looked at
	// together.
	judge func(context.Context) func(line []byte) bool

	turn shared.Turn // guards what follows
	seen int64       // position in the log up to which it was decided
	end  int64       // of what is shown
	runs []run       // of what is shown and may be kept still
}

// run is a run of lines that are shown.
type run struct {
	at   int64 // in what is shown
	from int64 // in the log
	size int64
}

func newSomeLines(log *journal.Log, as func(context.Context) context.Context, judge func(context.Context) func([]byte) bool) *someLines {
	first, _ := log.Extent()
	return &someLines{log: log, as: as, judge: judge, turn: shared.NewTurn(), seen: first}
}

// look decides on lines that are new.
func (l *someLines) look(ctx context.Context) error {
	first, end := l.log.Extent()
	for len(l.runs) > 0 && l.runs[0].from+l.runs[0].size <= first {
		l.runs = l.runs[1:]
	}
	if len(l.runs) > 0 {
		if over := first - l.runs[0].from; over > 0 {
			l.runs[0] = run{at: l.runs[0].at + over, from: first, size: l.runs[0].size - over}
		}
	}
	l.seen = max(l.seen, first)
	fresh := make([]byte, end-l.seen)
	n, err := l.log.ReadAt(fresh, l.seen)
	if errors.Is(err, journal.ErrForgotten) {
		return nil // meanwhile; the next look finds what is left
	}
	ctx = l.as(ctx)
	may := l.judge(ctx)
	for line := range bytes.Lines(fresh[:n]) {
		size := int64(len(line))
		if may(line) {
			if last := len(l.runs) - 1; last >= 0 && l.runs[last].from+l.runs[last].size == l.seen {
				l.runs[last].size += size
			} else {
				l.runs = append(l.runs, run{at: l.end, from: l.seen, size: size})
			}
			l.end += size
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		l.seen += size
	}
	return nil
}

func (l *someLines) extent(ctx context.Context) (first, end int64, err error) {
	if err := l.turn.Take(ctx); err != nil {
		return 0, 0, err
	}
	defer l.turn.Give()
	if err := l.look(ctx); err != nil {
		return 0, 0, err
	}
	if len(l.runs) == 0 {
		return l.end, l.end, nil
	}
	return l.runs[0].at, l.end, nil
}

func (l *someLines) readAt(ctx context.Context, buffer []byte, position int64) (read int, err error) {
	if err := l.turn.Take(ctx); err != nil {
		return 0, err
	}
	defer l.turn.Give()
	if err := l.look(ctx); err != nil {
		return 0, err
	}
	for _, r := range l.runs {
		if position >= r.at+r.size {
			continue
		}
		if position < r.at {
			return read, journal.ErrForgotten
		}
		within := position - r.at
		n, err := l.log.ReadAt(buffer[read:min(int64(len(buffer)), int64(read)+r.size-within)], r.from+within)
		if err != nil {
			return read, err
		}
		read, position = read+n, position+int64(n)
		if read == len(buffer) {
			break
		}
	}
	if read == 0 && position < l.end {
		return 0, journal.ErrForgotten
	}
	return read, nil
}

// generation is a new one for everybody who looks: what he may see is decided for him.
func (l *someLines) generation(t *tree, _ int64) uint64 { return t.generation.Add(1) }
