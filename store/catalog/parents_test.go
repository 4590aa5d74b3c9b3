package catalog

import (
	"fmt"
	"os"
	"path"
	"testing"

	"rvffs/lineage"
	"rvffs/store/volume"
)

// Owners of files in the tests; the process may run as root or as anybody else.
const (
	alice = 20001
	bob   = 20002
)

// seen is a file as a listing found it.
type seen struct {
	id, parent byte
	owner      uint32
	inode      uint64
}

// grow makes the tree of files that a listing found, after the former one.
func grow(former *tree, files map[string]seen) *tree {
	scans := map[string]*folderScan{}
	for name, file := range files {
		folder := path.Dir(name)
		if scans[folder] == nil {
			scans[folder] = &folderScan{stores: map[string]*fileFacts{}}
		}
		scans[folder].stores[path.Base(name)] = &fileFacts{
			info: volume.FileInfo{Identity: volume.NewIdentity(1, file.inode), UID: file.owner}, isStore: true, hasIdentity: true,
			identity: lineage.Identity{FileID: fileID(file.id), ParentID: fileID(file.parent), Depth: uint32(min(file.parent, 1))},
		}
	}
	return buildTree(scans, former, nil)
}

// TestCopiesAdoptNothing follows one child of id 2, whose parent has id 1, through
// listings.
func TestCopiesAdoptNothing(t *testing.T) {
	t.Parallel()
	type listing struct {
		files map[string]seen
		want  string // the path of the child's parent, "" for none
		child string // where the child is, "home/child" if nothing is said
	}
	child := seen{2, 1, bob, 100}
	parent := func(owner uint32, inode uint64) seen { return seen{1, 0, owner, inode} }
	process := uint32(os.Geteuid())
	for name, listings := range map[string][]listing{
		"the owner's own file, wherever it is": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(bob, 1)}, want: "z/parent"},
		},
		"a file of root's": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(0, 1)}, want: "z/parent"},
		},
		"a file of this process": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(process, 1)}, want: "z/parent"},
		},
		"a stranger's, in the same folder": {
			{files: map[string]seen{"home/child": child, "home/parent": parent(alice, 1)}, want: "home/parent"},
		},
		"a stranger's elsewhere": {
			{files: map[string]seen{"home/child": child, "a/parent": parent(alice, 1)}, want: ""},
		},
		"strangers' elsewhere": {
			{files: map[string]seen{"home/child": child, "a/parent": parent(alice, 1), "b/parent": parent(alice, 2)}, want: ""},
		},
		"a stranger's copy in the same folder against the owner's": {
			{files: map[string]seen{"home/child": child, "home/copy": parent(alice, 1), "z/parent": parent(bob, 2)}, want: "z/parent"},
		},
		"a stranger's copy in the same folder against root's": {
			{files: map[string]seen{"home/child": child, "home/copy": parent(alice, 1), "z/parent": parent(0, 2)}, want: "z/parent"},
		},
		"the same folder before the others": {
			{files: map[string]seen{"home/child": child, "a/parent": parent(bob, 1), "home/parent": parent(0, 2)}, want: "home/parent"},
		},
		"the owner's before root's": {
			{files: map[string]seen{"home/child": child, "a/parent": parent(0, 1), "b/parent": parent(bob, 2)}, want: "b/parent"},
		},
		"the first by name": {
			{files: map[string]seen{"home/child": child, "b/parent": parent(bob, 1), "a/parent": parent(bob, 2)}, want: "a/parent"},
		},
		"copies that would be chosen come later": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(0, 1)}, want: "z/parent"},
			{files: map[string]seen{"home/child": child, "z/parent": parent(0, 1), "home/parent": parent(bob, 2)}, want: "z/parent"},
			{files: map[string]seen{"home/child": child, "home/parent": parent(bob, 2)}, want: "home/parent"},
			{files: map[string]seen{"home/child": child, "home/parent": parent(bob, 2), "z/parent": parent(0, 1)}, want: "home/parent"},
		},
		"a copy of the owner's beside a stranger's file that shows the child": {
			{files: map[string]seen{"home/child": child, "home/parent": parent(alice, 1)}, want: "home/parent"},
			{files: map[string]seen{"home/child": child, "home/parent": parent(alice, 1), "a/parent": parent(bob, 2)}, want: "home/parent"},
		},
		"the parent gets another name": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(bob, 1)}, want: "z/parent"},
			{files: map[string]seen{"home/child": child, "zz/new": parent(bob, 1), "a/copy": parent(bob, 2)}, want: "zz/new"},
		},
		"the parent is written anew": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(bob, 1)}, want: "z/parent"},
			{files: map[string]seen{"home/child": child, "z/parent": parent(bob, 3), "a/copy": parent(bob, 2)}, want: "z/parent"},
		},
		"the parent gives its name to a copy": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(bob, 1)}, want: "z/parent"},
			{files: map[string]seen{"home/child": child, "z/parent": parent(bob, 2), "z/old": parent(bob, 1)}, want: "z/old"},
		},
		"the child gets another name": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(bob, 1)}, want: "z/parent"},
			{files: map[string]seen{"b/new": child, "z/parent": parent(bob, 1), "a/copy": parent(bob, 2)}, want: "z/parent", child: "b/new"},
		},
		"the parent passes to a stranger": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(bob, 1)}, want: "z/parent"},
			{files: map[string]seen{"home/child": child, "z/parent": parent(alice, 1), "zz/copy": parent(bob, 2)}, want: "zz/copy"},
			{files: map[string]seen{"home/child": child, "z/parent": parent(alice, 1)}, want: ""},
		},
		"another id takes the parent's name": {
			{files: map[string]seen{"home/child": child, "z/parent": parent(bob, 1)}, want: "z/parent"},
			{files: map[string]seen{"home/child": child, "z/parent": {7, 0, bob, 5}, "a/copy": parent(bob, 2), "b/copy": parent(bob, 3)}, want: "a/copy"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var former *tree
			for step, listed := range listings {
				at := listed.child
				if at == "" {
					at = "home/child"
				}
				former = grow(former, listed.files)
				if got := former.parent[at]; got != listed.want {
					t.Errorf("listing %d shows the child in %q, want %q", step, got, listed.want)
				}
			}
		})
	}
}

