package catalog

import (
	"errors"
	"path"
	"strings"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store"
)

// facts is what a listing has to know about one file.
type facts struct {
	info        store.FileInfo
	isStore     bool
	identity    lineage.Identity
	hasIdentity bool
}

// listingScan bounds, in bytes, how far a listing searches a damaged file for its
// manifest. Whoever opens the store searches all of it.
const listingScan = 1 << 20

// candidate says whether a file of this name may be a store: by its extension,
// or, without any, by its first bytes.
func candidate(name string) bool {
	if store.IsTemporary(name) {
		return false
	}
	_, byName := lineage.ProfileOfName(name)
	return byName || !hasExtension(name)
}

func hasExtension(name string) bool {
	return strings.ContainsRune(strings.TrimLeft(name, "."), '.')
}

// readFacts looks at the file at name, of which info was read. The former facts
// are taken over when the file has not changed since.
func readFacts(files store.FileSystem, name string, info store.FileInfo, former *facts) *facts {
	if former != nil && former.info.Inode == info.Inode && former.info.Device == info.Device &&
		former.info.Size == info.Size && former.info.Modified.Equal(info.Modified) {
		return former
	}
	found := &facts{info: info}
	_, found.isStore = lineage.ProfileOfName(path.Base(name))
	file, err := files.Open(name, false)
	if err != nil {
		return found
	}
	defer func() { _ = file.Close() }()
	if !found.isStore {
		var start [segments.HeaderSize]byte
		if _, err := file.ReadAt(start[:], 0); err != nil {
			return found
		}
		if _, err := segments.ParseHeader(start[:]); err != nil {
			return found
		}
		found.isStore = true
	}
	state, err := segments.FindState(file, info.Size, segments.FindOptions{ScanLimit: listingScan})
	if errors.Is(err, segments.ErrScanLimit) || err != nil {
		return found // shown where its file stands; opening it tells more
	}
	found.identity, found.hasIdentity = state.Manifest.Identity, state.Manifest.HasIdentity
	return found
}
