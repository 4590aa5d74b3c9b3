package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/store/memory"
	"rvffs/store/shared"
	"rvffs/store/volume"
)

// Backing is one physical store file, shared by all snapshots of it. Its
// descriptor is open while somebody needs it and reopened by name afterwards; a disk
// that takes its time over that keeps those waiting who want this very file.
// Compaction and replacement by another program make a new backing; the old one
// lives on in its readers.
type Backing struct {
	info   volume.FileInfo // device and inode identify the file
	memory *memory.Budget
	line   *line // of the files of which it is one

	attachments

	checker  *Checker // nil: content hashes are not checked
	onDamage func(DamagedSegment)
	checks   atomic.Pointer[checkTable]
	// verdicts counts what was found wrong in the file, and what was forgotten.
	verdicts   atomic.Uint64
	unreadable atomic.Int64 // when a check could not read it last, in ns; 0: never
	file       shared.Value[volume.File]

	mu   sync.Mutex // guards what follows; never held over I/O
	at   Location
	gone bool // the bytes there are no longer those of this file
}

// BackingOptions says what those have in common who read files.
type BackingOptions struct {
	Memory   *memory.Budget
	Checker  *Checker             // nil: content hashes are not checked
	OnDamage func(DamagedSegment) // told once of each segment that Checker finds damaged
}

// Info describes the file as it was when it was opened.
func (b *Backing) Info() volume.FileInfo { return b.info }

// Memory is the budget of those who read the file.
func (b *Backing) Memory() *memory.Budget { return b.memory }

// AdoptBacking wraps an open file; the caller is its first user.
func AdoptBacking(at Location, file volume.File, info volume.FileInfo, options BackingOptions) *Backing {
	b := &Backing{at: at, info: info, memory: options.Memory, line: &line{now: info}, checker: options.Checker, onDamage: options.OnDamage}
	b.checks.Store(&checkTable{})
	b.file.Adopt(file)
	return b
}

// reopen opens the file at a place, which must be the one that info describes, for a
// backing of its own.
func reopen(at Location, info volume.FileInfo, options BackingOptions) (*Backing, error) {
	file, err := volume.OpenSame(at.Files, at.Name, info)
	if err != nil {
		return nil, err
	}
	return AdoptBacking(at, file, info, options), nil
}

// Acquire returns the open file and counts the caller as a user. ErrStale means
// that the name now belongs to another file and no descriptor was left.
func (b *Backing) Acquire() (volume.File, error) { return b.file.Acquire(b.open) }

func (b *Backing) open() (volume.File, error) {
	b.mu.Lock()
	at, gone := b.at, b.gone
	b.mu.Unlock()
	if gone {
		return nil, fmt.Errorf("%w: the store file was replaced", volume.ErrStale)
	}
	file, err := volume.OpenSame(at.Files, at.Name, b.info)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: the store file was removed", volume.ErrStale)
	}
	return file, err
}

// Release ends one use.
func (b *Backing) Release() error { return b.file.Release() }

// retire is release by the store itself, when another file took the place of
// this one: who holds it reads on, but nobody opens it anew.
func (b *Backing) retire() error {
	b.mu.Lock()
	b.gone = true
	b.mu.Unlock()
	return b.Release()
}

// moved tells that the file has a new name. Its mover holds the file open, so that
// nobody looks for it meanwhile.
func (b *Backing) moved(to Location) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = to
}

// location is where the file lies.
func (b *Backing) location() Location {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

// Content holds what is known of what the file contains, for as long as nobody else
// writes to it.
func (b *Backing) Content() Holder { return b.checks.Load() }

// mayCheck reports whether the file can be read as far as the checks know.
func (b *Backing) mayCheck() bool {
	failed := b.unreadable.Load()
	return failed == 0 || time.Since(time.Unix(0, failed)) >= b.checker.Retry
}

// changed notes that somebody else wrote to the file. In place means that it is as
// long as before: any of its bytes may be others. What is appended leaves what was
// there as it is, but who repairs a file may make it longer, too.
func (b *Backing) changed(inPlace bool) {
	if inPlace || !b.checks.Load().clean() {
		b.checks.Store(&checkTable{})
		b.verdicts.Add(1)
	}
}

// With runs use while the file is held open. Its reads end with ctx.
func (b *Backing) With(ctx context.Context, use func(volume.File) error) error {
	file, err := b.Acquire()
	if err != nil {
		return err
	}
	return errors.Join(use(volume.Watch(ctx, file)), b.Release())
}
