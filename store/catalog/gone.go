package catalog

import "rvffs/store/volume"

// goneSince finds the files of stores that former scans show and that do not stand there
// any more.
func goneSince(former, now map[string]*folderScan) (files []string) {
	for folder, before := range former {
		after := now[folder]
		if after == before {
			continue
		}
		for name, file := range before.stores {
			if !after.shows(name, file) {
				files = append(files, joinPath(folder, name))
			}
		}
	}
	return files
}

// letGo closes stores whose files are gone, so that the disk has their room again: each
// when nobody uses it any more. Views that are open hold the files themselves.
func (c *Catalog) letGo(gone []*Store) {
	var idle []*Store
	for _, s := range gone {
		// Most files that are others were rewritten by this process.
		if info, listed := c.listed(&s.place); listed && s.follows(info) {
			continue
		}
		if s.setGone(true) {
			idle = append(idle, s)
		}
	}
	c.retireAll(idle)
}

// follows reports whether the engine is open and shows the file that info is of.
func (s *Store) follows(file volume.FileInfo) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.engine != nil && s.engine.Current().Origin().Holds(file)
}

// setGone notes whether the store's file is gone, and reports whether the engine is open
// and nobody uses it.
func (s *Store) setGone(gone bool) (idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = gone
	return s.engine != nil && s.users == 0
}
