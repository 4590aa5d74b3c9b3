package catalog

import (
	"path"

	"rvffs/lineage"
	"rvffs/store/state"
)

// renamed is the file of a store that somebody may have renamed, this process or another
// program.
type renamed struct {
	from, to string
	sure     bool // the very file stood there
}

// mostFormer bounds how many files of one id are looked at, which copies share.
const mostFormer = 16

// renamedSince finds the files of stores that former scans show elsewhere. A compaction of
// which they know nothing yet may have replaced the file there; its id is the same. And a
// former path may still be shown, if nobody has looked there since: then only a file that
// has no other name has moved.
func renamedSince(former, now map[string]*folderScan) (files []renamed) {
	type found struct {
		path  string
		facts *fileFacts
	}
	fresh := map[lineage.FileID][]found{}
	for folder, scan := range now {
		before := former[folder]
		if before == scan {
			continue
		}
		for name, facts := range scan.stores {
			id := facts.identity.FileID
			if !id.IsZero() && len(fresh[id]) < mostFormer && !before.shows(name, facts) {
				fresh[id] = append(fresh[id], found{joinPath(folder, name), facts})
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	for folder, scan := range former {
		for name, before := range scan.stores {
			for _, file := range fresh[before.identity.FileID] {
				if at := joinPath(folder, name); at != file.path {
					stays := file.facts.info.Names > 1 && now[folder].shows(name, file.facts)
					files = append(files, renamed{at, file.path, before.isFile(file.facts) && !stays})
				}
			}
		}
	}
	return files
}

// shows reports whether a file stands at a name in the folder; nil shows nothing.
func (s *folderScan) shows(name string, file *fileFacts) bool {
	return s != nil && s.stores[name] != nil && s.stores[name].isFile(file)
}

// isFile reports whether the facts are of the same file as others.
func (f *fileFacts) isFile(other *fileFacts) bool {
	return f.info.Is(other.info) && f.identity == other.identity
}

// carryOn has each store at a new name go on with the log of what stood at the former one.
// The caller holds the catalog's mu, and shows the tree in which the names are new.
func (c *Catalog) carryOn(files []renamed) {
	for _, file := range files {
		before := formerName{c.seenAt(file.from), file.from, file.sure}
		if !before.sure && before.store == nil {
			continue
		}
		s := c.storeAt(file.to)
		if s.former = s.former[:min(len(s.former), mostFormer)]; before.sure {
			s.former = append([]formerName{before}, s.former...)
		} else {
			s.former = append(s.former, before)
		}
	}
}

// seenAt is the store that somebody has seen at a path; nil if nobody has. The caller
// holds the catalog's mu.
func (c *Catalog) seenAt(file string) *Store {
	folder := c.root
	for _, name := range pathParts(path.Dir(file)) {
		if folder = folder.folders[name]; folder == nil {
			return nil
		}
	}
	return folder.stores[path.Base(file)]
}

// formerName is where the file of a store may have stood before it was renamed.
type formerName struct {
	store *Store // that stood there; nil if nobody has seen it
	path  string
	sure  bool
}

// takeFormer gives what may be carried on, once.
func (s *Store) takeFormer() (former []formerName) {
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	former, s.former = s.former, nil
	return former
}

// inherit makes what another history tells of a file part of this one, which tells
// nothing of it yet.
func (h *history) inherit(from *history, file state.Origin) {
	if h == from {
		return
	}
	text, failure, path := from.give(file)
	h.mu.Lock()
	defer h.mu.Unlock()
	if path == "" || h.of.Is(file) && h.path != "" {
		return
	}
	h.belongTo(file)
	h.add(text)
	h.path, h.failure = path, failure
}

// give is what the history tells of a file, and the path under which it did; nothing if it
// is about another one.
func (h *history) give(file state.Origin) (text []byte, failure, path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.of.Is(file) || h.path == "" {
		return nil, "", ""
	}
	text, failure, path = h.lines().Text(), h.failure, h.path
	h.of, h.log, h.failure, h.path, h.name = state.Origin{}, nil, "", "", ""
	if h.memory != nil {
		h.memory.Force(0)
	}
	return text, failure, path
}

// isOf reports whether the history is of a file, and it is known what was kept of it.
func (h *history) isOf(file state.Origin) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of.Is(file) && h.path != ""
}

// isOfAnother reports whether the history is of another file.
func (h *history) isOfAnother(file state.Origin) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of != (state.Origin{}) && !h.of.Is(file)
}
