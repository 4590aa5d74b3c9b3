package filelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Log is a store in one file: it knows where that lies, and the newest state that was
// found in it. Its methods may be called from several goroutines.
type Log struct {
	options volume.LogOptions
	late    lateSync

	mu      sync.Mutex // guards what follows; never held over I/O
	at      Place
	newest  *volume.Version
	file    *Generation     // of the newest version
	claimed File            // of which remnants are taken by who may cut them off; nil: none
	seen    volume.FileInfo // metadata that newest was read under
	owing   bool            // the file's name is not known to be durable
	closed  bool
	touches uint64 // how often this process began to change the file
	touched int    // such changes that are not over

	discarding sync.WaitGroup // old files that are being closed
}

// New makes a log of the file at a place. Nothing is read before Open.
func New(at Place, options volume.LogOptions) *Log { return &Log{at: at, options: options} }

// known is what is known of a file without having it open.
type known struct {
	version *volume.Version
	seen    volume.FileInfo
}

// Known implements volume.Log.
func (l *Log) Known() volume.Known {
	l.mu.Lock()
	defer l.mu.Unlock()
	return volume.Known{Of: known{l.newest, l.seen}}
}

// resume takes over what is known, if the file still is as it was, and reports whether it
// is.
func (l *Log) resume(ctx context.Context, known known) bool {
	if known.version == nil {
		return false
	}
	at := l.Place()
	info, err := at.Files.Stat(at.Name)
	if err != nil || !info.Unchanged(known.seen) {
		return false
	}
	file := known.version.Generation.(*Generation)
	file.moved(at)
	if _, err := file.Pin(ctx); err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest, l.seen, l.file = known.version, known.seen, file
	return true
}

// Open implements volume.Log: it reads the newest state from the file, unless that is
// as it is known.
func (l *Log) Open(ctx context.Context, knowledge volume.Known) (newest *volume.Version, err error) {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if k, some := knowledge.Of.(known); some && l.resume(ctx, k) {
		return k.version, nil
	}
	file, err := openFound(at.Files, at.Name)
	if errors.Is(err, volume.ErrNotRegular) {
		return nil, fmt.Errorf("%w: %w", volume.ErrNotStore, err)
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Describe()
	var found *segments.State
	if err == nil {
		found, err = l.findState(volume.Watch(ctx, file), info.Size, segments.FindOptions{})
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file, l.seen = NewGeneration(at, file, info), info
	l.newest = &volume.Version{Generation: l.file, State: found, Modified: info.Modified, Number: 1}
	return l.newest, nil
}

// findState finds the newest state in a file of the store. It turns the ways in which a
// file can be no store into ErrNotStore.
func (l *Log) findState(file io.ReaderAt, size int64, options segments.FindOptions) (*segments.State, error) {
	charge := l.options.Memory.Charge()
	defer charge.Free()
	options.Memory = charge.Set
	found, err := segments.FindState(file, size, options)
	if errors.Is(err, segments.ErrNoManifest) {
		err = fmt.Errorf("%w: %w", volume.ErrNotStore, err)
		// Nobody finds a temporary name: what is there came from elsewhere.
		if segments.BeginsSegment(file) && !volume.IsTemporary(filepath.Base(l.Path())) {
			err = fmt.Errorf("%w; %w", err, volume.Leftover(l.Path()))
		}
		return nil, err
	}
	return found, err
}

// Place is where the file lies.
func (l *Log) Place() Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// Name implements volume.Log.
func (l *Log) Name() string { return l.Place().Name }

// Path implements volume.Log: the file's path as far as its files tell where they are.
func (l *Log) Path() string {
	at := l.Place()
	if named, tells := at.Files.(interface{ Name() string }); tells {
		return filepath.Join(named.Name(), at.Name)
	}
	return at.Name
}

// MovedTo notes where the file lies from now on.
func (l *Log) MovedTo(to Place) {
	l.mu.Lock()
	l.at = to
	file := l.file
	l.mu.Unlock()
	file.moved(to)
}

// active reports whether this process is changing the file, and so holds the writer
// lock. The number is another one each time that it began to.
func (l *Log) active() (bool, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.touched > 0, l.touches
}

// Active implements volume.Log.
func (l *Log) Active() bool {
	active, _ := l.active()
	return active
}

// touch notes that the file is about to hold what is not committed.
func (l *Log) touch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.touched++
	l.touches++
}

// leave notes that the file holds nothing but what is committed.
func (l *Log) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.touched--
}

