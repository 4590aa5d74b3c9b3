package state

import "strings"

// ViewFolder is a folder of views of one snapshot: files, and folders below it. It
// never changes.
type ViewFolder interface {
	// Len is the number of names.
	Len() int
	// Name is one of them, in the order of listings, from 0; or a folder's.
	Name(i int) (name string, folder bool)
	// Find gives what a name stands for: a view, or a folder, or nothing.
	Find(name string) (View, ViewFolder)
	// Number is one that belongs to a name of the folder in every snapshot, where
	// names are numbered; it may recur.
	Number(name string) (number uint64, numbered bool)
}

// ViewTree is a folder of views that are known one by one. The zero value is empty.
type ViewTree struct {
	// Files are the views in and below the folder, by their paths with slashes.
	Files []NamedView

	names   []string
	views   map[string]View
	folders map[string]*ViewTree
}

// NewViewTree makes folders of the names. Of two that are the same the first counts.
func NewViewTree(files []NamedView) *ViewTree {
	t := &ViewTree{Files: files, views: map[string]View{}, folders: map[string]*ViewTree{}}
	below := map[string][]NamedView{}
	for _, file := range files {
		name, rest, nested := strings.Cut(file.Name, "/")
		_, isFolder := below[name]
		_, isFile := t.views[name]
		switch {
		case isFile || isFolder && !nested:
			continue
		case !isFolder:
			t.names = append(t.names, name)
		}
		if nested {
			below[name] = append(below[name], NamedView{Name: rest, View: file.View})
		} else {
			t.views[name] = file.View
		}
	}
	for name, files := range below {
		t.folders[name] = NewViewTree(files)
	}
	return t
}

// Len implements ViewFolder.
func (t *ViewTree) Len() int { return len(t.names) }

// Name implements ViewFolder.
func (t *ViewTree) Name(i int) (name string, folder bool) {
	_, folder = t.folders[t.names[i]]
	return t.names[i], folder
}

// Find implements ViewFolder.
func (t *ViewTree) Find(name string) (View, ViewFolder) {
	if view, found := t.views[name]; found {
		return view, nil
	}
	if folder, found := t.folders[name]; found {
		return nil, folder
	}
	return nil, nil
}

// Number implements ViewFolder.
func (t *ViewTree) Number(string) (uint64, bool) { return 0, false }
