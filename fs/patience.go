package fs

import (
	"sync"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// patience answers requests that only look on behalf of nodes that may have to wait
// for a slow disk, or that search long: whoever is killed meanwhile, or has been
// interrupted for a while, gets his answer at once. The kernel lets nobody die
// before that. The work is told to end and ends by itself; its result is dropped.
//
// A signal that a program handles and lives on with, such as those that tell of a
// child's end, must not make a stat(2) fail: such a one is waited out for handled.
type patience struct {
	fuse.RawFileSystem
	workers workers

	mu      sync.Mutex
	left    map[uint64]*leftNode // nodes that calls are about whose callers have left
	calls   int                  // of all of them
	hanging map[target]int       // the same calls, by what they are about
	fewer   chan struct{}        // closed when there are fewer
}

// target is what a call is about: a node, or a name that is looked up in it.
type target struct {
	node uint64
	name string
}

// leftNode is a node that some calls are about whose callers have left.
type leftNode struct {
	calls    int
	after    []func() // what waits for their end
	draining bool     // somebody is doing that
}

const (
	// handled is how long an interrupted caller who is not going to die waits.
	handled = time.Second
	// glance is the time between two looks at whether he is.
	glance = 20 * time.Millisecond
	// mostLeft bounds the calls that go on without their callers, and mostLeftAt those
	// about one thing, so that it takes many things that hang before others have to
	// wait for them. Beyond that new ones are not begun.
	mostLeft   = 1024
	mostLeftAt = 8
)

func newPatience(inner fuse.RawFileSystem) *patience {
	return &patience{RawFileSystem: inner, left: map[uint64]*leftNode{}, hanging: map[target]int{}, fewer: make(chan struct{})}
}

// mountPatiently is go-fuse's Mount with patience. It does not wait as that does, which is
// for files of the mount that this process itself would open, and opens one: a process that is
// killed while it waits for an answer of its own never ends, and neither does the mount.
func mountPatiently(mountPoint string, root nodefs.InodeEmbedder, settings *nodefs.Options) (*fuse.Server, error) {
	server, err := fuse.NewServer(&withRootList{RawFileSystem: newPatience(withMasks{nodefs.NewNodeFS(root, settings)})}, mountPoint, &settings.MountOptions)
	if err != nil {
		return nil, err
	}
	go server.Serve()
	return server, nil
}

// OnUnmount ends what waits for calls.
func (p *patience) OnUnmount() {
	p.workers.end()
	p.RawFileSystem.OnUnmount()
}

// outcome is what became of a call.
type outcome[T any] struct {
	value  T
	status fuse.Status
}

// waitFor runs call, which is about the node and the caller of header, until its
// end or that of the caller's patience. Undo takes back what a call has done whose
// caller has left.
func waitFor[T any](p *patience, cancel <-chan struct{}, header fuse.InHeader, call func(cancel <-chan struct{}) (T, fuse.Status), undo func(T)) (T, fuse.Status) {
	return waitAbout(p, cancel, header, target{node: header.NodeId}, nil, call, undo)
}

// waitAbout is waitFor for a call about something, whose caller also leaves when limit
// says so; the status is then EAGAIN.
func waitAbout[T any](p *patience, cancel <-chan struct{}, header fuse.InHeader, about target, limit <-chan time.Time, call func(cancel <-chan struct{}) (T, fuse.Status), undo func(T)) (T, fuse.Status) {
	var none T
	if !p.admit(cancel, about) {
		return none, fuse.EINTR
	}
	own, done := make(chan struct{}), make(chan outcome[T], 1)
	p.workers.do(func() {
		value, status := call(own)
		done <- outcome[T]{value, status}
	})
	status := fuse.EINTR
	select {
	case o := <-done:
		return o.value, o.status
	case <-limit:
		status = fuse.EAGAIN
	case <-cancel:
		if o, ended := waitOut(header, done); ended {
			return o.value, o.status
		}
	}
	close(own)
	p.leave(about)
	go func() {
		o := <-done
		if o.status.Ok() && undo != nil {
			undo(o.value)
		}
		p.ended(about)
	}()
	return none, status
}

// waitOut waits for the end of a call whose caller was interrupted, unless he is dying
// or it takes long.
func waitOut[T any](header fuse.InHeader, done <-chan outcome[T]) (o outcome[T], ended bool) {
	waited := time.NewTimer(handled)
	defer waited.Stop()
	look := time.NewTicker(glance)
	defer look.Stop()
	for !dying(header.Pid) {
		select {
		case o = <-done:
			return o, true
		case <-waited.C:
			return o, false
		case <-look.C:
		}
	}
	return o, false
}

// admit waits while too many calls go on without their callers, and reports whether a
// new one may begin.
func (p *patience) admit(cancel <-chan struct{}, about target) bool {
	for {
		p.mu.Lock()
		admitted, fewer := p.calls < mostLeft && p.hanging[about] < mostLeftAt, p.fewer
		p.mu.Unlock()
		if admitted {
			return true
		}
		select {
		case <-fewer:
		case <-cancel:
			return false
		}
	}
}

// hangs reports whether a call about something goes on without its caller.
func (p *patience) hangs(about target) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hanging[about] > 0
}

