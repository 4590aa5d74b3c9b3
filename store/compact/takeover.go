package compact

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// errFellBehind means that writers would have to wait too long.
var errFellBehind = errors.New("writers were faster")

// errReplaced means that somebody else, on another machine, has rewritten the store meanwhile:
// what was copied is of a content that nobody goes on with.
var errReplaced = fmt.Errorf("%w: the store was rewritten meanwhile", volume.ErrMoved)

// of reads what is committed by now, by way of the bytes of which the rewrite began, which it
// goes on from.
func (r *rewrite) of(old *state.Reading, committed *state.Snapshot) (*state.Reading, error) {
	if committed.Backing() != r.start.Backing() {
		return nil, errReplaced
	}
	return old.Of(committed), nil
}

// takeOver lets the writers wait, brings the new file up to the last commit,
// carries over what is left of what streams have written without committing it, and
// puts the new file in the old one's place. If they would have to wait long, and
// this is not the last try, nothing happens, and the error is errFellBehind. With
// volume.ErrMoved somebody else has committed first, and another try goes on from that.
func (r *rewrite) takeOver(ctx context.Context, old *state.Reading, last bool) (Result, error) {
	copied := int64(-1)
	before, next, err := r.session.Replace(ctx, r.file, func(base *state.Snapshot, lacking int64) (log.Replacement, error) {
		r.frozen = true
		defer func() { r.frozen = false }()
		committed, err := r.of(old, base)
		if err != nil {
			return log.Replacement{}, err
		}
		if err := r.keep(ctx, committed); err != nil {
			return log.Replacement{}, err
		}
		if err := r.file.MakeRoom(ctx, r.behind(base), r.roomForManifest(base)); err != nil {
			return log.Replacement{}, err
		}
		if r.behind(base)+lacking > r.env.Follow.Frozen && !last {
			return log.Replacement{}, errFellBehind
		}
		r.file.Hurry()
		if err := errors.Join(r.catchUp(ctx, committed), r.finishKept(ctx, committed)); err != nil {
			return log.Replacement{}, err
		}
		copied = r.file.Tail()
		found, witness, err := r.finish(ctx, committed)
		return log.Replacement{State: found, Witness: witness, Known: func(next *state.Snapshot) {
			r.env.IDs.Replace(ctx, next, r.ids, &r.memory)
		}}, err
	})
	if errors.Is(err, volume.ErrMoved) && next == nil && copied >= 0 {
		return Result{}, errors.Join(err, r.undoFinish(ctx, copied))
	}
	if next == nil || r.session.Failed() != nil {
		return Result{}, err
	}
	if r.env.ToldLost != nil {
		r.env.ToldLost(context.WithoutCancel(ctx), next)
	}
	return Result{SegmentsCompacted: r.replaced, BytesReclaimed: before.Size() - next.Size(), Epoch: next.Epoch()}, err
}

// finish writes, behind all that was copied up to base, what is stated anew, the audit
// entries, of which one tells what states are gone, and the manifest.
func (r *rewrite) finish(ctx context.Context, base *state.Reading) (*segments.State, lineage.Hash, error) {
	witness, err := base.LastWitness()
	if err != nil {
		return nil, witness, err
	}
	manifest, err := r.manifest(ctx, base)
	if err != nil {
		return nil, witness, err
	}
	if err := r.skipLost(ctx, manifest, &witness); err != nil {
		return nil, witness, err
	}
	if err := r.nameKept(ctx, base, manifest); err != nil {
		return nil, witness, err
	}
	var fresh FreshMap
	if r.env.Fresh != nil && r.flat == nil && base.Snapshot().IsBranch() {
		if fresh, err = r.env.Fresh(ctx, base.Snapshot()); err != nil {
			return nil, witness, err
		}
	}
	if fresh.Record != nil {
		if err := r.appendNamed(ctx, manifest, log.Lineage(fresh.Record).Segment(manifest.Epoch, r.stamp, &witness)); err != nil {
			return nil, witness, err
		}
	}
	if fresh.Map != nil {
		manifest.Identity.ParentHash = fresh.Hash
	}
	if err := r.nameOthers(ctx, base, manifest, fresh.Map); err != nil {
		return nil, witness, err
	}
	if err := r.finishMetadata(ctx, base, manifest); err != nil {
		return nil, witness, err
	}
	records, err := r.dropped.records()
	if err != nil {
		return nil, witness, err
	}
	for _, record := range records {
		if err := r.appendNamed(ctx, manifest, log.Drop(record).Segment(manifest.Epoch, r.stamp, &witness)); err != nil {
			return nil, witness, err
		}
	}
	if r.flat != nil {
		if err := r.appendNamed(ctx, manifest, log.Lineage(r.flat.Record).Segment(manifest.Epoch, r.stamp, &witness)); err != nil {
			return nil, witness, err
		}
	}
	done := log.Compact(r.replaced, r.start.Size()-r.file.Tail())
	if err := r.appendNamed(ctx, manifest, done.Segment(manifest.Epoch, r.stamp, &witness)); err != nil {
		return nil, witness, err
	}
	payload := manifest.Encode()
	if segments.LooksLikeManifest(payload) >= 0 {
		return nil, witness, volume.ErrUnsafeManifest
	}
	last, err := r.file.Put(ctx, volume.NewSegment{Type: segments.TypeManifest, Payload: payload}, r.stamp)
	if err != nil {
		return nil, witness, err
	}
	return &segments.State{Dialect: segments.DialectRuntime, Manifest: manifest, Segment: last, End: last.End(), Clean: true}, witness, nil
}

