package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"rvffs/store"
	"rvffs/store/journal"
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Store is one store file in the tree. There is one object for each file, for as
// long as the catalog is open; the engine behind it comes and goes.
type Store struct {
	catalog *Catalog
	number  uint64
	history history
	// neighbors has a lock of its own.
	neighbors neighborFiles
	seen      atomic.Uint64 // the generation of the newest state that somebody was shown
	shown     shownFile

	// The catalog's mu guards these.
	place   position
	former  []formerName // whose log may be this one's
	changes uint64       // that this process has made

	mu      sync.Mutex      // guards what follows; never held over I/O
	engine  *store.Store    // nil while the store is closed
	users   int             // of engine
	gone    bool            // its file is: the last user closes the engine
	held    *folderFiles    // kept open while engine is
	known   store.Known     // from before the engine was closed
	problem error           // why the file cannot be read as a store
	judged  volume.FileInfo // what problem was found in
	told    map[tailKey]bool
	numbers map[string]uint64
	spans   []uint64 // first inode numbers
	// vectorSpan holds the numbers of files about one vector.
	vectorSpan  numberSpan
	segmentSpan numberSpan // of files about one segment
	identity    renderedIdentity
	lineage     judgedLineage
	judgement   judgement
	dropped     dropFolder

	opening shared.Turn // held by the one who opens the engine
}

func newStore(c *Catalog, at position) *Store {
	number := c.nextNumber()
	return &Store{catalog: c, number: number, place: at, spans: []uint64{number}, opening: shared.NewTurn()}
}

// ownNumbers are how many of a store's inode numbers do not belong to what is below its
// folder: that of the folder comes first, then that of the link to it.
const ownNumbers = 2

// Number is the inode number of the store's folder.
func (s *Store) Number() uint64 { return s.number }

// Path is the store file's path below the backing directory.
func (s *Store) Path() string { return s.catalog.pathOf(&s.place) }

// Name is the store's file name.
func (s *Store) Name() string {
	_, name := s.where()
	return name
}

// Folder is the plain folder that the store's file lies in.
func (s *Store) Folder() *Folder {
	folder, _ := s.where()
	return folder
}

// where is the folder that the store's file lies in, and its name there.
func (s *Store) where() (*Folder, string) {
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	return s.place.folder, s.place.name
}

// at runs act with the open folder of the store's file and the file's name. When there
// is no such file because the store was renamed meanwhile, act runs again.
func (s *Store) at(ctx context.Context, act func(folder volume.Folder, name string) error) error {
	return atPlace(ctx, s.catalog, s.place.leaf, func(now leaf) error {
		return now.folder.files.with(ctx, func(folder volume.Folder) error { return act(folder, now.name) })
	})
}

// NumberOf is the inode number of a path below the store's folder, the same one at
// each call.
func (s *Store) NumberOf(view string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	number, known := s.numbers[view]
	if !known {
		if s.numbers == nil {
			s.numbers = map[string]uint64{}
		}
		position := uint64(len(s.numbers)) + ownNumbers
		if position/spanSize >= uint64(len(s.spans)) {
			s.spans = append(s.spans, s.catalog.nextNumber())
		}
		number = s.spans[position/spanSize] + position%spanSize
		s.numbers[view] = number
	}
	return number
}

// Attributes are those of the store file.
func (s *Store) Attributes(ctx context.Context) (Attributes, error) {
	info, err := s.info(ctx)
	if err != nil {
		return Attributes{}, fmt.Errorf("store %q: %w", s.Path(), err)
	}
	s.shown.set(info)
	return AttributesOf(info), nil
}

func (s *Store) info(ctx context.Context) (info volume.FileInfo, err error) {
	err = s.at(ctx, func(folder volume.Folder, name string) error {
		info, err = folder.Describe(ctx, name)
		return err
	})
	return info, err
}

// use runs f on the engine, which is opened if need be and stays open meanwhile.
func (s *Store) use(ctx context.Context, f func(*store.Store) error) error {
	engine, _, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	return f(engine)
}

// acquire returns the engine, to be given back with release. It is fresh when this
// very call opened it: then its state is the file's.
func (s *Store) acquire(ctx context.Context) (engine *store.Store, fresh bool, err error) {
	engine, fresh, err = s.tryAcquire(ctx)
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		s.catalog.letIdleGo()
		engine, fresh, err = s.tryAcquire(ctx)
	}
	return engine, fresh, err
}

