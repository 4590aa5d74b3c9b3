package fs

import (
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// withRootList remembers the access control list of the mount's root for as long as
// the kernel believes attributes. The kernel makes that one inode before it hears that
// there are lists here, keeps none for it, and asks at each walk of a user who is not
// its owner.
type withRootList struct {
	fuse.RawFileSystem
	last atomic.Pointer[rootList]
}

// rootList is an answer to a request for the list.
type rootList struct {
	until  time.Time
	size   int // of the buffer
	answer []byte
	status fuse.Status
}

// rootNode is the number by which the kernel knows the root.
const rootNode = 1

// GetXAttr implements fuse.RawFileSystem.
func (w *withRootList) GetXAttr(cancel <-chan struct{}, header *fuse.InHeader, name string, buffer []byte) (uint32, fuse.Status) {
	if header.NodeId != rootNode || name != listName {
		return w.RawFileSystem.GetXAttr(cancel, header, name, buffer)
	}
	if last := w.last.Load(); last != nil && last.size == len(buffer) && time.Now().Before(last.until) {
		return uint32(copy(buffer, last.answer)), last.status
	}
	began := time.Now()
	n, status := w.RawFileSystem.GetXAttr(cancel, header, name, buffer)
	if status.Ok() || status == fuse.ENOATTR {
		w.last.Store(&rootList{began.Add(nameTimeout), len(buffer), append([]byte(nil), buffer[:min(int(n), len(buffer))]...), status})
	}
	return n, status
}
