package store

import (
	"cmp"
	"slices"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/metadata"
)

// checkMetadata reports what the META segments say of vectors that are not there,
// and what of them cannot be read.
func (v *verifier) checkMetadata(stored *idset.Set) error {
	named := v.snapshot.OfType(segments.TypeMeta)
	if len(named) == 0 || v.snapshot.Dialect() == segments.DialectWire {
		return nil
	}
	found, err := metadata.Check(v.ctx, v.in, stored)
	if err != nil {
		return err
	}
	for _, entry := range found.Unreadable {
		if v.reported[entry.Offset] {
			continue
		}
		v.find(Note, entry.Offset, "meta segment %d holds no metadata that can be read; it is kept as it is", entry.SegmentID)
	}
	last := slices.MaxFunc(named, func(a, b segments.DirectoryEntry) int { return cmp.Compare(a.Offset, b.Offset) })
	if found.Gap {
		v.find(Damage, last.Offset, "metadata: what follows a gap in its generations does not count")
	}
	if found.Orphans.Len() > 0 {
		v.find(Damage, last.Offset, "metadata of %d vectors that are not stored or deleted, the first of them %d: programs that read metadata refuse such a file; the next commit takes the records out",
			found.Orphans.Len(), found.Orphans.Ascending()[0])
	}
	return nil
}