func (s *Store) tryAcquire(ctx context.Context) (engine *store.Store, fresh bool, err error) {
	if engine := s.join(); engine != nil {
		return engine, false, nil
	}
	if err := s.opening.Take(ctx); err != nil {
		return nil, false, err
	}
	defer s.opening.Give()
	if engine := s.join(); engine != nil {
		return engine, false, nil
	}
	s.setGone(false)
	info, err := s.infoBefore(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("store %q: %w", s.Path(), err)
	}
	if err := s.knownProblem(info); err != nil {
		return nil, false, err
	}
	// Nobody renames the file meanwhile: that takes the engine.
	folder, name := s.where()
	if err := folder.files.keep(ctx, s); err != nil {
		return nil, false, fmt.Errorf("store %q: %w", s.Path(), err)
	}
	open := store.Open
	if s.catalog.options.ReadOnly {
		open = store.OpenReadOnly
	}
	engine, err = open(ctx, name, store.Options{
		Shelf: folder.files.shelf(), TurnWait: s.catalog.options.TurnWait, Known: s.knowledge(),
		Durability: s.catalog.options.Durability, OnLateLoss: s.lostLate,
		OnCommit: func(snapshot *state.Snapshot) {
			s.sees(snapshot)
			s.catalog.committed(s)
		},
		Background: !s.catalog.options.ReadOnly, OnCompaction: s.compacted,
		Branches: s.branches, Owner: s, Parents: s.branchParents, Searched: s.whereParentsAre,
		Checker: s.catalog.checker, OnDamage: s.damaged, Memory: s.catalog.options.Memory,
		OnTail: s.tellTail, OnTailLeft: s.leftTail, TailNames: s.tailNames,
	})
	s.mu.Lock()
	s.problem, s.judged = nil, info
	if errors.Is(err, volume.ErrNotStore) || errors.Is(err, volume.ErrCorrupt) {
		s.problem = err // whatever else is wrong may pass without a change of the file
	}
	if err == nil {
		s.engine, s.users = engine, 1
	}
	s.mu.Unlock()
	if err != nil {
		return nil, false, errors.Join(err, s.hold(nil).letGo())
	}
	s.tellTails(ctx, engine)
	return engine, true, nil
}

// infoBefore is metadata from before the file is opened: a problem that is found
// then counts for as long as the metadata stay the same. While none is known, what
// the listing saw will do.
func (s *Store) infoBefore(ctx context.Context) (volume.FileInfo, error) {
	s.mu.Lock()
	problem := s.problem
	s.mu.Unlock()
	if problem == nil {
		if info, listed := s.catalog.listed(&s.place); listed {
			return info, nil
		}
	}
	return s.info(ctx)
}

// join takes part in an engine that is open.
func (s *Store) join() *store.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine != nil {
		s.users++
	}
	return s.engine
}

// knownProblem is what was found wrong with the file before, if it still is the
// same.
func (s *Store) knownProblem(info volume.FileInfo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem != nil && s.judged == info {
		return s.problem
	}
	return nil
}

func (s *Store) release() {
	s.mu.Lock()
	s.users--
	last := s.gone && s.users == 0
	s.mu.Unlock()
	s.catalog.open.note(s)
	if last {
		s.catalog.retireAll([]*Store{s})
	}
}

// closeIdle closes the engine if nobody uses it and reports whether it is closed.
func (s *Store) closeIdle() (bool, error) {
	s.mu.Lock()
	engine := s.engine
	if engine == nil || s.users > 0 {
		s.mu.Unlock()
		return engine == nil, nil
	}
	held := s.held
	s.engine, s.known, s.held = nil, engine.Known(), nil
	s.mu.Unlock()
	return true, errors.Join(engine.Close(), held.letGo())
}

// forgetKnown drops what a closed store knew. It is read again when the store is
// opened, and is then a state of its own, whose views the kernel caches anew.
func (s *Store) forgetKnown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.judgement = store.Known{}, judgement{}
}

