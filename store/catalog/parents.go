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
// to root, of these the ones in its own folder, then its owner's, then the first by
// name.
type parents struct {
	tree, former *tree
	born         map[string]string // new stores and the parents in whose folders they were made
	families     map[lineage.FileID]*family
	moved        map[volume.Identity]string // the former path of each nested store; nil before it is needed
}

// facts are those of a store's file; nil when there is none of that name.
func (t *tree) facts(file string) *facts {
	if scan, known := t.scans[path.Dir(file)]; known {
		return scan.stores[path.Base(file)]
	}
	return nil
}

// find gives the parent of a store; false when there is none that may be.
func (p *parents) find(file string, found *facts) (string, bool) {
	if !found.hasIdentity || found.identity.IsRoot() || found.identity.ParentID == found.identity.FileID {
		return "", false
	}
	switch candidates := p.tree.copies[found.identity.ParentID]; len(candidates) {
	case 0:
		return "", false
	case 1:
		return candidates[0], p.may(candidates[0], file, found)
	}
	if kept, known := p.kept(file, found); known {
		return kept, true
	}
	return p.family(found.identity.ParentID).first(found.info.UID, path.Dir(file))
}

// may says whether a file of the right id may take a store in.
func (p *parents) may(candidate, file string, found *facts) bool {
	owner := p.tree.facts(candidate).info.UID
	return owner == found.info.UID || volume.Caller{UID: owner}.Trusted() || path.Dir(candidate) == path.Dir(file)
}

// kept is the parent in which the store was made or stood in the former tree, if that
// may take it in. It may have another name since, or the name another file.
func (p *parents) kept(file string, found *facts) (string, bool) {
	family := p.family(found.identity.ParentID)
	if parent, fresh := p.born[file]; fresh && family.names[parent] {
		return parent, p.may(parent, file, found)
	}
	if p.former == nil {
		return "", false
	}
	parent, nested := p.former.parent[file]
	if !nested {
		parent, nested = p.former.parent[p.before(found)]
	}
	if !nested {
		return "", false
	}
	now, there := family.files[p.former.facts(parent).info.Identity]
	if !there {
		now, there = parent, family.names[parent]
	}
	return now, there && p.may(now, file, found)
}

// before is the path that a nested store had in the former tree.
func (p *parents) before(found *facts) string {
	if p.moved == nil {
		p.moved = make(map[volume.Identity]string, len(p.former.parent))
		for file := range p.former.parent {
			p.moved[p.former.facts(file).info.Identity] = file
		}
	}
	return p.moved[found.info.Identity]
}

// family are the files that carry one id. Of several that are alike in what a map
// goes by, it has the first by name.
type family struct {
	names    map[string]bool
	files    map[volume.Identity]string
	byFolder map[string]string
	byOwner  map[uint32]string
	byBoth   map[ownerIn]string
}

// ownerIn is an owner of files in a folder.
type ownerIn struct {
	owner  uint32
	folder string
}

func (p *parents) family(id lineage.FileID) *family {
	if known := p.families[id]; known != nil {
		return known
	}
	f := &family{
		names: map[string]bool{}, files: map[volume.Identity]string{}, byFolder: map[string]string{},
		byOwner: map[uint32]string{}, byBoth: map[ownerIn]string{},
	}
	for _, name := range p.tree.copies[id] {
		found := p.tree.facts(name)
		owner, folder := found.info.UID, path.Dir(name)
		f.names[name] = true
		note(f.files, found.info.Identity, name)
		note(f.byFolder, folder, name)
		note(f.byOwner, owner, name)
		note(f.byBoth, ownerIn{owner, folder}, name)
	}
	if p.families == nil {
		p.families = map[lineage.FileID]*family{}
	}
	p.families[id] = f
	return f
}

// note keeps the first name; they come in order.
func note[K comparable](names map[K]string, key K, name string) {
	if _, known := names[key]; !known {
		names[key] = name
	}
}

// first is the file that comes first for a store of this owner in this folder.
func (f *family) first(owner uint32, folder string) (string, bool) {
	trusted := append([]uint32{owner}, volume.TrustedUsers()...)
	for _, user := range trusted {
		if name, known := f.byBoth[ownerIn{user, folder}]; known {
			return name, true
		}
	}
	for _, user := range trusted {
		if name, known := f.byOwner[user]; known {
			return name, true
		}
	}
	name, known := f.byFolder[folder]
	return name, known
}
