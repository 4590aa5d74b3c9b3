package rows

import (
	"context"
	"errors"
	"fmt"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// IDTable knows which ids the vectors of a store have, deleted ones included. It
// is built when an answer first needs it and then follows the commits, for as long
// as there is memory for it.
type IDTable struct {
	turn shared.Turn  // held while ids are read from the disk, by who uses what follows
	kept *memory.Kept // of *storedIDs; nil before the first use
}

// NewIDTable makes a table that knows nothing yet.
func NewIDTable() *IDTable { return &IDTable{turn: shared.NewTurn()} }

// storedIDs are the ids stored in a snapshot.
type storedIDs struct {
	snapshot *state.Snapshot
	offsets  map[int64]struct{} // of its vector segments
	ids      *idset.Set
}

func newStoredIDs(snapshot *state.Snapshot, ids *idset.Set) *storedIDs {
	stored := &storedIDs{snapshot: snapshot, ids: ids}
	stored.describe(snapshot)
	return stored
}

// describe notes that the ids are those of snapshot.
func (s *storedIDs) describe(snapshot *state.Snapshot) {
	s.snapshot, s.offsets = snapshot, map[int64]struct{}{}
	for _, entry := range snapshot.Vectors() {
		s.offsets[entry.Offset] = struct{}{}
	}
	snapshot.CountedIDs(s.ids.Len())
}

// bytes is about how much memory it all takes.
func (s *storedIDs) bytes() int64 {
	const offset = 40
	return s.ids.Bytes() + offset*int64(len(s.offsets))
}

// At runs use with the ids stored in snapshot, which use must not keep.
func (t *IDTable) At(ctx context.Context, snapshot *state.Snapshot, use func(stored *idset.Set) error) error {
	if err := t.turn.Take(ctx); err != nil {
		return err
	}
	defer t.turn.Give()
	known, there := t.use()
	if there && snapshot.Generation() < known.snapshot.Generation() && !snapshot.SameState(known.snapshot) {
		t.kept.Done()
		charge := snapshot.Backing().Memory().Charge()
		defer charge.Free()
		stored, err := readIDs(ctx, snapshot, &charge)
		if err != nil {
			return err
		}
		return use(stored)
	}
	if !there {
		known = nil
	}
	known, err := t.advance(ctx, snapshot, known)
	if err != nil {
		return err
	}
	defer t.kept.Done()
	return use(known.ids)
}

// Peek runs use with the ids stored in snapshot if they are known without reading any, and
// reports whether they are.
func (t *IDTable) Peek(ctx context.Context, snapshot *state.Snapshot, use func(stored *idset.Set)) (bool, error) {
	if err := t.turn.Take(ctx); err != nil {
		return false, err
	}
	defer t.turn.Give()
	known, there := t.use()
	if !there {
		return false, nil
	}
	defer t.kept.Done()
	if !known.snapshot.SameState(snapshot) {
		return false, nil
	}
	use(known.ids)
	return true, nil
}

// use gives what is known, if it is still there. It ends with a Done.
func (t *IDTable) use() (*storedIDs, bool) {
	return memory.Used[*storedIDs](t.kept)
}

// AtNewest is At for the newest of the snapshots that current gives: a compaction
// may take the file of one away before its ids were read.
func (t *IDTable) AtNewest(ctx context.Context, current func() *state.Snapshot, use func(base *state.Snapshot, stored *idset.Set) error) error {
	return state.OnNewest(ctx, func(context.Context) (*state.Snapshot, error) { return current(), nil }, func(base *state.Snapshot) error {
		return t.At(ctx, base, func(stored *idset.Set) error { return use(base, stored) })
	})
}

// advance brings the table up to snapshot, from what is known, nil if nothing, and
// reads only what is new. What it gives ends with a Done.
func (t *IDTable) advance(ctx context.Context, snapshot *state.Snapshot, known *storedIDs) (*storedIDs, error) {
	if known != nil && known.snapshot.SameState(snapshot) {
		snapshot.CountedIDs(known.ids.Len())
		return known, nil
	}
	if missing, follows := known.missing(snapshot); follows {
		if t.extendTo(ctx, snapshot, known, missing) == nil {
			return known, nil
		}
		t.forget() // half of it was done
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	} else if known != nil {
		t.forget()
	}
	charge := snapshot.Backing().Memory().Charge()
	ids, err := readIDs(ctx, snapshot, &charge)
	if err != nil {
		charge.Free()
		return nil, err
	}
	return t.keep(newStoredIDs(snapshot, ids), &charge), nil
}

// missing lists the vector segments of a snapshot whose ids are not known; false when
// it does not hold all that is known.
func (s *storedIDs) missing(snapshot *state.Snapshot) ([]segments.DirectoryEntry, bool) {
	if s == nil || s.snapshot.Backing() != snapshot.Backing() {
		return nil, false
	}
	var missing []segments.DirectoryEntry
	kept := 0
	for _, entry := range snapshot.Vectors() {
		if _, known := s.offsets[entry.Offset]; known {
			kept++
		} else {
			missing = append(missing, entry)
		}
	}
	return missing, kept == len(s.offsets)
}

// extendTo adds the ids that a newer snapshot has besides.
func (t *IDTable) extendTo(ctx context.Context, snapshot *state.Snapshot, known *storedIDs, missing []segments.DirectoryEntry) error {
	charge := snapshot.Backing().Memory().Charge()
	defer charge.Free()
	err := snapshot.With(ctx, state.Judging, func(reading *state.Reading) error {
		return CollectIDs(ctx, reading, missing, known.ids, &GrowingSets{charge: &charge})
	})
	if err != nil {
		return err
	}
	known.describe(snapshot)
	charge.Free()
	return t.kept.Resize(known.bytes())
}

// readIDs reads the ids of all rows.
func readIDs(ctx context.Context, s *state.Snapshot, charge *memory.Charge) (*idset.Set, error) {
	stored := idset.New()
	return stored, s.With(ctx, state.Judging, func(reading *state.Reading) error {
		return CollectIDs(ctx, reading, s.Vectors(), stored, &GrowingSets{charge: charge})
	})
}

// keep makes what charge is for the table, and its caller a user of it.
func (t *IDTable) keep(stored *storedIDs, charge *memory.Charge) *storedIDs {
	charge.Force(stored.bytes())
	t.kept = memory.Keep(charge, t, stored, nil)
	return stored
}

// forget ends the use of what is known, and lets it go.
func (t *IDTable) forget() {
	t.kept.Forget()
	t.kept = nil
}

// Extend follows a commit of our own that added the given ids. What segments it
// took away it merged, so that no other id came or went. A table that was not up
// to date before stays as it is and reads what it needs later, as does one that others
// are at work with, maybe at a disk that does not answer, until ctx ends.
func (t *IDTable) Extend(ctx context.Context, before, after *state.Snapshot, added *idset.Set) {
	if t.turn.Take(ctx) != nil {
		return
	}
	defer t.turn.Give()
	known, there := t.use()
	switch {
	case !there:
		return
	case !known.snapshot.SameState(before):
		t.kept.Done()
		return
	}
	known.ids.Unite(added)
	known.describe(after)
	if t.kept.Resize(known.bytes()) != nil {
		t.forget() // there is no memory for more
		return
	}
	t.kept.Done()
}

// Replace sets the table after a rewrite whose ids are known, and charged for. Where
// others are at work with it until ctx ends, it reads them later, and the charge stays the
// caller's.
func (t *IDTable) Replace(ctx context.Context, snapshot *state.Snapshot, stored *idset.Set, charge *memory.Charge) {
	if t.turn.Take(ctx) != nil {
		return
	}
	defer t.turn.Give()
	if _, there := t.use(); there {
		t.forget()
	}
	t.keep(newStoredIDs(snapshot, stored), charge)
	t.kept.Done()
}

// CollectIDs adds the ids of all rows in the given VEC segments.
func CollectIDs(ctx context.Context, reading *state.Reading, entries []segments.DirectoryEntry, stored *idset.Set, grows *GrowingSets) error {
	near := reading.Nearby()
	ids := make([]uint64, RowsPerRead)
	for _, entry := range entries {
		reader, err := Open(near.Of(entry), entry)
		if err != nil {
			return err
		}
		for first := 0; first < reader.Count(); first += len(ids) {
			if err := ctx.Err(); err != nil {
				return err
			}
			part := ids[:min(len(ids), reader.Count()-first)]
			if err := reader.ReadIDs(first, part); err != nil {
				return fmt.Errorf("read ids of the segment at offset %d: %w", entry.Offset, volume.AsCorrupt(err))
			}
			stored.Add(part)
			if err := grows.Follow(stored); err != nil {
				return err
			}
		}
	}
	return nil
}

// RowsPerRead bounds the rows that one pass over a segment holds at a time.
const RowsPerRead = 4096

// Reader is what reading rows needs; noVectors stands in for segments whose
// rows every reader leaves out.
type Reader interface {
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

// readThrough is a reader whose reads are those of another reading of the same file.
func readThrough(reader Reader, reading *state.Reading) Reader {
	if rows, some := reader.(*segments.VecReader); some {
		return rows.Through(reading)
	}
	return reader
}

// Open reads the start of a VEC segment. As in the reference runtime, a
// count that does not fit the payload hides the segment's rows, and rows of
// another dimension than the store's are left out.
func Open(reading *state.Reading, entry segments.DirectoryEntry) (Reader, error) {
	snapshot := reading.Snapshot()
	segment, err := reading.ReadHeader(entry)
	if err != nil {
		return nil, err
	}
	reader, err := segments.OpenVec(reading, segment, snapshot.Dialect())
	short := snapshot.Dialect() == segments.DialectRuntime && segment.PayloadLength < segments.VecPrefixSize
	if errors.Is(err, segments.ErrVecCount) || short {
		return noVectors{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the vectors at offset %d: %w", entry.Offset, volume.AsCorrupt(err))
	}
	if reader.Dimension() != snapshot.Dimension() {
		return noVectors{}, nil
	}
	return reader, nil
}