// skipLost has the new file take an epoch above those of states that are lost, of which its
// audit chain tells.
func (r *rewrite) skipLost(ctx context.Context, manifest *segments.Manifest, witness *lineage.Hash) error {
	if r.lost < manifest.Epoch {
		return nil
	}
	record, err := lineage.Lost(manifest.Epoch, r.lost).AppendBinary(nil)
	if err != nil {
		return err
	}
	manifest.Epoch = r.lost + 1
	return r.appendNamed(ctx, manifest, log.Drop(record).Segment(manifest.Epoch, r.stamp, witness))
}

// manifest is that of the new file as far as it is about vectors.
func (r *rewrite) manifest(ctx context.Context, base *state.Reading) (*segments.Manifest, error) {
	manifest := *base.Snapshot().Manifest()
	manifest.Epoch++
	manifest.TotalVectors = r.ids.Len()
	manifest.Directory = r.vectors
	manifest.Deleted = nil
	for _, id := range base.Snapshot().Manifest().Deleted {
		if r.ids.Contains(id) {
			manifest.Deleted = append(manifest.Deleted, id) // deleted while the rewrite was under way
		}
	}
	if r.flat == nil {
		return &manifest, nil
	}
	manifest.Identity.ParentHash = r.flat.ParentHash
	hidden, err := r.hiddenSince(ctx, base)
	if err == nil && hidden.Len() > 0 {
		hidden.Add(manifest.Deleted)
		manifest.Deleted = hidden.Ascending()
	}
	return &manifest, err
}

// nameOthers names the segments that were copied, in their order, and those that nobody
// named and nobody understands. Of a branch the membership filter may have to be another, and
// the copy-on-write map may be, which is nil if it is not.
func (r *rewrite) nameOthers(ctx context.Context, base *state.Reading, manifest *segments.Manifest, cowMap []byte) error {
	gone := idset.Of(r.start.Manifest().Deleted)
	gone.Unite(idset.Of(base.Snapshot().Manifest().Deleted))
	gone.Unite(r.without)
	var members []byte
	if r.flat == nil {
		var err error
		if members, err = rows.WithoutInherited(base, gone); err != nil {
			return err
		}
	}
	replaced := maps.Clone(r.moved)
	for _, entry := range base.Snapshot().Named() {
		moved, copied := r.moved[entry.Offset]
		if !copied || entry.Type == segments.TypeWitness || entry.Type == segments.TypeMembership && members != nil || entry.Type == segments.TypeCowMap && cowMap != nil {
			continue
		}
		manifest.Directory = append(manifest.Directory, moved)
		delete(replaced, entry.Offset)
	}
	if err := r.retire(replaced); err != nil {
		return err
	}
	if cowMap != nil {
		if err := r.appendNamed(ctx, manifest, volume.NewSegment{Type: segments.TypeCowMap, Payload: cowMap}); err != nil {
			return err
		}
	}
	if members != nil {
		if err := r.appendNamed(ctx, manifest, volume.NewSegment{Type: segments.TypeMembership, Payload: members}); err != nil {
			return err
		}
	}
	manifest.Directory = append(manifest.Directory, r.adopted...)
	return nil
}

// retire makes dead segments of those that were copied and then replaced or removed, while the
// rewrite was under way.
func (r *rewrite) retire(replaced map[int64]segments.DirectoryEntry) error {
	for _, moved := range replaced {
		if !moved.Type.CountsByName() {
			continue
		}
		if err := volume.Retire(r.file.Bytes(), moved); err != nil {
			return err
		}
		r.retired = append(r.retired, moved)
	}
	return nil
}

// undoFinish makes the new file what it was before it was finished, up to the end of what was
// copied.
func (r *rewrite) undoFinish(ctx context.Context, copied int64) error {
	for _, moved := range r.retired {
		if _, err := r.file.Bytes().WriteAt([]byte{byte(moved.Type)}, moved.Offset+segments.TypeOffset); err != nil {
			return volume.WriteError(err, 1, moved.Offset)
		}
	}
	r.retired = nil
	return r.file.Cut(ctx, copied)
}

// appendNamed appends a segment and names it. The first ids of the rewritten segments were set
// apart; those of all that is appended are the session's next.
func (r *rewrite) appendNamed(ctx context.Context, manifest *segments.Manifest, added volume.NewSegment) error {
	segment, err := r.file.Put(ctx, added, r.stamp)
	if err != nil {
		return err
	}
	manifest.Directory = append(manifest.Directory, state.EntryOf(segment))
	return nil
}
