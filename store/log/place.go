package log

import (
	"slices"

	"rvffs/segments"
	"rvffs/store/state"
)

// place says where in the directory a new segment is named. The order of images
// counts: the first is the one that is extracted.
type place struct {
	gone    map[int64]bool // offsets of what it replaces
	inPlace bool           // where the first of them was
	first   bool           // before all others of its type
}

// insert names entry in a directory that was made from that of base.
func (p place) insert(directory []segments.DirectoryEntry, entry segments.DirectoryEntry, base *state.Snapshot) []segments.DirectoryEntry {
	at := -1
	switch {
	case p.first:
		at = slices.IndexFunc(directory, func(other segments.DirectoryEntry) bool { return other.Type == entry.Type })
	case p.inPlace:
		at = p.successor(directory, base.Named())
	}
	if at < 0 {
		at = len(directory)
	}
	return slices.Insert(directory, at, entry)
}

// successor finds what came behind the first of the replaced segments.
func (p place) successor(directory, before []segments.DirectoryEntry) int {
	at := slices.IndexFunc(before, func(entry segments.DirectoryEntry) bool { return p.gone[entry.Offset] })
	if at < 0 {
		return -1
	}
	for _, candidate := range before[at:] {
		if found := slices.Index(directory, candidate); found >= 0 {
			return found
		}
	}
	return -1
}
