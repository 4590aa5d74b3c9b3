package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/shared"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
)

// generations numbers the snapshots of this process.
var generations atomic.Uint64

// Store is one open store. Its methods may be called from several goroutines.
type Store struct {
	owned    *directory.Files // closed with the store; nil when files belong to the caller
	options  Options
	readOnly bool
	ids      idTable
	metadata metaTable
	writer   writer

	compacting chan struct{} // holds one token while a compaction is under way
	follow     followLimits
	discarding sync.WaitGroup // old files that are being closed
	progress   compactionProgress

	maintenance maintenance
	late        lateSync

	mu      sync.Mutex // guards what follows; never held over I/O
	at      location
	current *Snapshot
	seen    volume.FileInfo // metadata that current was read under
	tail    tailSeen
	kept    *highestKept // nil while unknown
	keeps   []string     // names of tails that this process has kept
	owing   bool         // the file's name is not known to be durable
	closed  bool
}

// Open opens the store at name for reading and writing. It takes no lock: the
// first write does, and gives it back when nothing is left to commit.
func Open(name string, options Options) (*Store, error) {
	return OpenContext(context.Background(), name, options)
}

// OpenContext is Open for a caller whose patience ends with ctx: to find the newest
// state of a damaged file can take as long as to read all of it.
func OpenContext(ctx context.Context, name string, options Options) (*Store, error) {
	return open(ctx, name, options, false)
}

// OpenReadOnly opens the store at name; every attempt to write fails with
// ErrReadOnly.
func OpenReadOnly(name string, options Options) (*Store, error) {
	return OpenReadOnlyContext(context.Background(), name, options)
}

// OpenReadOnlyContext is OpenReadOnly for a caller whose patience ends with ctx.
func OpenReadOnlyContext(ctx context.Context, name string, options Options) (*Store, error) {
	return open(ctx, name, options, true)
}

// open resolves symlinks first where the caller leaves the way to the file to it, so
// that lock and temporary files stand beside the file itself.
func open(ctx context.Context, name string, options Options, readOnly bool) (*Store, error) {
	file := name
	if options.Files == nil {
		if real, err := filepath.EvalSymlinks(name); err == nil {
			file = real // else opening it says what is wrong
		}
	}
	s, err := locate(file, options)
	if err != nil {
		return nil, fmt.Errorf("open store %q: %w", name, err)
	}
	s.readOnly = readOnly
	if err := s.load(ctx); err != nil {
		return nil, fmt.Errorf("open store %q: %w", name, errors.Join(err, s.closeOwned()))
	}
	return s, nil
}

// locate makes a Store without reading its file.
func locate(name string, options Options) (*Store, error) {
	s := &Store{options: options, at: location{options.Files, name}, compacting: make(chan struct{}, 1), follow: usualFollow}
	s.ids.turn = shared.NewTurn()
	s.writer.store = s
	if options.Files == nil {
		folder, err := directory.Open(filepath.Dir(name))
		if err != nil {
			return nil, err
		}
		s.at, s.owned = location{folder, filepath.Base(name)}, folder
	}
	return s, nil
}

// Create makes a new, empty root store at name and opens it. The store is on the
// disk when Create returns. It fails with ErrExists when the name is taken.
func Create(name string, create CreateOptions, options Options) (*Store, error) {
	s, err := locate(name, options)
	if err != nil {
		return nil, fmt.Errorf("create store %q: %w", name, err)
	}
	err = s.create(create)
	if err == nil {
		err = s.load(context.Background())
	}
	if err != nil {
		return nil, errors.Join(describeMaking("create store", name, err), s.closeOwned())
	}
	return s, nil
}

// Make is Create for somebody who may not be allowed to open what he makes.
func Make(name string, create CreateOptions, options Options) error {
	s, err := locate(name, options)
	if err != nil {
		return fmt.Errorf("create store %q: %w", name, err)
	}
	if err := s.create(create); err != nil {
		return errors.Join(describeMaking("create store", name, err), s.closeOwned())
	}
	return s.closeOwned()
}