// leave notes that a call goes on without its caller.
func (p *patience) leave(about target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	node := about.node
	p.calls++
	p.hanging[about]++
	if p.left[node] == nil {
		p.left[node] = &leftNode{}
	}
	p.left[node].calls++
}

// ended notes that such a call is over. What waits for the end of the last one about
// a node is done in the order in which it came.
func (p *patience) ended(about target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hanging[about]--; p.hanging[about] == 0 {
		delete(p.hanging, about)
	}
	node := about.node
	n := p.left[node]
	n.calls--
	if n.calls == 0 && !n.draining {
		n.draining = true
		for n.calls == 0 && len(n.after) > 0 {
			next := n.after[0]
			n.after = n.after[1:]
			p.mu.Unlock()
			next()
			p.mu.Lock()
		}
		n.draining = false
		if n.calls == 0 {
			delete(p.left, node)
		}
	}
	p.calls--
	close(p.fewer)
	p.fewer = make(chan struct{})
}

// whenNobodyIsAbout runs f when no call about a node goes on without its caller: the
// kernel believes that it is done with the node, or with a file of it.
func (p *patience) whenNobodyIsAbout(node uint64, f func()) {
	p.mu.Lock()
	if n := p.left[node]; n != nil {
		n.after = append(n.after, f)
		f = nil
	}
	p.mu.Unlock()
	if f != nil {
		f()
	}
}

// Lookup finds a name.
func (p *patience) Lookup(cancel <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	return p.lookUp(cancel, header, name, nil, out)
}

func (p *patience) lookUp(cancel <-chan struct{}, header *fuse.InHeader, name string, limit <-chan time.Time, out *fuse.EntryOut) fuse.Status {
	in := *header
	found, status := waitAbout(p, cancel, in, target{in.NodeId, name}, limit, func(cancel <-chan struct{}) (*fuse.EntryOut, fuse.Status) {
		found := new(fuse.EntryOut)
		return found, p.RawFileSystem.Lookup(cancel, &in, name, found)
	}, func(found *fuse.EntryOut) { p.Forget(found.NodeId, 1) })
	if found != nil {
		*out = *found
	}
	return status
}

// Forget lets a node go.
func (p *patience) Forget(node, lookups uint64) {
	p.whenNobodyIsAbout(node, func() { p.RawFileSystem.Forget(node, lookups) })
}

// GetAttr describes a node.
func (p *patience) GetAttr(cancel <-chan struct{}, input *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	in := *input
	described, status := waitFor(p, cancel, in.InHeader, func(cancel <-chan struct{}) (*fuse.AttrOut, fuse.Status) {
		described := new(fuse.AttrOut)
		return described, p.RawFileSystem.GetAttr(cancel, &in, described)
	}, nil)
	if described != nil {
		*out = *described
	}
	return status
}

// Open opens a file.
func (p *patience) Open(cancel <-chan struct{}, input *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	in := *input
	opened, status := waitFor(p, cancel, in.InHeader, func(cancel <-chan struct{}) (*fuse.OpenOut, fuse.Status) {
		opened := new(fuse.OpenOut)
		return opened, p.RawFileSystem.Open(cancel, &in, opened)
	}, func(opened *fuse.OpenOut) {
		p.RawFileSystem.Release(nil, &fuse.ReleaseIn{InHeader: in.InHeader, Fh: opened.Fh, Flags: in.Flags})
	})
	if opened != nil {
		*out = *opened
	}
	return status
}

// Release closes a file.
func (p *patience) Release(_ <-chan struct{}, input *fuse.ReleaseIn) {
	in := *input
	p.whenNobodyIsAbout(in.NodeId, func() { p.RawFileSystem.Release(nil, &in) })
}

// OpenDir opens a folder.
func (p *patience) OpenDir(cancel <-chan struct{}, input *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	in := *input
	opened, status := waitFor(p, cancel, in.InHeader, func(cancel <-chan struct{}) (*fuse.OpenOut, fuse.Status) {
		opened := new(fuse.OpenOut)
		return opened, p.RawFileSystem.OpenDir(cancel, &in, opened)
	}, func(opened *fuse.OpenOut) {
		p.RawFileSystem.ReleaseDir(&fuse.ReleaseIn{InHeader: in.InHeader, Fh: opened.Fh, Flags: in.Flags})
	})
	if opened != nil {
		*out = *opened
	}
	return status
}

