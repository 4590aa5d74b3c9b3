package catalog

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"rvffs/store/volume"
)

// edit is a change of what stands at one name. It goes into the tree without anything
// else being read for it.
type edit struct {
	folder string // its path
	name   string
	now    standsAt
	parent string // the store in whose folder it was derived just now, "" for none
}

// standsAt is what stands at a name: one of these, or nothing.
type standsAt struct {
	store *fileFacts
	link  *foreignLink
	// folders are a folder and those below it, by their paths from where it stands.
	folders map[string]*folderScan
}

func (s standsAt) nothing() bool { return s.store == nil && s.link == nil && s.folders == nil }

// edited is the tree after changes.
func (t *tree) edited(changes ...edit) *tree {
	scans := maps.Clone(t.scans)
	born := map[string]string{}
	for _, change := range changes {
		change.apply(scans)
		if change.parent != "" {
			born[joinPath(change.folder, change.name)] = change.parent
		}
	}
	return buildTree(scans, t, born)
}

func (e edit) apply(scans map[string]*folderScan) {
	former, known := scans[e.folder]
	if !known {
		return // gone, and all in it
	}
	full := joinPath(e.folder, e.name)
	maps.DeleteFunc(scans, func(name string, _ *folderScan) bool {
		_, below := rebase(name, full, full)
		return below
	})
	next := former.clone()
	next.forget(e.name)
	switch {
	case e.now.store != nil:
		next.stores[e.name] = e.now.store
	case e.now.link != nil:
		next.links[e.name] = *e.now.link
	case e.now.folders != nil:
		next.addFolder(e.name)
		for name, scan := range e.now.folders {
			scans[joinPath(e.folder, name)] = scan
		}
	}
	scans[e.folder] = next
}

// moved is the tree after a folder was renamed.
func (t *tree) moved(from, to string) *tree {
	scans := make(map[string]*folderScan, len(t.scans))
	for name, scan := range t.scans {
		if now, below := rebase(name, from, to); below {
			name = now
		}
		scans[name] = scan
	}
	oldFolder, oldName := splitPath(from)
	newFolder, newName := splitPath(to)
	if former, known := scans[oldFolder]; known {
		next := former.clone()
		next.forget(oldName)
		scans[oldFolder] = next
	}
	if former, known := scans[newFolder]; known {
		next := former.clone()
		next.forget(newName)
		next.addFolder(newName)
		scans[newFolder] = next
	}
	return buildTree(scans, t, nil)
}

// clone copies a scan that is to be changed.
func (s *folderScan) clone() *folderScan {
	next := *s
	next.folders = slices.Clone(s.folders)
	next.stores = make(map[string]*fileFacts, len(s.stores)+1)
	maps.Copy(next.stores, s.stores)
	next.links = make(map[string]foreignLink, len(s.links)+1)
	maps.Copy(next.links, s.links)
	return &next
}

func (s *folderScan) has(name string) bool {
	_, folder := slices.BinarySearch(s.folders, name)
	_, link := s.links[name]
	return folder || link || s.stores[name] != nil
}

func (s *folderScan) forget(name string) {
	s.folders = slices.DeleteFunc(s.folders, func(folder string) bool { return folder == name })
	delete(s.stores, name)
	delete(s.links, name)
}

func (s *folderScan) addFolder(name string) {
	at, _ := slices.BinarySearch(s.folders, name)
	s.folders = slices.Insert(s.folders, at, name)
}

// rebase translates a path at or below the folder from to where it is after
// the folder became to.
func rebase(name, from, to string) (string, bool) {
	if name == from {
		return to, true
	}
	if len(name) > len(from) && name[:len(from)] == from && name[len(from)] == '/' {
		return to + name[len(from):], true
	}
	return name, false
}

// reread takes into the tree what stands at a name of a folder now. Nobody else waits
// long when that does not answer.
func (c *Catalog) reread(ctx context.Context, f *Folder, name string) error {
	return c.rereadDerived(ctx, f, name, nil)
}

