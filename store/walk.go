package store

import (
	"cmp"
	"slices"

	"rvffs/segments"
)

// walk visits every whole segment of the snapshot in file order, dead ones
// included. Where the file holds bytes that are no segment, it goes on at the
// next segment that the manifest names.
func (s *Snapshot) walk(file File, visit func(segments.Segment) error) error {
	return s.walkFrom(file, 0, visit)
}

// walkFrom is walk from an offset on at which a segment begins or the file ends.
func (s *Snapshot) walkFrom(file File, from int64, visit func(segments.Segment) error) error {
	known := s.Live()
	for {
		walker := segments.NewWalker(file, from, s.Size())
		for walker.Next() {
			if err := visit(walker.Segment()); err != nil {
				return err
			}
		}
		if err := walker.Err(); err != nil {
			return err
		}
		stopped := walker.End()
		next, _ := slices.BinarySearchFunc(known, max(stopped, from+1), func(entry segments.DirectoryEntry, offset int64) int {
			return cmp.Compare(entry.Offset, offset)
		})
		if next == len(known) {
			return nil
		}
		from = known[next].Offset
	}
}
