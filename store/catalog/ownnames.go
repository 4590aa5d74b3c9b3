package catalog

import (
	"slices"
	"strings"
)

// The names in a store's folder that stand for something of the store itself.
const (
	NameAppend      = "vectors.append"
	NameAppendLog   = "append.log"
	NameControl     = "ctl"
	NameDashboard   = "dashboard"
	NameDelete      = "vectors.delete"
	NameEBPF        = "ebpf"
	NameError       = "error.txt"
	NameIdentity    = "identity.json"
	NameIdentityBin = "identity.bin"
	NameKernel      = "kernel"
	NameManifest    = "manifest.json"
	NameManifestBin = "manifest.bin"
	NameNeighbors   = "neighbors"
	NameQuery       = "query"
	NameRaw         = "raw"
	NameSegments    = "segments"
	NameStatus      = "status.json"
	NameVectors     = "vectors"
	NameWASM        = "wasm"
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
var ownNames = []OwnName{
	{Name: ".git"},
	{Name: ControlFolder},
	{Name: NameAppendLog, Shown: true},
	{Name: NameControl, Shown: true},
	{Name: NameDashboard, Shown: true, Folder: true},
	{Name: NameEBPF, Shown: true, Folder: true},
	{Name: NameError},
	{Name: NameIdentityBin, Shown: true},
	{Name: NameIdentity, Shown: true},
	{Name: "incoming"},
	{Name: NameKernel, Shown: true, Folder: true},
	{Name: "layout.svg"},
	{Name: "lineage"},
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
	{Name: NameWASM, Shown: true, Folder: true},
	{Name: "where"},
	{Name: NameWitness, Shown: true},
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
