package store

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compact"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/log"
	"rvffs/store/metadata"
	"rvffs/store/recovery"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/stream"
	"rvffs/store/volume"
)

// Store is one open store. Its methods may be called from several goroutines.
type Store struct {
	shelf    volume.Shelf
	options  Options
	readOnly bool
	opened   *state.Snapshot // what was found first
	ids      *rows.IDTable
	vectors  *ingest.Vectors
	log      *log.Log
	*images  // its compute segments
	streams  *stream.Register

	compactor *compact.Compactor

	compared atomic.Pointer[comparison] // how far a branch's parent was compared

	branchesMu sync.Mutex // guards what follows, and nothing is locked under it
	made       map[branchKey]segments.ListedBranch
	leaving    map[branchKey]segments.ListedBranch // as they are about to be listed
	released   map[branchKey]bool
	gone       map[lineage.FileID]bool // of these the ones of which others are to hear

	file  volume.Log
	head  *state.Head
	tails *recovery.Tails
}

// Open opens the store at name for reading and writing. It takes no lock: the
// first write does, and gives it back when nothing is left to commit. It ends with ctx: to
// find the newest state of a damaged file can take as long as to read all of it.
func Open(ctx context.Context, name string, options Options) (*Store, error) {
	return open(ctx, name, options, false)
}

// OpenReadOnly is Open for reading; every attempt to write fails with ErrReadOnly.
func OpenReadOnly(ctx context.Context, name string, options Options) (*Store, error) {
	return open(ctx, name, options, true)
}

// open resolves symlinks first where the caller leaves the way to the file to it, so
// that lock and temporary files stand beside the file itself.
func open(ctx context.Context, name string, options Options, readOnly bool) (*Store, error) {
	s := locate(name, options)
	s.readOnly = readOnly
	if err := s.load(ctx); err != nil {
		return nil, fmt.Errorf("open store %q: %w", s.file.Path(), err)
	}
	return s, nil
}

// locate makes a Store without reading its file.
func locate(name string, options Options) *Store {
	s := &Store{shelf: options.Shelf, options: options, ids: rows.NewIDTable()}
	s.file = s.shelf.Log(name, volume.LogOptions{
		Memory: options.Memory, Wait: options.turnWait(), Lasting: options.Durability.lasting(), LateLoss: options.OnLateLoss,
	})
	s.streams = stream.NewRegister(s.Path, s.stands)
	return s
}

// load reads the newest state.
func (s *Store) load(ctx context.Context) error {
	version, err := s.file.Open(ctx, s.options.Known.file)
	if err != nil {
		return err
	}
	s.head = state.NewHead(s.file, version, s.options.Known.snapshot, s.options.source())
	s.opened = s.head.Current()
	s.tails = recovery.New(recovery.Environment{
		File: s.file, Head: s.head, IDs: s.ids, Appender: s.NewAppender, Memory: s.options.Memory, OnTail: s.options.OnTail, Names: s.options.TailNames, Inherited: s.inheritedOf, List: s.listThose,
		Begin: func(ctx context.Context) (*log.Session, error) { return s.log.Begin(ctx) },
	})
	s.vectors = ingest.New(ingest.Environment{
		Head: s.head, IDs: s.ids, Memory: s.options.Memory, Streams: s.streams, Kept: s.tails.HighestID, Compact: s.letGo, Inherited: s.inheritedOf,
		Begin: func(ctx context.Context) (*log.Session, error) { return s.log.Begin(ctx) },
	})
	s.log = log.New(log.Environment{
		File: s.file, Head: s.head, Writable: s.checkWritable, Keep: s.tails.Keep, Published: s.published,
		Hooks: []log.Hook{s.tails, s.vectors, metadata.NewHook(s.ids, s.vectors.Drafted), s.vectors.Removals(), branchHook{s}, freezeHook{}}, Clock: time.Now,
	})
	s.images = compute.New(compute.Environment{
		Name: s.Path, Log: s.log, Commit: s.vectors.Commit, Snapshot: s.Snapshot, Writable: s.checkWritable, Memory: s.options.Memory,
		Spool: s.file.Spool, Streams: s.streams,
	})
	s.compactor = compact.New(s.compaction())
	return nil
}

// Create makes a new, empty root store at name and opens it. The store is on the
// disk when Create returns. It fails with ErrExists when the name is taken.
func Create(ctx context.Context, name string, create CreateOptions, options Options) (*Store, error) {
	s := locate(name, options)
	err := s.create(ctx, create)
	if err == nil {
		err = s.load(ctx)
	}
	if err != nil {
		return nil, describeMaking("create store", s.file.Path(), err)
	}
	return s, nil
}

