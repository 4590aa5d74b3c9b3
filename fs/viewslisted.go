package fs

import (
	"fmt"
	"slices"

	"rvffs/store/catalog"
)

// Views says which names of a store its folder lists. All can be opened, whatever is
// listed: this is for programs that read whatever they find, and would read each vector
// in all of its forms.
type Views int

const (
	// ViewsAll lists everything.
	ViewsAll Views = iota
	// ViewsRaw lists the store's bytes once, as raw, and nothing that shows them in other
	// forms, is written to, or has other bytes to be read, as the receipts in incoming.
	ViewsRaw
	// ViewsNone does not list raw either, for those who save the directory that is mounted.
	ViewsNone
)

var viewsNames = []string{"all", "raw", "none"}

// ParseViews is the reverse of String.
func ParseViews(name string) (Views, error) {
	for views, known := range viewsNames {
		if name == known {
			return Views(views), nil
		}
	}
	return 0, fmt.Errorf("views are all, raw or none, and not %q", name)
}

// String gives the name.
func (v Views) String() string { return viewsNames[v] }

// facts are the names under which a store tells of itself, in few bytes, which whoever may
// read the store can read.
var facts = []string{
	catalog.NameAppendLog, catalog.NameIdentityBin, catalog.NameIdentity, catalog.NameManifestBin,
	catalog.NameManifest, catalog.NameStatus, catalog.NameWitness,
}

// lists reports whether a folder shows one of the store's own names.
func (v Views) lists(name string) bool {
	return v == ViewsAll || slices.Contains(facts, name) || v == ViewsRaw && name == catalog.NameRaw
}
