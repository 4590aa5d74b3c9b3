package catalog

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"rvffs/store/volume"
)

// folderScan is what one backing folder held when it was last read.
type folderScan struct {
	info    volume.FileInfo // of the folder itself, when it was read
	since   time.Time       // when it was seen first to have the time of its last change
	settled bool            // a later change cannot carry the same time
	folders []string        // names, in order
	stores  map[string]*fileFacts
	links   map[string]foreignLink
	tails   []string // names of what was kept before it was cut from a store
	problem error    // why it could not be read, for now; the rest is then as it was
}

// foreignLink is one that somebody put into the backing directory. It is shown as it
// is, wherever it leads, and followed by nobody here.
type foreignLink struct {
	target string
	info   volume.FileInfo
}

// settleTime is how old a folder's time must be before an equal time means that
// nothing changed: file systems keep time in steps of a clock tick.
const settleTime = 50 * time.Millisecond

// slowSettleTime is how long an equal time must have been seen where it is told in whole
// seconds, or two: by another machine's clock, and with what it tells remembered for as
// long as sshfs does, 20 seconds, and for listings by themselves. No clock is believed to be
// wrong by skew.
const (
	slowSettleTime = 25 * time.Second
	skew           = time.Hour
)

// settles reports whether the folder has changed so long ago that a later change cannot
// carry the same time.
func (s *folderScan) settles() bool {
	age := time.Since(s.info.Modified)
	if s.info.Modified.Nanosecond() == 0 {
		return age > skew || time.Since(s.since) > slowSettleTime
	}
	return age > settleTime
}

// firstPatience is how many times as long as others a folder is waited for of which
// nothing is known yet.
const firstPatience = 10

// scanFolder reads the folder at a path below another, unless it still is as former
// describes it. What does not answer is taken to be as it was. Where a file has gone since its name
// was read, the names are read anew: it may have another one, under which it would be missed.
func (c *Catalog) scanFolder(ctx context.Context, from volume.Folder, name string, former *folderScan) (*folderScan, error) {
	var known map[string]*fileFacts
	if former != nil {
		known = former.stores
	}
	for try := 1; ; try++ {
		names, err := c.namesOf(ctx, from, name, former)
		if err != nil {
			return nil, err
		}
		if names.candidates == nil {
			return names.scan, nil
		}
		gone, err := c.fill(ctx, names, from, name, known)
		if err != nil {
			return nil, err
		}
		if !gone || try == looks {
			return names.scan, nil
		}
		known = names.scan.stores
	}
}

// namesOf reads the names in a folder. There are no candidates where it is as it was, or taken to
// be.
func (c *Catalog) namesOf(ctx context.Context, from volume.Folder, name string, former *folderScan) (names folderNames, err error) {
	key, within := lookKey{name: name}, firstPatience*c.patience
	if former != nil {
		key, within = lookKey{former.key(), "."}, c.patience
	}
	results, err := lookAll(ctx, &c.late, []lookKey{key}, within, func() looker[folderNames] {
		return &nameReader{ctx: ctx, catalog: c, from: from, name: name, former: former}
	})
	if err != nil {
		return names, err
	}
	if !results[0].known {
		c.options.Log.Warn().Str("folder", name).Msg("does not answer, and is shown as it was")
		if names.scan = former; former == nil {
			names.scan = &folderScan{}
		}
		return names, nil
	}
	names = results[0].found
	return names, names.err
}

// key tells the folder apart from others.
func (s *folderScan) key() volume.Identity { return s.info.Identity }

// is reports whether info is of the folder that was read, and as it was then.
func (s *folderScan) is(info volume.FileInfo) bool {
	return s.info.Is(info) && s.info.Modified.Equal(info.Modified)
}

// folderNames is what a folder's own blocks tell.
type folderNames struct {
	scan       *folderScan // the former one when nothing changed
	candidates []string    // files that may be stores; nil when nothing changed
	err        error
}

// nameReader reads the names of one folder.
type nameReader struct {
	ctx     context.Context // of the reading
	catalog *Catalog
	from    volume.Folder
	name    string
	former  *folderScan
}

func (r *nameReader) close() {}

func (r *nameReader) look(int) folderNames {
	names, err := r.read()
	names.err = err
	return names
}

func (r *nameReader) read() (names folderNames, err error) {
	info, err := r.from.Describe(r.ctx, r.name)
	if err != nil {
		return names, err
	}
	if r.former != nil && r.former.settled && r.former.is(info) {
		names.scan = r.former
		return names, nil
	}
	folder, err := r.from.List(r.ctx, r.name)
	if err != nil {
		return names, err
	}
	return names, errors.Join(r.list(folder, &names), folder.Close())
}