// Make is Create for somebody who may not be allowed to open what he makes.
func Make(ctx context.Context, name string, create CreateOptions, options Options) error {
	s := locate(name, options)
	if err := s.create(ctx, create); err != nil {
		return describeMaking("create store", s.file.Path(), err)
	}
	return nil
}

// describeMaking says which store could not be made, and by what.
func describeMaking(operation, name string, err error) error {
	if errors.Is(err, volume.ErrExists) {
		return fmt.Errorf("%s: %q %w already", operation, name, volume.ErrExists)
	}
	return fmt.Errorf("%s %q: %w", operation, name, err)
}

func (s *Store) create(ctx context.Context, create CreateOptions) error {
	if err := CheckName(path.Base(s.file.Name())); err != nil {
		return err
	}
	shelf := create.Shelf
	if shelf == nil {
		shelf = s.shelf
	}
	return createRoot(ctx, shelf, s.file.Name(), create)
}

// createRoot makes an empty store that is derived from none.
func createRoot(ctx context.Context, shelf volume.Shelf, name string, create CreateOptions) error {
	if create.Dimension < 0 || create.Dimension > 65535 {
		return fmt.Errorf("%w: dimension %d is not within 0 to 65535", volume.ErrInput, create.Dimension)
	}
	id, err := lineage.NewFileID()
	if err != nil {
		return err
	}
	manifest := &segments.Manifest{
		Dimension: uint16(create.Dimension), Metric: create.Metric,
		Identity: lineage.Identity{FileID: id}, HasIdentity: true,
	}
	return writeNew(ctx, shelf, name, newFileContent{manifest: manifest, perm: permOf(create.Perm)})
}

// Known is what a closed store knew of its file. A store that is opened with it
// shows the same snapshot, unless the file has changed.
type Known struct {
	file     volume.Known
	snapshot *state.Snapshot
}

// Known is what the store knows of its file, for opening it again.
func (s *Store) Known() Known { return Known{s.file.Known(), s.head.Current()} }

// Current is the newest snapshot known, without a look at the file.
func (s *Store) Current() *state.Snapshot { return s.head.Current() }

// Snapshot is the newest committed state. A change by another process is
// noticed: the file's metadata is compared at each call.
func (s *Store) Snapshot(ctx context.Context) (*state.Snapshot, error) { return s.head.Look(ctx) }

// Path is the store's file as it was opened, or as it was last renamed.
func (s *Store) Path() string { return s.file.Name() }

// Identity is the store's place in its lineage as of the newest snapshot known;
// false for files from before identities were kept.
func (s *Store) Identity() (lineage.Identity, bool) { return s.Current().Identity() }

// FileID is the store's own id, zero for files without one. Like ParentID and LineageDepth
// it is a part of Identity, for programs that use the engine as a library.
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
// on. Streams that are still open are closed, and the error says what was dropped of
// them; see InterruptStreams.
func (s *Store) Close() error {
	s.streams.End()
	interrupted := s.InterruptStreams(context.Background())
	s.compactor.Stop()
	closed, err := s.file.Close()
	if !closed {
		return interrupted
	}
	return errors.Join(interrupted, err)
}

// published is told of each commit of our own.
func (s *Store) published(snapshot *state.Snapshot) {
	if s.options.OnCommit != nil {
		s.options.OnCommit(snapshot)
	}
	if s.options.Background {
		s.compactor.Consider(snapshot)
	}
}

// checkWritable refuses what must not be written to.
func (s *Store) checkWritable(ctx context.Context, snapshot *state.Snapshot) error {
	if s.readOnly {
		return fmt.Errorf("%w: the store was opened for reading", volume.ErrReadOnly)
	}
	if s.options.ByName && !snapshot.SameStore(s.opened) {
		return state.ErrReplaced
	}
	return snapshot.Writable(ctx)
}

// target is the file that a stream is to stay with, which is opened when a snapshot is the
// newest; zero: that which has the name.
func (s *Store) target(snapshot *state.Snapshot) state.Origin {
	if s.options.ByName {
		return state.Origin{}
	}
	return snapshot.Origin()
}

// withNewest is OnNewest for the committed state.
func (s *Store) withNewest(ctx context.Context, use func(*state.Snapshot) error) error {
	return state.OnNewest(ctx, s.Snapshot, use)
}

// images has the methods by which images are embedded and extracted.
type images = compute.Images