// Newest implements volume.Log. A change by another process is noticed: the file's
// metadata is compared at each call.
func (l *Log) Newest(ctx context.Context, known *volume.Version) (*volume.Version, error) {
	for {
		// In this order: a place that is out of date was touched since.
		active, changes := l.active()
		l.mu.Lock()
		newest, seen, closed, at := l.newest, l.seen, l.closed, l.at
		l.mu.Unlock()
		if closed {
			return nil, fmt.Errorf("store %q: %w", at.Name, volume.ErrClosed)
		}
		if active {
			return known, nil // the lock is ours: nobody else changes the file
		}
		found, err := l.lookAt(ctx, at, newest, seen, changes)
		_, now := l.active()
		switch {
		case errors.Is(err, fs.ErrNotExist) && now != changes:
			continue // renamed meanwhile by this process: it stands elsewhere
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("store %q: %w: its file was removed", at.Name, volume.ErrNotFound)
		case err != nil:
			return nil, fmt.Errorf("look at store %q: %w", at.Name, err)
		case found == nil:
			continue // this process has begun to write meanwhile
		}
		return found, nil
	}
}

// lookAt is the version of the file at a place, where newest was the newest known; nil
// when this process has begun to change the file since the number of changes was asked
// for.
func (l *Log) lookAt(ctx context.Context, at Place, newest *volume.Version, seen volume.FileInfo, changes uint64) (version *volume.Version, err error) {
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	info, err := at.Files.Stat(at.Name)
	if err != nil {
		return nil, err
	}
	if info.Unchanged(seen) {
		return newest, nil
	}
	file, err := at.Files.Open(at.Name, false)
	if err != nil {
		return nil, err
	}
	found, err := l.refresh(volume.Watch(ctx, file), func(touches uint64) bool { return touches == changes })
	return found, errors.Join(err, file.Close())
}

// refresh brings the newest version up to the state of file, which stands at the store's
// path, and returns it. What was seen of the file does not count, and nil is returned,
// where counts says so of the number of changes by this process.
func (l *Log) refresh(file volume.Bytes, counts func(touches uint64) bool) (*volume.Version, error) {
	info, err := file.Describe()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	newest, generation, seen, at := l.newest, l.file, l.seen, l.at
	l.mu.Unlock()
	if info.Unchanged(seen) {
		return newest, nil
	}
	same := volume.SameFile(info, seen)
	if same {
		generation.disturb(info.Size == seen.Size)
	}
	grown := false
	if same && info.Size >= newest.State.End {
		if grown, err = newest.State.Stands(file); err != nil {
			return nil, err
		}
	}
	var find segments.FindOptions
	if grown {
		find = segments.FindOptions{From: newest.State.Segment.Offset, Known: newest.State}
	}
	found, err := l.findState(file, info.Size, find)
	if err != nil {
		return nil, err
	}
	next := &volume.Version{Generation: generation, State: found, Modified: info.Modified, Number: newest.Number + 1}
	switch {
	case grown && found.Segment.Offset == newest.State.Segment.Offset && found.End == newest.State.End:
		next = newest
	case grown:
	default:
		reading, err := OpenSame(at.Files, at.Name, info)
		if err != nil {
			return nil, err
		}
		if same {
			generation.spoil()
		}
		generation = NewGeneration(at, reading, info)
		next.Generation = generation
	}
	return l.swap(newest, next, generation, info, counts)
}

