package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/store/incoming"
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// freshness is how long a listing may be old: a change by another process is seen
// at the latest after this time.
const freshness = time.Second

// oldestListing bounds how long one may be old where ListingShare says so.
const oldestListing = time.Minute

// Catalog shows the stores of a volume. Its methods, and those of its folders and
// stores, may be called from several goroutines.
type Catalog struct {
	volume  volume.Volume
	options Options
	checker *state.Checker // of content hashes
	root    *Folder

	identify func(context.Context) volume.Caller // nil: nobody but this process asks

	// naming is the turn to change the tree, and with it the places of folders and
	// stores: held by the one who reads folders, and by the one who renames. Nobody
	// who only wants to look waits for it, once there is a tree.
	naming shared.Turn

	mu              sync.Mutex // guards what follows, and all places; nothing else is locked under it, and it is never held over I/O
	tree            *tree
	stages          uint64        // how often the tree, or a store by this process, became another
	read            time.Time     // when tree was made
	took            time.Duration // how long that took
	moving          chan struct{} // closed when the rename that is under way is over; nil without one
	moves           uint64        // how many there were
	stores          map[*Store]struct{}
	dropFolders     []*incoming.Folder // of plain folders
	observers       []func(*Store)
	damageObservers []func(*Store)
	pedigree        pedigreeTexts // of this stage, for those from whom nothing is kept; nil before somebody asks

	apart  apartBranches
	open   *openStores
	recent recentFolders
	late   lateLooks
	// patience is how long one file or folder that is looked at for the tree, or a
	// store that is being closed, may keep those waiting who want something else.
	// What answers later is taken into account then; until that it is shown as it was.
	patience time.Duration

	// background are the reading of folders and the closing of stores, which nobody
	// but Close waits for to the end.
	background sync.WaitGroup
	life       context.Context // of what is in the background
	end        context.CancelFunc

	numbers atomic.Uint64 // spans of inode numbers given out
}

// spanSize is how many inode numbers belong to one store: its folder's, and
// those of the names below it. All numbers stay below 2^53, so that programs that
// keep numbers as floats tell them apart.
const spanSize = 1 << 20

// Open begins to show the stores of a volume, which the catalog closes. Nothing is read
// yet.
func Open(place volume.Volume, options Options) *Catalog {
	c := &Catalog{volume: place, options: options, patience: freshness, naming: shared.NewTurn(), stores: map[*Store]struct{}{}}
	c.life, c.end = context.WithCancel(context.Background())
	c.open, c.recent = newOpenStores(options.openStores(), c.retire), c.newRecentFolders()
	c.root = c.newFolder(position{}, volume.Identity{})
	c.root.files.open.Adopt(place)
	c.checker = state.NewChecker(options.Verify)
	return c
}

