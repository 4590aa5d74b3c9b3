package fs

import (
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// overlays find out whether an overlay file system lies above the mount.
//
// The kernel says when the table of mounts has changed. That is asked at each lookup, for
// the next may be the overlay's; and it is waited for, because the kernel may know names
// already that the overlay will take.
type overlays struct {
	mountPoint string
	names      *expiry
	log        zerolog.Logger
	found      atomic.Bool

	mu    sync.Mutex
	table int // descriptor of the table for lookups; 0 where there is none

	wake int           // descriptor that ends the waiting
	done chan struct{} // closed when nobody waits; nil where nobody did
}

// tablePatience is how long a lookup waits for the table of mounts. The kernel may hold it
// while it waits for us.
const tablePatience = 100 * time.Millisecond

// watch looks for overlays above a mount point from now on. Names that are known when the
// first is found are things of the past.
func (o *overlays) watch(mountPoint string, names *expiry, log zerolog.Logger) {
	o.mountPoint, o.names, o.log = mountPoint, names, log
	// The runtime would ask an os.File for its news before anybody else.
	open := func() int {
		table, err := unix.Open(mountTable, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0
		}
		return table
	}
	o.mu.Lock()
	o.table = open()
	o.mu.Unlock()
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return
	}
	table := open()
	if table == 0 {
		_ = unix.Close(wake)
		return
	}
	o.wake, o.done = wake, make(chan struct{})
	go o.await(table)
}

// await looks at the table whenever it has changed, until it is told to end or there is
// nothing left to be found.
func (o *overlays) await(table int) {
	defer close(o.done)
	defer func() { _ = unix.Close(table) }()
	for !o.found.Load() {
		events := []unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}, {Fd: int32(o.wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(events, -1); err != nil && err != unix.EINTR {
			return
		}
		if events[1].Revents != 0 {
			return
		}
		if events[0].Revents != 0 {
			o.look()
		}
	}
}

// close ends the watch.
func (o *overlays) close() {
	o.mu.Lock()
	if o.table != 0 {
		_ = unix.Close(o.table)
		o.table = 0
	}
	o.mu.Unlock()
	if o.done != nil {
		_, _ = unix.Write(o.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		<-o.done
		_ = unix.Close(o.wake)
	}
}

// above reports whether there is an overlay.
func (o *overlays) above() bool {
	if o.found.Load() || !o.changed() {
		return o.found.Load()
	}
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		o.look()
	}()
	select {
	case <-looked:
	case <-time.After(tablePatience):
	}
	return o.found.Load()
}

// changed reports whether the table has changed since it was asked last.
func (o *overlays) changed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.table == 0 {
		return false
	}
	state, err := poll(o.table, unix.POLLPRI)
	return err == nil && state&unix.POLLPRI != 0
}

// look looks for an overlay in the table.
func (o *overlays) look() {
	mounts, _ := Mounts() // as far as they can be read
	if overlaid(mounts, o.mountPoint) && !o.found.Swap(true) {
		// To an overlay, a name of an earlier epoch is no name any more, whatever it leads to.
		o.names.now()
		o.names.close()
		o.log.Info().Str("mountpoint", o.mountPoint).Msg("an overlay lies above the mount: names keep their inodes from now on")
	}
}

// overlaid reports whether there is an overlay of which a lower layer is a directory or lies
// in it.
func overlaid(mounts []Mounted, directory string) bool {
	for _, m := range mounts {
		if m.Type != "overlay" {
			continue
		}
		for option := range strings.SplitSeq(m.options, ",") {
			name, layers, _ := strings.Cut(option, "=")
			if name != "lowerdir" && name != "lowerdir+" && name != "datadir+" {
				continue
			}
			for layer := range strings.SplitSeq(layers, ":") {
				if liesIn(layer, directory) {
					return true
				}
			}
		}
	}
	return false
}

// liesIn reports whether a layer is a directory or lies in it. One that is named from
// somewhere else is taken for such where that can be.
func liesIn(layer, directory string) bool {
	layer = path.Clean(layer)
	if path.IsAbs(layer) {
		return Mounted{Point: directory}.Holds(layer)
	}
	for strings.HasPrefix(layer, "../") {
		layer = layer[len("../"):]
	}
	for ; layer != "."; layer = path.Dir(layer) {
		if strings.HasSuffix(directory, "/"+layer) {
			return true
		}
	}
	return false
}