// swap puts next in the place of newest, unless somebody else was faster, and
// gives back whichever file lost.
func (l *Log) swap(newest, next *volume.Version, generation *Generation, info volume.FileInfo, counts func(touches uint64) bool) (*volume.Version, error) {
	l.mu.Lock()
	former := l.file
	var loser *Generation
	switch {
	case !counts(l.touches):
		next, loser = nil, generation
	case l.newest == newest && !l.closed:
		l.newest, l.file, l.seen, loser = next, generation, info, former
	default:
		next, loser = l.newest, generation
	}
	kept := l.file
	l.mu.Unlock()
	if loser == kept {
		return next, nil
	}
	return next, loser.retire()
}

// publish makes a version the newest, after a commit of this process.
func (l *Log) publish(found *segments.State, generation *Generation, info volume.FileInfo) (*volume.Version, error) {
	l.mu.Lock()
	former := l.file
	next := &volume.Version{Generation: generation, State: found, Modified: info.Modified, Number: l.newest.Number + 1}
	l.newest, l.file, l.seen = next, generation, info
	l.mu.Unlock()
	if former == generation {
		return next, nil
	}
	return next, former.retire()
}

// saw notes the metadata of the file, which holds nothing but a state.
func (l *Log) saw(base *segments.State, info volume.FileInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.newest.State == base {
		l.seen = info
	}
}

// Length implements volume.Remnants.
func (l *Log) Length() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen.Size
}

// owe notes that the file's name must be made durable before anything else is
// acknowledged.
func (l *Log) owe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owing = true
}

// payName makes the file's name durable if that is still owed.
func (l *Log) payName() error {
	l.mu.Lock()
	owing, at := l.owing, l.at
	l.mu.Unlock()
	if !owing {
		return nil
	}
	if err := at.Files.SyncDirectory(at.Name); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owing = false
	return nil
}

// Raw implements volume.Remnants: it opens the file that stands at the store's place now.
func (l *Log) Raw(ctx context.Context) (_ volume.Bytes, err error) {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	file, err := at.Files.Open(at.Name, false)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Held implements volume.Log.
func (l *Log) Held(ctx context.Context) bool {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return false
	}
	held := Held(at.Files, at.Name)
	return release() == nil && held
}

// Close implements volume.Log.
func (l *Log) Close() (bool, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false, nil
	}
	l.closed = true
	file := l.file
	l.mu.Unlock()
	var err error
	if l.late.stop() {
		err = l.settle()
	}
	if file != nil {
		err = errors.Join(err, file.Unpin())
	}
	l.discarding.Wait()
	return true, err
}

// discard closes a file that no name leads to any more. The system then frees its
// blocks, 0.2 s for each GiB, for which neither writers nor the rewrite wait; Close does.
func (l *Log) discard(file File) {
	l.discarding.Go(func() {
		_ = file.Close() // what it held stands in the new file
	})
}

// Spool implements volume.Log.
func (l *Log) Spool(ctx context.Context) (volume.Spool, error) {
	at := l.Place()
	return newSpool(ctx, at.Files, at.Name)
}

// newSpool makes a spool beside a name.
func newSpool(ctx context.Context, files FileSystem, beside string) (_ volume.Spool, err error) {
	release, err := heldFor(ctx, files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	name := TemporaryName(beside)
	if nameless, have := files.(namelessFiles); have {
		if file, err := nameless.CreateNameless(name); err == nil {
			return spool{File: file, nameless: nameless}, nil
		}
	}
	file, err := files.Create(name, 0o600)
	if err != nil {
		return nil, err
	}
	if err := files.Remove(name); err == nil {
		return spool{File: file}, nil
	}
	// Some file systems keep the name of what is open. Who sweeps leaves alone what is
	// locked.
	if _, err := lockIfCan(file); err != nil {
		return nil, errors.Join(err, file.Close(), files.Remove(name))
	}
	return spool{File: file, remove: func() error { return files.Remove(name) }}, nil
}
