package metadata

import (
	"context"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/state"
)

// Findings are what is wrong with a store's metadata.
type Findings struct {
	Unreadable []segments.DirectoryEntry // segments that hold none which could be read
	Gap        bool                      // something behind the newest snapshot does not count
	Orphans    *idset.Set                // ids of records whose vectors are not stored or are deleted
}

// Check looks at all META segments of a snapshot in which these ids are stored.
func Check(ctx context.Context, in *state.Reading, stored *idset.Set) (Findings, error) {
	charge := in.Snapshot().Backing().Memory().Charge()
	defer charge.Free()
	known := gatherIDs()
	unreadable, err := known.add(ctx, in, in.Snapshot().OfType(segments.TypeMeta), &charge, 0)
	if err != nil {
		return Findings{}, err
	}
	orphans, err := known.orphans(ctx, in, stored, idset.Of(in.Snapshot().Manifest().Deleted))
	return Findings{Unreadable: unreadable, Gap: known.begun && known.gap, Orphans: orphans}, err
}
