package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/log"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// TestDamageIsNotHidden: no compaction and no merge gives a damaged vector a hash
// that says it is right.
func TestDamageIsNotHidden(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	damages := func(s *Store) int {
		t.Helper()
		found, err := VerifySnapshot(ctx, reopenStore(t, s))
		if err != nil {
			t.Fatal(err)
		}
		return len(found.Findings)
	}
	s := newStore(t)
	bring(t, s, []uint64{1, 2, 3}, 1, 1, 2, 2, 3, 3)
	bring(t, s, []uint64{4}, 4, 4)
	body := s.Current().Vectors()[0].Offset + segments.HeaderSize + segments.VecPrefixSize
	flip(t, s, body+8) // in the vector of id 1
	if damages(s) == 0 {
		t.Fatal("the damage is not found at all")
	}
	if _, err := s.Compact(ctx); !errors.Is(err, volume.ErrCorrupt) {
		t.Errorf("compaction: %v", err)
	}
	for i := range uint64(3 * log.MergeWidth) {
		bring(t, s, []uint64{10 + i}, 1, 1)
	}
	if damages(s) == 0 {
		t.Error("the damage cannot be found any more")
	}
	if count := len(s.Current().Vectors()); count > log.MergeWidth+3 {
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

// TestHiddenVectorsAreNotCompactedAway flips each bit that says how many vectors a segment holds,
// and of which dimension: no reader shows those of a segment in which that is wrong, and none is
// dropped for that.
func TestHiddenVectorsAreNotCompactedAway(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	bring(t, s, run(1, 4), 1, 1, 2, 2, 3, 3, 4, 4)
	bring(t, s, []uint64{5}, 5, 5)
	whole, prefix := bytes.Clone(files.Content("a.rvf")), s.Current().Vectors()[0].Offset+segments.HeaderSize
	for at := prefix; at < prefix+segments.VecPrefixSize; at++ {
		for bit := range 8 {
			content := bytes.Clone(whole)
			content[at] ^= 1 << bit
			files := volumes.New()
			putFile(t, files, "a.rvf", content)
			s, err := Open(t.Context(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
			if err == nil {
				_, err = s.Compact(t.Context())
			}
			if !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("byte %d, bit %d: compaction: %v", at-prefix, bit, err)
			}
		}
	}
}

// TestDamagedHeadersHideNothing flips bits in the headers of all segments that the
// newest manifest names. Either nothing depends on the bit, or somebody who reads what
// the segment holds is told; and whatever a writer does then, its bytes stay.
func TestDamagedHeadersHideNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := emptyStore(t)
	bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
	embedKernel(t, s, noise(900), compute.KernelConfig{})
	deleteIDs(t, s, 2)
	bring(t, s, []uint64{3, 4}, 3, 3, 4, 4)
	whole, want, named := bytes.Clone(files.Content("a.rvf")), contentText(t, s), s.Current().Named()
	if len(named) < 4 {
		t.Fatalf("only %d segments", len(named))
	}
	for _, entry := range named {
		for at := range int64(segments.HeaderSize) {
			for _, bit := range []byte{1, 0x10, 0x80} {
				content := bytes.Clone(whole)
				content[entry.Offset+at] ^= bit
				files := volumes.New()
				putFile(t, files, "a.rvf", content)
				what := fmt.Sprintf("%s at %d, byte %d by %d", entry.Type, entry.Offset, at, bit)
				s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				findings, err := s.Verify(ctx)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if s.Current().Epoch() != 4 {
					t.Errorf("%s: the newest state is that of epoch %d", what, s.Current().Epoch())
				}
				if findings.Damages == 0 {
					if got := contentText(t, s); got != want {
						t.Errorf("%s: nothing is damaged, and the store holds %s", what, got)
					}
				}
				_, _ = s.Ingest(ctx, []uint64{9}, []float32{9, 9}) // it may be refused
				now := files.Content("a.rvf")
				if len(now) < len(content) || !bytes.Equal(now[:len(content)], content) {
					t.Errorf("%s: a writer changed what was there", what)
				}
			}
		}
	}
}
