package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"rvffs/segments"
)

// Live lists every live segment in file order: what the manifest names, what
// stands behind it and has to be kept, and the manifest itself.
func (s *Snapshot) Live() []segments.DirectoryEntry {
	newest := s.state.Segment
	entries := append(s.named(), segments.DirectoryEntry{
		SegmentID: newest.ID, Offset: newest.Offset, PayloadLength: newest.PayloadLength, Type: newest.Type,
	})
	slices.SortStableFunc(entries, func(a, b segments.DirectoryEntry) int { return cmp.Compare(a.Offset, b.Offset) })
	return slices.CompactFunc(entries, func(a, b segments.DirectoryEntry) bool { return a.Offset == b.Offset })
}

// Segments shows each live segment as a file of its header and payload, byte for
// byte. Names begin with the segment's id; ids that recur carry the offset too.
func (s *Snapshot) Segments(ctx context.Context) ([]NamedView, error) {
	return s.cache.segments.get(ctx, func(context.Context) ([]NamedView, error) {
		entries := s.Live()
		seen := make(map[uint64]int, len(entries))
		for _, entry := range entries {
			seen[entry.SegmentID]++
		}
		views := make([]NamedView, 0, len(entries))
		for _, entry := range entries {
			length := int64(segments.HeaderSize) + int64(min(entry.PayloadLength, uint64(s.Size())))
			view, err := s.part(entry.Offset, length)
			if err != nil {
				continue // a directory entry that points outside of the file
			}
			name := fmt.Sprintf("%06d-%s.seg", entry.SegmentID, entry.Type)
			if seen[entry.SegmentID] > 1 {
				name = fmt.Sprintf("%06d-%s@%d.seg", entry.SegmentID, entry.Type, entry.Offset)
			}
			views = append(views, NamedView{Name: name, View: view})
		}
		return views, nil
	})
}
