package ingest

import (
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/volume"
)

// rowExtent is a segment of vectors in the making.
type rowExtent struct {
	volume.Extent
	rows  uint32
	ids   *idset.Set // of the rows
	given *idset.Set // of these, the ids that were handed out, not brought
}

// newRowExtent begins one.
func newRowExtent(s *log.Session, dimension int) *rowExtent {
	rowSize := int64(segments.RowSize(dimension))
	return &rowExtent{
		Extent: s.Extent(volume.ExtentSpec{Type: segments.TypeVec, Front: segments.VecPrefixSize, Seal: func(body int64) []byte {
			prefix := segments.EncodeVecPrefix(uint16(dimension), uint32(body/rowSize))
			return prefix[:]
		}}),
		ids: idset.New(), given: idset.New(),
	}
}

// extentsOf are the segments alone.
func extentsOf(written []*rowExtent) []volume.Extent {
	extents := make([]volume.Extent, len(written))
	for i, e := range written {
		extents[i] = e.Extent
	}
	return extents
}
