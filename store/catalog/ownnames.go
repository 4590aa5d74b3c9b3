package catalog

import (
	"slices"
	"strings"

	"rvffs/store/compute"
)

// The names in a store's folder that stand for something of the store itself, besides
// those of the folders of its images (compute.Kinds).
const (
	NameAppend      = "vectors.append"
	NameAppendLog   = "append.log"
	NameControl     = "ctl"
	NameDelete      = "vectors.delete"
	NameError       = "error.txt"
	NameIdentity    = "identity.json"
	NameIdentityBin = "identity.bin"
	NameIncoming    = "incoming"
	NameLineage     = "lineage"
	NameManifest    = "manifest.json"
	NameManifestBin = "manifest.bin"
	NameNeighbors   = "neighbors"
	NameQuery       = "query"
	NameRaw         = "raw"
	NameSegments    = "segments"
	NameStatus      = "status.json"
	NameVectors     = "vectors"
	NameWitness     = "witness.jsonl"
)

// OwnName is a name in a store's folder that no derived store can have.
type OwnName struct {
	Name string
	// Shown names are there in each store that can be read. The others are for those
	// that cannot, for versions to come, or are names by which programs would take the
	// folder for something else.
	Shown bool
	// Folder is set for names of folders.
	Folder bool
	// Stream is set where a format may be named behind it, as in vectors.append.npy.
	Stream bool
}

// ownNames are all of them, in the order of listings.
var ownNames = withImages([]OwnName{
	{Name: ".git"},
	{Name: ControlFolder},
	{Name: NameAppendLog, Shown: true},
	{Name: NameControl, Shown: true},
	{Name: NameError},
	{Name: NameIdentityBin, Shown: true},
	{Name: NameIdentity, Shown: true},
	{Name: NameIncoming, Shown: true, Folder: true},
	{Name: "layout.svg"},
	{Name: NameLineage, Shown: true, Folder: true},
	{Name: NameManifestBin, Shown: true},
	{Name: NameManifest, Shown: true},
	{Name: "map.svg"},
	{Name: "metadata"},
	{Name: "metadata.append", Stream: true},
	{Name: NameNeighbors, Shown: true, Folder: true},
	{Name: NameQuery, Shown: true},
	{Name: NameRaw, Shown: true},
	{Name: NameSegments, Shown: true, Folder: true},
	{Name: NameStatus, Shown: true},
	{Name: NameVectors, Shown: true, Folder: true},
	{Name: NameAppend, Shown: true, Stream: true},
	{Name: NameDelete, Shown: true, Stream: true},
	{Name: "where"},
	{Name: NameWitness, Shown: true},
})

// withImages puts the folders of images of all kinds between the other names.
func withImages(names []OwnName) []OwnName {
	for _, kind := range compute.Kinds {
		names = append(names, OwnName{Name: kind.Folder, Shown: true, Folder: true})
	}
	slices.SortFunc(names, func(a, b OwnName) int { return strings.Compare(a.Name, b.Name) })
	return names
}

// ShownNames are the names in the folder of a store that can be read, in order.
func ShownNames() []OwnName {
	return slices.DeleteFunc(slices.Clone(ownNames), func(own OwnName) bool { return !own.Shown })
}

// IsOwnName reports whether a name in a store's folder can be no derived store.
func IsOwnName(name string) bool {
	return slices.ContainsFunc(ownNames, func(own OwnName) bool {
		behind, begins := strings.CutPrefix(name, own.Name)
		return begins && (behind == "" || own.Stream && behind[0] == '.')
	})
}
