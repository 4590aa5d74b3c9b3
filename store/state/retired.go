package state

import (
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// retiredPlaces is where segments stand that are retired, or may be before the file is read
// again, in file order.
type retiredPlaces []int64

// note notes a segment that a walk comes by.
func (p *retiredPlaces) note(segment segments.Segment) {
	if segment.Type == segments.RetiredType || segment.Type.CountsByName() {
		*p = append(*p, segment.Offset)
	}
}

// foldAt is the fold over the last bytes that the file had when it ended at end, with the
// manifest at an offset: what was retired since was not then. Buffer has room for
// lineage.TailSize bytes.
func (p retiredPlaces) foldAt(in *Reading, end, manifest int64, buffer []byte) (lineage.Hash, error) {
	part := buffer[:min(end, lineage.TailSize)]
	from := end - int64(len(part))
	if err := volume.ReadFull(in, part, from); err != nil {
		return lineage.Hash{}, err
	}
	at, _ := slices.BinarySearch(p, from-segments.TypeOffset)
	if at < len(p) && p[at] < end {
		then, err := manifestAt(in, manifest)
		if err == nil && then != nil {
			err = segments.ShowAs(segments.CountedByName(then.Directory), in, part, from)
		}
		if err != nil {
			return lineage.Hash{}, err
		}
	}
	return lineage.Fold(part), nil
}

// manifestAt reads an older manifest; nil where there is none.
func manifestAt(in *Reading, offset int64) (*segments.Manifest, error) {
	var encoded [segments.HeaderSize]byte
	if err := volume.ReadFull(in, encoded[:], offset); err != nil {
		return nil, err
	}
	header, err := segments.ParseHeader(encoded[:])
	if err != nil || header.PayloadLength > segments.MaxPayload {
		return nil, nil
	}
	charge := in.snapshot.source.memory.Charge()
	defer charge.Free()
	if err := charge.Set(2 * int64(header.PayloadLength)); err != nil {
		return nil, err
	}
	payload := make([]byte, header.PayloadLength)
	if err := volume.ReadFull(in, payload, offset+segments.HeaderSize); err != nil {
		return nil, err
	}
	manifest, err := segments.ParseManifest(payload)
	if err != nil {
		return nil, nil
	}
	return manifest, nil
}