func (s *Store) knowledge() store.Known {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

// close commits what streams still hold and closes the engine. No stream looks for
// anything beyond the end of ctx.
func (s *Store) close(ctx context.Context) error {
	s.closeIncoming()
	s.mu.Lock()
	engine := s.engine
	s.mu.Unlock()
	if engine == nil {
		return nil
	}
	return errors.Join(engine.InterruptStreams(ctx), engine.Close(), s.hold(nil).letGo())
}

// keep has the folder open for as long as the store's engine is, which is cheaper than
// opening it for each file; the store lets the one go in which its file was before.
func (f *folderFiles) keep(ctx context.Context, s *Store) error {
	if _, err := f.Hold(ctx); err != nil {
		return err
	}
	return s.hold(f).letGo()
}

// hold notes which folder is kept open, none for nil, and gives the one before.
func (s *Store) hold(next *folderFiles) (former *folderFiles) {
	s.mu.Lock()
	defer s.mu.Unlock()
	former, s.held = s.held, next
	return former
}

// letGo is release for what may be no folder.
func (f *folderFiles) letGo() error {
	if f == nil {
		return nil
	}
	return f.Release()
}

// Snapshot is the newest committed state; a change of the file by another process
// is noticed.
func (s *Store) Snapshot(ctx context.Context) (*state.Snapshot, error) {
	snapshot, err := s.look(ctx)
	if errors.Is(err, volume.ErrNotStore) {
		// The file was replaced by one that is no store. What is still open of the
		// former stays readable.
		_, closeErr := s.closeIdle()
		folder, name := s.where()
		return nil, errors.Join(err, closeErr, s.catalog.reread(ctx, folder, name))
	}
	return snapshot, err
}

// look is the state of the file at this moment.
func (s *Store) look(ctx context.Context) (*state.Snapshot, error) {
	engine, fresh, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release()
	if fresh {
		s.sees(engine.Current())
		return engine.Current(), nil
	}
	snapshot, err := engine.Snapshot(ctx)
	if err == nil && s.sees(snapshot) {
		s.catalog.renewed(s) // so that no name goes on to lead to what was before
	}
	return snapshot, err
}

// sees notes that a state is shown, and reports whether it is newer than those before it.
func (s *Store) sees(snapshot *state.Snapshot) bool {
	for {
		known := s.seen.Load()
		if snapshot.Generation() <= known {
			return false
		}
		if s.seen.CompareAndSwap(known, snapshot.Generation()) {
			return known != 0
		}
	}
}

// Problem is why the file cannot be read as a store; nil when it can.
func (s *Store) Problem(ctx context.Context) error {
	if _, err := s.Snapshot(ctx); errors.Is(err, volume.ErrNotStore) || errors.Is(err, volume.ErrCorrupt) {
		return err
	}
	return nil
}

// ErrorText tells the problem to whoever looks into the folder.
func (s *Store) ErrorText(ctx context.Context) []byte {
	problem := s.Problem(ctx)
	if problem == nil {
		return nil
	}
	return fmt.Appendf(nil, "%s cannot be read as a vector store.\n\n%v\n\nFiles are named as they lie in the mounted directory.\n", s.Name(), problem)
}

// List gives the derived stores that stand in this one's folder.
func (s *Store) List(ctx context.Context) ([]Entry, error) {
	c := s.catalog
	if err := c.refresh(ctx); err != nil {
		return nil, err
	}
	var entries []Entry
	var unread error
	err := c.look(ctx, func(v *viewer) {
		path := s.place.path()
		unread = c.tree.unknown(path)
		children := c.tree.childrenFor(v, path)
		entries = make([]Entry, 0, len(children))
		for _, child := range children {
			entries = append(entries, c.childEntry(path, child))
		}
	})
	if err = errors.Join(err, unread); err != nil {
		return nil, err
	}
	return entries, nil
}

// childEntry is a store in the folder of its parent. The caller holds mu.
func (c *Catalog) childEntry(parent string, child child) Entry {
	return Entry{Name: child.name, Kind: KindStore, Store: c.storeAt(child.file), Private: c.shared() && liesApart(child.file, parent)}
}

// Lookup finds one derived store by its name in this one's folder.
func (s *Store) Lookup(ctx context.Context, name string) (entry Entry, err error) {
	c := s.catalog
	if err := c.refresh(ctx); err != nil {
		return Entry{}, err
	}
	problem := c.look(ctx, func(v *viewer) {
		path := s.place.path()
		children := c.tree.childrenFor(v, path)
		i, found := slices.BinarySearchFunc(children, name, func(c child, name string) int { return cmp.Compare(c.name, name) })
		if !found {
			err = fmt.Errorf("%q in store %q: %w", name, path, cmp.Or(c.tree.unknown(path), c.tree.unknown(siblingPath(path, name)), volume.ErrNotFound))
			return
		}
		entry, err = c.childEntry(path, children[i]), nil
	})
	return entry, errors.Join(problem, err)
}

// Vanished reports whether the store's file is gone, and has the tree know it at once.
func (s *Store) Vanished(ctx context.Context) bool {
	folder, name := s.where()
	if _, err := folder.describe(ctx, name); !vanished(err) {
		return false
	}
	if now, called := s.where(); now != folder || called != name {
		return false // it has another name since
	}
	return s.catalog.reread(ctx, folder, name) == nil
}

// Derive makes a derived store beside this one's file, the caller's, and on the disk
// when it returns.
func (s *Store) Derive(ctx context.Context, name string, perm os.FileMode) (*Store, error) {
	if err := s.catalog.checkChange(checkChildName(name)); err != nil {
		return nil, err
	}
	folder, _ := s.where()
	err := errors.Join(s.Allow(ctx, volume.Read), folder.mayChange(ctx))
	if err == nil && s.catalog.options.Derive != store.ContentEmpty {
		err = s.allowShown(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("derive %q: %w", name, err)
	}
	err = s.use(ctx, func(engine *store.Store) error {
		folder, _ = s.where()
		return engine.Derive(ctx, name, store.DeriveOptions{
			Type: s.catalog.options.DeriveType, Content: s.catalog.options.Derive,
			Perm: new(filePerm(perm)), Shelf: folder.files.as(ctx).shelf(), Filled: folder.files.shelf(),
		})
	})
	if err != nil {
		return nil, err
	}
	c := s.catalog
	err = c.afterwards(ctx, func(ctx context.Context) error {
		return errors.Join(c.refresh(ctx), c.rereadDerived(ctx, folder, name, s))
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return folder.storeNamed(name), nil
}

// Remove removes a derived store that holds nothing.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := s.catalog.checkWritable(); err != nil {
		return err
	}
	entry, err := s.Lookup(ctx, name)
	if err != nil {
		return err
	}
	return entry.Store.remove(ctx)
}

// Move gives a derived store a new name in this folder; to must be this store.
func (s *Store) Move(ctx context.Context, name string, to Container, newName string) error {
	entry, err := s.Lookup(ctx, name)
	if err != nil {
		return err
	}
	if to != Container(s) {
		return fmt.Errorf("rename %q: %w", name, volume.ErrCrossParent)
	}
	if err := s.catalog.checkChange(checkChildName(newName)); err != nil {
		return fmt.Errorf("rename %q: %w", name, err)
	}
	folder, _ := entry.Store.where()
	return entry.Store.moveTo(ctx, folder, newName)
}

// AppendLog is what the newest streams brought into the store's file, one JSON object a
// line, and the state that the file is in.
func (s *Store) AppendLog(ctx context.Context) (*journal.Log, *state.Snapshot, error) {
	snapshot, err := s.Snapshot(ctx)
	if err == nil {
		err = s.remember(ctx, snapshot)
	}
	if err != nil {
		return nil, nil, err
	}
	return s.history.logOf(snapshot.Origin()), snapshot, nil
}

// Refused notes why a command for the store was not carried out.
func (s *Store) Refused(err error) { s.failed(err) }

// failed notes what went wrong with the store without anybody waiting for it.
func (s *Store) failed(err error) {
	s.mu.Lock()
	engine := s.engine
	s.mu.Unlock()
	if engine != nil {
		s.history.fail(engine.Current().Origin(), err)
	}
}

// lostLate logs that acknowledged commits could not be made durable.
func (s *Store) lostLate(err error) {
	s.about(s.catalog.options.Log.Error()).Err(err).Msg("commits are not on the disk")
	s.failed(err)
}

// damaged logs that bytes of the store are no longer those that were written, and
// has those told who show them: as this store's, or as those of a branch.
func (s *Store) damaged(found state.DamagedSegment) {
	err := fmt.Errorf("the %s segment %d at offset %d is damaged: %s", found.Type, found.SegmentID, found.Offset, found.Reason)
	s.about(s.catalog.options.Log.Error()).Err(err).Uint64("segment", found.SegmentID).Int64("offset", found.Offset).
		Msg("damage found; what needs the segment's bytes fails from now on")
	s.failed(err)
	s.catalog.mu.Lock()
	observers := s.catalog.damageObservers
	s.catalog.mu.Unlock()
	showing := append(s.branchesBelow(), s)
	for _, observe := range observers {
		for _, one := range showing {
			observe(one)
		}
	}
}

// compacted logs what the store did by itself.
func (s *Store) compacted(result store.CompactResult, err error) {
	s.catalog.changed(s)
	if err != nil {
		s.about(s.catalog.options.Log.Error()).Err(err).Msg("background compaction failed")
		s.failed(err)
		return
	}
	s.about(s.catalog.options.Log.Info()).Int64("reclaimed", result.BytesReclaimed).
		Int("segments", result.SegmentsCompacted).Uint32("epoch", result.Epoch).Msg("compacted")
}

// allowChange fails unless the caller may write to the store, and the mount lets him.
func (s *Store) allowChange(ctx context.Context) (context.Context, error) {
	if err := s.catalog.checkWritable(); err != nil {
		return ctx, err
	}
	return s.AllowNewest(ctx, volume.Write)
}

// change changes the store for whoever may write to it.
func (s *Store) change(ctx context.Context, change func(context.Context, *store.Store) error) error {
	ctx, err := s.allowChange(ctx)
	if err != nil {
		return err
	}
	return s.use(ctx, func(engine *store.Store) error { return change(ctx, engine) })
}

// Compact rewrites the store without dead bytes.
func (s *Store) Compact(ctx context.Context) error {
	return s.change(ctx, func(ctx context.Context, engine *store.Store) error {
		_, err := engine.Compact(ctx)
		s.catalog.changed(s)
		return err
	})
}

// Freeze lets nothing change the store any more.
func (s *Store) Freeze(ctx context.Context) error {
	return s.change(ctx, func(ctx context.Context, engine *store.Store) error {
		_, err := engine.Freeze(ctx)
		return err
	})
}

// Flatten makes a store that has all its vectors itself of a branch.
func (s *Store) Flatten(ctx context.Context) error {
	if err := s.allowShown(ctx); err != nil {
		return fmt.Errorf("copy what the branch %q inherits: %w", s.Path(), err)
	}
	err := s.change(ctx, func(ctx context.Context, engine *store.Store) error {
		_, err := engine.Flatten(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return s.catalog.afterwards(ctx, func(ctx context.Context) error {
		folder, name := s.where()
		return s.catalog.reread(ctx, folder, name)
	})
}

// RemoveImages takes images out of the store: of the kind that a folder shows, the one that
// is meant, or the only one where none is said.
func (s *Store) RemoveImages(ctx context.Context, folder, which string) error {
	return s.change(ctx, func(ctx context.Context, engine *store.Store) error {
		now := engine.Current()
		if err := s.remember(ctx, now); err != nil {
			return err
		}
		removal, err := engine.RemoveImages(ctx, folder, which)
		s.history.addRemoved(now.Origin(), strings.TrimSpace(folder+" "+which), removal, err)
		return err
	})
}

// SetAttributes changes owner, mode and times of the store file. It takes the mode
// of the store's folder; the file is never executable.
func (s *Store) SetAttributes(ctx context.Context, change volume.AttributeChange) error {
	if err := s.catalog.checkWritable(); err != nil {
		return err
	}
	if change.Mode != nil {
		change.Mode = new(filePerm(*change.Mode))
	}
	caller := s.catalog.caller(ctx)
	err := s.Allow(ctx, 0)
	if err == nil {
		err = s.at(ctx, func(folder volume.Folder, name string) error {
			return setAttributes(ctx, folder.As(caller), name, &s.shown, change)
		})
	}
	if err != nil {
		return fmt.Errorf("change attributes of store %q: %w", s.Path(), err)
	}
	return nil
}
