package compact

import (
	"testing"
	"testing/synctest"
	"time"

	"rvffs/segments"
	"rvffs/store/state"
	volumes "rvffs/store/volume/memory"
)

// TestLongManifestsAreShortened: after a bulk deletion, which leaves little dead, commits
// are small again within a minute, even if the last compaction has just ended.
func TestLongManifestsAreShortened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, volumes.New(), 2, func(_ Result, err error) {
			if err != nil {
				t.Error(err)
			}
		})
		defer s.Stop()
		const count = 100_000
		s.ingest(t, count, nil)
		from := uint64(0)
		for range 3 {
			s.delete(t, from, 7000)
			from += 7000
			if got := urgencyOf(s.head.Current()); got != pressing && got != notDue {
				t.Errorf("urgency %d", got)
			}
			time.Sleep(pressingGap + 10*time.Second)
			synctest.Wait()
			before := s.head.Current().Size()
			s.ingest(t, 1, nil)
			if grown := s.head.Current().Size() - before; grown > 4<<10 {
				t.Errorf("a commit of one vector takes %d bytes", grown)
			}
			if left := len(s.head.Current().Manifest().Deleted); left > 0 {
				t.Errorf("%d deleted ids are left", left)
			}
		}
	})
}

// TestLongManifestsOfLargeStores are worth a rewrite if there is not too much to copy.
func TestLongManifestsOfLargeStores(t *testing.T) {
	t.Parallel()
	s := newStore(t, volumes.New(), 128, nil)
	t.Cleanup(s.Stop)
	for name, test := range map[string]struct {
		rows, deleted uint64
		want          urgency
	}{
		"few":                {30_000, 5000, notDue},
		"a fifth":            {24_000, 6000, due},
		"many":               {100_000, 6500, pressing},
		"many of very many":  {8_000_000, 6500, notDue},
		"a tenth of them":    {8_000_000, 800_000, pressing},
		"a fiftieth of them": {8_000_000, 160_000, pressing},
		"most":               {8_000_000, 7_000_000, emergency},
	} {
		length := segments.VecPrefixSize + test.rows*uint64(segments.RowSize(128))
		found := &segments.State{Dialect: segments.DialectRuntime, End: int64(length) + segments.HeaderSize, Manifest: &segments.Manifest{
			Dimension: 128, TotalVectors: test.rows, Deleted: make([]uint64, test.deleted),
			Directory: []segments.DirectoryEntry{{SegmentID: 1, PayloadLength: length, Type: segments.TypeVec}},
		}}
		for i := range found.Manifest.Deleted {
			found.Manifest.Deleted[i] = uint64(i)
		}
		if got := urgencyOf(state.NewSnapshot(s.head.Current().Backing(), found, time.Now())); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