// rereadDerived is reread for a store that was derived just now in its parent's
// folder.
func (c *Catalog) rereadDerived(ctx context.Context, f *Folder, name string, parent *Store) error {
	for {
		under, err := c.tryReread(ctx, f, name, parent)
		if err != nil || under == nil {
			return err
		}
		select {
		case <-under:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryReread is one attempt, after which there may still be something to wait for.
func (c *Catalog) tryReread(ctx context.Context, f *Folder, name string, parent *Store) (under chan struct{}, err error) {
	if err := c.naming.Take(ctx); err != nil {
		return nil, err
	}
	defer c.naming.Give()
	return c.rereadInTurn(ctx, f, name, parent)
}

// rereadInTurn is tryReread by who holds the turn.
func (c *Catalog) rereadInTurn(ctx context.Context, f *Folder, name string, parent *Store) (under chan struct{}, err error) {
	c.mu.Lock()
	t, folder, derivedIn := c.tree, f.place.path(), ""
	if parent != nil {
		derivedIn = parent.place.path()
	}
	c.mu.Unlock()
	if t == nil {
		return nil, nil // nothing was read yet
	}
	scan, known := t.scans[folder]
	if !known || f == c.root && name == ControlFolder {
		return nil, nil
	}
	key := lookKey{scan.key(), name}
	results, err := lookNow(ctx, &c.late, []lookKey{key}, c.patience, func() looker[nameFound] {
		return &nameLooker{ctx: c.late.within(ctx), folder: f, name: name, former: scan.stores[name], folders: t.below(folder, name)}
	})
	if err != nil {
		return nil, err
	}
	if !results[0].known {
		return c.late.over(key), nil
	}
	now := results[0].found
	if now.err != nil || now.same || now.nothing() && !scan.has(name) {
		return nil, now.err
	}
	c.outdate(t, joinPath(folder, name))
	next := t.edited(edit{folder, name, now.standsAt, derivedIn})
	c.showFound(next, func() {})
	return nil, nil
}

// nameFound is what stands at a name, or why that cannot be told.
type nameFound struct {
	standsAt
	same bool // it is as it was: a file, or a folder with all below it
	err  error
}

// nameLooker looks at one name of a folder.
type nameLooker struct {
	ctx    context.Context
	folder *Folder
	name   string
	// What was known before: of a file, and of a folder and those below it, by their
	// paths from where it stands.
	former  *fileFacts
	folders map[string]*folderScan
}

func (l *nameLooker) close() {}

// outdate has what stands at a path, and all below it, looked at again by those who
// look too long: some of them look by the path.
func (c *Catalog) outdate(t *tree, full string) {
	folder, name := splitPath(full)
	var parent volume.Identity
	if scan, known := t.scans[folder]; known {
		parent = scan.key()
	}
	moved := map[volume.Identity]bool{}
	for path, scan := range t.scans {
		if _, below := rebase(path, full, full); below {
			moved[scan.key()] = true
		}
	}
	c.late.outdate(func(key lookKey) bool {
		return moved[key.folder] || key.folder == parent && (key.name == name || key.name == ".")
	})
}

// show makes a tree the newest, together with changes of places. The caller holds the
// turn.
func (c *Catalog) show(t *tree, change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := t != c.tree
	if changed {
		c.tree, c.stages, c.pedigree = t, c.stages+1, nil
	}
	change()
	if changed || c.apart.waiting {
		c.listApart()
	}
}

// showFound is show for a tree that was read. What others have done to the files of stores
// is done to the stores. The caller holds the turn.
func (c *Catalog) showFound(next *tree, change func()) {
	former, _ := c.known()
	var moved []renamed
	var gone []string
	if former != nil && next != former {
		moved, gone = renamedSince(former.scans, next.scans), goneSince(former.scans, next.scans)
	}
	var lost []*Store
	c.show(next, func() {
		change()
		for _, file := range gone {
			if s := c.seenAt(file); s != nil {
				lost = append(lost, s)
			}
		}
		c.carryOn(moved)
	})
	c.letGo(lost)
}

// below are the scans of a folder, by their paths from the one that it stands in.
func (t *tree) below(folder, name string) map[string]*folderScan {
	scans := map[string]*folderScan{}
	for path, scan := range t.scans {
		if from, below := rebase(path, joinPath(folder, name), name); below {
			scans[from] = scan
		}
	}
	return scans
}

// look finds out what stands at the name. What was a store stays shown as one when it
// is none any more.
func (l *nameLooker) look(int) (now nameFound) {
	f, name := l.folder, l.name
	now.err = f.files.with(l.ctx, func(folder volume.Folder) error {
		info, err := folder.Describe(l.ctx, name)
		switch {
		case vanished(err):
			return nil
		case err != nil:
			return err
		case info.Mode.IsDir():
			now.folders, now.same, err = f.catalog.scan(l.ctx, folder, name, l.folders)
			if vanished(err) {
				return nil // between two looks
			}
			return err
		}
		names, err := folder.List(l.ctx, ".")
		if err != nil {
			return err
		}
		switch {
		case info.Mode.Type() == fs.ModeSymlink:
			link, failed := readLink(names, name)
			switch {
			case failed == nil:
				now.link = &link
			case !vanished(failed):
				err = failed
			}
		case info.Mode.IsRegular() && mayBeStore(name):
			reader := lookReader{files: names, file: tailReader{ctx: l.ctx}, memory: f.catalog.options.Memory}
			found := reader.factsOf(name, l.former)
			switch {
			case found != nil && found == l.former:
				now.store, now.same = found, true
			case found.shown(l.former):
				now.store = found
			case found != nil:
				err = found.unread // it may be a store
			}
		}
		return errors.Join(err, l.ctx.Err(), names.Close())
	})
	return now
}
