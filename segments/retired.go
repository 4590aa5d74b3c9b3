package segments

import (
	"cmp"
	"encoding/binary"
	"io"
	"slices"
)

// Other programs keep what they find in a file by its type, whether a manifest names it or
// not: an image that was replaced, or a map of a branch, would come back. So a segment that
// counts for nobody any more is retired where it stands, by one byte of its header: it
// becomes an index, which every rewriter drops, and nobody reads that no manifest names. A
// manifest from before still says what it was, and by that it is read.

// TypeOffset is where the type of a segment stands in its header.
const TypeOffset = 5

// countsByName are the types of which a segment counts only where a manifest names it, and
// what their payloads begin with.
var countsByName = map[Type]uint32{
	TypeKernel:     KernelMagic,
	TypeEBPF:       EBPFMagic,
	TypeWASM:       WASMMagic,
	TypeDashboard:  DashboardMagic,
	TypeCowMap:     CowMapMagic,
	TypeMembership: MembershipMagic,
	TypeKeptState:  KeptStateMagic,
	TypeBranches:   BranchesMagic,
}

// CountsByName reports whether segments of the type count only where a manifest names them.
// They are retired when it does no more.
func (t Type) CountsByName() bool {
	_, counts := countsByName[t]
	return counts
}

// RetiredType is the type of a segment that is retired.
const RetiredType = TypeIndex

// WasRetired reports whether the segment that a manifest names so was retired since. The
// length and the beginning of its payload are what they were.
func WasRetired(file io.ReaderAt, entry DirectoryEntry) (bool, error) {
	return standsAs(file, entry, RetiredType)
}

// CanRetire reports whether the segment stands where it is named, and would be known for what
// it was when it is retired.
func CanRetire(file io.ReaderAt, entry DirectoryEntry) (bool, error) {
	return standsAs(file, entry, entry.Type)
}

// standsAs reports whether a segment that counts by its name stands there, with the type of
// its header as given.
func standsAs(file io.ReaderAt, entry DirectoryEntry, kind Type) (bool, error) {
	magic, counts := countsByName[entry.Type]
	if !counts || entry.PayloadLength < 4 {
		return false, nil
	}
	var start [HeaderSize + 4]byte
	if err := readFull(file, start[:], entry.Offset); err != nil {
		return false, err
	}
	header, err := ParseHeader(start[:])
	return err == nil && header.Type == kind && header.PayloadLength == entry.PayloadLength &&
		binary.LittleEndian.Uint32(start[HeaderSize:]) == magic, nil
}

// CountedByName are, in file order, those of some segments that count only because they are
// named. A hostile directory may name several at a place: one of them is enough.
func CountedByName(named []DirectoryEntry) []DirectoryEntry {
	var counts []DirectoryEntry
	for _, entry := range named {
		if entry.Type.CountsByName() {
			counts = append(counts, entry)
		}
	}
	slices.SortStableFunc(counts, func(a, b DirectoryEntry) int { return cmp.Compare(a.Offset, b.Offset) })
	return slices.CompactFunc(counts, func(one, other DirectoryEntry) bool {
		return max(one.Offset, other.Offset)-min(one.Offset, other.Offset) < HeaderSize
	})
}

// ShowAs has bytes of a file, from an offset on, show segments as they were before they were
// retired: those that CountedByName lists.
func ShowAs(counts []DirectoryEntry, file io.ReaderAt, p []byte, offset int64) error {
	first, _ := slices.BinarySearchFunc(counts, offset-TypeOffset, func(entry DirectoryEntry, from int64) int { return cmp.Compare(entry.Offset, from) })
	for _, entry := range counts[first:] {
		at := entry.Offset + TypeOffset - offset
		if at >= int64(len(p)) {
			return nil
		}
		if Type(p[at]) != RetiredType {
			continue
		}
		retired, err := WasRetired(file, entry)
		if err != nil {
			return err
		}
		if retired {
			p[at] = byte(entry.Type)
		}
	}
	return nil
}
