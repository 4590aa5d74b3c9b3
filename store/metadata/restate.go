package metadata

import (
	"context"
	"fmt"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/state"
)

// Restate states the metadata of a snapshot anew, for a file in which these ids are
// stored, and of them these deleted: as one payload, nil if there is nothing to be stated.
// In front of it belong, as they are, segments that hold none which could be read; without
// a snapshot to begin with that is all of them. What it takes is charged for.
func Restate(ctx context.Context, in *state.Reading, stored, deleted *idset.Set, charge *memory.Charge) (copied []segments.DirectoryEntry, payload []byte, err error) {
	named := in.Snapshot().OfType(segments.TypeMeta)
	if len(named) == 0 {
		return nil, nil, nil
	}
	known := gatherAll()
	unreadable, err := known.add(ctx, in, named, charge, 0)
	if err != nil {
		return nil, nil, err
	}
	if !known.begun {
		return named, nil, nil
	}
	orphans, err := known.orphans(ctx, in, stored, deleted)
	if err != nil {
		return nil, nil, err
	}
	payload, err = known.state(ctx, orphans, charge)
	return unreadable, payload, err
}

// state is the payload of a snapshot of all but the records of some vectors.
func (g *gathered) state(ctx context.Context, without *idset.Set, charge *memory.Charge) ([]byte, error) {
	if err := charge.Await(ctx, g.bytesStated()); err != nil {
		return nil, fmt.Errorf("state metadata anew: %w", err)
	}
	return g.snapshot(without).Encode()
}
