package catalog

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rvffs/lineage"
)

// tree is one consistent picture of the whole directory: what stands where. It is
// made anew when something changed and never altered.
type tree struct {
	scans    map[string]*folderScan      // by path
	forest   *lineage.Forest             // of all store files
	parent   map[string]string           // store file to its parent's, for nested stores only
	children map[string][]child          // by the parent's file, in order of name
	place    map[string]string           // store file to where it stands in the mount, for nested stores only
	branches map[lineage.FileID][]string // files of branches by the ids of their parents, in order of name
	private  map[string]bool             // store files in whose folders not everybody sees all children
	// Of stores that do not stand in their parent's folder, for it is too far down, the
	// parent's file, and of these the children.
	apartAbove map[string]string
	apartBelow map[string][]child

	// derived is the newest answer of mayHaveDerived, guarded by the catalog's mu.
	derived struct {
		of brothers
		by []string
	}
}

// child is a derived store in its parent's folder.
type child struct {
	name string
	file string
}

// maxNesting is how many stores deep the tree goes. Deeper descendants stand
// where their files are.
const maxNesting = 64

// buildTree finds every store's place. Between several possible parents decides
// where the store was derived just now, or stood in the former tree, which may be nil.
func buildTree(scans map[string]*folderScan, former *tree, born map[string]string) *tree {
	t := &tree{
		scans: scans, parent: map[string]string{}, children: map[string][]child{},
		place: map[string]string{}, private: map[string]bool{}, apartAbove: map[string]string{}, apartBelow: map[string][]child{}, branches: map[lineage.FileID][]string{},
	}
	total := 0
	for _, scan := range scans {
		total += len(scan.stores)
	}
	choice := parents{former: former, born: born, files: make([]storeFile, 0, total)}
	claims := make([]lineage.Claim, 0, total)
	for folder, scan := range scans {
		for name, found := range scan.stores {
			claim := lineage.Claim{Name: joinPath(folder, name), Born: found.born}
			if found.hasIdentity {
				claim.Identity = &found.identity
			}
			claims = append(claims, claim)
			choice.files = append(choice.files, storeFile{claim.Name, found})
			if found.branch {
				t.branches[found.identity.ParentID] = append(t.branches[found.identity.ParentID], claim.Name)
			}
		}
	}
	for _, files := range t.branches {
		slices.Sort(files)
	}
	t.forest = lineage.Grow(claims, maxNesting, choice.choose)
	for file := range int32(len(claims)) {
		if parent, nested := t.forest.Parent(file); nested {
			t.parent[claims[file].Name] = claims[parent].Name
		} else if parent, deep := t.forest.TooDeep(file); deep {
			t.setApart(claims[file].Name, claims[parent].Name)
		}
	}
	for file, parent := range t.parent {
		t.children[parent] = append(t.children[parent], child{file: file})
		if liesApart(file, parent) {
			t.private[parent] = true
		}
	}
	for parent, children := range t.children {
		nameChildren(parent, children)
	}
	var first []string
	for file := range t.children {
		if _, nested := t.parent[file]; !nested {
			first = append(first, file)
		}
	}
	for _, file := range first {
		t.settle(file, file)
	}
	return t
}

// nameChildren gives each child of a parent a name of its own: its file's. When
// two files from different folders have the same, or one is the name of a view,
// the folder is added, those beside the parent's file keeping the plain name. What
// a child that everybody sees is called does not depend on one that not all see.
func nameChildren(parent string, children []child) {
	slices.SortFunc(children, func(a, b child) int {
		distance := func(c child) int {
			switch {
			case path.Dir(c.file) == path.Dir(parent):
				return 0
			case !liesApart(c.file, parent):
				return 1
			}
			return 2
		}
		return cmp.Or(cmp.Compare(distance(a), distance(b)), cmp.Compare(a.file, b.file))
	})
	taken := map[string]bool{}
	for i := range children {
		name := path.Base(children[i].file)
		for n := 1; taken[name] || IsOwnName(name); n++ {
			name = distinctName(children[i].file, n)
		}
		taken[name] = true
		children[i].name = name
	}
	slices.SortFunc(children, func(a, b child) int { return cmp.Compare(a.name, b.name) })
}

// distinctName is the nth name of a child whose own is taken: with the folder that
// its file lies in, as much of that as there is room for.
func distinctName(file string, n int) string {
	stem, extension := path.Base(file), ""
	if hasExtension(stem) {
		extension = path.Ext(stem)
		stem = strings.TrimSuffix(stem, extension)
	}
	if n > 1 {
		extension = "@" + strconv.Itoa(n) + extension
	}
	name := stem + "@" + strings.ReplaceAll(path.Dir(file), "/", "+")
	if room := longestName - len(extension); len(name) > room {
		name = name[:room] // the number tells it from others that begin so
		for range utf8.UTFMax - 1 {
			if r, size := utf8.DecodeLastRuneInString(name); r == utf8.RuneError && size == 1 {
				name = name[:len(name)-1] // no character is cut in two
			}
		}
	}
	return name + extension
}

// longestTarget is the length, in bytes, of the longest path that a symlink can hold.
const longestTarget = 4095

// settle finds where the stores derived from one stand, which itself stands at
// place. Those so far down that no link could lead there stand where their files are.
func (t *tree) settle(file, place string) {
	var near []child
	for _, c := range t.children[file] {
		if at := joinPath(place, c.name); len(relativePath(path.Dir(c.file), at)) <= longestTarget {
			t.place[c.file] = at
			near = append(near, c)
			t.settle(c.file, at)
			continue
		}
		delete(t.parent, c.file)
		t.setApart(c.file, file)
		t.settle(c.file, c.file)
	}
	t.children[file] = near
}

// setApart notes the parent of a store that does not stand in its folder.
func (t *tree) setApart(file, parent string) {
	t.apartAbove[file] = parent
	t.apartBelow[parent] = append(t.apartBelow[parent], child{file: file})
}
