package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Head follows the file of one store: it knows where that lies, and the newest state
// that was found in it. Its methods may be called from several goroutines.
type Head struct {
	// Changing reports whether this process is changing the file, and so holds the
	// writer lock, with a number that is another one each time that it began to. It is
	// set before the first use; nil: it never does.
	Changing func() (active bool, changes uint64)

	options BackingOptions

	mu      sync.Mutex // guards what follows; never held over I/O
	at      Location
	current *Snapshot
	seen    volume.FileInfo // metadata that current was read under
	owing   bool            // the file's name is not known to be durable
	closed  bool
}

// NewHead follows the file at a place. Nothing is read before Load.
func NewHead(at Location, options BackingOptions) *Head { return &Head{at: at, options: options} }

func (h *Head) changing() (bool, uint64) {
	if h.Changing == nil {
		return false, 0
	}
	return h.Changing()
}

// Known is what is known of a file without having it open. A Head that is loaded with
// it shows the same snapshot, unless the file has changed.
type Known struct {
	snapshot *Snapshot
	seen     volume.FileInfo
}

// Known is what is known of the file, for loading it again.
func (h *Head) Known() Known {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Known{h.current, h.seen}
}

// resume takes over what is known, if the file still is as it was, and reports whether it
// is.
func (h *Head) resume(known Known) bool {
	if known.snapshot == nil {
		return false
	}
	at := h.Location()
	info, err := at.Files.Stat(at.Name)
	if err != nil || !info.Unchanged(known.seen) {
		return false
	}
	if _, err := known.snapshot.source.Acquire(); err != nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current, h.seen = known.snapshot, known.seen
	return true
}

