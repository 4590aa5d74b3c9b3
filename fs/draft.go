package fs

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/compute"
)

// draftNode is a part of a compute image as the one sees it who writes it: a file of
// its own that is empty at first, while readers keep what is embedded. Programs that
// seek over zeros look at its size in the end, to see whether the file reaches so far.
type draftNode struct {
	node
	store *catalog.Store
	part  compute.Part
	over  bool      // something is embedded that the draft is to replace
	state viewState // of the store at the lookup

	mu   sync.Mutex
	open []*streamHandle
}

var (
	_ nodefs.NodeGetattrer = (*draftNode)(nil)
	_ nodefs.NodeSetattrer = (*draftNode)(nil)
	_ nodefs.NodeOpener    = (*draftNode)(nil)
	_ nodefs.NodeReleaser  = (*draftNode)(nil)
	_ nodefs.NodeFsyncer   = (*draftNode)(nil)
)

// newDraft makes a draft of a part of s, and answers a lookup with it.
func (t *tree) newDraft(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, part compute.Part, over bool, state viewState, out *fuse.EntryOut) (*draftNode, *nodefs.Inode) {
	child := &draftNode{node: t.viewNode(s, state, readable|writable), store: s, part: part, over: over, state: state}
	child.attributes(ctx, nil).fillEntry(out, 0, 0)
	stable := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: s.NumberOf(string(part)), Gen: t.generation.Add(1) | newFile}
	return child, parent.NewInode(ctx, child, stable)
}

// newFile keeps the generations of nodes without a view apart from those of views.
const newFile = 1 << 63

// attributes are those of the draft that handle writes, else of the newest.
func (n *draftNode) attributes(ctx context.Context, handle nodefs.FileHandle) attributes {
	backing, err := n.store.Attributes(ctx)
	if err != nil || !backing.Of(n.state.origin) {
		backing = catalog.AttributesOf(n.state.file)
	}
	described := ownedBy(backing, n.rights)
	described.modified, described.blockSize = time.Now(), streamSize
	writing, known := handle.(*streamHandle)
	n.mu.Lock()
	if !known && len(n.open) > 0 {
		writing = n.open[len(n.open)-1]
	}
	n.mu.Unlock()
	if writing != nil {
		described.size = writing.received()
	}
	return described
}

// Getattr tells what was written so far.
func (n *draftNode) Getattr(ctx context.Context, handle nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described := n.attributes(ctx, handle)
	return described.answer(0, 0, out)
}

// Setattr sets the length of a draft; owner, mode and times are ignored. The kernel
// does not say for which descriptor it is that open(2) cuts a file to nothing: for
// those that have brought nothing.
func (n *draftNode) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, given := in.GetSize(); given {
		if errno := truncate(ctx, handle, size); errno != 0 {
			return errno
		}
		if _, open := handle.(*streamHandle); !open {
			n.mu.Lock()
			fresh := slices.Clone(n.open)
			n.mu.Unlock()
			for _, h := range fresh {
				if h.received() == 0 {
					h.truncate(ctx, 0)
				}
			}
		}
	}
	return n.Getattr(ctx, handle, out)
}

// Open begins to write. Nobody comes here to read: the name leads to what is embedded.
func (n *draftNode) Open(ctx context.Context, flags uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	n.tree.drafts.begun(draft{threadOf(ctx), n.store, n.part})
	if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		return nil, 0, syscall.ESTALE
	}
	handle, errno := n.tree.openPart(ctx, n.store, n.part, n.over, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	n.mu.Lock()
	n.open = append(n.open, handle)
	n.mu.Unlock()
	return handle, fuse.FOPEN_DIRECT_IO, 0
}

// Release ends a stream, which is embedded by then or never will be.
func (n *draftNode) Release(ctx context.Context, handle nodefs.FileHandle) syscall.Errno {
	released := handle.(*streamHandle)
	n.mu.Lock()
	n.open = slices.DeleteFunc(n.open, func(h *streamHandle) bool { return h == released })
	n.mu.Unlock()
	return released.Release(ctx)
}

// Fsync embeds what has come so far.
func (n *draftNode) Fsync(ctx context.Context, handle nodefs.FileHandle, _ uint32) syscall.Errno {
	if stream, open := handle.(*streamHandle); open {
		return stream.fsync(ctx)
	}
	return 0
}

// openPart opens a stream that takes the place of a part, or makes it.
func (t *tree) openPart(ctx context.Context, s *catalog.Store, part compute.Part, over bool, flags uint32) (*streamHandle, syscall.Errno) {
	stream, err := s.OpenEmbed(ctx, part, over)
	if err != nil {
		return nil, aboutImage(s)(t, "open "+string(part), err)
	}
	handle := &streamHandle{tree: t, about: aboutImage(s), name: string(part)}
	handle.begin(ctx, stream, flags)
	return handle, 0
}

// draft is the wish of a thread to write a part.
type draft struct {
	thread uint32
	store  *catalog.Store
	part   compute.Part
}

// drafts are the wishes that are not fulfilled yet. A lookup does not say what it is
// for, and readers of a name share one node, with a size and with pages that are
// kept. So who opens that for writing is told that it is out of date; the kernel then
// looks the name up once more, on behalf of the same thread, and finds a draft.
type drafts struct {
	mu     sync.Mutex
	wished map[draft]time.Time
}

// draftPatience is how long a wish stays that nobody comes back for.
const draftPatience = 10 * time.Second

// wish notes a wish, and reports whether it is new: if it is not, the kernel has not
// come by the name.
func (d *drafts) wish(w draft) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for old, since := range d.wished {
		if now.Sub(since) > draftPatience {
			delete(d.wished, old)
		}
	}
	if _, known := d.wished[w]; known || w.thread == 0 {
		delete(d.wished, w)
		return false
	}
	if d.wished == nil {
		d.wished = map[draft]time.Time{}
	}
	d.wished[w] = now
	return true
}

// has reports whether a thread looks for a draft.
func (d *drafts) has(w draft) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, known := d.wished[w]
	return known
}

// begun forgets a wish.
func (d *drafts) begun(w draft) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.wished, w)
}
