package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rvffs/segments"
)

// CompactResult tells what a compaction did.
type CompactResult struct {
	SegmentsCompacted int   // vector segments that were rewritten
	BytesReclaimed    int64 // by which the file became shorter
	Epoch             uint32
}

// Compact rewrites the store without dead bytes: live vectors, the audit chain,
// named compute segments, and every segment of a type that the engine does not
// understand, byte for byte. The new file takes the old one's place in one step;
// snapshots of the old one stay readable while they are held open. While other
// writers are at work it waits a while and then fails with ErrLocked.
func (s *Store) Compact(ctx context.Context) (CompactResult, error) {
	result, err := s.compact(ctx, nil)
	if err != nil {
		return CompactResult{}, fmt.Errorf("compact store %q: %w", s.Path(), err)
	}
	return result, nil
}

// compact leaves out the vectors in also, as if they had been deleted before.
func (s *Store) compact(ctx context.Context, also *idSet) (CompactResult, error) {
	session, err := s.writer.beginAlone(ctx)
	if err != nil {
		return CompactResult{}, err
	}
	r := &rewrite{store: s, session: session, base: session.base, stamp: uint64(time.Now().UnixNano())}
	result, err := r.run(ctx, also)
	return result, errors.Join(err, s.writer.endAlone(session))
}