// describeMaking says which store could not be made, and by what.
func describeMaking(operation, name string, err error) error {
	if errors.Is(err, volume.ErrExists) {
		return fmt.Errorf("%s: %q %w already", operation, name, volume.ErrExists)
	}
	return fmt.Errorf("%s %q: %w", operation, name, err)
}

func (s *Store) create(create CreateOptions) error {
	if create.Dimension < 0 || create.Dimension > 65535 {
		return fmt.Errorf("%w: dimension %d is not within 0 to 65535", volume.ErrInput, create.Dimension)
	}
	at := s.location()
	if err := CheckName(path.Base(at.name)); err != nil {
		return err
	}
	id, err := lineage.NewFileID()
	if err != nil {
		return err
	}
	manifest := &segments.Manifest{
		Dimension: uint16(create.Dimension), Metric: create.Metric,
		Identity: lineage.Identity{FileID: id}, HasIdentity: true,
	}
	files := create.Files
	if files == nil {
		files = at.files
	}
	return writeNew(files, at.name, newFileContent{manifest: manifest, perm: permOf(create.Perm)})
}

// Known is what a closed store knew of its file. A store that is opened with it
// shows the same snapshot, unless the file has changed.
type Known struct {
	snapshot *Snapshot
	seen     volume.FileInfo
}

// Known is what the store knows of its file, for opening it again.
func (s *Store) Known() Known {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Known{s.current, s.seen}
}

// resume takes over what is known, if the file still is as it was.
func (s *Store) resume(known Known) bool {
	if known.snapshot == nil {
		return false
	}
	at := s.location()
	info, err := at.files.Stat(at.name)
	if err != nil || !unchanged(info, known.seen) {
		return false
	}
	if _, err := known.snapshot.source.acquire(); err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.seen = known.snapshot, known.seen
	return true
}

// load reads the newest state from the file.
func (s *Store) load(ctx context.Context) error {
	if s.resume(s.options.Known) {
		return nil
	}
	at := s.location()
	file, err := at.files.Open(at.name, false)
	if errors.Is(err, volume.ErrNotRegular) {
		return fmt.Errorf("%w: %w", volume.ErrNotStore, err)
	}
	if err != nil {
		return err
	}
	info, err := file.Stat()
	var state *segments.State
	if err == nil {
		state, err = s.findState(volume.Watch(ctx, file), info.Size, segments.FindOptions{})
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	snapshot := newSnapshot(adoptBacking(at, file, info, s.options), generations.Add(1), state, info.Modified)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.seen = snapshot, info
	return nil
}

// findState turns the ways in which a file can be no store into ErrNotStore.
func (s *Store) findState(file io.ReaderAt, size int64, options segments.FindOptions) (*segments.State, error) {
	charge := s.options.Memory.Charge()
	defer charge.Free()
	options.Memory = charge.Set
	state, err := segments.FindState(file, size, options)
	if errors.Is(err, segments.ErrNoManifest) {
		err = fmt.Errorf("%w: %w", volume.ErrNotStore, err)
		if segments.BeginsSegment(file) {
			err = fmt.Errorf("%w; rvffs recover %s brings back what is whole in it", err, s.fullPath())
		}
		return nil, err
	}
	return state, err
}

// location is where a file lies: its name, and the files among which it is a name.
type location struct {
	files volume.FileSystem
	name  string
}

func (s *Store) location() location {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// Path is the store's file as it was opened, or as it was last renamed.
func (s *Store) Path() string { return s.location().name }

// fullPath is Path for a command line of whoever opened the store.
func (s *Store) fullPath() string {
	if s.owned != nil {
		return filepath.Join(s.owned.Name(), s.Path())
	}
	return s.Path()
}

// moved notes where the file lies from now on.
func (s *Store) moved(to location) {
	s.mu.Lock()
	s.at = to
	source := s.current.source
	s.mu.Unlock()
	source.moved(to)
}

// Current is the newest snapshot known, without a look at the file.
func (s *Store) Current() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renew()
}

// renew is the newest snapshot known, as one of its own when damage was found since
// it was made. The caller holds mu.
func (s *Store) renew() *Snapshot {
	if s.current.outdated() {
		s.current = s.current.renewed()
	}
	return s.current
}

// Snapshot is the newest committed state. A change by another process is
// noticed: the file's metadata is compared at each call.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	for {
		// In this order: a place that is out of date was touched since.
		active, touches := s.writer.active()
		s.mu.Lock()
		current, seen, closed, at := s.renew(), s.seen, s.closed, s.at
		s.mu.Unlock()
		if closed {
			return nil, fmt.Errorf("store %q: %w", at.name, volume.ErrClosed)
		}
		if active {
			if err := CheckOrigin(ctx, current.Origin()); err != nil {
				return nil, fmt.Errorf("look at store %q: %w", at.name, err)
			}
			return current, nil // the lock is ours: nobody else changes the file
		}
		still := func() bool {
			_, now := s.writer.active()
			return now == touches
		}
		snapshot, err := s.lookAt(ctx, at, current, seen, still)
		if errors.Is(err, fs.ErrNotExist) && !still() {
			continue // renamed meanwhile by this process: it stands elsewhere
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("store %q: %w: its file was removed", at.name, volume.ErrNotFound)
		}
		if err == nil {
			err = CheckOrigin(ctx, snapshot.Origin())
		}
		if err != nil {
			return nil, fmt.Errorf("look at store %q: %w", at.name, err)
		}
		return snapshot, nil
	}
}

