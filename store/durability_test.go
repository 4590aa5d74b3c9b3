package store

import (
	"context"
	"testing"

	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// TestDurabilityDecidesWhenCommitsAreSynced counts the syncs of the store's file.
func TestDurabilityDecidesWhenCommitsAreSynced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		durability      Durability
		commits, closed int
	}{{DurableStrict, 6, 0}, {DurableInterval, 0, 1}, {DurableNone, 0, 0}} {
		t.Run(c.durability.String(), func(t *testing.T) {
			t.Parallel()
			files := volumes.New()
			s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}, Durability: c.durability})
			if err != nil {
				t.Fatal(err)
			}
			syncs := func(from int) (count int) {
				for _, change := range files.Log[from:] {
					if change.Kind == volumes.DidSync {
						count++
					}
				}
				return count
			}
			start := files.Changes()
			for i := range uint64(3) {
				bring(t, s, []uint64{i}, 1, 2)
			}
			if got := syncs(start); got != c.commits {
				t.Errorf("%d syncs for three commits, want %d", got, c.commits)
			}
			start = files.Changes()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := syncs(start); got != c.closed {
				t.Errorf("%d syncs at the end, want %d", got, c.closed)
			}
		})
	}
}
