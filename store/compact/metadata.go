package compact

import (
	"context"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/metadata"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// finishMetadata states the metadata of the vectors that are left as one snapshot.
func (r *rewrite) finishMetadata(ctx context.Context, old *state.Reading, manifest *segments.Manifest) error {
	charge := old.Snapshot().Backing().Memory().Charge()
	defer charge.Free()
	copied, payload, err := metadata.Restate(ctx, old, r.ids, idset.Of(manifest.Deleted), &charge)
	if err != nil {
		return err
	}
	for _, entry := range copied {
		moved, err := r.copySegment(ctx, old, entry)
		if err != nil {
			return err
		}
		manifest.Directory = append(manifest.Directory, moved)
	}
	if payload == nil {
		return nil
	}
	return r.appendNamed(ctx, manifest, volume.NewSegment{Type: segments.TypeMeta, Payload: payload})
}
