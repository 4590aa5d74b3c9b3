package store

import (
	"context"
	"errors"
	"testing"

	"rvffs/segments"
)

// TestDamageIsNotHidden: no compaction and no merge gives a damaged vector a hash
// that says it is right.
func TestDamageIsNotHidden(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	damages := func(s *Store) int {
		t.Helper()
		found, err := reopenStore(t, s).Verify(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return len(found.Findings)
	}
	s := newStore(t)
	ingest(t, s, []uint64{1, 2, 3}, 1, 1, 2, 2, 3, 3)
	ingest(t, s, []uint64{4}, 4, 4)
	body := s.Current().vectors()[0].Offset + segments.HeaderSize + segments.VecPrefixSize
	flip(t, s, body+8) // in the vector of id 1
	if damages(s) == 0 {
		t.Fatal("the damage is not found at all")
	}
	if _, err := s.Compact(ctx); !errors.Is(err, ErrCorrupt) {
		t.Errorf("compaction: %v", err)
	}
	for i := range uint64(3 * mergeWidth) {
		ingest(t, s, []uint64{10 + i}, 1, 1)
	}
	if damages(s) == 0 {
		t.Error("the damage cannot be found any more")
	}
	if count := len(s.Current().vectors()); count > mergeWidth+3 {
		t.Errorf("%d segments: the others are not merged", count)
	}
	flip(t, s, body+8)
	if count := damages(s); count != 0 {
		t.Errorf("mended, and %d findings are left", count)
	}
	if _, err := s.Compact(ctx); err != nil {
		t.Errorf("compaction of the mended store: %v", err)
	}
}
