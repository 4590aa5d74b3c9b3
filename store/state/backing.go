package state

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/store/memory"
	"rvffs/store/volume"
)

// Backing is one generation of a store's bytes, shared by all snapshots of it, and what is
// known of them.
type Backing struct {
	generation volume.Generation
	memory     *memory.Budget
	line       *line // of the generations of which it is one

	attachments

	owner    any
	checker  *Checker // nil: content hashes are not checked
	onDamage func(DamagedSegment)
	checks   atomic.Pointer[checkTable]
	// verdicts counts what was found wrong in the bytes, and what was forgotten.
	verdicts   atomic.Uint64
	unreadable atomic.Int64 // when a check could not read them last, in ns; 0: never

	mu            sync.Mutex    // guards what follows
	name          func() string // of the store
	times, within uint64        // that the bytes were disturbed, as far as that is known here
}

// BackingOptions says what those have in common who read files.
type BackingOptions struct {
	Memory   *memory.Budget
	Checker  *Checker             // nil: content hashes are not checked
	OnDamage func(DamagedSegment) // told once of each segment that Checker finds damaged
	Owner    any                  // see Backing.Owner
}

// NewBacking is what is known of a generation. Messages call the store by its name.
func NewBacking(generation volume.Generation, name func() string, options BackingOptions) *Backing {
	b := &Backing{
		generation: generation, memory: options.Memory, owner: options.Owner, line: &line{now: generation.Info()}, name: name, checker: options.Checker, onDamage: options.OnDamage,
	}
	b.times, b.within = generation.Disturbed()
	b.checks.Store(&checkTable{})
	return b
}

// StoreName is what the store is called.
func (b *Backing) StoreName() string {
	b.mu.Lock()
	name := b.name
	b.mu.Unlock()
	return name()
}

// Owner is what whoever opened the store knows it by, if he said so.
func (b *Backing) Owner() any { return b.owner }

// Info describes the file as it was when it was found.
func (b *Backing) Info() volume.FileInfo { return b.generation.Info() }

// Memory is the budget of those who read the bytes.
func (b *Backing) Memory() *memory.Budget { return b.memory }

// Acquire returns the open file and counts the caller as a user. ErrStale means
// that the bytes are gone.
func (b *Backing) Acquire(ctx context.Context) (volume.Bytes, error) {
	return b.generation.Pin(ctx)
}

// Release ends one use.
func (b *Backing) Release() error { return b.generation.Unpin() }

// Content holds what is known of what the file contains, for as long as nobody else
// writes to it.
func (b *Backing) Content() Holder { return b.checks.Load() }

// mayCheck reports whether the file can be read as far as the checks know.
func (b *Backing) mayCheck() bool {
	failed := b.unreadable.Load()
	return failed == 0 || time.Since(time.Unix(0, failed)) >= b.checker.Retry
}

// follow takes notice of somebody else who has written to the bytes. What was found
// wrong may have been mended then, and what was written in the midst may be anything.
func (b *Backing) follow() {
	times, within := b.generation.Disturbed()
	b.mu.Lock()
	written, inPlace := times != b.times, within != b.within
	b.times, b.within = times, within
	b.mu.Unlock()
	if inPlace || written && !b.checks.Load().clean() {
		b.checks.Store(&checkTable{})
		b.verdicts.Add(1)
	}
}

// With runs use while the file is held open. Its reads end with ctx.
func (b *Backing) With(ctx context.Context, use func(volume.Bytes) error) error {
	file, err := b.Acquire(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(volume.Watch(ctx, file)), b.Release())
}