// Load reads the newest state from the file. It comes before all that asks for that.
func (h *Head) Load(ctx context.Context, known Known) error {
	if h.resume(known) {
		return nil
	}
	at := h.Location()
	file, err := at.Files.Open(at.Name, false)
	if errors.Is(err, volume.ErrNotRegular) {
		return fmt.Errorf("%w: %w", volume.ErrNotStore, err)
	}
	if err != nil {
		return err
	}
	info, err := file.Stat()
	var found *segments.State
	if err == nil {
		found, err = h.FindState(volume.Watch(ctx, file), info.Size, segments.FindOptions{})
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	snapshot := NewSnapshot(AdoptBacking(at, file, info, h.options), found, info.Modified)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current, h.seen = snapshot, info
	return nil
}

// FindState finds the newest state in a file of the store, and turns the ways in which a file can be no store into ErrNotStore.
func (h *Head) FindState(file io.ReaderAt, size int64, options segments.FindOptions) (*segments.State, error) {
	charge := h.options.Memory.Charge()
	defer charge.Free()
	options.Memory = charge.Set
	found, err := segments.FindState(file, size, options)
	if errors.Is(err, segments.ErrNoManifest) {
		err = fmt.Errorf("%w: %w", volume.ErrNotStore, err)
		if segments.BeginsSegment(file) {
			err = fmt.Errorf("%w; rvffs recover %s brings back what is whole in it", err, h.Location().Path())
		}
		return nil, err
	}
	return found, err
}

// Location is where the file lies.
func (h *Head) Location() Location {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

// MovedTo notes where the file lies from now on.
func (h *Head) MovedTo(to Location) {
	h.mu.Lock()
	h.at = to
	source := h.current.source
	h.mu.Unlock()
	source.moved(to)
}

// Current is the newest snapshot known, without a look at the file.
func (h *Head) Current() *Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.renew()
}

// renew is the newest snapshot known, as one of its own when damage was found since
// it was made. The caller holds mu.
func (h *Head) renew() *Snapshot {
	if h.current.Outdated() {
		h.current = h.current.Renewed()
	}
	return h.current
}

// Look is the newest committed state. A change by another process is noticed: the
// file's metadata is compared at each call.
func (h *Head) Look(ctx context.Context) (*Snapshot, error) {
	for {
		// In this order: a place that is out of date was touched since.
		active, changes := h.changing()
		h.mu.Lock()
		current, seen, closed, at := h.renew(), h.seen, h.closed, h.at
		h.mu.Unlock()
		if closed {
			return nil, fmt.Errorf("store %q: %w", at.Name, volume.ErrClosed)
		}
		if active {
			if err := CheckOrigin(ctx, current.Origin()); err != nil {
				return nil, fmt.Errorf("look at store %q: %w", at.Name, err)
			}
			return current, nil // the lock is ours: nobody else changes the file
		}
		still := func() bool {
			_, now := h.changing()
			return now == changes
		}
		snapshot, err := h.lookAt(ctx, at, current, seen, still)
		if errors.Is(err, fs.ErrNotExist) && !still() {
			continue // renamed meanwhile by this process: it stands elsewhere
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("store %q: %w: its file was removed", at.Name, volume.ErrNotFound)
		}
		if err == nil {
			err = CheckOrigin(ctx, snapshot.Origin())
		}
		if err != nil {
			return nil, fmt.Errorf("look at store %q: %w", at.Name, err)
		}
		return snapshot, nil
	}
}

// lookAt is the state of the file at a place, where current was the newest known.
func (h *Head) lookAt(ctx context.Context, at Location, current *Snapshot, seen volume.FileInfo, still func() bool) (*Snapshot, error) {
	info, err := at.Files.Stat(at.Name)
	if err != nil {
		return nil, err
	}
	if info.Unchanged(seen) {
		return current, nil
	}
	file, err := at.Files.Open(at.Name, false)
	if err != nil {
		return nil, err
	}
	snapshot, err := h.Refresh(volume.Watch(ctx, file), still)
	return snapshot, errors.Join(err, file.Close())
}

// Refresh brings current up to the state of file, which stands at the store's
// path, and returns it. What was seen of the file does not count when still says,
// afterwards, that this process has begun to write meanwhile.
func (h *Head) Refresh(file volume.File, still func() bool) (*Snapshot, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	current, seen, at := h.renew(), h.seen, h.at
	h.mu.Unlock()
	if info.Unchanged(seen) {
		return current, nil
	}
	if volume.SameFile(info, seen) {
		current.source.changed(info.Size == seen.Size)
	}
	grown := false
	if volume.SameFile(info, seen) && info.Size >= current.Size() {
		if grown, err = current.state.Stands(file); err != nil {
			return nil, err
		}
	}
	var find segments.FindOptions
	if grown {
		find = segments.FindOptions{From: current.state.Segment.Offset, Known: current.state}
	}
	found, err := h.FindState(file, info.Size, find)
	if err != nil {
		return nil, err
	}
	next := current
	switch {
	case grown && found.Segment.Offset == current.state.Segment.Offset && found.End == current.Size():
		if current.Outdated() {
			next = current.Renewed()
		}
	case grown:
		next = NewSnapshot(current.source, found, info.Modified)
	default:
		source, err := reopen(at, info, h.options)
		if err != nil {
			return nil, err
		}
		if volume.SameFile(info, current.source.info) {
			source.continues(current.source) // written anew by another program
		}
		next = NewSnapshot(source, found, info.Modified)
	}
	return h.swap(current, next, info, still)
}

// swap puts next in the place of current, unless somebody else was faster, and
// gives back whichever file lost.
func (h *Head) swap(current, next *Snapshot, info volume.FileInfo, still func() bool) (*Snapshot, error) {
	loser := current.source
	h.mu.Lock()
	if h.current == current && !h.closed && (still == nil || still()) {
		h.current, h.seen = next, info
	} else {
		next, loser = h.current, next.source
	}
	h.mu.Unlock()
	if loser == next.source {
		return next, nil
	}
	return next, loser.retire()
}

// Advance makes the state after a commit of this process the current one. Info is of
// its file.
func (h *Head) Advance(snapshot *Snapshot, info volume.FileInfo) error {
	h.mu.Lock()
	former := h.current
	h.current, h.seen = snapshot, info
	h.mu.Unlock()
	if former.source == snapshot.source {
		return nil
	}
	return former.source.retire()
}

// Seen notes the metadata of the file, which holds nothing but the state of base.
func (h *Head) Seen(base *Snapshot, info volume.FileInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current.state == base.state {
		h.seen = info
	}
}

// Length is how many bytes the file had when it was last looked at.
func (h *Head) Length() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen.Size
}

// Owe notes that the file's name must be made durable before anything else is
// acknowledged.
func (h *Head) Owe() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.owing = true
}

// PayName makes the file's name durable if that is still owed.
func (h *Head) PayName() error {
	h.mu.Lock()
	owing, at := h.owing, h.at
	h.mu.Unlock()
	if !owing {
		return nil
	}
	if err := at.Files.SyncDirectory(at.Name); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.owing = false
	return nil
}

// Adopt wraps an open file that takes the place of the store's.
func (h *Head) Adopt(file volume.File, info volume.FileInfo) *Backing {
	return AdoptBacking(h.Location(), file, info, h.options)
}

// Close ends the looking, and reports whether it was not over before. The current
// snapshot's file is held until Release.
func (h *Head) Close() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	closing := !h.closed
	h.closed = true
	return closing
}

// Release gives the current snapshot's file back, after Close.
func (h *Head) Release() error { return h.Current().source.Release() }
