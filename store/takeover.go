package store

import (
	"context"
	"errors"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// takeOver lets the writers wait, brings the new file up to the last commit,
// carries over what is left of what streams have written without committing it, and
// puts the new file in the old one's place. If they would have to wait long, and
// this is not the last try, nothing happens, and the error is errFellBehind.
func (r *rewrite) takeOver(ctx context.Context, old volume.File, last bool) (CompactResult, error) {
	before, next, err := r.session.Replace(r.file, func(base *state.Snapshot, lacking int64) (log.Replacement, error) {
		if err := r.file.MakeRoom(r.behind(base), r.roomForManifest(base)); err != nil {
			return log.Replacement{}, err
		}
		if r.behind(base)+lacking > r.store.follow.Frozen && !last {
			return log.Replacement{}, errFellBehind
		}
		r.file.Hurry()
		if err := r.catchUp(ctx, old, base); err != nil {
			return log.Replacement{}, err
		}
		found, witness, err := r.finish(ctx, old)
		return log.Replacement{State: found, Witness: witness, Known: func(next *state.Snapshot) {
			r.store.ids.Replace(next, r.ids, &r.memory)
		}}, err
	})
	if next == nil || r.session.Turn().Failed() != nil {
		return CompactResult{}, err
	}
	return CompactResult{SegmentsCompacted: r.segment, BytesReclaimed: before.Size() - next.Size(), Epoch: next.Epoch()}, err
}

// finish writes witness entry and manifest behind all that was copied.
func (r *rewrite) finish(ctx context.Context, old volume.File) (*segments.State, lineage.Hash, error) {
	previous, err := r.base.In(old).LastWitness()
	if err != nil {
		return nil, previous, err
	}
	manifest := *r.base.Manifest()
	manifest.Epoch++
	manifest.TotalVectors = r.ids.Len()
	manifest.Directory = r.vectors
	manifest.Deleted = nil
	for _, id := range r.base.Manifest().Deleted {
		if r.ids.Contains(id) {
			manifest.Deleted = append(manifest.Deleted, id) // deleted while the rewrite was under way
		}
	}
	gone := idset.Of(r.first.Manifest().Deleted)
	gone.Unite(idset.Of(r.base.Manifest().Deleted))
	gone.Unite(r.also)
	members, err := rows.WithoutInherited(r.base.In(old), gone)
	if err != nil {
		return nil, previous, err
	}
	for _, entry := range r.base.Named() {
		moved, kept := r.moved[entry.Offset]
		if !kept || entry.Type == segments.TypeWitness || entry.Type == segments.TypeMembership && members != nil {
			continue
		}
		manifest.Directory = append(manifest.Directory, moved)
		delete(r.moved, entry.Offset)
	}
	if err := r.retireMoved(); err != nil {
		return nil, previous, err
	}
	if members != nil {
		entry, err := r.append(volume.NewSegment{Type: segments.TypeMembership, Payload: members})
		if err != nil {
			return nil, previous, err
		}
		manifest.Directory = append(manifest.Directory, entry)
	}
	manifest.Directory = append(manifest.Directory, r.adopted...)
	if err := r.finishMetadata(ctx, old, &manifest); err != nil {
		return nil, previous, err
	}
	done := log.Compact(r.segment, r.first.Size()-r.file.Tail())
	entry, err := r.append(done.Segment(manifest.Epoch, r.stamp, &previous))
	if err != nil {
		return nil, previous, err
	}
	manifest.Directory = append(manifest.Directory, entry)
	payload := manifest.Encode()
	if segments.LooksLikeManifest(payload) >= 0 {
		return nil, previous, volume.ErrUnsafeManifest
	}
	last, err := r.put(volume.NewSegment{Type: segments.TypeManifest, Payload: payload})
	if err != nil {
		return nil, previous, err
	}
	return &segments.State{Dialect: segments.DialectRuntime, Manifest: &manifest, Segment: last, End: last.End(), Clean: true}, previous, nil
}

// retireMoved makes dead segments of those that were copied and then replaced or
// removed, while the rewrite was under way. Other programs keep images wherever they
// find them: what was replaced would come back.
func (r *rewrite) retireMoved() error {
	for _, moved := range r.moved {
		if !embedded(moved.Type) {
			continue
		}
		segment, err := state.ReadHeader(r.file.File(), moved)
		if errors.Is(err, volume.ErrCorrupt) {
			continue // nobody finds it by its header
		}
		if err != nil {
			return err
		}
		encoded := segment.Retired().Encode()
		if _, err := r.file.File().WriteAt(encoded[:], moved.Offset); err != nil {
			return volume.WriteError(err, len(encoded), moved.Offset)
		}
	}
	return nil
}

// append is put for a segment that the manifest names. The first ids of the
// rewritten segments were set apart; those of all that is put are the session's next.
func (r *rewrite) append(small volume.NewSegment) (segments.DirectoryEntry, error) {
	segment, err := r.put(small)
	return state.EntryOf(segment), err
}

// put appends a segment.
func (r *rewrite) put(small volume.NewSegment) (segments.Segment, error) {
	return r.file.Put(small, r.stamp)
}
