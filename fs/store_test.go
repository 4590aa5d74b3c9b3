package fs

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"rvffs/store/catalog"
	"rvffs/store/compute"
)

// No derived store can take the place of a file, and what is shown is what the catalog
// lists as the store's own, as what it is there.
func TestNamesOfFilesAreReserved(t *testing.T) {
	t.Parallel()
	names := []string{catalog.NameError, catalog.NameDelete + ".u64", catalog.NameDelete + ".rvf", catalog.NameAppend + ".npy", catalog.NameAppend + ".rvf"}
	for _, name := range slices.Concat(names, slices.Collect(maps.Keys(storeFiles))) {
		if !catalog.IsOwnName(name) {
			t.Errorf("%s is free", name)
		}
	}
	for _, own := range shownNames {
		file, shown := storeFiles[own.Name]
		if !shown {
			t.Errorf("%s is listed and leads nowhere", own.Name)
		}
		if folder := file.views != nil || slices.Contains([]string{catalog.NameIncoming, catalog.NameLineage, catalog.NameNeighbors, catalog.NameVectors}, own.Name); folder != own.Folder {
			t.Errorf("%s: listed as a folder: %v, shown as one: %v", own.Name, own.Folder, folder)
		}
		if own.Stream && file.inlet == nil {
			t.Errorf("%s is no stream", own.Name)
		}
	}
	if len(shownNames) != len(storeFiles) {
		t.Errorf("%d names are listed and %d are shown", len(shownNames), len(storeFiles))
	}
}

// Who embeds does so in one of the folders that a store shows.
func TestPartsLieInFolders(t *testing.T) {
	t.Parallel()
	for _, part := range []compute.Part{compute.PartKernelImage, compute.PartEBPFProgram, compute.PartWASMModule} {
		folder, _, _ := strings.Cut(string(part), "/")
		if file := storeFiles[folder]; file.views == nil {
			t.Errorf("%s lies in no folder of views", part)
		}
	}
}
