package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"rvffs/store"
	"rvffs/store/catalog"
)

// storeFile is the file of the store that a path leads to: through symlinks, and from the
// folder that shows it in a mount. Anything else is as followLinks has it.
func storeFile(path string) string {
	plain := followLinks(path)
	if isDirectory(plain) {
		if file, _, mounted := behind(plain); mounted && !isDirectory(file) {
			return file
		}
	}
	return plain
}

// shownParent is the folder of the parent of a store that is named by its own in a mount: the
// mount knows the parent wherever it lies.
func shownParent(path string) (folder string, shown bool) {
	folder, err := filepath.EvalSymlinks(filepath.Join(followLinks(path), catalog.NameLineage, catalog.NameParent))
	return folder, err == nil
}

// folderFor is the directory in which a file of a folder is made: of one in a mount it is
// the one behind it, and of a store's folder the one that holds the store's file.
func folderFor(folder string) string {
	file, isStore, mounted := behind(folder)
	switch {
	case !mounted:
		return folder
	case isStore:
		return filepath.Dir(file)
	}
	return file
}

// behind is what a folder in a mount of ours shows: the file of a store, or a directory.
// False says that it is in none, or that this cannot be told.
func behind(folder string) (path string, isStore, mounted bool) {
	place, below, found := siteOf(folder).mountOf(folder)
	if !found {
		return "", false, false
	}
	config, err := readConfig(place.Point)
	if err != nil {
		return "", false, false
	}
	// A store's folder may stand elsewhere than its file: in that of its parent.
	var status struct{ File string }
	content, err := os.ReadFile(filepath.Join(folder, catalog.NameStatus))
	if err == nil && json.Unmarshal(content, &status) == nil && status.File != "" {
		return filepath.Join(config.Directory, status.File), true, true
	}
	path = filepath.Join(config.Directory, below)
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular(), err == nil
}

// inStore fails if a path is that of something in a store's folder in a mount, and not of a
// store.
func inStore(path string) error {
	place, below, found := siteOf(path).mountOf(path)
	if !found || below == "." || store.CheckName(filepath.Base(path)) == nil { // derived ones lie there, too
		return nil
	}
	if _, isStore, _ := behind(path); isStore {
		return nil // of a name without extension
	}
	for folder := filepath.Dir(filepath.Join(place.Point, below)); place.Holds(folder) && folder != place.Point; folder = filepath.Dir(folder) {
		if _, isStore, _ := behind(folder); isStore {
			return fmt.Errorf("%s is not a store, but lies in the folder of one: name the folder, %s", path, folder)
		}
	}
	return nil
}

// isChildOf fails if a path in the folder of a store in a mount is to become that of a child of
// another: it would be shown in that one's folder.
func isChildOf(parent, child string) error {
	folder := filepath.Dir(child)
	file, isStore, _ := behind(followLinks(folder))
	if !isStore || absolute(file) == absolute(parent) {
		return nil
	}
	return fmt.Errorf("%s: what comes from %s is shown in the folder of that, and not in %s, which is another store: name it %s",
		child, parent, folder, filepath.Join(parent, filepath.Base(child)))
}

// mayChange fails if a path lies in a mount that is read-only: who mounted it so means what
// is behind it, too.
func mayChange(path string) error {
	place, _, found := siteOf(path).mountOf(path)
	if !found {
		return nil
	}
	if config, err := readConfig(place.Point); err == nil && config.ReadOnly {
		return fmt.Errorf("%s: %s is mounted read-only, and nothing is changed through it: name the file in %s, or mount it for writing", path, place.Point, config.Directory)
	}
	return nil
}
