package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// stored are the ids of the live rows, in the order of the file.
func stored(t *testing.T, v *Vectors) []uint64 {
	t.Helper()
	var ids []uint64
	err := rowstest.Visit(t.Context(), rows.Of(v.env.Head.Current()), func(some []uint64, _ []byte) error {
		ids = append(ids, some...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestNumbersAreGivenOnce: vectors without ids get those above all that are stored, that
// may be brought back, and that others were given, by turns; and what is given up is
// given to nobody in the same session.
func TestNumbersAreGivenOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	v, _ := lone(t, 1)
	v.env.Kept = func(context.Context) (uint64, bool, error) { return 41, true, nil }
	if _, err := v.Batch(ctx, []uint64{7, 9}, []float32{1, 2}); err != nil {
		t.Fatal(err)
	}
	first, second, third := v.NewAppender(state.Origin{}), v.NewAppender(state.Origin{}), v.NewAppender(state.Origin{})
	for i, a := range []*Appender{first, second, first, third, second} {
		if err := errors.Join(a.Append(ctx, nil, make([]byte, 8)), a.Flush()); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	if !first.Joined() {
		t.Error("who has appended takes no part in a session")
	}
	if err := third.Rollback(); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*Appender{second, first} {
		if _, count, err := a.Commit(context.Background()); err != nil || count != 4 {
			t.Errorf("%d vectors: %v", count, err)
		}
	}
	ids := stored(t, v)
	if slices.Sort(ids); !slices.Equal(ids, []uint64{7, 9, 42, 43, 44, 45, 46, 47, 50, 51}) {
		t.Errorf("stored are %d", ids)
	}
	if first.Joined() {
		t.Error("the session goes on")
	}
}

// TestHighestNumber is the last: there is none above it, but ids of their own still are.
func TestHighestNumber(t *testing.T) {
	t.Parallel()
	v, _ := lone(t, 1)
	if _, err := v.Batch(t.Context(), []uint64{math.MaxUint64 - 1}, []float32{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Batch(t.Context(), nil, []float32{2, 3}); !errors.Is(err, volume.ErrInput) {
		t.Errorf("two get ids where there is one: %v", err)
	}
	for _, ids := range [][]uint64{nil, {5}} {
		if _, err := v.Batch(t.Context(), ids, []float32{2}); err != nil {
			t.Errorf("%d: %v", ids, err)
		}
	}
	if _, err := v.Batch(t.Context(), nil, []float32{3}); !errors.Is(err, volume.ErrInput) {
		t.Errorf("one gets an id where there is none: %v", err)
	}
	if ids := stored(t, v); !slices.Equal(ids, []uint64{math.MaxUint64 - 1, math.MaxUint64, 5}) {
		t.Errorf("stored are %d", ids)
	}
}

// TestGivenIDThatIsTaken meanwhile, by a vector that brought it: the load that was given
// it fails as a whole, before it or with it, and the vector stays.
func TestGivenIDThatIsTaken(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	v, _ := lone(t, 1)
	load := v.NewAppender(state.Origin{})
	if err := errors.Join(load.Append(ctx, nil, make([]byte, 12)), load.Flush()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Batch(ctx, []uint64{1}, []float32{5}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := load.Commit(context.Background()); !errors.Is(err, errIDsTaken) {
		t.Errorf("%v", err)
	}
	if ids := stored(t, v); !slices.Equal(ids, []uint64{1}) {
		t.Errorf("stored are %d", ids)
	}
}

// TestUnsafeDeletion has the vectors let go by a compaction, and what else the change
// brings committed behind it; of one that fails nothing is.
func TestUnsafeDeletion(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	id := binary.LittleEndian.Uint64([]byte("SFVR\x01\x05\x00\x00")) // reads like a manifest
	no := errors.New("no")
	for _, refuse := range []error{nil, no} {
		v, _ := lone(t, 1)
		var without []uint64
		v.env.Compact = func(_ context.Context, ids *idset.Set) error {
			without = ids.Ascending()
			return refuse
		}
		if _, err := v.Batch(ctx, []uint64{1, 2, id}, []float32{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		result, err := v.Delete(ctx, idset.Of([]uint64{2, id, 77}))
		if !errors.Is(err, refuse) || !slices.Equal(without, []uint64{2, id}) {
			t.Errorf("compacted without %d: %v", without, err)
		}
		if refuse == nil && result != (Deletion{Deleted: 2, Missing: 1, Epoch: 3}) {
			t.Errorf("%+v", result)
		}
		if epoch := v.env.Head.Current().Epoch(); refuse != nil && epoch != 2 {
			t.Errorf("epoch %d", epoch)
		}
	}
}

// TestDeletionOfNothing writes nothing.
func TestDeletionOfNothing(t *testing.T) {
	t.Parallel()
	v, _ := lone(t, 1)
	if _, err := v.Batch(t.Context(), []uint64{1, 2}, []float32{1, 2}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []Deletion{{Deleted: 1, Missing: 1, Epoch: 3}, {Missing: 2, Epoch: 3}} {
		if got, err := v.Delete(t.Context(), idset.Of([]uint64{2, 3})); got != want || err != nil {
			t.Errorf("deletion %d: %+v, %v", i, got, err)
		}
	}
	if ids := stored(t, v); !slices.Equal(ids, []uint64{1}) {
		t.Errorf("stored are %d", ids)
	}
}

// TestRefusedBatches change nothing, and say that the input is bad.
func TestRefusedBatches(t *testing.T) {
	t.Parallel()
	v, _ := lone(t, 2)
	for name, bring := range map[string]func() error{
		"half a vector": func() error { _, err := v.Batch(t.Context(), nil, []float32{1}); return err },
		"an id too few": func() error { _, err := v.Batch(t.Context(), []uint64{1}, []float32{1, 2, 3, 4}); return err },
		"no number":     func() error { _, err := v.Batch(t.Context(), nil, []float32{1, float32(math.NaN())}); return err },
		"infinite":      func() error { _, err := v.Batch(t.Context(), nil, []float32{1, float32(math.Inf(1))}); return err },
		"another dimension": func() error {
			a := v.NewAppender(state.Origin{})
			return errors.Join(a.SetDimension(t.Context(), 3), a.Rollback())
		},
		"no dimension": func() error { return v.NewAppender(state.Origin{}).SetDimension(t.Context(), 0) },
	} {
		if err := bring(); !errors.Is(err, volume.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if epoch := v.env.Head.Current().Epoch(); epoch != 1 {
		t.Errorf("epoch %d", epoch)
	}
}

// TestDeletedIDsReturn with their next vector.
func TestDeletedIDsReturn(t *testing.T) {
	t.Parallel()
	v, _ := lone(t, 1)
	if _, err := v.Batch(t.Context(), []uint64{1, 2}, []float32{1, 2}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := v.Delete(t.Context(), idset.Of([]uint64{2})); got.Deleted != 1 || err != nil {
			t.Fatalf("%+v, %v", got, err)
		}
		if ids := stored(t, v); !slices.Equal(ids, []uint64{1}) {
			t.Errorf("stored are %d", ids)
		}
		if _, err := v.Batch(t.Context(), []uint64{2}, []float32{3}); err != nil {
			t.Fatal(err)
		}
		if ids := stored(t, v); !slices.Equal(ids, []uint64{1, 2}) {
			t.Errorf("stored are %d", ids)
		}
	}
}