// lookAt is the state of the file at a place, where current was the newest known.
func (s *Store) lookAt(ctx context.Context, at location, current *Snapshot, seen volume.FileInfo, still func() bool) (*Snapshot, error) {
	info, err := at.files.Stat(at.name)
	if err != nil {
		return nil, err
	}
	if unchanged(info, seen) {
		return current, nil
	}
	file, err := at.files.Open(at.name, false)
	if err != nil {
		return nil, err
	}
	snapshot, err := s.refresh(volume.Watch(ctx, file), still)
	return snapshot, errors.Join(err, file.Close())
}

func unchanged(a, b volume.FileInfo) bool {
	return volume.SameFile(a, b) && a.Size == b.Size && a.Modified.Equal(b.Modified)
}

// refresh brings current up to the state of file, which stands at the store's
// path, and returns it. What was seen of the file does not count when still says,
// afterwards, that this process has begun to write meanwhile.
func (s *Store) refresh(file volume.File, still func() bool) (*Snapshot, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	current, seen, at := s.renew(), s.seen, s.at
	s.mu.Unlock()
	if unchanged(info, seen) {
		return current, nil
	}
	if volume.SameFile(info, seen) {
		current.source.changed(info.Size == seen.Size)
	}
	grown := false
	if volume.SameFile(info, seen) && info.Size >= current.state.End {
		if grown, err = manifestStands(file, current); err != nil {
			return nil, err
		}
	}
	var find segments.FindOptions
	if grown {
		find = segments.FindOptions{From: current.state.Segment.Offset, Known: current.state}
	}
	state, err := s.findState(file, info.Size, find)
	if err != nil {
		return nil, err
	}
	next := current
	switch {
	case grown && state.Segment.Offset == current.state.Segment.Offset && state.End == current.state.End:
		if current.outdated() {
			next = current.renewed()
		}
	case grown:
		next = newSnapshot(current.source, generations.Add(1), state, info.Modified)
	default:
		source, err := reopen(at, info, s.options)
		if err != nil {
			return nil, err
		}
		if volume.SameFile(info, current.source.info) {
			source.line = current.source.line // written anew by another program
		}
		next = newSnapshot(source, generations.Add(1), state, info.Modified)
	}
	return s.swap(current, next, info, still)
}

