package state

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"rvffs/segments"
)

// Live lists every live segment in file order: what the manifest names, what
// stands behind it and has to be kept, and the manifest itself, if there is one.
func (s *Snapshot) Live() []segments.DirectoryEntry {
	entries := s.Named()
	if newest := s.state.Segment; !s.state.RootAlone {
		entries = append(entries, segments.DirectoryEntry{
			SegmentID: newest.ID, Offset: newest.Offset, PayloadLength: newest.PayloadLength, Type: newest.Type,
		})
	}
	slices.SortStableFunc(entries, func(a, b segments.DirectoryEntry) int { return cmp.Compare(a.Offset, b.Offset) })
	return slices.CompactFunc(entries, func(a, b segments.DirectoryEntry) bool { return a.Offset == b.Offset })
}

// segmentFolder shows live segments, of which there may be very many: names and
// views are made when they are asked for.
type segmentFolder struct {
	snapshot *Snapshot
	entries  []segments.DirectoryEntry // in file order
	byID     []int32                   // indices of entries, in order of id and offset
}

// Segments shows each live segment as a file of its header and payload, byte for
// byte. Names begin with the segment's id; ids that recur carry the offset too.
func (s *Snapshot) Segments(ctx context.Context) (ViewFolder, error) {
	return s.cache.segments.Get(ctx, func(context.Context) (ViewFolder, error) {
		f := &segmentFolder{snapshot: s}
		f.entries = slices.DeleteFunc(s.Live(), func(entry segments.DirectoryEntry) bool {
			_, err := s.segmentView(entry)
			return err != nil // the directory points outside of the file
		})
		f.byID = make([]int32, len(f.entries))
		for i := range f.byID {
			f.byID[i] = int32(i)
		}
		slices.SortStableFunc(f.byID, func(a, b int32) int { return cmp.Compare(f.entries[a].SegmentID, f.entries[b].SegmentID) })
		return f, nil
	})
}

// segmentView is the header and the payload of a segment.
func (s *Snapshot) segmentView(entry segments.DirectoryEntry) (View, error) {
	return s.Part(entry.Offset, int64(segments.HeaderSize)+int64(min(entry.PayloadLength, uint64(s.Size()))))
}

func (f *segmentFolder) Len() int { return len(f.entries) }

func (f *segmentFolder) Name(i int) (string, bool) { return f.name(f.entries[i]), false }

// name is the file name of a segment.
func (f *segmentFolder) name(entry segments.DirectoryEntry) string {
	if len(f.ofID(entry.SegmentID)) > 1 {
		return fmt.Sprintf("%06d-%s@%d.seg", entry.SegmentID, entry.Type, entry.Offset)
	}
	return fmt.Sprintf("%06d-%s.seg", entry.SegmentID, entry.Type)
}

// ofID gives the indices of the segments with an id, in file order.
func (f *segmentFolder) ofID(id uint64) []int32 {
	from := sort.Search(len(f.byID), func(i int) bool { return f.entries[f.byID[i]].SegmentID >= id })
	count := sort.Search(len(f.byID)-from, func(i int) bool { return f.entries[f.byID[from+i]].SegmentID > id })
	return f.byID[from : from+count]
}

// Find implements ViewFolder. Whatever else the name says, it must be the one that
// the segment has.
func (f *segmentFolder) Find(name string) (View, ViewFolder) {
	id, numbered := f.Number(name)
	if !numbered {
		return nil, nil
	}
	found := f.ofID(id)
	if len(found) > 1 {
		_, place, _ := strings.Cut(strings.TrimSuffix(name, ".seg"), "@")
		offset, err := strconv.ParseInt(place, 10, 64)
		if err != nil {
			return nil, nil
		}
		at, known := slices.BinarySearchFunc(found, offset, func(i int32, offset int64) int { return cmp.Compare(f.entries[i].Offset, offset) })
		if !known {
			return nil, nil
		}
		found = found[at : at+1]
	}
	if len(found) == 0 || f.name(f.entries[found[0]]) != name {
		return nil, nil
	}
	view, err := f.snapshot.segmentView(f.entries[found[0]])
	if err != nil {
		return nil, nil
	}
	return view, nil
}

// Number implements ViewFolder with the segment's id.
func (f *segmentFolder) Number(name string) (uint64, bool) {
	digits, _, _ := strings.Cut(name, "-")
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, err == nil
}