func (r *nameReader) list(folder volume.Listing, names *folderNames) (err error) {
	scan := &folderScan{links: map[string]foreignLink{}}
	names.scan = scan
	if scan.info, err = folder.Folder(); err != nil {
		return err
	}
	scan.since = time.Now()
	if r.former != nil && r.former.is(scan.info) {
		scan.since = r.former.since
	}
	scan.settled = scan.settles()
	entries, err := folder.Entries()
	if err != nil {
		return err
	}
	names.candidates = make([]string, 0, len(entries))
	for _, entry := range entries {
		full := joinPath(r.name, entry.Name)
		switch {
		case full == ControlFolder && r.from == volume.Folder(r.catalog.volume):
		case entry.Type.IsRegular() && volume.IsTemporary(entry.Name):
			r.catalog.sweep(r.ctx, r.from, full)
		case entry.Type.IsDir():
			scan.folders = append(scan.folders, entry.Name)
		case entry.Type == fs.ModeSymlink:
			link, err := readLink(folder, entry.Name)
			switch {
			case err == nil:
				scan.links[entry.Name] = link
			case !vanished(err):
				return err
			}
		case entry.Type.IsRegular() && isTail(entry.Name):
			scan.tails = append(scan.tails, entry.Name)
		case entry.Type.IsRegular() && mayBeStore(entry.Name):
			names.candidates = append(names.candidates, entry.Name)
		}
	}
	slices.Sort(scan.folders)
	return nil
}

// fill looks at those files of a folder that may be stores, of which some are known, and reports
// whether one of them is gone.
func (c *Catalog) fill(ctx context.Context, names folderNames, from volume.Folder, name string, known map[string]*fileFacts) (gone bool, err error) {
	scan, folder := names.scan, names.scan.key()
	keys := make([]lookKey, len(names.candidates))
	for i, candidate := range names.candidates {
		keys[i] = lookKey{folder, candidate}
	}
	found, err := lookAll(ctx, &c.late, keys, c.patience, func() looker[fileFound] {
		return &fileReader{from: from, folder: name, names: names.candidates, former: known, lookReader: lookReader{
			file: tailReader{ctx: ctx}, memory: c.options.Memory, reserved: func(candidate string) { c.sweep(ctx, from, joinPath(name, candidate)) },
		}}
	})
	if err != nil {
		return false, err
	}
	scan.stores = make(map[string]*fileFacts, len(names.candidates))
	for i, candidate := range names.candidates {
		before, now := known[candidate], found[i].found.facts
		switch {
		case found[i].found.err != nil:
			return false, found[i].found.err
		case !found[i].known:
			c.options.Log.Warn().Str("store", joinPath(name, candidate)).Msg("does not answer, and is shown as it was")
			scan.settled = false
			if now = before; now == nil {
				now = &fileFacts{isStore: isStoreName(candidate)}
			}
		case now == nil:
			gone = true
		case now.unread != nil:
			c.options.Log.Warn().Err(now.unread).Str("store", joinPath(name, candidate)).Msg("cannot be read, and is shown as it was")
			scan.settled = false
		}
		if now.shown(before) {
			scan.stores[candidate] = now
		}
	}
	return gone, nil
}

// fileFound is what a file tells about itself: nothing when it is gone.
type fileFound struct {
	facts *fileFacts
	err   error // why the folder could not be opened
}

// fileReader looks at files of one folder.
type fileReader struct {
	lookReader
	from   volume.Folder
	folder string
	names  []string
	former map[string]*fileFacts
}

func (r *fileReader) look(i int) fileFound {
	if r.files == nil {
		folder, err := r.from.List(r.file.ctx, r.folder)
		if err != nil {
			return fileFound{err: err}
		}
		r.files = folder
	}
	return fileFound{facts: r.factsOf(r.names[i], r.former[r.names[i]])}
}

func (r *fileReader) close() {
	if r.files != nil {
		_ = r.files.Close()
	}
}

// readLink reads a link of an open folder.
func readLink(folder volume.Listing, name string) (foreignLink, error) {
	info, err := folder.Describe(name)
	if err != nil {
		return foreignLink{}, err
	}
	target, err := folder.Target(name)
	return foreignLink{target, info}, err
}

// unread is a folder that cannot be read for now, and was like former.
func (s *folderScan) unread(cause error) *folderScan {
	scan := &folderScan{}
	if s != nil {
		*scan = *s
	}
	scan.settled, scan.problem = false, cause
	return scan
}

// sweep removes a temporary file that a crash left behind.
func (c *Catalog) sweep(ctx context.Context, from volume.Folder, name string) {
	if !c.options.ReadOnly && from.Sweep(ctx, name) {
		c.options.Log.Info().Str("file", name).Msg("removed what a crash left behind")
	}
}

// relativePath is the path from folder to target, both relative to the same root.
func relativePath(folder, target string) string {
	from, to := pathParts(folder), pathParts(target)
	shared := 0
	for shared < len(from) && shared < len(to)-1 && from[shared] == to[shared] {
		shared++
	}
	return strings.Repeat("../", len(from)-shared) + strings.Join(to[shared:], "/")
}

// joinPath is path.Join for a folder and a bare name, which need no cleaning.
func joinPath(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}

// siblingPath is the path of another file in a file's folder.
func siblingPath(full, name string) string { return joinPath(path.Dir(full), name) }

// splitPath takes a path apart into its folder and its name there.
func splitPath(full string) (folder, name string) { return path.Dir(full), path.Base(full) }

// pathParts are the names in a path, none for that of the root.
func pathParts(name string) []string {
	if name == "." {
		return nil
	}
	return strings.Split(name, "/")
}
