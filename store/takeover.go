package store

import (
	"context"
	"errors"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// takeOver lets the writers wait, brings the new file up to the last commit,
// carries over what is left of what streams have written without committing it, and
// puts the new file in the old one's place. If they would have to wait long, and
// this is not the last try, nothing happens, and the error is errFellBehind.
func (r *rewrite) takeOver(ctx context.Context, temporary string, last bool) (CompactResult, error) {
	w, session := &r.store.writer, r.session
	if err := w.lead.Take(ctx); err != nil {
		return CompactResult{}, err
	}
	defer w.lead.Give()
	open, err := w.freeze(session)
	defer w.thaw()
	if err != nil {
		return CompactResult{}, err
	}
	before := session.base
	old := session.file
	if err := r.makeRoom(before); err != nil {
		return CompactResult{}, err
	}
	left := r.behind(before) + r.carriage.lacks(frozenExtents(open))
	if left > r.store.follow.frozen && !last {
		return CompactResult{}, errFellBehind
	}
	r.out = r.target // nobody shall wait longer than needs be
	if err := r.catchUp(ctx, old, before); err != nil {
		return CompactResult{}, err
	}
	snapshot, witness, err := r.finish(ctx, old)
	if err != nil {
		return CompactResult{}, err
	}
	open, moves, err := r.carryRest(old, open)
	if err != nil {
		return CompactResult{}, err
	}
	if err := r.target.SyncData(); err != nil {
		return CompactResult{}, err
	}
	attributes, err := r.dress(old)
	if err != nil {
		return CompactResult{}, err
	}
	if err := w.guard(session, old); err != nil {
		return CompactResult{}, err
	}
	info, err := r.target.Stat()
	if err != nil {
		return CompactResult{}, err
	}
	at := r.store.location()
	reading, err := state.OpenSame(state.Location{Files: at.Files, Name: temporary}, info)
	if err != nil {
		return CompactResult{}, err
	}
	if err := at.Files.Replace(temporary, at.Name, before.Backing().Info()); err != nil {
		return CompactResult{}, errors.Join(err, reading.Close())
	}
	// From here on the new file is the store, whatever happens.
	late := r.dressAgain(old, attributes)
	source := state.AdoptBacking(at, reading, info, r.store.options.source())
	source.Replaces(before.Backing())
	next := state.NewSnapshot(source, snapshot, info.Modified)
	next.SetLastWitness(witness)
	w.mu.Lock()
	for _, m := range moves {
		m.apply()
	}
	for _, e := range open {
		if e.id == 0 {
			e.id = session.takeSegmentID()
		}
	}
	session.extents = open
	session.file, session.base = r.target, next
	session.tail, session.reach = r.tail, r.tail
	w.mu.Unlock()
	r.target = nil
	r.store.ids.Replace(next, r.ids, &r.memory)
	result := CompactResult{SegmentsCompacted: r.segment, BytesReclaimed: before.Size() - next.Size(), Epoch: next.Epoch()}
	r.store.head.Owe()
	if err := r.store.head.PayName(); err != nil {
		// The name may still lead to the old file after a power loss: nothing that
		// is committed to the new one would be safe.
		return CompactResult{}, errors.Join(w.fail(session, err), old.Close())
	}
	r.store.discard(old)
	return result, errors.Join(late, r.store.publish(next, info))
}

// dress gives the new file owner, mode and all that the old one has.
func (r *rewrite) dress(old volume.File) (volume.FileAttributes, error) {
	attributes, err := old.Attributes()
	if err != nil {
		return attributes, err
	}
	return attributes, r.target.SetAttributes(attributes)
}

// dressAgain takes over what became of the old file between the first time and the
// moment in which it lost its name: nobody may take a right away in vain.
func (r *rewrite) dressAgain(old volume.File, before volume.FileAttributes) error {
	attributes, err := old.Attributes()
	if err == nil && !attributes.Equal(before) {
		err = r.target.SetAttributes(attributes)
	}
	return err
}

// discard closes a file that no name leads to any more. The system then frees its
// blocks, 0.2 s for each GiB, for which neither writers nor the compaction wait;
// Close does.
func (s *Store) discard(file volume.File) {
	s.discarding.Go(func() {
		_ = file.Close() // what it held stands in the new file
	})
}

// freeze keeps writers from reserving space, waits until what they have reserved
// is written, and lists what is not committed.
func (w *writer) freeze(s *session) ([]*extent, error) {
	w.mu.Lock()
	w.frozen = make(chan struct{})
	extents := append([]*extent(nil), s.extents...)
	failed := s.failed
	w.mu.Unlock()
	for _, e := range extents {
		e.pending.Wait()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(extents, func(e *extent) bool { return e.dropped.Load() }), failed
}

func (w *writer) thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.frozen)
	w.frozen = nil
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
		entry, err := r.append(newSegment{kind: segments.TypeMembership, payload: members})
		if err != nil {
			return nil, previous, err
		}
		manifest.Directory = append(manifest.Directory, entry)
	}
	manifest.Directory = append(manifest.Directory, r.adopted...)
	if err := r.finishMetadata(ctx, old, &manifest); err != nil {
		return nil, previous, err
	}
	done := compactAction(r.segment, r.first.Size()-r.tail)
	entry, err := r.append(done.segment(manifest.Epoch, r.stamp, &previous))
	if err != nil {
		return nil, previous, err
	}
	manifest.Directory = append(manifest.Directory, entry)
	payload := manifest.Encode()
	if segments.LooksLikeManifest(payload) >= 0 {
		return nil, previous, errUnsafeManifest
	}
	last, err := r.put(newSegment{kind: segments.TypeManifest, payload: payload})
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
		segment, err := state.ReadHeader(r.target, moved)
		if errors.Is(err, volume.ErrCorrupt) {
			continue // nobody finds it by its header
		}
		if err != nil {
			return err
		}
		encoded := segment.Retired().Encode()
		if _, err := r.target.WriteAt(encoded[:], moved.Offset); err != nil {
			return volume.WriteError(err, len(encoded), moved.Offset)
		}
	}
	return nil
}

// append is put for a segment that the manifest names. The first ids of the
// rewritten segments were set apart; those of all that is put are the session's next.
func (r *rewrite) append(small newSegment) (segments.DirectoryEntry, error) {
	segment, err := r.put(small)
	return state.EntryOf(segment), err
}

// put appends a segment.
func (r *rewrite) put(small newSegment) (segments.Segment, error) {
	w := &r.store.writer
	w.mu.Lock()
	id := r.session.takeSegmentID()
	w.mu.Unlock()
	segment := segments.Segment{Offset: r.tail, Header: segments.Header{
		Version: 1, Type: small.kind, Flags: small.flags, ID: id, Timestamp: r.stamp,
		PayloadLength: uint64(len(small.payload)), ContentHash: segments.ContentHash(small.payload),
	}}
	encoded := segment.Encode()
	image := append(encoded[:], small.payload...)
	if _, err := r.target.WriteAt(image, r.tail); err != nil {
		return segments.Segment{}, volume.WriteError(err, len(image), r.tail)
	}
	r.tail = segment.End()
	return segment, nil
}
