package rows

import (
	"context"
	"hash/maphash"
	"slices"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/state"
)

// EachRow visits the live rows of some ids; see Live.Rows.
func EachRow(ctx context.Context, s Sources, ids *idset.Set, visit func(in Readings, segment Segment, id uint64, row []byte) error) error {
	return With(ctx, s, func(live *Live) error {
		return s.With(ctx, state.Judging, func(in Readings) error {
			return live.Rows(ctx, in, ids, func(segment Segment, id uint64, row []byte) error { return visit(in, segment, id, row) })
		})
	})
}

// Touched are the ids of which a state of a file may have another row than an earlier one,
// or none; of a file that only gained ids they are those.
func Touched(ctx context.Context, before, after *state.Snapshot, grows *GrowingSets) (*idset.Set, error) {
	ids := before.Deleted().Without(after.Deleted())
	ids.Unite(after.Deleted().Without(before.Deleted()))
	err := after.With(ctx, state.Judging, func(in *state.Reading) error {
		if err := CollectIDs(ctx, in, OnlyIn(after, before), ids, grows); err != nil {
			return err
		}
		return CollectIDs(ctx, in.Of(before), OnlyIn(before, after), ids, grows)
	})
	return ids, err
}

// OnlyIn lists the vector segments that one state of a file names and another does not. They
// can lie anywhere: what is committed last may have been begun first.
func OnlyIn(one, other *state.Snapshot) []segments.DirectoryEntry {
	known := map[int64]bool{}
	for _, entry := range other.Vectors() {
		known[entry.Offset] = true
	}
	return slices.DeleteFunc(one.Vectors(), func(entry segments.DirectoryEntry) bool { return known[entry.Offset] })
}

// RowHashes are those of the rows of some ids, by a hash that nobody can foresee.
type RowHashes struct {
	seed maphash.Seed
	rows map[uint64]uint64
}

// HashRows finds the live rows of some ids. It holds them all, HashedRow bytes for each.
func HashRows(ctx context.Context, s Sources, ids *idset.Set) (RowHashes, error) {
	h := RowHashes{maphash.MakeSeed(), map[uint64]uint64{}}
	return h, EachRow(ctx, s, ids, func(_ Readings, _ Segment, id uint64, row []byte) error {
		h.rows[id] = maphash.Bytes(h.seed, row)
		return nil
	})
}

// HashedRow is about how many bytes the hash of one row takes.
const HashedRow = 56

// Has reports whether there is a live row of the id.
func (h RowHashes) Has(id uint64) bool {
	_, there := h.rows[id]
	return there
}

// Is reports whether the live row of the id is this one.
func (h RowHashes) Is(id uint64, row []byte) bool {
	hash, there := h.rows[id]
	return there && hash == maphash.Bytes(h.seed, row)
}

// Changed are the ids of which a store, in a state of its file, shows another vector than in
// an earlier one, or shows it in one of the two alone.
func Changed(ctx context.Context, before, after Sources) (*idset.Set, error) {
	charge := after.Memory().Charge()
	defer charge.Free()
	grows := NewGrowingSets(&charge, 0)
	touched, err := Touched(ctx, before.newest(), after.newest(), &grows)
	if err != nil {
		return nil, err
	}
	if one, other := before.Members(), after.Members(); one != nil && other != nil {
		touched.Unite(one.difference(other))
	}
	if touched.Len() == 0 {
		return touched, nil
	}
	if err := charge.Set(charge.Held() + HashedRow*int64(touched.Len())); err != nil {
		return nil, err
	}
	hashes, err := HashRows(ctx, after, touched)
	if err != nil {
		return nil, err
	}
	changed := idset.New()
	err = EachRow(ctx, before, touched, func(_ Readings, _ Segment, id uint64, row []byte) error {
		if !hashes.Is(id, row) {
			changed.Insert(id)
		}
		delete(hashes.rows, id)
		return nil
	})
	for id := range hashes.rows { // those of after alone
		changed.Insert(id)
	}
	return changed, err
}
