package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/store"
)

// freshness is how long a listing may be old: a change by another process is seen
// at the latest after this time.
const freshness = time.Second

// Catalog is a directory of stores. Its methods, and those of its folders and
// stores, may be called from several goroutines.
type Catalog struct {
	directory string
	files     *store.DirectoryFiles
	options   Options

	scanning turn // held by the one who reads folders

	mu        sync.Mutex // guards what follows; never held over I/O
	tree      *tree
	read      time.Time // when tree was made
	changes   uint64    // that we made ourselves
	reflected uint64    // changes that tree certainly shows
	folders   map[string]*Folder
	stores    map[string]*Store
	links     map[string]*Link
	observers []func(*Store)
	closed    bool

	open openStores

	numbers atomic.Uint64 // spans of inode numbers given out
}

// inodeSpan is how many inode numbers belong to one store: its folder's, and
// those of the names below it. All numbers stay below 2^53, so that programs that
// keep numbers as floats tell them apart.
const inodeSpan = 1 << 20

// Open begins to show the stores below dir. Nothing is read yet.
func Open(dir string, options Options) (*Catalog, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory %q: %w", dir, err)
	}
	files, err := store.OpenDirectory(absolute)
	if err != nil {
		return nil, fmt.Errorf("open directory %q: %w", dir, err)
	}
	c := &Catalog{
		directory: absolute, files: files, options: options,
		scanning: newTurn(), folders: map[string]*Folder{}, stores: map[string]*Store{}, links: map[string]*Link{},
	}
	c.open.limit = options.openStores()
	return c, nil
}

// Close commits what streams still hold, and closes all stores.
func (c *Catalog) Close() error {
	c.mu.Lock()
	c.closed = true
	stores := make([]*Store, 0, len(c.stores))
	for _, s := range c.stores {
		stores = append(stores, s)
	}
	c.mu.Unlock()
	var problems []error
	for _, s := range stores {
		problems = append(problems, s.close())
	}
	return errors.Join(append(problems, c.files.Close())...)
}

// Observe has f called after each commit that this process makes, with no lock
// held. f must not wait for a commit.
func (c *Catalog) Observe(f func(*Store)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observers = append(c.observers, f)
}

func (c *Catalog) committed(s *Store) {
	c.mu.Lock()
	observers := c.observers
	c.mu.Unlock()
	for _, observe := range observers {
		observe(s)
	}
}

// Root is the directory itself.
func (c *Catalog) Root() *Folder { return c.folder(".") }

func (c *Catalog) folder(name string) *Folder {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, known := c.folders[name]
	if !known {
		f = &Folder{catalog: c, path: name, number: c.nextNumber()}
		c.folders[name] = f
	}
	return f
}

func (c *Catalog) store(name string) *Store {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, known := c.stores[name]
	if !known {
		s = newStore(c, name, c.nextNumber())
		c.stores[name] = s
	}
	return s
}

func (c *Catalog) link(name, target string, info store.FileInfo) *Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, known := c.links[name]
	described := attributesOf(info)
	described.Mode, described.Size = 0o777, int64(len(target))
	if !known || l.target != target || l.attributes != described {
		number := c.nextNumber()
		if known {
			number = l.number
		}
		l = &Link{number: number, target: target, attributes: described}
		c.links[name] = l
	}
	return l
}

// nextNumber hands out the first inode number of a span. The root's is 1, as
// everywhere.
func (c *Catalog) nextNumber() uint64 { return (c.numbers.Add(1)-1)*inodeSpan + 1 }

// changed makes the next look at the tree read the folders again.
func (c *Catalog) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
}

// known is the tree as it is; good says whether it may be used without a look at
// the folders, usable whether it at least shows all changes of our own.
func (c *Catalog) known() (t *tree, good, usable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	usable = c.tree != nil && c.reflected == c.changes
	return c.tree, usable && time.Since(c.read) < freshness, usable
}

// current is the tree, not older than freshness. While somebody else is reading
// the folders, the former tree does.
func (c *Catalog) current(ctx context.Context) (*tree, error) {
	t, good, usable := c.known()
	if good {
		return t, nil
	}
	if !usable {
		if err := c.scanning.take(ctx); err != nil {
			return nil, err
		}
	} else if !c.scanning.tryTake() {
		return t, nil
	}
	defer c.scanning.give()
	if t, good, _ = c.known(); good {
		return t, nil
	}
	c.mu.Lock()
	began, changes := time.Now(), c.changes
	c.mu.Unlock()
	next, err := c.scan(ctx, t)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tree, c.read, c.reflected = next, began, changes
	return next, nil
}

// listed is what the newest listing saw of a store's file.
func (c *Catalog) listed(file string) (store.FileInfo, bool) {
	t, _, _ := c.known()
	if t == nil {
		return store.FileInfo{}, false
	}
	scan, known := t.scans[path.Dir(file)]
	if !known {
		return store.FileInfo{}, false
	}
	found, known := scan.stores[path.Base(file)]
	if !known {
		return store.FileInfo{}, false
	}
	return found.info, true
}

// scan reads all folders that changed since known was made.
func (c *Catalog) scan(ctx context.Context, known *tree) (*tree, error) {
	scans := map[string]*folderScan{}
	same := known != nil
	pending := []string{"."}
	for len(pending) > 0 {
		name := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		var former *folderScan
		if known != nil {
			former = known.scans[name]
		}
		scan, err := c.scanFolder(ctx, name, former)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) && name != "." {
			continue // gone since its parent was read
		}
		if err != nil && name != "." {
			c.options.Log.Warn().Err(err).Str("folder", name).Msg("cannot be read")
			scan, err = &folderScan{}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read directory %q: %w", c.directory, err)
		}
		same = same && scan == former
		scans[name] = scan
		for _, folder := range scan.folders {
			pending = append(pending, path.Join(name, folder))
		}
	}
	if same && len(scans) == len(known.scans) {
		return known, nil
	}
	return buildTree(scans, known), nil
}