// swap puts next in the place of current, unless somebody else was faster, and
// gives back whichever file lost.
func (s *Store) swap(current, next *Snapshot, info volume.FileInfo, still func() bool) (*Snapshot, error) {
	loser := current.source
	s.mu.Lock()
	if s.current == current && !s.closed && (still == nil || still()) {
		s.current, s.seen = next, info
	} else {
		next, loser = s.current, next.source
	}
	s.mu.Unlock()
	if loser == next.source {
		return next, nil
	}
	return next, loser.retire()
}

// manifestStands says whether the manifest of the snapshot still is where it
// was, that is, whether the file was only appended to.
func manifestStands(file io.ReaderAt, snapshot *Snapshot) (bool, error) {
	var header [segments.HeaderSize]byte
	err := volume.ReadFull(file, header[:], snapshot.state.Segment.Offset)
	if errors.Is(err, volume.ErrCorrupt) {
		return false, nil // the file became shorter
	}
	return header == snapshot.state.Segment.Encode(), err
}

// owe notes that the file's name must be made durable before anything else is
// acknowledged.
func (s *Store) owe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owing = true
}

// payDirectory makes the file's name durable if that is still owed.
func (s *Store) payDirectory() error {
	s.mu.Lock()
	owing, at := s.owing, s.at
	s.mu.Unlock()
	if !owing {
		return nil
	}
	if err := at.files.SyncDirectory(at.name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owing = false
	return nil
}

// Identity is the store's place in its lineage as of the newest snapshot known;
// false for files from before identities were kept.
func (s *Store) Identity() (lineage.Identity, bool) { return s.Current().Identity() }

// FileID is the store's own id, zero for files without one.
func (s *Store) FileID() lineage.FileID {
	identity, _ := s.Identity()
	return identity.FileID
}

// ParentID is the id of the store that this one was derived from, zero for a root.
func (s *Store) ParentID() lineage.FileID {
	identity, _ := s.Identity()
	return identity.ParentID
}

// LineageDepth is the number of derivations between the root and this store.
func (s *Store) LineageDepth() uint32 {
	identity, _ := s.Identity()
	return identity.Depth
}

// Close ends the use of the store. Snapshots and readers that are still held go
// on. Open append streams must be closed before.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.maintenance.stop()
	source := s.Current().source
	var err error
	if s.late.stop() {
		err = source.with(context.Background(), volume.File.SyncData)
	}
	err = errors.Join(err, source.release(), s.closeOwned())
	s.discarding.Wait()
	return err
}

func (s *Store) closeOwned() error {
	if s.owned == nil {
		return nil
	}
	return s.owned.Close()
}

// publish makes snapshot the current one after a commit of our own.
func (s *Store) publish(snapshot *Snapshot, info volume.FileInfo) error {
	s.mu.Lock()
	former := s.current
	s.current, s.seen = snapshot, info
	s.mu.Unlock()
	var err error
	if former.source != snapshot.source {
		err = former.source.retire()
	}
	if s.options.OnCommit != nil {
		s.options.OnCommit(snapshot)
	}
	s.consider(snapshot)
	return err
}

// checkWritable refuses what must not be written to.
func (s *Store) checkWritable(snapshot *Snapshot) error {
	if s.readOnly {
		return fmt.Errorf("%w: the store was opened for reading", volume.ErrReadOnly)
	}
	return snapshot.Writable()
}

// Writable fails with ErrReadOnly if nobody may write to the file, for what it holds.
func (s *Snapshot) Writable() error {
	if s.Dialect() != segments.DialectRuntime {
		return fmt.Errorf("%w: the file is in the wire dialect", volume.ErrReadOnly)
	}
	frozen, err := s.frozen(context.Background())
	if err == nil && frozen {
		err = fmt.Errorf("%w: the branch is frozen", volume.ErrReadOnly)
	}
	return err
}
