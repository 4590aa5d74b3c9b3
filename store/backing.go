package store

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

// backing is one physical store file, shared by all snapshots of it. Its
// descriptor is open while somebody needs it and reopened by name afterwards; a disk
// that takes its time over that keeps those waiting who want this very file.
// Compaction and replacement by another program make a new backing; the old one
// lives on in its readers.
type backing struct {
	info   volume.FileInfo // device and inode identify the file
	memory *memory.Budget
	line   *line // of the files of which it is one

	integrity integrityTable
	images    imageTable
	checker   *Checker // nil: content hashes are not checked
	onDamage  func(DamagedSegment)
	checks    atomic.Pointer[checkTable]
	// verdicts counts what was found wrong in the file, and what was forgotten.
	verdicts   atomic.Uint64
	retryCheck atomic.Int64 // before this time, in ns, no check is started
	file       shared.Value[volume.File]

	mu   sync.Mutex // guards what follows; never held over I/O
	at   location
	gone bool // the bytes there are no longer those of this file
}

// adoptBacking wraps an open file; the caller is its first user.
func adoptBacking(at location, file volume.File, info volume.FileInfo, options Options) *backing {
	b := &backing{at: at, info: info, memory: options.Memory, line: &line{now: info}, checker: options.Checker, onDamage: options.OnDamage}
	b.checks.Store(&checkTable{})
	b.file.Adopt(file)
	return b
}

// openSame opens the file at a place, which must be the one that info describes.
func openSame(at location, info volume.FileInfo) (volume.File, error) {
	file, err := at.files.Open(at.name, false)
	if err != nil {
		return nil, err
	}
	found, err := file.Stat()
	if err == nil && !volume.SameFile(found, info) {
		err = fmt.Errorf("%w: the store file was replaced", volume.ErrStale)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// reopen is openSame for a file that gets a backing of its own.
func reopen(at location, info volume.FileInfo, options Options) (*backing, error) {
	file, err := openSame(at, info)
	if err != nil {
		return nil, err
	}
	return adoptBacking(at, file, info, options), nil
}

// acquire returns the open file and counts the caller as a user. ErrStale means
// that the name now belongs to another file and no descriptor was left.
func (b *backing) acquire() (volume.File, error) { return b.file.Acquire(b.open) }

func (b *backing) open() (volume.File, error) {
	b.mu.Lock()
	at, gone := b.at, b.gone
	b.mu.Unlock()
	if gone {
		return nil, fmt.Errorf("%w: the store file was replaced", volume.ErrStale)
	}
	file, err := openSame(at, b.info)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: the store file was removed", volume.ErrStale)
	}
	return file, err
}

// release ends one use.
func (b *backing) release() error { return b.file.Release() }

// retire is release by the store itself, when another file took the place of
// this one: who holds it reads on, but nobody opens it anew.
func (b *backing) retire() error {
	b.mu.Lock()
	b.gone = true
	b.mu.Unlock()
	return b.release()
}

// moved tells that the file has a new name. Its mover holds the file open, so that
// nobody looks for it meanwhile.
func (b *backing) moved(to location) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = to
}

// location is where the file lies.
func (b *backing) location() location {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

// mayCheck says whether the file could be read when it was last checked.
func (b *backing) mayCheck() bool {
	retry := b.retryCheck.Load()
	return retry == 0 || time.Now().UnixNano() >= retry
}

// changed notes that somebody else wrote to the file. In place means that it is as
// long as before: any of its bytes may be others. What is appended leaves what was
// there as it is, but who repairs a file may make it longer, too.
func (b *backing) changed(inPlace bool) {
	if inPlace || !b.checks.Load().clean() {
		b.checks.Store(&checkTable{})
		b.integrity.clear()
		b.verdicts.Add(1)
	}
}

// with runs use while the file is held open. Its reads end with ctx.
func (b *backing) with(ctx context.Context, use func(volume.File) error) error {
	file, err := b.acquire()
	if err != nil {
		return err
	}
	return errors.Join(use(volume.Watch(ctx, file)), b.release())
}
