package filelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"rvffs/store/shared"
	"rvffs/store/volume"
)

// Place is where a file lies: its name, and the files among which it is a name.
type Place struct {
	Files FileSystem
	Name  string
}

// Generation is one physical file of a store. Its descriptor is open while somebody needs
// it and reopened by name afterwards; a disk that takes its time over that keeps those
// waiting who want this very file. Compaction and replacement by another program make a
// new one; the old one lives on in its readers.
type Generation struct {
	info   volume.FileInfo
	file   shared.Value[File]
	times  atomic.Uint64 // see Disturbed
	within atomic.Uint64

	mu   sync.Mutex // guards what follows; never held over I/O
	at   Place
	gone bool // the bytes there are no longer those of this file

	spoiled atomic.Bool // somebody has written other content into the file
}

// NewGeneration wraps an open file at a place; the caller is its first user.
func NewGeneration(at Place, file File, info volume.FileInfo) *Generation {
	g := &Generation{at: at, info: info}
	g.file.Adopt(file)
	return g
}

// Pin implements volume.Generation.
func (g *Generation) Pin(ctx context.Context) (volume.Bytes, error) {
	file, err := g.hold(ctx)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// hold is Pin for who knows that it is a file.
func (g *Generation) hold(ctx context.Context) (File, error) {
	if g.spoiled.Load() {
		return nil, errReplaced
	}
	return g.file.Acquire(ctx, func() (File, error) { return g.open(ctx) })
}

func (g *Generation) open(ctx context.Context) (file File, err error) {
	g.mu.Lock()
	at, gone := g.at, g.gone
	g.mu.Unlock()
	if gone {
		return nil, errReplaced
	}
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	file, err = OpenSame(at.Files, at.Name, g.info)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: the store file was removed", volume.ErrStale)
	}
	return file, err
}

// Unpin implements volume.Generation.
func (g *Generation) Unpin() error { return g.file.Release() }

// Info implements volume.Generation.
func (g *Generation) Info() volume.FileInfo { return g.info }

// Disturbed implements volume.Generation. What is appended leaves what was there as it
// is, but who repairs a file may make it longer, too.
func (g *Generation) Disturbed() (times, within uint64) { return g.times.Load(), g.within.Load() }

// disturb notes that somebody else wrote to the file. In place means that it is as long
// as before: any of its bytes may be others.
func (g *Generation) disturb(inPlace bool) {
	g.times.Add(1)
	if inPlace {
		g.within.Add(1)
	}
}

// spoil notes that somebody has written another content into the very file: nobody begins to
// read it any more as the one that it was, also while somebody holds it.
func (g *Generation) spoil() { g.spoiled.Store(true) }

// retire is Unpin by the log itself, when another file took the place of this one: who
// holds it reads on, but nobody opens it anew.
func (g *Generation) retire() error {
	g.mu.Lock()
	g.gone = true
	g.mu.Unlock()
	return g.Unpin()
}

// moved tells that the file has a new name. Its mover holds the file open, so that
// nobody looks for it meanwhile.
func (g *Generation) moved(to Place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = to
}
