package catalog

import (
	"context"
	"path"
	"strings"

	"rvffs/store/volume"
)

// viewer is somebody who looks at the tree, and what is known by now of his rights.
//
// Under the catalog's mu nothing is asked of the file system: an answer that is
// missing is taken for no, and noted as a question; once it is answered, the viewer
// looks again.
type viewer struct {
	caller   volume.Caller
	answers  map[question]bool
	open     []question           // without an answer
	children map[string]*sighting // of stores, what is seen in their folders
}

// question is whether a viewer may do something with a file or folder.
type question struct {
	path string
	want volume.Permission
}

// sighting is what somebody sees in a store's folder.
type sighting struct {
	list  []child
	names map[string]string // by file
}

// look lets somebody look at the newest tree: see runs under the catalog's mu, and
// again when it needed to know more of the viewer's rights.
func (c *Catalog) look(ctx context.Context, see func(v *viewer)) error {
	v := &viewer{caller: c.caller(ctx), answers: map[question]bool{}}
	for {
		v.open, v.children = nil, map[string]*sighting{}
		c.mu.Lock()
		moves := c.moves
		see(v)
		c.mu.Unlock()
		if len(v.open) == 0 {
			return nil
		}
		for _, asked := range v.open {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, err := c.volume.As(v.caller).Allow(ctx, asked.path, asked.want)
			if vanished(err) {
				moved, err := c.moved(ctx, moves)
				if err != nil {
					return err
				}
				if moved {
					delete(v.answers, asked) // it is asked again where the file stands now
					continue
				}
			}
			v.answers[asked] = err == nil
		}
	}
}

// seesAll reports whether nothing has to be asked.
func (v *viewer) seesAll() bool { return v.caller.Trusted() }

// reaches reports whether the viewer can reach a store's file.
func (v *viewer) reaches(file string) bool { return v.may(path.Dir(file), volume.Search) }

// mayRead reports whether the viewer can reach a store's file and read it.
func (v *viewer) mayRead(file string) bool { return v.may(file, volume.Read) }

func (v *viewer) may(path string, want volume.Permission) bool {
	if v.seesAll() {
		return true
	}
	asked := question{path, want}
	answer, known := v.answers[asked]
	if !known {
		v.answers[asked] = false
		v.open = append(v.open, asked)
	}
	return answer
}

// enters reports whether the viewer, who can reach the file of a child, can enter the
// folder of its parent. Where the bits of the mode leave no doubt the file system is
// not asked; this is no matter of rights, for whoever enters is asked for those.
func (v *viewer) enters(t *tree, parent, child string) bool {
	if !v.seesAll() && !liesApart(parent, child) {
		const owner, others = 0o400, 0o044
		found := t.factsOf(parent).info
		needed := found.Mode.Perm() & others
		if found.UID == v.caller.UID {
			needed = found.Mode.Perm() & owner
		}
		if needed == owner || needed == others {
			return true
		}
	}
	return v.mayRead(parent)
}

// liesApart reports whether a file lies in a folder that one need not have searched to
// reach the other file.
func liesApart(file, from string) bool {
	folder := path.Dir(file)
	return folder != "." && folder != path.Dir(from) && !strings.HasPrefix(path.Dir(from), folder+"/")
}

// childrenFor are the stores in a store's folder that the viewer could reach where
// their files lie, in order of name. Their names tell nothing of the others.
func (t *tree) childrenFor(v *viewer, parent string) []child {
	if v.seesAll() || !t.private[parent] {
		return t.children[parent]
	}
	return t.sightingFor(v, parent).list
}

func (t *tree) sightingFor(v *viewer, parent string) *sighting {
	if known := v.children[parent]; known != nil {
		return known
	}
	all := t.children[parent]
	seen := &sighting{list: make([]child, 0, len(all)), names: make(map[string]string, len(all))}
	for _, c := range all {
		if !liesApart(c.file, parent) || v.reaches(c.file) {
			seen.list = append(seen.list, c)
		}
	}
	if len(seen.list) < len(all) {
		nameChildren(parent, seen.list)
	}
	for _, c := range seen.list {
		seen.names[c.file] = c.name
	}
	v.children[parent] = seen
	return seen
}

// placeFor is where the viewer finds a store: in its parent's folder if he can enter
// that, else where its file lies.
func (t *tree) placeFor(v *viewer, file string) string {
	parent, nested := t.parent[file]
	switch {
	case !nested:
		return file
	case v.seesAll():
		return t.place[file]
	case !v.enters(t, parent, file):
		return file
	}
	name := path.Base(t.place[file])
	if t.private[parent] {
		if name = t.sightingFor(v, parent).names[file]; name == "" {
			return file
		}
	}
	return path.Join(t.placeFor(v, parent), name)
}
