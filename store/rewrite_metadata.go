package store

import (
	"context"
	"fmt"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/volume"
)

// finishMetadata states the metadata of the vectors that are left as one snapshot.
// Segments that hold none which could be read are copied in front of it as they
// are; without a snapshot to begin with that is all of them.
func (r *rewrite) finishMetadata(ctx context.Context, old volume.File, manifest *segments.Manifest) error {
	named := metas(r.base.Named())
	if len(named) == 0 {
		return nil
	}
	charge := r.store.options.Memory.Charge()
	defer charge.Free()
	known := newMetadata(true)
	copied, err := addMetadata(ctx, r.base, old, known, named, &charge, 0)
	if err != nil {
		return err
	}
	if !known.begun {
		copied = named
	}
	for _, entry := range copied {
		moved, err := r.copySegment(old, entry)
		if err != nil {
			return err
		}
		manifest.Directory = append(manifest.Directory, moved)
	}
	if !known.begun {
		return nil
	}
	without, err := known.withoutVector(ctx, old, r.base, r.ids, idset.Of(manifest.Deleted))
	if err != nil {
		return err
	}
	if err := charge.Await(ctx, known.bytesStated()); err != nil {
		return fmt.Errorf("state metadata anew: %w", err)
	}
	payload, err := known.snapshot(without).Encode()
	if err != nil {
		return err
	}
	written, err := r.append(volume.NewSegment{Type: segments.TypeMeta, Payload: payload})
	if err != nil {
		return err
	}
	manifest.Directory = append(manifest.Directory, written)
	return nil
}
