package state

import (
	"context"
	"fmt"
	"sync"

	"rvffs/store/volume"
)

// Head follows the log of one store: it knows the newest snapshot. Its methods may be
// called from several goroutines.
type Head struct {
	log     volume.Log
	options BackingOptions

	mu      sync.Mutex // guards what follows; never held over I/O
	current *Snapshot
	version *volume.Version // of current
}

// NewHead begins with a version of a log. Where known is of the same version, it goes on
// with that snapshot, and with all that was found out about it.
func NewHead(log volume.Log, version *volume.Version, known *Snapshot, options BackingOptions) *Head {
	h := &Head{log: log, options: options, version: version, current: known}
	if known == nil || known.state != version.State || known.source.generation != version.Generation {
		h.current = NewSnapshot(NewBacking(version.Generation, log.Name, options), version.State, version.Modified)
		return h
	}
	known.source.mu.Lock()
	defer known.source.mu.Unlock()
	known.source.name = log.Name
	return h
}

// Current is the newest snapshot known, without a look at the log.
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

// Look is the newest committed state. A change by another process is noticed.
func (h *Head) Look(ctx context.Context) (*Snapshot, error) {
	_, known := h.shown()
	version, err := h.log.Newest(ctx, known)
	if err != nil {
		return nil, err
	}
	snapshot := h.Show(version)
	if err := CheckOrigin(ctx, snapshot.Origin()); err != nil {
		return nil, fmt.Errorf("look at store %q: %w", h.log.Name(), err)
	}
	return snapshot, nil
}

// Show is the snapshot of a version, which becomes the current one, or that of a newer one
// that was shown before.
func (h *Head) Show(version *volume.Version) *Snapshot {
	current, newest := h.shown()
	current.source.follow()
	if version.Number <= newest.Number {
		return h.Current()
	}
	source := current.source
	if version.Generation != source.generation {
		source = NewBacking(version.Generation, h.log.Name, h.options)
		if volume.SameFile(source.Info(), current.source.Info()) {
			source.continues(current.source) // written anew by another program
		}
	}
	next := NewSnapshot(source, version.State, version.Modified)
	h.mu.Lock()
	defer h.mu.Unlock()
	if version.Number > h.version.Number {
		h.current, h.version = next, version
	}
	return h.renew()
}

func (h *Head) shown() (*Snapshot, *volume.Version) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current, h.version
}

// Next is the snapshot of a version that this process has committed. Nobody else sees it
// before Advance. Where it is a rewritten one, whoever goes on from the former state goes on
// from it.
func (h *Head) Next(version *volume.Version) *Snapshot {
	current, _ := h.shown()
	source := current.source
	if version.Generation != source.generation {
		source = NewBacking(version.Generation, h.log.Name, h.options)
		source.replaces(current.source)
	}
	return NewSnapshot(source, version.State, version.Modified)
}

// Advance makes the snapshot of a version of Next the current one, unless a newer one was
// shown before.
func (h *Head) Advance(next *Snapshot, version *volume.Version) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if version.Number > h.version.Number {
		h.current, h.version = next, version
	}
}
