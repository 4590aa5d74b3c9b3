package catalog

import (
	"path"

	"rvffs/lineage"
	"rvffs/store/volume"
)

// parents chooses, of all files that carry an id, the one that takes the stores
// derived from that id in.
//
// A file may take a store in if it belongs to the store's owner, to root or to the
// user of this process, or if it lies in the same folder: anybody can copy a parent,
// and must get no hold of other people's stores by that. A store that is shown by
// such a parent stays there for as long as the parent is there, whatever copies
// come. Where none shows it yet, those files come first that belong to its owner or
// to root, of these the ones in its own folder, then its owner's; then those of the right
// depth, then the oldest: what is copied is older than its copy. The same is found out from
// the files alone after each mount, and by the command.
type parents struct {
	files    []storeFile // those of the new tree
	former   *tree
	born     map[string]string // new stores and the parents in whose folders they were made
	families map[lineage.FileID]*family
	moved    map[volume.Identity]string // the former path of each nested store; nil before it is needed
}

// storeFile is a store's file and what is known of it.
type storeFile struct {
	path  string
	found *fileFacts
}

// factsOf are those of a store's file; nil when there is none of that name.
func (t *tree) factsOf(file string) *fileFacts {
	if scan, known := t.scans[path.Dir(file)]; known {
		return scan.stores[path.Base(file)]
	}
	return nil
}

// choose is a lineage.Choose: it gives the parent of a store; false when none of the
// candidates may be.
func (p *parents) choose(child int, candidates []int32) (int32, bool) {
	file := p.files[child]
	if len(candidates) == 1 {
		return candidates[0], p.files[candidates[0]].mayTakeIn(file)
	}
	family := p.family(candidates)
	if kept, known := p.kept(family, file); known {
		return kept, true
	}
	return family.preferred(file.found.info.UID, path.Dir(file.path), file.found.identity.Depth)
}

// mayTakeIn reports whether a file of the right id may take a store in.
func (s storeFile) mayTakeIn(child storeFile) bool {
	owner := s.found.info.UID
	return owner == child.found.info.UID || volume.Caller{UID: owner}.Trusted() || path.Dir(s.path) == path.Dir(child.path)
}

// kept is the parent in which the store was made or stood in the former tree, if that
// may take it in. It may have another name since, or the name another file.
func (p *parents) kept(family *family, file storeFile) (int32, bool) {
	if parent, fresh := p.born[file.path]; fresh {
		if now, there := family.names[parent]; there {
			return now, p.files[now].mayTakeIn(file)
		}
	}
	if p.former == nil {
		return 0, false
	}
	parent, nested := p.former.parent[file.path]
	if !nested {
		parent, nested = p.former.parent[p.before(file.found)]
	}
	if !nested {
		return 0, false
	}
	now, there := family.files[p.former.factsOf(parent).info.Identity]
	if !there {
		now, there = family.names[parent]
	}
	return now, there && p.files[now].mayTakeIn(file)
}

// before is the path that a nested store had in the former tree.
func (p *parents) before(found *fileFacts) string {
	if p.moved == nil {
		p.moved = make(map[volume.Identity]string, len(p.former.parent))
		for file := range p.former.parent {
			p.moved[p.former.factsOf(file).info.Identity] = file
		}
	}
	return p.moved[found.info.Identity]
}

// family are the files that carry one id, by their places among all. Of several that
// are alike in what a map goes by, it has the oldest.
type family struct {
	names  map[string]int32
	files  map[volume.Identity]int32
	places map[parentPlace]int32
}

// parentPlace is what is asked of a parent: where it lies, whose it is, and how deep its lineage is.
// Of each, the zero value stands for any.
type parentPlace struct {
	folder string
	owner  owner
	depth  lineageDepth
}

// owner is a user id, and lineageDepth a depth, if there has to be one.
type (
	owner struct {
		uid   uint32
		asked bool
	}
	lineageDepth struct {
		depth uint32
		asked bool
	}
)

// family is that of the files that carry one id, the oldest first.
func (p *parents) family(carriers []int32) *family {
	id := p.files[carriers[0]].found.identity.FileID
	if known := p.families[id]; known != nil {
		return known
	}
	f := &family{names: map[string]int32{}, files: map[volume.Identity]int32{}, places: map[parentPlace]int32{}}
	for _, carrier := range carriers {
		name, found := p.files[carrier].path, p.files[carrier].found
		f.names[name] = carrier
		keepFirst(f.files, found.info.Identity, carrier)
		who, folder := owner{found.info.UID, true}, path.Dir(name)
		for _, depth := range []lineageDepth{{found.identity.Depth, true}, {}} {
			keepFirst(f.places, parentPlace{folder, who, depth}, carrier)
			keepFirst(f.places, parentPlace{"", who, depth}, carrier)
			keepFirst(f.places, parentPlace{folder, owner{}, depth}, carrier)
		}
	}
	if p.families == nil {
		p.families = map[lineage.FileID]*family{}
	}
	p.families[id] = f
	return f
}

// keepFirst keeps the first file.
func keepFirst[K comparable](files map[K]int32, key K, file int32) {
	if _, known := files[key]; !known {
		files[key] = file
	}
}

// preferred is the file that comes first for a store of this owner in this folder, of this
// depth.
func (f *family) preferred(uid uint32, folder string, depth uint32) (int32, bool) {
	var asked []parentPlace
	trusted := append([]uint32{uid}, volume.TrustedUsers()...)
	for _, in := range []string{folder, ""} {
		for _, user := range trusted {
			asked = append(asked, parentPlace{folder: in, owner: owner{user, true}})
		}
	}
	asked = append(asked, parentPlace{folder: folder})
	for _, at := range asked {
		at.depth = lineageDepth{depth - 1, true}
		if file, known := f.places[at]; known {
			return file, true
		}
		at.depth = lineageDepth{}
		if file, known := f.places[at]; known {
			return file, true
		}
	}
	return 0, false
}