// beginAlone starts a session that nobody else can join.
func (w *writer) beginAlone(ctx context.Context) (*session, error) {
	deadline := time.NewTimer(w.store.options.lockWait())
	defer deadline.Stop()
	for {
		w.mu.Lock()
		var wait chan struct{}
		switch {
		case w.busy != nil:
			wait = w.busy
		case w.session != nil:
			wait = w.session.done
		default:
			w.busy = make(chan struct{})
		}
		w.mu.Unlock()
		if wait == nil {
			session, err := w.start(ctx)
			if err != nil {
				w.mu.Lock()
				w.idle()
				w.mu.Unlock()
			}
			return session, err
		}
		select {
		case <-wait:
		case <-deadline.C:
			return nil, fmt.Errorf("%w: streams of this process are open", ErrLocked)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (w *writer) endAlone(s *session) error {
	w.leave()
	err := s.close()
	w.mu.Lock()
	w.idle()
	w.mu.Unlock()
	close(s.done)
	return err
}

// rewrite is a compaction under way: a new file beside the old one.
type rewrite struct {
	store   *Store
	session *session
	base    *Snapshot
	stamp   uint64
	target  File
	tail    int64
	nextID  uint64
	ids     *idSet
	vectors []segments.DirectoryEntry
	moved   map[int64]segments.DirectoryEntry // by the offset in the old file
	adopted []segments.DirectoryEntry         // that no manifest named
}

func (r *rewrite) run(ctx context.Context, also *idSet) (CompactResult, error) {
	s := r.store
	info, err := r.session.file.Stat()
	if err != nil {
		return CompactResult{}, err
	}
	temporary := temporaryName(s.Path())
	if r.target, err = s.files.Create(temporary, 0o600); err != nil {
		return CompactResult{}, err
	}
	var manifest *segments.Manifest
	var last segments.Segment
	if _, err = r.target.TryLock(); err == nil {
		manifest, last, err = r.fill(ctx, also)
	}
	if err == nil {
		err = r.target.SetOwner(info)
	}
	if err == nil {
		err = r.target.SyncData()
	}
	if err == nil {
		err = r.session.lock.held()
	}
	if err == nil {
		err = s.files.Rename(temporary, s.Path())
	}
	if err != nil {
		return CompactResult{}, errors.Join(err, r.target.Close(), s.files.Remove(temporary))
	}
	if err := s.files.SyncDirectory(s.Path()); err != nil {
		return CompactResult{}, errors.Join(err, r.target.Close())
	}
	if info, err = r.target.Stat(); err != nil {
		return CompactResult{}, errors.Join(err, r.target.Close())
	}
	state := &segments.State{Dialect: segments.DialectRuntime, Manifest: manifest, Segment: last, End: last.End(), Clean: true}
	snapshot := newSnapshot(adoptBacking(s.files, s.Path(), r.target, info), generations.Add(1), state, info.Modified)
	s.ids.replace(snapshot, r.ids)
	result := CompactResult{
		SegmentsCompacted: len(r.base.vectors()), BytesReclaimed: r.base.Size() - snapshot.Size(), Epoch: manifest.Epoch,
	}
	return result, s.publish(snapshot, info)
}

// fill writes all of the new file.
func (r *rewrite) fill(ctx context.Context, also *idSet) (*segments.Manifest, segments.Segment, error) {
	r.ids, r.nextID, r.moved = newIDSet(), 1, map[int64]segments.DirectoryEntry{}
	// The kept segments come first, for they keep their ids, and the new ones'
	// are higher.
	if err := r.copyOthers(ctx); err != nil {
		return nil, segments.Segment{}, err
	}
	if err := r.copyVectors(ctx, also); err != nil {
		return nil, segments.Segment{}, err
	}
	previous, err := r.base.lastWitness(r.session.file)
	if err != nil {
		return nil, segments.Segment{}, err
	}
	manifest := *r.base.state.Manifest
	manifest.Epoch++
	manifest.TotalVectors, manifest.Deleted = r.ids.len(), nil
	manifest.Directory = r.vectors
	for _, entry := range r.base.named() {
		if moved, kept := r.moved[entry.Offset]; kept && entry.Type != segments.TypeWitness {
			manifest.Directory = append(manifest.Directory, moved)
			delete(r.moved, entry.Offset)
		}
	}
	manifest.Directory = append(manifest.Directory, r.adopted...)
	done := compactAction(len(r.base.vectors()), r.base.Size()-r.tail)
	witness := done.segment(manifest.Epoch, r.stamp, &previous)
	entry, err := r.put(witness.kind, witness.payload)
	if err != nil {
		return nil, segments.Segment{}, err
	}
	manifest.Directory = append(manifest.Directory, entry)
	payload := manifest.Encode()
	if segments.LooksLikeManifest(payload) >= 0 {
		return nil, segments.Segment{}, errUnsafeManifest
	}
	header := r.header(segments.TypeManifest, payload)
	if _, err := r.put(segments.TypeManifest, payload); err != nil {
		return nil, segments.Segment{}, err
	}
	return &manifest, header, nil
}

// header is what put would write for a payload now.
func (r *rewrite) header(kind segments.Type, payload []byte) segments.Segment {
	return segments.Segment{Offset: r.tail, Header: segments.Header{
		Version: 1, Type: kind, ID: r.nextID, Timestamp: r.stamp,
		PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload),
	}}
}

// put appends a small segment.
func (r *rewrite) put(kind segments.Type, payload []byte) (segments.DirectoryEntry, error) {
	segment := r.header(kind, payload)
	encoded := segment.Encode()
	image := append(encoded[:], payload...)
	if _, err := r.target.WriteAt(image, r.tail); err != nil {
		return segments.DirectoryEntry{}, writeError(err, len(image), r.tail)
	}
	r.tail = segment.End()
	r.nextID++
	return segments.DirectoryEntry{SegmentID: segment.ID, Offset: segment.Offset, PayloadLength: segment.PayloadLength, Type: kind}, nil
}

// copyVectors writes the live vectors, in as few segments as the format allows.
func (r *rewrite) copyVectors(ctx context.Context, also *idSet) error {
	var e *extent
	var block []byte
	finish := func() error {
		if e == nil {
			return nil
		}
		e.sealVectors(r.base.Dimension())
		if err := e.writeHead(r.target, r.stamp); err != nil {
			return err
		}
		r.vectors = append(r.vectors, e.entry())
		r.tail = e.end()
		e = nil
		return nil
	}
	err := r.base.visitVectors(ctx, r.session.file, also, func(ids []uint64, rows []byte) error {
		width := len(rows) / len(ids)
		block = appendRows(block[:0], ids, rows, width)
		if e != nil && e.length+int64(len(block)) > segments.MaxPayload {
			if err := finish(); err != nil {
				return err
			}
		}
		if e == nil {
			e = &extent{kind: segments.TypeVec, front: segments.VecPrefixSize, length: segments.VecPrefixSize, id: r.nextID, offset: r.tail}
			r.nextID++
		}
		if err := r.writeRows(e, block); err != nil {
			return err
		}
		e.rows += uint32(len(ids))
		r.ids.add(ids)
		return nil
	})
	return errors.Join(err, finish())
}

// writeRows appends encoded rows to the extent. The file is nobody else's yet, so
// nothing has to be masked.
func (r *rewrite) writeRows(e *extent, block []byte) error {
	position := e.payloadOffset() + e.length
	if _, err := r.target.WriteAt(block, position); err != nil {
		return writeError(err, len(block), position)
	}
	e.follow(block)
	e.length += int64(len(block))
	return nil
}

// copyOthers copies what is no vector and no bookkeeping. Segments that the
// engine understands are kept if the manifest names them; of the others each one
// that the file holds.
func (r *rewrite) copyOthers(ctx context.Context) error {
	named := map[int64]bool{}
	for _, entry := range r.base.named() {
		named[entry.Offset] = true
	}
	file := r.session.file
	return r.base.walk(file, func(segment segments.Segment) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch segment.Type {
		case segments.TypeVec, segments.TypeIndex, segments.TypeJournal, segments.TypeManifest:
			return nil
		case segments.TypeKernel, segments.TypeEBPF, segments.TypeWASM, segments.TypeDashboard,
			segments.TypeCowMap, segments.TypeMembership:
			if !named[segment.Offset] {
				return nil
			}
		}
		length := segment.End() - segment.Offset
		if err := copyRange(&offsetWriter{r.target, r.tail}, file, segment.Offset, length); err != nil {
			return fmt.Errorf("copy the %s at offset %d: %w", segment.Type, segment.Offset, err)
		}
		entry := segments.DirectoryEntry{SegmentID: segment.ID, Offset: r.tail, PayloadLength: segment.PayloadLength, Type: segment.Type}
		r.moved[segment.Offset] = entry
		if !named[segment.Offset] && segment.Type != segments.TypeWitness {
			r.adopted = append(r.adopted, entry)
		}
		r.tail += length
		if segment.ID >= r.nextID && segment.ID+1 != 0 {
			r.nextID = segment.ID + 1
		}
		return nil
	})
}