// ReleaseDir closes a folder.
func (p *patience) ReleaseDir(input *fuse.ReleaseIn) {
	in := *input
	p.whenNobodyIsAbout(in.NodeId, func() { p.RawFileSystem.ReleaseDir(&in) })
}

// list reads up to size bytes of a folder's names.
func (p *patience) list(cancel <-chan struct{}, in fuse.ReadIn, size uint32) ([]fuse.DirEntry, fuse.Status) {
	in.Size = size
	return waitFor(p, cancel, in.InHeader, func(cancel <-chan struct{}) ([]fuse.DirEntry, fuse.Status) {
		list := fuse.NewDirEntryList(make([]byte, size), in.Offset)
		status := p.RawFileSystem.ReadDir(cancel, &in, list)
		entries, err := fuse.ParseDirEntries(list.Bytes())
		if err != nil {
			return nil, fuse.EIO
		}
		return entries, status
	}, nil)
}

// ReadDir lists names.
func (p *patience) ReadDir(cancel <-chan struct{}, input *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	entries, status := p.list(cancel, *input, input.Size)
	for _, entry := range entries {
		out.AddDirEntry(entry)
	}
	return status
}

// plusGrowth is how many times the space a name takes at most when what it stands
// for is looked up along with it: 128 bytes are added to 32 or more.
const plusGrowth = 5

// ReadDirPlus lists names and looks each up. What does not answer is listed by its name
// alone: who only wants to know the names of a folder does not wait for all that is in
// it.
func (p *patience) ReadDirPlus(cancel <-chan struct{}, input *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	header := input.InHeader
	entries, status := p.list(cancel, *input, input.Size/plusGrowth)
	limit := time.NewTimer(handled)
	defer limit.Stop()
	for i, entry := range entries {
		found := new(fuse.EntryOut)
		if entry.Name != "." && entry.Name != ".." && !p.hangs(target{header.NodeId, entry.Name}) {
			looked := p.lookUp(cancel, &header, entry.Name, limit.C, found)
			if looked == fuse.EAGAIN {
				limit.Reset(glance) // for each that is left
			}
			switch {
			case looked == fuse.EINTR && i == 0:
				return looked
			case looked == fuse.EINTR:
				return fuse.OK // with those before; the kernel comes again for the others
			case !looked.Ok():
				*found = fuse.EntryOut{} // the name alone
			}
		}
		slot := out.AddDirLookupEntry(entry)
		if slot == nil {
			p.Forget(found.NodeId, 1)
			break
		}
		*slot = *found
		if found.NodeId != 0 {
			out.FixMode(found.Mode)
		}
	}
	return status
}

// GetXAttr reads an extended attribute.
func (p *patience) GetXAttr(cancel <-chan struct{}, header *fuse.InHeader, name string, out []byte) (uint32, fuse.Status) {
	return p.attribute(cancel, *header, out, func(cancel <-chan struct{}, in *fuse.InHeader, buffer []byte) (uint32, fuse.Status) {
		return p.RawFileSystem.GetXAttr(cancel, in, name, buffer)
	})
}

// ListXAttr lists extended attributes.
func (p *patience) ListXAttr(cancel <-chan struct{}, header *fuse.InHeader, out []byte) (uint32, fuse.Status) {
	return p.attribute(cancel, *header, out, p.RawFileSystem.ListXAttr)
}

// attribute is GetXAttr or ListXAttr.
func (p *patience) attribute(cancel <-chan struct{}, in fuse.InHeader, out []byte, read func(<-chan struct{}, *fuse.InHeader, []byte) (uint32, fuse.Status)) (uint32, fuse.Status) {
	type answer struct {
		size    uint32
		content []byte
	}
	found, status := waitFor(p, cancel, in, func(cancel <-chan struct{}) (answer, fuse.Status) {
		content := make([]byte, len(out))
		size, status := read(cancel, &in, content)
		return answer{size, content}, status
	}, nil)
	copy(out, found.content)
	return found.size, status
}

// StatFs tells about the file system below.
func (p *patience) StatFs(cancel <-chan struct{}, header *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	in := *header
	found, status := waitFor(p, cancel, in, func(cancel <-chan struct{}) (*fuse.StatfsOut, fuse.Status) {
		found := new(fuse.StatfsOut)
		return found, p.RawFileSystem.StatFs(cancel, &in, found)
	}, nil)
	if found != nil {
		*out = *found
	}
	return status
}