// afterwards takes into the tree what was changed on the disk, whether the one who did
// it still waits or not. Nobody waits for it who is killed meanwhile; it ends with the
// catalog.
func (c *Catalog) afterwards(ctx context.Context, look func(context.Context) error) error {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(c.life, cancel)
	done := make(chan error, 1)
	c.background.Go(func() {
		defer stop()
		defer cancel()
		done <- look(own)
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closingPatience is how long streams may look, as the catalog is closed, for what they
// need to commit. What they have not begun to write by then is dropped, and told.
const closingPatience = 3 * time.Second

// Close commits what streams still hold, and closes all stores. What scans ends.
func (c *Catalog) Close() error {
	c.end()
	c.checker.Close()
	c.mu.Lock()
	stores := make([]*Store, 0, len(c.stores))
	for s := range c.stores {
		stores = append(stores, s)
	}
	dropped := c.dropFolders
	c.mu.Unlock()
	for _, folder := range dropped {
		if names := folder.Close(volume.ErrClosed); len(names) > 0 {
			tellNames(c.options.Log.Warn(), names)
		}
	}
	c.background.Wait()
	var problems []error
	ctx, cancel := context.WithTimeout(context.Background(), closingPatience)
	defer cancel()
	for _, s := range stores {
		problems = append(problems, s.close(ctx))
	}
	c.keepRenamed()
	c.recent.close()
	return errors.Join(append(problems, c.root.files.Release())...)
}

// Observe has f called after each commit that this process makes, while the next one
// waits, and when it sees that of another: f takes mutexes of its own, and waits for nothing.
func (c *Catalog) Observe(f func(*Store)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observers = append(c.observers, f)
}

// ObserveDamage has f called when something of a store was found damaged, from a
// goroutine of its own and with no lock held.
func (c *Catalog) ObserveDamage(f func(*Store)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.damageObservers = append(c.damageObservers, f)
}

func (c *Catalog) committed(s *Store) {
	c.changed(s)
	c.renewed(s)
}

// renewed tells those who observe that a store has another state.
func (c *Catalog) renewed(s *Store) {
	c.mu.Lock()
	observers := c.observers
	c.mu.Unlock()
	for _, observe := range observers {
		observe(s)
	}
}

// changed notes that this process has written to a store, whose lineage, and those of others
// that came from it, may be told anew.
func (c *Catalog) changed(s *Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.changes++
	c.stages, c.pedigree = c.stages+1, nil
}

// Root is the directory itself.
func (c *Catalog) Root() *Folder { return c.root }

// nextNumber hands out the first inode number of a span. The root's is 1, as
// everywhere.
func (c *Catalog) nextNumber() uint64 { return (c.numbers.Add(1)-1)*spanSize + 1 }

// storeAt is the one whose file lies at a path. The caller holds mu.
func (c *Catalog) storeAt(file string) *Store {
	return c.folderAt(path.Dir(file)).storeNamed(path.Base(file))
}

// folderAt is the folder at a path. The caller holds mu.
func (c *Catalog) folderAt(at string) *Folder {
	folder := c.root
	for _, name := range pathParts(at) {
		folder = folder.below(name)
	}
	return folder
}

// Space tells how much room the place of the stores has.
func (c *Catalog) Space(ctx context.Context) (volume.Space, error) {
	space, err := c.volume.Space(ctx)
	if err != nil {
		return space, fmt.Errorf("room in %q: %w", c.volume.Name(), err)
	}
	return space, nil
}

// known is the tree as it is; good reports whether it may be used without a look at
// the folders.
func (c *Catalog) known() (t *tree, good bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := max(freshness, min(c.took*time.Duration(c.options.ListingShare), oldestListing))
	return c.tree, c.tree != nil && time.Since(c.read) < age
}

// refresh makes the tree not older than freshness. While somebody else is reading
// folders or renaming, and when reading takes long, the former tree does.
func (c *Catalog) refresh(ctx context.Context) error {
	t, good := c.known()
	if good {
		return nil
	}
	if t == nil {
		if err := c.naming.Take(ctx); err != nil {
			return err
		}
	} else if !c.naming.TryTake() {
		return nil
	}
	if t, good = c.known(); good {
		c.naming.Give()
		return nil
	}
	reading, stop := context.WithCancel(c.life)
	defer context.AfterFunc(ctx, stop)()
	done := make(chan error, 1)
	c.background.Go(func() {
		err := c.readFolders(reading, t)
		c.naming.Give() // first: who is told may look again at once, and must not find it taken
		done <- err
	})
	var patient <-chan time.Time
	if t != nil {
		timer := time.NewTimer(c.patience)
		defer timer.Stop()
		patient = timer.C
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-patient:
		return nil
	}
}

// readNow makes a new tree, however old the former one is.
func (c *Catalog) readNow(ctx context.Context) error {
	if err := c.naming.Take(ctx); err != nil {
		return err
	}
	defer c.naming.Give()
	t, _ := c.known()
	return c.readFolders(ctx, t)
}

// readFolders makes a tree that is newer than t. The caller holds the turn.
func (c *Catalog) readFolders(ctx context.Context, t *tree) error {
	began := time.Now()
	var former map[string]*folderScan
	if t != nil {
		former = t.scans
	}
	scans, same, err := c.scan(ctx, c.volume, ".", former)
	if err != nil {
		return fmt.Errorf("read directory %q: %w", c.volume.Name(), err)
	}
	c.late.forget()
	if !same {
		t = buildTree(scans, t, nil)
	}
	c.showFound(t, func() { c.read, c.took = began, time.Since(began) })
	return c.lookAtParents(ctx, t)
}

// listed is what the newest listing saw of a store's file.
func (c *Catalog) listed(p *position) (volume.FileInfo, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tree == nil {
		return volume.FileInfo{}, false
	}
	found := c.tree.factsOf(p.path())
	if found == nil {
		return volume.FileInfo{}, false
	}
	return found.info, true
}

// scan reads, in a folder and those below it, all that changed since former. The
// folder stands at a path below another; those of the result are from there, too. same
// says that nothing did.
func (c *Catalog) scan(ctx context.Context, from volume.Folder, start string, former map[string]*folderScan) (scans map[string]*folderScan, same bool, err error) {
	scans, same = map[string]*folderScan{}, true
	pending := []string{start}
	for len(pending) > 0 {
		name := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		scan, err := c.scanFolder(ctx, from, name, former[name])
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) && name != start {
			continue // gone since its parent was read
		}
		if err != nil && name != start {
			c.options.Log.Warn().Err(err).Str("folder", name).Msg("cannot be read")
			scan, err = former[name].unread(err), nil
		}
		if err != nil {
			return nil, false, err
		}
		same = same && scan == former[name]
		scans[name] = scan
		for _, folder := range scan.folders {
			pending = append(pending, joinPath(name, folder))
		}
	}
	return scans, same && len(scans) == len(former), nil
}
