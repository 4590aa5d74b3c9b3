package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rvffs/segments"
)

// rewrite is a compaction under way: a new file beside the old one. It first
// copies what one snapshot holds, then, again and again, what was committed
// meanwhile, until so little is left that the writers can wait for it.
type rewrite struct {
	store   *Store
	session *session
	share   ioShare
	stamp   uint64
	target  File
	tail    int64
	ids     *idSet // of all rows in the new file
	vectors []segments.DirectoryEntry
	moved   map[int64]segments.DirectoryEntry // other segments, by their offset in the old file
	adopted []segments.DirectoryEntry         // of them, those that no manifest named
	firstID uint64                            // of the rewritten vector segments
	ids0    uint64                            // of these, how many are taken
	base    *Snapshot                         // up to where the old file is copied
	first   *Snapshot                         // where the copying began
	segment int                               // vector segments of first
}

func newRewrite(s *Store, session *session, share ioShare) *rewrite {
	return &rewrite{
		store: s, session: session, share: share, stamp: uint64(time.Now().UnixNano()),
		ids: newIDSet(), moved: map[int64]segments.DirectoryEntry{},
	}
}

const (
	// littleLeft is the number of bytes that writers may wait for.
	littleLeft = 4 << 20
	// catchUps bounds how often a rewrite runs after its writers before it makes
	// them wait all the same.
	catchUps = 8
)

func (r *rewrite) run(ctx context.Context, also *idSet) (CompactResult, error) {
	s, w := r.store, &r.store.writer
	w.mu.Lock()
	r.base = r.session.base
	// The new vector segments get ids above all that exist, so that names stay in
	// the order of the file.
	r.firstID = r.session.segmentID
	r.session.segmentID += uint64(r.base.Size()/segments.MaxPayload) + 2
	w.mu.Unlock()
	r.first, r.segment = r.base, len(r.base.vectors())

	at := s.location()
	temporary := temporaryName(at.name)
	var err error
	if r.target, err = at.files.Create(temporary, 0o600); err != nil {
		return CompactResult{}, err
	}
	result, err := r.fill(ctx, also, temporary)
	if err != nil && !r.switched() {
		return CompactResult{}, errors.Join(err, r.target.Close(), at.files.Remove(temporary))
	}
	return result, err
}

// switched says whether the new file has taken the old one's place.
func (r *rewrite) switched() bool { return r.target == nil }

func (r *rewrite) fill(ctx context.Context, also *idSet, temporary string) (CompactResult, error) {
	if _, err := r.target.TryLock(); err != nil {
		return CompactResult{}, err
	}
	r.store.progress.total.Store(r.base.Size())
	err := r.first.source.with(ctx, func(old File) error {
		if err := r.copyOthers(ctx, old, 0, r.base); err != nil {
			return err
		}
		if err := r.copyVectors(ctx, old, also); err != nil {
			return err
		}
		for range catchUps {
			newest := r.store.writer.baseOf(r.session)
			if newest.Size()-r.base.Size() < littleLeft {
				break
			}
			if err := r.catchUp(ctx, old, newest); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return CompactResult{}, err
	}
	// Most of the new file goes to the disk before anybody has to wait for it.
	if err := r.target.SyncData(); err != nil {
		return CompactResult{}, err
	}
	return r.takeOver(ctx, temporary)
}

// copyOthers copies what is no vector and no bookkeeping from the offset from up
// to the end of base. Segments that the engine understands are kept if the
// manifest names them; of the others each one that the file holds.
func (r *rewrite) copyOthers(ctx context.Context, old File, from int64, base *Snapshot) error {
	named := map[int64]bool{}
	for _, entry := range base.named() {
		named[entry.Offset] = true
	}
	return base.walkFrom(old, from, func(segment segments.Segment) error {
		switch segment.Type {
		case segments.TypeVec, segments.TypeIndex, segments.TypeJournal, segments.TypeManifest:
			return nil
		case segments.TypeKernel, segments.TypeEBPF, segments.TypeWASM, segments.TypeDashboard,
			segments.TypeCowMap, segments.TypeMembership:
			if !named[segment.Offset] {
				return nil
			}
		}
		entry, err := r.copySegment(ctx, old, segment)
		if err != nil {
			return err
		}
		r.moved[segment.Offset] = entry
		if !named[segment.Offset] && segment.Type != segments.TypeWitness {
			r.adopted = append(r.adopted, entry)
		}
		return nil
	})
}

// copySegment copies one segment byte for byte to the end of the new file.
func (r *rewrite) copySegment(ctx context.Context, old File, segment segments.Segment) (segments.DirectoryEntry, error) {
	began := time.Now()
	length := segment.End() - segment.Offset
	if err := copyRange(&offsetWriter{r.target, r.tail}, old, segment.Offset, length); err != nil {
		return segments.DirectoryEntry{}, fmt.Errorf("copy the %s at offset %d: %w", segment.Type, segment.Offset, err)
	}
	entry := segments.DirectoryEntry{SegmentID: segment.ID, Offset: r.tail, PayloadLength: segment.PayloadLength, Type: segment.Type}
	r.tail += length
	r.store.progress.done.Add(length)
	return entry, r.share.rest(ctx, time.Since(began))
}

// catchUp copies what newest has and base has not.
func (r *rewrite) catchUp(ctx context.Context, old File, newest *Snapshot) error {
	if err := r.copyOthers(ctx, old, r.base.Size(), newest); err != nil {
		return err
	}
	known := map[int64]bool{}
	for _, entry := range r.base.vectors() {
		known[entry.Offset] = true
	}
	var added []segments.DirectoryEntry
	for _, entry := range newest.vectors() {
		if known[entry.Offset] {
			continue
		}
		segment, err := readHeader(old, entry)
		if err != nil {
			return err
		}
		copied, err := r.copySegment(ctx, old, segment)
		if err != nil {
			return err
		}
		r.vectors = append(r.vectors, copied)
		added = append(added, entry)
	}
	r.base = newest
	return collectIDs(ctx, old, newest, added, r.ids)
}