// Many copies and many children cost no more than their number.
func BenchmarkManyCopies(b *testing.B) {
	files := map[string]seen{}
	for i := range 20000 {
		files[fmt.Sprintf("%d/copy", i)] = seen{1, 0, alice, uint64(2 * i)}
		files[fmt.Sprintf("home/child%d", i)] = seen{2, 1, bob, uint64(2*i + 1)}
	}
	former := grow(nil, files)
	for b.Loop() {
		grow(former, files)
	}
}

// TestTheOldestIsTheParent: of files that are alike in owner and folder those of the right
// depth come first, and of these the one that was made first, whatever its name; so it is in
// the first tree of a mount.
func TestTheOldestIsTheParent(t *testing.T) {
	t.Parallel()
	type file struct {
		name  string
		born  int64
		depth uint32
	}
	for name, test := range map[string]struct {
		parents []file
		want    string
	}{
		"the oldest":              {[]file{{"a", 3, 0}, {"b", 1, 0}, {"c", 2, 0}}, "b"},
		"one of no known age":     {[]file{{"a", 0, 0}, {"b", 1, 0}}, "b"},
		"none of a known age":     {[]file{{"b", 0, 0}, {"a", 0, 0}}, "a"},
		"another folder's":        {[]file{{"x/a", 1, 0}, {"b", 2, 0}}, "b"},
		"the right depth":         {[]file{{"a", 1, 7}, {"b", 2, 0}}, "b"},
		"the right depth, far":    {[]file{{"a", 1, 7}, {"x/b", 2, 0}}, "a"},
		"none of the right depth": {[]file{{"a", 2, 7}, {"b", 1, 7}}, "b"},
	} {
		scans := map[string]*folderScan{}
		add := func(name string, found *fileFacts) {
			folder := path.Dir(name)
			if scans[folder] == nil {
				scans[folder] = &folderScan{stores: map[string]*fileFacts{}}
			}
			found.isStore, found.hasIdentity = true, true
			found.info.Identity = volume.NewIdentity(1, uint64(len(scans[folder].stores)+1)+100*uint64(len(folder)))
			scans[folder].stores[path.Base(name)] = found
		}
		add("child", &fileFacts{identity: lineage.Identity{FileID: fileID(2), ParentID: fileID(1), Depth: 1}})
		for _, parent := range test.parents {
			add(parent.name, &fileFacts{born: parent.born, identity: lineage.Identity{FileID: fileID(1), ParentID: fileID(byte(min(parent.depth, 1)) * 9), Depth: parent.depth}})
		}
		tree := buildTree(scans, nil, nil)
		if got := tree.parent["child"]; got != test.want {
			t.Errorf("%s: the parent is %q, want %q", name, got, test.want)
		}
		if asked := tree.candidates("child", tree.factsOf("child").identity); asked[0] != test.want {
			t.Errorf("%s: asked first is %q, want %q", name, asked[0], test.want)
		}
	}
}
