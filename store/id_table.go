package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"rvffs/segments"
)

// idTable knows which ids the vectors of a store have, deleted ones included. It
// is built when an answer first needs it and then follows the commits.
type idTable struct {
	mu       sync.Mutex // held while ids are read from the disk
	snapshot *Snapshot  // what stored describes; nil before the first use
	offsets  map[int64]struct{}
	stored   *idSet
}

// at runs use with the ids stored in snapshot, which use must not keep.
func (t *idTable) at(ctx context.Context, snapshot *Snapshot, use func(stored *idSet) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.snapshot != nil && snapshot.generation < t.snapshot.generation && snapshot.state != t.snapshot.state {
		stored := newIDSet()
		if err := snapshot.source.with(ctx, func(file File) error {
			return collectIDs(ctx, file, snapshot, snapshot.vectors(), stored)
		}); err != nil {
			return err
		}
		return use(stored)
	}
	if err := t.advance(ctx, snapshot); err != nil {
		return err
	}
	return use(t.stored)
}

// atNewest is at for the newest of the snapshots that current gives: a compaction
// may take the file of one away before its ids were read.
func (t *idTable) atNewest(ctx context.Context, current func() *Snapshot, use func(base *Snapshot, stored *idSet) error) error {
	return OnNewest(ctx, func(context.Context) (*Snapshot, error) { return current(), nil }, func(base *Snapshot) error {
		return t.at(ctx, base, func(stored *idSet) error { return use(base, stored) })
	})
}

// advance brings the table up to snapshot and reads only what is new in it.
func (t *idTable) advance(ctx context.Context, snapshot *Snapshot) error {
	if t.snapshot != nil && t.snapshot.state == snapshot.state {
		snapshot.cache.total.Store(new(t.stored.len()))
		return nil
	}
	entries := snapshot.vectors()
	offsets := make(map[int64]struct{}, len(entries))
	var missing []segments.DirectoryEntry
	kept := 0
	for _, entry := range entries {
		offsets[entry.Offset] = struct{}{}
		if _, known := t.offsets[entry.Offset]; known {
			kept++
		} else {
			missing = append(missing, entry)
		}
	}
	stored := t.stored
	if t.snapshot == nil || t.snapshot.source != snapshot.source || kept < len(t.offsets) {
		stored, missing = newIDSet(), entries
	}
	t.snapshot = nil // a failure half way must not leave a table that claims to be right
	err := snapshot.source.with(ctx, func(file File) error {
		return collectIDs(ctx, file, snapshot, missing, stored)
	})
	if err != nil {
		return err
	}
	t.snapshot, t.offsets, t.stored = snapshot, offsets, stored
	snapshot.cache.total.Store(new(stored.len()))
	return nil
}

// extend follows a commit of our own that added the given ids. What segments it
// took away it merged, so that no other id came or went. A table that was not up
// to date before stays as it is and reads what it needs later.
func (t *idTable) extend(before, after *Snapshot, added *idSet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.snapshot == nil || t.snapshot.state != before.state {
		return
	}
	t.stored.unite(added)
	t.offsets = map[int64]struct{}{}
	for _, entry := range after.vectors() {
		t.offsets[entry.Offset] = struct{}{}
	}
	t.snapshot = after
	after.cache.total.Store(new(t.stored.len()))
}

// replace sets the table after a rewrite whose ids are known.
func (t *idTable) replace(snapshot *Snapshot, stored *idSet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.snapshot, t.stored, t.offsets = snapshot, stored, map[int64]struct{}{}
	for _, entry := range snapshot.vectors() {
		t.offsets[entry.Offset] = struct{}{}
	}
	snapshot.cache.total.Store(new(stored.len()))
}

// collectIDs adds the ids of all rows in the given VEC segments.
func collectIDs(ctx context.Context, file File, snapshot *Snapshot, entries []segments.DirectoryEntry, stored *idSet) error {
	near := nearby(file)
	ids := make([]uint64, rowsPerRead)
	for _, entry := range entries {
		reader, err := openVectors(near.of(entry), snapshot, entry)
		if err != nil {
			return err
		}
		for first := 0; first < reader.Count(); first += len(ids) {
			if err := ctx.Err(); err != nil {
				return err
			}
			part := ids[:min(len(ids), reader.Count()-first)]
			if err := reader.ReadIDs(first, part); err != nil {
				return fmt.Errorf("read ids of the segment at offset %d: %w", entry.Offset, asCorrupt(err))
			}
			stored.add(part)
		}
	}
	return nil
}

// rowsPerRead bounds the rows that one pass over a segment holds at a time.
const rowsPerRead = 4096

// vectorReader is what reading rows needs; noVectors stands in for segments whose
// rows every reader leaves out.
type vectorReader interface {
	Count() int
	ReadIDs(first int, ids []uint64) error
	ReadRows(first int, ids []uint64, rows []byte) error
	ReadStored(first int, p []byte) error
}

type noVectors struct{}

func (noVectors) Count() int                           { return 0 }
func (noVectors) ReadIDs(int, []uint64) error          { return nil }
func (noVectors) ReadRows(int, []uint64, []byte) error { return nil }
func (noVectors) ReadStored(int, []byte) error         { return nil }

// openVectors reads the start of a VEC segment. As in the reference runtime, a
// count that does not fit the payload hides the segment's rows, and rows of
// another dimension than the store's are left out.
func openVectors(file File, snapshot *Snapshot, entry segments.DirectoryEntry) (vectorReader, error) {
	segment, err := readHeader(file, entry)
	if err != nil {
		return nil, err
	}
	reader, err := segments.OpenVec(file, segment, snapshot.Dialect())
	short := snapshot.Dialect() == segments.DialectRuntime && segment.PayloadLength < segments.VecPrefixSize
	if errors.Is(err, segments.ErrVecCount) || short {
		return noVectors{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the vectors at offset %d: %w", entry.Offset, asCorrupt(err))
	}
	if reader.Dimension() != snapshot.Dimension() {
		return noVectors{}, nil
	}
	return reader, nil
}

// readHeader reads the header that a directory entry points to and checks that
// the two agree.
func readHeader(file File, entry segments.DirectoryEntry) (segments.Segment, error) {
	var encoded [segments.HeaderSize]byte
	if err := readFull(file, encoded[:], entry.Offset); err != nil {
		return segments.Segment{}, err
	}
	header, err := segments.ParseHeader(encoded[:])
	if err != nil {
		return segments.Segment{}, fmt.Errorf("%w: segment at offset %d: %w", ErrCorrupt, entry.Offset, err)
	}
	if header.Type != entry.Type || header.PayloadLength != entry.PayloadLength {
		return segments.Segment{}, fmt.Errorf("%w: the directory names a %s of %d bytes at offset %d, there is a %s of %d",
			ErrCorrupt, entry.Type, entry.PayloadLength, entry.Offset, header.Type, header.PayloadLength)
	}
	return segments.Segment{Header: header, Offset: entry.Offset}, nil
}
